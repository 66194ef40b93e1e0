//! Which builds of a driver there are, and since when.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// Most builds of one driver; the newest count.
const MOST: u32 = 500;

/// A build of a driver, as inventories and crashes show it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct BuildSeen {
    /// PE timestamp; 0 where an inventory did not say.
    pub timestamp: u32,
    /// PE size; 0 where an inventory did not say.
    pub size: u32,
    /// Version as an inventory calls it; empty where none does.
    pub version: String,
    /// When it was first seen anywhere in the tenant's fleet, ms since 1970.
    pub first_seen_ms: i64,
    /// When it was last seen.
    pub last_seen_ms: i64,
}

/// An inventory may know the version and a crash the size: where the time stamp is known, both are one build.
const SQL: &str = "
SELECT
    builds.timestamp AS timestamp,
    max(builds.size) AS size,
    anyIf(toString(builds.version), builds.version != '') AS version,
    toUnixTimestamp64Milli(min(first_seen)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last_seen)) AS last_seen_ms
FROM builds
WHERE tenant = {tenant:String} AND driver = {driver:String}
GROUP BY builds.timestamp, if(builds.timestamp = 0, toString(builds.version), '')
ORDER BY first_seen_ms DESC, timestamp
LIMIT {limit:UInt32}";

impl Database {
    /// The builds of a driver, the one that was seen last for the first time first.
    pub async fn builds(&self, tenant: &str, driver: &str) -> Result<Vec<BuildSeen>, DatabaseError> {
        self.ask(SQL)
            .param("tenant", tenant)
            .param("driver", driver)
            .param("limit", MOST)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list a driver's builds"))
    }
}
