//! How many machines there are, by the signs of life that they give.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// Machines of one tenant that gave a sign of life within one day.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct FleetDay {
    /// Tenant.
    pub tenant: String,
    /// Start of the day (UTC), ms since 1970.
    pub day_ms: i64,
    /// Distinct machines.
    pub machines: u64,
}

const SQL: &str = "
SELECT
    tenant,
    toInt64(toUnixTimestamp(toDateTime(day, 'UTC'))) * 1000 AS day_ms,
    uniqCombined64Merge(14)(fleet_beats.machines) AS machines
FROM fleet_beats
WHERE day >= toDate(fromUnixTimestamp64Milli({since:Int64}, 'UTC'), 'UTC')
GROUP BY tenant, day
ORDER BY tenant, day";

impl Database {
    /// Every day from the one that holds `since_ms` on.
    pub async fn fleet_days(&self, since_ms: i64) -> Result<Vec<FleetDay>, DatabaseError> {
        self.ask(SQL)
            .param("since", since_ms.max(0))
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count the fleet's machines by day"))
    }
}
