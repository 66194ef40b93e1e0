//! What the detector asks every two seconds: each driver over several spans up to now, and minute by minute before.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::end_of_tick_s;
use crate::database::{Database, DatabaseError};

/// Every driver with a kernel crash that arrived within the hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// Each driver of each tenant.
    pub drivers: Vec<DriverPulse>,
    /// Distinct sites of each tenant within the hour; a machine that names none is one of its own.
    pub tenant_sites: Vec<(String, u64)>,
}

/// One driver of one tenant. A machine counts once in each span and in each minute, however often it crashed.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct DriverPulse {
    /// Tenant.
    pub tenant: String,
    /// Blamed driver.
    pub driver: String,
    /// Distinct machines in the last minute.
    pub last_1: u64,
    /// Distinct machines in the last 5 minutes.
    pub last_5: u64,
    /// Distinct machines in the last 15 minutes.
    pub last_15: u64,
    /// Distinct sites in the last 15 minutes.
    pub sites: u64,
    /// Minute (0 is the last one, 1 the one before) and its distinct machines, where there were any; in no order.
    pub minutes: Vec<(u32, u64)>,
}

#[derive(Row, Deserialize)]
struct TenantSites {
    tenant: String,
    sites: u64,
}

/// Who was hit by kernel crashes that arrived within some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Casualties {
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
}

/// The inner query folds ticks into minutes, the outer one minutes into drivers.
const DRIVERS: &str = "
SELECT
    tenant,
    driver,
    uniqCombined64MergeIf(14)(machine_set, minute < 1) AS last_1,
    uniqCombined64MergeIf(14)(machine_set, minute < 5) AS last_5,
    uniqCombined64MergeIf(14)(machine_set, minute < 15) AS last_15,
    uniqExactMergeIf(site_set, minute < 15) AS sites,
    groupArray((minute, finalizeAggregation(machine_set))) AS minutes
FROM (
    SELECT
        tenant,
        driver,
        toUInt32(intDiv({end_s:Int64} - 1 - toInt64(toUnixTimestamp(tick)), 60)) AS minute,
        uniqCombined64MergeState(14)(arrivals.machines) AS machine_set,
        uniqExactMergeState(arrivals.sites) AS site_set
    FROM arrivals
    WHERE tick >= toDateTime({start_s:Int64}, 'UTC')
        AND tick < toDateTime({end_s:Int64}, 'UTC')
        AND kind = 'kernel'
        AND driver != ''
    GROUP BY tenant, driver, minute
)
GROUP BY tenant, driver
ORDER BY tenant, driver";

const TENANT_SITES: &str = "
SELECT tenant, uniqExactMerge(arrivals.sites) AS sites
FROM arrivals
WHERE tick >= toDateTime({start_s:Int64}, 'UTC') AND tick < toDateTime({end_s:Int64}, 'UTC') AND kind = 'kernel'
GROUP BY tenant
ORDER BY tenant";

const SINCE: &str = "
SELECT uniqCombined64Merge(14)(arrivals.machines) AS machines, uniqExactMerge(arrivals.crashes) AS crashes
FROM arrivals
WHERE tick >= toStartOfInterval(toDateTime(intDiv({since:Int64}, 1000), 'UTC'), INTERVAL 10 SECOND)
    AND kind = 'kernel'
    AND tenant = {tenant:String}
    AND driver = {driver:String}";

impl Database {
    /// The hour up to `now_ms`, rounded up to the end of its tick of 10 seconds.
    pub async fn pulse(&self, now_ms: i64) -> Result<Pulse, DatabaseError> {
        let failed = DatabaseError::while_("read the drivers' pulse");
        let end_s = end_of_tick_s(now_ms);
        let start_s = end_s.saturating_sub(3600).max(0);
        let ask = |sql| self.ask(sql).param("start_s", start_s).param("end_s", end_s);
        let (drivers, sites) = tokio::try_join!(
            ask(DRIVERS).fetch_all::<DriverPulse>(),
            ask(TENANT_SITES).fetch_all::<TenantSites>(),
        )
        .map_err(failed)?;
        let tenant_sites = sites.into_iter().map(|row| (row.tenant, row.sites)).collect();
        Ok(Pulse { drivers, tenant_sites })
    }

    /// What one driver did by crashes that arrived at or after `since_ms`.
    pub async fn casualties_since(
        &self,
        tenant: &str,
        driver: &str,
        since_ms: i64,
    ) -> Result<Casualties, DatabaseError> {
        self.ask(SINCE)
            .param("tenant", tenant)
            .param("driver", driver)
            .param("since", since_ms)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("count an incident's machines"))
    }
}
