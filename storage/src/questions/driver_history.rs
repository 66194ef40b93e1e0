//! What each driver used to do, hour by hour: what a detector without a past learns from.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// One driver of one tenant in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct DriverHour {
    /// Tenant.
    pub tenant: String,
    /// Blamed driver; empty for crashes that are blamed on no image.
    pub driver: String,
    /// Start of the hour, ms since 1970.
    pub hour_ms: i64,
    /// Distinct machines that crashed in it. Hours without one are left out.
    pub machines: u64,
}

/// Nobody looks at a page meanwhile, and there is much to read in a large fleet.
const PATIENCE_SECONDS: &str = "300";

const SQL: &str = "
SELECT
    tenant,
    driver,
    toInt64(toUnixTimestamp(toStartOfHour(tick, 'UTC'))) * 1000 AS hour_ms,
    uniqCombined64Merge(14)(arrivals.machines) AS machines
FROM arrivals
WHERE tick >= toStartOfHour(fromUnixTimestamp64Milli({since:Int64}, 'UTC'), 'UTC') AND kind = 'kernel'
GROUP BY tenant, driver, hour_ms
ORDER BY hour_ms, tenant, driver";

impl Database {
    /// Kernel crashes by when they became rows, from the hour that holds `since_ms` on, oldest first.
    pub async fn driver_history(&self, since_ms: i64) -> Result<Vec<DriverHour>, DatabaseError> {
        self.ask(SQL)
            .with_setting("max_execution_time", PATIENCE_SECONDS)
            .param("since", since_ms.max(0))
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read the drivers' past"))
    }
}
