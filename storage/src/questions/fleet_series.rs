//! How many machines crash, over time.

use super::{Range, SeriesPoint, by_hours, fill, step_ms};
use crate::database::{Database, DatabaseError};

const MINUTES: &str = "
SELECT
    intDiv(toInt64(toUnixTimestamp(minute)) * 1000, {step:Int64}) * {step:Int64} AS at_ms,
    uniqCombined64Merge(14)(machines) AS machines,
    uniqExactMerge(crashes) AS crashes
FROM crash_minutes
WHERE minute >= fromUnixTimestamp64Milli(intDiv({from:Int64}, {step:Int64}) * {step:Int64}, 'UTC')
    AND minute < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY at_ms
ORDER BY at_ms";

const HOURS: &str = "
SELECT
    intDiv(toInt64(toUnixTimestamp(hour)) * 1000, {step:Int64}) * {step:Int64} AS at_ms,
    uniqCombined64Array(14)(crash_hours.machines) AS machines,
    uniqExactArray(crash_hours.crashes) AS crashes
FROM crash_hours
WHERE hour >= fromUnixTimestamp64Milli(intDiv({from:Int64}, {step:Int64}) * {step:Int64}, 'UTC')
    AND hour < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY at_ms
ORDER BY at_ms";

impl Database {
    /// Machines and crashes of the whole fleet, by the minute they happened, a point for every step. Steps are whole
    /// minutes (`step_s` is rounded up) and begin at multiples of their length.
    pub async fn fleet_series(&self, range: Range, step_s: u32) -> Result<Vec<SeriesPoint>, DatabaseError> {
        let step = step_ms(range, step_s)?;
        let found: Vec<SeriesPoint> = self
            .ask(by_hours(range, step, HOURS, MINUTES))
            .param("from", range.from_ms)
            .param("to", range.to_ms)
            .param("step", step)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count the fleet's crashes"))?;
        Ok(fill(&found, range, step))
    }
}
