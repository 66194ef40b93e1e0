//! Has anything changed that a page shows?

use crate::database::{Database, DatabaseError};

/// Crashes of the last two minutes, and all steps of incidents: a page of older things changes with neither. What a
/// subquery gives may be nothing, as ClickHouse sees it, and so may a hash of it.
const SQL: &str = "
SELECT ifNull(sipHash64(
    (SELECT (max(tick), uniqExactMerge(crashes)) FROM arrivals WHERE tick >= toDateTime({from_s:Int64}, 'UTC')),
    (SELECT (count(), max(at_ms)) FROM incident_events)), 0)";

impl Database {
    /// A number that is another one when a crash has become a row or an incident has taken a step.
    pub async fn live_mark(&self, now_ms: i64) -> Result<u64, DatabaseError> {
        self.ask(SQL)
            .param("from_s", now_ms.div_euclid(1000) - 120)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("look for news"))
    }
}
