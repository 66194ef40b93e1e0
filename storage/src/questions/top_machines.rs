//! Machines that crash in one driver again and again.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Range;
use crate::database::{Database, DatabaseError};

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopMachine {
    /// Whose it is.
    pub tenant: String,
    /// Machine.
    pub machine: String,
    /// Crashes.
    pub crashes: u64,
    /// The last of them happened, ms since 1970.
    pub last_seen_ms: i64,
}

const SQL: &str = "
SELECT
    toString(tenant) AS tenant,
    machine,
    uniqExact(crash_id) AS crashes,
    toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms
FROM driver_crashes
WHERE driver = {driver:String}
    AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY tenant, machine
HAVING crashes > 1
ORDER BY crashes DESC, last_seen_ms DESC, tenant, machine
LIMIT {limit:UInt32}";

impl Database {
    /// The machines with the most crashes blamed on a driver, more than one each, within a range.
    pub async fn top_machines(
        &self,
        driver: &str,
        range: Range,
        limit: u32,
    ) -> Result<Vec<TopMachine>, DatabaseError> {
        self.ask(SQL)
            .param("driver", driver)
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("rank a driver's machines"))
    }
}
