//! Who arrived when, in 10-second ticks: what a detector replays.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// Kernel crashes blamed on one driver that arrived within one tick.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Arrival {
    /// Tenant.
    pub tenant: String,
    /// Blamed driver.
    pub driver: String,
    /// Start of the 10 seconds.
    pub tick_ms: i64,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
    /// Distinct sites; machines that name none share one.
    pub sites: u64,
}

const SQL: &str = "
SELECT
    tenant,
    driver,
    toInt64(toUnixTimestamp(tick)) * 1000 AS tick_ms,
    uniqCombined64Merge(14)(machines) AS machines,
    uniqExactMerge(crashes) AS crashes,
    uniqExactMerge(sites) AS sites
FROM arrivals
WHERE tick >= toStartOfInterval(toDateTime(intDiv({since:Int64}, 1000), 'UTC'), INTERVAL 10 SECOND)
    AND tick < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
    AND kind = 'kernel'
    AND driver != ''
GROUP BY tenant, driver, tick
ORDER BY tick, tenant, driver";

impl Database {
    /// Every tick that overlaps `since_ms..until_ms`, by arrival, in order.
    pub async fn arrivals(&self, since_ms: i64, until_ms: i64) -> Result<Vec<Arrival>, DatabaseError> {
        self.ask(SQL)
            .param("since", since_ms)
            .param("until", until_ms)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read arrivals"))
    }
}
