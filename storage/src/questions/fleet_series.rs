//! How many machines crash, over time.

use super::grain::Grain;
use super::{Range, SeriesPoint, fill, step_ms};
use crate::database::{Database, DatabaseError};

const SQL: &str = "
SELECT
    intDiv(toInt64(toUnixTimestamp($time)) * 1000, {step:Int64}) * {step:Int64} AS at_ms,
    $machines AS machines,
    $crashes AS crashes
FROM $rollup
WHERE $time >= fromUnixTimestamp64Milli(intDiv({from:Int64}, {step:Int64}) * {step:Int64}, 'UTC')
    AND $time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY at_ms
ORDER BY at_ms";

impl Database {
    /// Machines and crashes of the whole fleet, by the minute they happened, a point for every step. Steps are whole
    /// minutes (`step_s` is rounded up) and begin at multiples of their length.
    pub async fn fleet_series(&self, range: Range, step_s: u32) -> Result<Vec<SeriesPoint>, DatabaseError> {
        let step = step_ms(range, step_s)?;
        let found: Vec<SeriesPoint> = self
            .ask_built(&Grain::of_steps(range, step).say(SQL))
            .param("from", range.from_ms)
            .param("to", range.to_ms)
            .param("step", step)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count the fleet's crashes"))?;
        Ok(fill(&found, range, step))
    }
}
