//! Small series of several drivers at once, for a list of them.

use clickhouse::Row;
use serde::Deserialize;

use super::grain::Grain;
use super::{Range, step_ms};
use crate::database::{Database, DatabaseError};

#[derive(Row, Deserialize)]
struct Found {
    driver: String,
    steps: Vec<(i64, u64)>,
}

const SQL: &str = "
SELECT driver, groupArray((step, machine_count)) AS steps
FROM (
    SELECT
        driver,
        intDiv(toInt64(toUnixTimestamp($time)) * 1000, {step:Int64}) AS step,
        $machines AS machine_count
    FROM $rollup
    WHERE driver IN {drivers:Array(String)}
        AND $time >= fromUnixTimestamp64Milli(intDiv({from:Int64}, {step:Int64}) * {step:Int64}, 'UTC')
        AND $time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    GROUP BY driver, step
)
GROUP BY driver";

impl Database {
    /// Distinct machines of each of `drivers` in every step of the range, oldest first. A driver without a crash in
    /// the range is missing.
    pub async fn sparklines(
        &self,
        drivers: &[String],
        range: Range,
        step_s: u32,
    ) -> Result<Vec<(String, Vec<u64>)>, DatabaseError> {
        let step = step_ms(range, step_s)?;
        let found: Vec<Found> = self
            .ask_built(&Grain::of_steps(range, step).say(SQL))
            .param("drivers", drivers)
            .param("from", range.from_ms)
            .param("to", range.to_ms)
            .param("step", step)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read the drivers' sparklines"))?;
        let first = range.from_ms.div_euclid(step);
        let length = usize::try_from((range.to_ms - 1).div_euclid(step) - first + 1).unwrap_or_default();
        let lay_out = |row: Found| {
            let mut steps = vec![0; length];
            for (step, machines) in row.steps {
                let slot = usize::try_from(step - first).ok().and_then(|index| steps.get_mut(index));
                if let Some(slot) = slot {
                    *slot = machines;
                }
            }
            (row.driver, steps)
        };
        Ok(found.into_iter().map(lay_out).collect())
    }
}
