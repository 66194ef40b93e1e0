//! How many machines crash in an hour: what a chart holds the present against.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Range;
use crate::database::{Database, DatabaseError};

/// One hour of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct FleetHour {
    /// Its start, ms since 1970.
    pub at_ms: i64,
    /// Distinct machines that crashed within it.
    pub machines: u64,
}

const SQL: &str = "
SELECT toInt64(toUnixTimestamp(hour)) * 1000 AS at_ms, uniqCombined64Merge(14)(fleet_hours.machines) AS machines
FROM fleet_hours
WHERE hour >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND hour < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY hour
ORDER BY hour";

impl Database {
    /// The hours that begin within the range and had a crash, oldest first.
    pub async fn fleet_hours(&self, range: Range) -> Result<Vec<FleetHour>, DatabaseError> {
        self.ask(SQL)
            .param("from", range.from_ms)
            .param("to", range.to_ms)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count the fleet's hours"))
    }
}
