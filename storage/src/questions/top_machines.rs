//! Machines that crash in one driver again and again.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Range;
use crate::database::{Database, DatabaseError};

/// Crashes of the fleet that are looked at, the newest: as in `facets.rs`.
const MOST: u32 = 250_000;

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
WITH
    fromUnixTimestamp64Milli({from:Int64}, 'UTC') AS begin,
    fromUnixTimestamp64Milli({to:Int64}, 'UTC') AS end,
    (
        SELECT toUnixTimestamp64Milli(min(crashed_at)) FROM (
            SELECT crashed_at FROM crashes WHERE crashed_at >= begin AND crashed_at < end
            ORDER BY crashed_at DESC LIMIT 1 OFFSET {most:UInt32}
        )
    ) AS cut
SELECT
    toString(tenant) AS tenant,
    machine,
    uniqExact(crash_id) AS crashes,
    toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms
FROM crashes
WHERE driver = {driver:String} AND outcome = 'analysed'
    AND (crashed_at = fromUnixTimestamp64Milli(0, 'UTC')
        OR (crashed_at >= fromUnixTimestamp64Milli(greatest({from:Int64}, cut), 'UTC') AND crashed_at < end))
    AND happened_at >= begin AND happened_at < end
GROUP BY tenant, machine
HAVING crashes > 1
ORDER BY crashes DESC, last_seen_ms DESC, tenant, machine
LIMIT {limit:UInt32}";

impl Database {
    /// The machines with the most crashes blamed on a driver, more than one each, among the newest crashes of a range.
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
            .param("most", MOST)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("rank a driver's machines"))
    }
}
