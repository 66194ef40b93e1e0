//! A driver's builds side by side: since when each is seen anywhere, who has it, and how many of these crash in it.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{BuildSeen, Range};
use crate::database::{Database, DatabaseError};

/// Most builds; the newest count.
const MOST: u32 = 500;
/// A machine that was not heard of for longer may have another build by now, or be gone.
const ALIVE_S: u32 = 7 * 86_400;
/// Rows of inventories that are looked at. A share of as many machines is told to half a percent.
const ENOUGH: u64 = 50_000;

/// Machines whose inventories name a build, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct BuildExposure {
    /// PE timestamp; 0 where inventories do not say.
    pub timestamp: u32,
    /// Version as inventories call it; empty where they do not say.
    pub version: String,
    /// Machines with it, of those that were looked at.
    pub machines: u64,
    /// Of these, the ones that crashed in it.
    pub crashed: u64,
}

/// Exposure of all builds of a driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// One machine in so many was looked at, picked by a hash of its name: counts times this are the fleet's.
    pub one_in: u64,
    /// By build.
    pub builds: Vec<BuildExposure>,
}

const BUILDS: &str = "
SELECT
    builds.timestamp AS timestamp,
    max(builds.size) AS size,
    anyIf(toString(builds.version), builds.version != '') AS version,
    toUnixTimestamp64Milli(min(first_seen)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last_seen)) AS last_seen_ms
FROM builds
WHERE driver = {driver:String}
GROUP BY builds.timestamp, if(builds.timestamp = 0, toString(builds.version), '')
ORDER BY first_seen_ms DESC, timestamp
LIMIT {limit:UInt32}";

const ROWS: &str = "SELECT count() FROM inventory_builds WHERE driver = {driver:String}";

/// A machine counts for the build that it names now, and for those that it had within the range. Only machines that
/// send an inventory count above the line too: the others' crashes would make every build look worse than it is.
const EXPOSURE: &str = "
SELECT
    timestamp,
    if(timestamp = 0, version_name, '') AS unstamped,
    uniqExact(who) AS machines,
    uniqExactIf(who, timestamp > 0 AND (who, timestamp) IN (
        SELECT sipHash64(CAST(tenant, 'String'), machine), driver_timestamp
        FROM driver_crashes
        WHERE driver = {driver:String} AND sipHash64(machine) <= {last_hash:UInt64}
            AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    )) AS crashed,
    anyIf(version_name, version_name != '') AS version
FROM (
    SELECT
        sipHash64(CAST(tenant, 'String'), machine) AS who,
        timestamp,
        toString(version) AS version_name,
        last_seen,
        max(last_seen) OVER (PARTITION BY tenant, machine_hash, machine) AS heard
    FROM inventory_builds
    WHERE driver = {driver:String} AND machine_hash <= {last_hash:UInt64}
)
WHERE last_seen >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    OR (last_seen = heard AND heard >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') - {alive:UInt32})
GROUP BY timestamp, unstamped
ORDER BY machines DESC, timestamp, unstamped
LIMIT {limit:UInt32}";

#[derive(Row, Deserialize)]
struct Line {
    timestamp: u32,
    #[expect(dead_code, reason = "what is grouped by; `version` says it too")]
    unstamped: String,
    machines: u64,
    crashed: u64,
    version: String,
}

impl Database {
    /// The builds of a driver in the fleets of all tenants, the one that was seen last for the first time first.
    pub async fn driver_builds(&self, driver: &str) -> Result<Vec<BuildSeen>, DatabaseError> {
        self.ask(BUILDS)
            .param("driver", driver)
            .param("limit", MOST)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list a driver's builds"))
    }

    /// Who has which build within a range, and crashed in it there. Nothing where no inventory names the driver.
    pub async fn driver_exposure(&self, driver: &str, range: Range) -> Result<Exposure, DatabaseError> {
        let failed = DatabaseError::while_("count the machines with a driver");
        let rows: u64 = self.ask(ROWS).param("driver", driver).fetch_one().await.map_err(&failed)?;
        if rows == 0 {
            return Ok(Exposure::default());
        }
        let one_in = rows.div_ceil(ENOUGH).max(1);
        let lines: Vec<Line> = self
            .ask(EXPOSURE)
            .param("driver", driver)
            .param("last_hash", u64::MAX / one_in)
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("alive", ALIVE_S)
            .param("limit", MOST)
            .fetch_all()
            .await
            .map_err(failed)?;
        let build = |line: Line| BuildExposure {
            timestamp: line.timestamp,
            version: line.version,
            machines: line.machines,
            crashed: line.crashed,
        };
        Ok(Exposure { one_in, builds: lines.into_iter().map(build).collect() })
    }
}
