//! What a machine runs: by its inventory where it sends one, else by its newest crash.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::crash::milliseconds;
use crate::database::{Database, DatabaseError};

/// One driver of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MachineDriver {
    /// Base name, lower case.
    pub name: String,
    /// PE timestamp; 0 where unknown.
    pub timestamp: u32,
    /// PE size; 0 where unknown.
    pub size: u32,
    /// Version as the inventory calls it; empty where none does.
    pub version: String,
    /// Whether it ships with Windows; unknown of an inventory.
    pub inbox: Option<bool>,
}

/// What a machine runs, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MachineDrivers {
    /// `inventory` or `crash`.
    pub source: String,
    /// When it was seen so, ms since 1970.
    pub seen_at_ms: i64,
    /// In the order of the inventory; of a crash, third-party ones first.
    pub drivers: Vec<MachineDriver>,
}

#[derive(Row, Deserialize)]
struct Found {
    seen_at_ms: i64,
    /// Name, timestamp, size, version.
    drivers: Vec<(String, u32, u32, String)>,
    third_party: Vec<String>,
}

const INVENTORY: &str = "
SELECT
    toUnixTimestamp64Milli(seen_at) AS seen_at_ms,
    arrayMap(i -> (toString(inventory.drivers[i]), driver_timestamps[i], driver_sizes[i], toString(driver_versions[i])),
        arrayEnumerate(inventory.drivers)) AS drivers,
    emptyArrayString() AS third_party
FROM inventory
WHERE tenant = {tenant:String} AND machine_hash = sipHash64({machine:String}) AND machine = {machine:String}
ORDER BY seen_at DESC
LIMIT 1";

const CRASH: &str = "
SELECT
    toUnixTimestamp64Milli(happened_at) AS seen_at_ms,
    arrayMap(i -> (toString(crashes.drivers[i]), driver_timestamps[i], driver_sizes[i], ''),
        arrayEnumerate(crashes.drivers)) AS drivers,
    arrayMap(name -> toString(name), crashes.third_party) AS third_party
FROM crashes
WHERE crashed_at = fromUnixTimestamp64Milli({crashed_at:Int64}, 'UTC') AND crash_id = {crash_id:UUID}
ORDER BY revision DESC
LIMIT 1";

impl Database {
    /// What a machine runs, by its inventory or by a crash of it.
    pub async fn machine_drivers(
        &self,
        tenant: &str,
        machine: &str,
        newest: Option<Uuid>,
    ) -> Result<Option<MachineDrivers>, DatabaseError> {
        let failed = DatabaseError::while_("read what a machine runs");
        let inventory: Option<Found> = self
            .ask(INVENTORY)
            .param("tenant", tenant)
            .param("machine", machine)
            .fetch_optional()
            .await
            .map_err(&failed)?;
        if let Some(found) = inventory {
            return Ok(Some(of(found, "inventory")));
        }
        let Some(newest) = newest else { return Ok(None) };
        let crash: Option<Found> = self
            .ask(CRASH)
            .param("crashed_at", milliseconds(newest))
            .param("crash_id", newest.to_string())
            .fetch_optional()
            .await
            .map_err(&failed)?;
        Ok(crash.map(|found| of(found, "crash")))
    }
}

fn of(found: Found, source: &str) -> MachineDrivers {
    let Found { seen_at_ms, drivers, third_party } = found;
    // Rows from before third-party images were listed by themselves tell nothing of them.
    let known = !third_party.is_empty();
    let driver = |(name, timestamp, size, version)| {
        let inbox = known.then(|| !third_party.contains(&name));
        MachineDriver { name, timestamp, size, version, inbox }
    };
    let mut drivers: Vec<MachineDriver> = drivers.into_iter().map(driver).collect();
    drivers.sort_by_key(|driver| driver.inbox);
    MachineDrivers { source: source.to_owned(), seen_at_ms, drivers }
}
