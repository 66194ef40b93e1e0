//! How many machines one driver takes down, over time.

use super::{Range, SeriesPoint, by_hours, fill, step_ms};
use crate::database::{Database, DatabaseError};

const MINUTES: &str = "
SELECT
    intDiv(toInt64(toUnixTimestamp(minute)) * 1000, {step:Int64}) * {step:Int64} AS at_ms,
    uniqCombined64Merge(14)(machines) AS machines,
    uniqCombined64Merge(17)(crashes) AS crashes
FROM driver_minutes
WHERE driver = {driver:String}
    AND ({any_tenant:Bool} OR tenant = {tenant:String})
    AND minute >= fromUnixTimestamp64Milli(intDiv({from:Int64}, {step:Int64}) * {step:Int64}, 'UTC')
    AND minute < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY at_ms
ORDER BY at_ms";

const HOURS: &str = "
SELECT
    intDiv(toInt64(toUnixTimestamp(hour)) * 1000, {step:Int64}) * {step:Int64} AS at_ms,
    uniqCombined64Array(14)(crash_hours.machines) AS machines,
    uniqExactArray(crash_hours.crashes) AS crashes
FROM crash_hours
WHERE driver = {driver:String}
    AND hour >= fromUnixTimestamp64Milli(intDiv({from:Int64}, {step:Int64}) * {step:Int64}, 'UTC')
    AND hour < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
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
            .ask(by_hours(range, step, HOURS, MINUTES))
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
