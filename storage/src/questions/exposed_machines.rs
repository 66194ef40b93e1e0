//! Who else runs a driver: the machines that affected ones are held against. Inventories tell best; else what was loaded
//! when machines crashed for other reasons.

use std::collections::HashSet;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// A machine that was silent for longer may run something else by now, or be gone.
const WINDOW_S: u32 = 30 * 86_400;

/// A machine with the driver.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct ExposedMachine {
    /// Machine.
    pub machine: String,
    /// When it was seen so, ms since 1970.
    pub seen_at_ms: i64,
    /// PE timestamp of its build of the driver; 0 where unknown.
    pub timestamp: u32,
    /// PE size of it; 0 where unknown.
    pub size: u32,
    /// Its version in its own words; empty where unknown.
    pub version: String,
    /// Build of Windows.
    pub os_build: u32,
    /// Model.
    pub model: String,
    /// Ring.
    pub ring: String,
    /// Site.
    pub site: String,
    /// Third-party images: name, PE timestamp, PE size.
    pub modules: Vec<(String, u32, u32)>,
}

/// The first machines by a hash of their names: a random sample, and the same each time.
const OF_INVENTORY: &str = "
SELECT
    machine,
    toUnixTimestamp64Milli(seen_at) AS seen_at_ms,
    driver_timestamps[place] AS timestamp,
    driver_sizes[place] AS size,
    toString(driver_versions[place]) AS version,
    os_build, model, ring, site,
    arrayMap(i -> (toString(drivers[i]), driver_timestamps[i], driver_sizes[i]), arrayEnumerate(drivers)) AS modules
FROM (
    SELECT machine, seen_at, os_build, model, ring, site, drivers, driver_timestamps, driver_sizes, driver_versions,
        indexOf(drivers, {driver:String}) AS place
    FROM inventory FINAL
    WHERE tenant = {tenant:String} AND (machine_hash, machine) IN (
        SELECT machine_hash, machine
        FROM inventory_builds
        WHERE tenant = {tenant:String} AND driver = {driver:String} AND last_seen >= now64(3) - {window:UInt32}
        ORDER BY machine_hash, machine
        LIMIT 1 BY machine_hash, machine
        LIMIT {limit:UInt32}
    )
)
WHERE place > 0 AND seen_at >= now64(3) - {window:UInt32}";

/// The newest crashes of other drivers: read from the table's end until there are enough machines, and only then what
/// else is wanted of those few.
macro_rules! of_crashes {
    ($names:literal, $timestamps:literal, $sizes:literal) => {
        concat!(
            "
SELECT
    machine,
    toUnixTimestamp64Milli(received_at) AS seen_at_ms,
    ",
            $timestamps,
            "[place] AS timestamp,
    ",
            $sizes,
            "[place] AS size,
    '' AS version,
    os_build, model, ring, site,
    arrayMap(i -> (toString(third_party[i]), third_party_timestamps[i], third_party_sizes[i]),
        arrayEnumerate(third_party)) AS modules
FROM (
    SELECT machine, crash_id, revision, received_at, os_build, model, ring, site, third_party, third_party_timestamps,
        third_party_sizes, ",
            $timestamps,
            ", ",
            $sizes,
            ", indexOf(",
            $names,
            ", {driver:String}) AS place
    FROM crashes
    WHERE (crashed_at, crash_id) IN (
        SELECT crashed_at, crash_id FROM (
            SELECT crashed_at, crash_id, machine
            FROM crashes
            WHERE tenant = {tenant:String} AND driver != {driver:String} AND outcome = 'analysed'
                AND has(",
            $names,
            ", {driver:String})
                AND crashed_at >= now64(3) - {window:UInt32} AND received_at >= now64(3) - {window:UInt32}
            ORDER BY crashed_at DESC
            LIMIT 1 BY machine
            LIMIT {limit:UInt32}
        )
    )
    ORDER BY revision DESC
    LIMIT 1 BY crash_id
)"
        )
    };
}

const OF_CRASHES: &str = of_crashes!("third_party", "third_party_timestamps", "third_party_sizes");

/// Windows' own drivers are in this list alone, and so is everything in rows from before third-party images were listed
/// by themselves.
const OF_ALL_LOADED: &str = of_crashes!("drivers", "driver_timestamps", "driver_sizes");

/// That list is ten times as long, and what is in it is on most machines: if it is there at all, it is there lately.
const ALL_LOADED_WINDOW_S: u32 = 3 * 86_400;

impl Database {
    /// Machines that were seen with the driver within 30 days, at most `limit`. Those that crash in it may be among
    /// them where they have an inventory.
    pub async fn exposed_machines(
        &self,
        tenant: &str,
        driver: &str,
        limit: u32,
    ) -> Result<Vec<ExposedMachine>, DatabaseError> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found: Vec<ExposedMachine> = Vec::new();
        let mut seen = HashSet::new();
        let questions =
            [(OF_INVENTORY, WINDOW_S), (OF_CRASHES, WINDOW_S), (OF_ALL_LOADED, ALL_LOADED_WINDOW_S)];
        for (sql, window) in questions {
            let left = u32::try_from(most.saturating_sub(found.len())).unwrap_or(u32::MAX);
            let is_last = window == ALL_LOADED_WINDOW_S;
            if left == 0 || (is_last && !found.is_empty()) {
                break;
            }
            let machines: Vec<ExposedMachine> = self
                .ask(sql)
                .param("tenant", tenant)
                .param("driver", driver)
                .param("window", window)
                .param("limit", left)
                .fetch_all()
                .await
                .map_err(DatabaseError::while_("look for machines with a driver"))?;
            found.extend(machines.into_iter().filter(|machine| seen.insert(machine.machine.clone())));
        }
        Ok(found)
    }
}
