//! How many machines one driver takes down, over time.

use super::grain::Grain;
use super::{Range, SeriesPoint, fill, step_ms};
use crate::database::{Database, DatabaseError};

const SQL: &str = "
SELECT
    intDiv(toInt64(toUnixTimestamp($time)) * 1000, {step:Int64}) * {step:Int64} AS at_ms,
    $machines AS machines,
    $crashes AS crashes
FROM $rollup
WHERE driver = {driver:String}
    AND ({any_tenant:Bool} OR tenant = {tenant:String})
    AND $time >= fromUnixTimestamp64Milli(intDiv({from:Int64}, {step:Int64}) * {step:Int64}, 'UTC')
    AND $time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY at_ms
ORDER BY at_ms";

impl Database {
    /// As [`Database::fleet_series`], of the crashes blamed on one driver or module.
    pub async fn driver_series(
        &self,
        driver: &str,
        range: Range,
        step_s: u32,
    ) -> Result<Vec<SeriesPoint>, DatabaseError> {
        self.tenant_driver_series(None, driver, range, step_s).await
    }

    /// The same of one tenant, or of all.
    pub async fn tenant_driver_series(
        &self,
        tenant: Option<&str>,
        driver: &str,
        range: Range,
        step_s: u32,
    ) -> Result<Vec<SeriesPoint>, DatabaseError> {
        let step = step_ms(range, step_s)?;
        let found: Vec<SeriesPoint> = self
            .ask_built(&Grain::of_steps(range, step).of_one_driver().say(SQL))
            .param("driver", driver)
            .param("any_tenant", tenant.is_none())
            .param("tenant", tenant.unwrap_or_default())
            .param("from", range.from_ms)
            .param("to", range.to_ms)
            .param("step", step)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count a driver's crashes"))?;
        Ok(fill(&found, range, step))
    }
}
