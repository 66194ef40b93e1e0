//! How many machines crash right now, whatever is blamed: the figure at the head of the fleet page.

use super::{Casualties, TICK_S, end_of_tick_s};
use crate::database::{Database, DatabaseError};

const SQL: &str = "
SELECT uniqCombined64Merge(14)(arrivals.machines) AS machines, uniqExactMerge(arrivals.crashes) AS crashes
FROM arrivals
WHERE tick >= toDateTime({start_s:Int64}, 'UTC') AND tick < toDateTime({end_s:Int64}, 'UTC') AND kind = 'kernel'";

impl Database {
    /// Kernel crashes of every tenant that arrived within `window_s` seconds (rounded up to whole ticks of 10 s) up to
    /// the end of the tick that holds `now_ms`.
    pub async fn fleet_now(&self, now_ms: i64, window_s: u32) -> Result<Casualties, DatabaseError> {
        let end_s = end_of_tick_s(now_ms);
        let window_s = i64::from(window_s).max(1).saturating_add(TICK_S - 1) / TICK_S * TICK_S;
        self.ask(SQL)
            .param("start_s", end_s.saturating_sub(window_s).max(0))
            .param("end_s", end_s)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("count the fleet's machines"))
    }
}
