//! What the detector asks every few seconds: each driver now, against each driver and the fleet before.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// The most windows that one question may span.
const MAX_WINDOWS: i64 = 10_000;
const TICK_MS: i64 = 10_000;

/// The last window and the ones before it, by arrival, kernel crashes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverWindows {
    /// Length of a window.
    pub window_s: u32,
    /// Where the last window ends: the end of the tick that holds "now".
    pub end_ms: i64,
    /// How many windows came before the last one.
    pub history_len: usize,
    /// Every kernel crash, whatever it is blamed on.
    pub fleet: WindowCounts,
    /// Every (tenant, driver) seen in the last window or the history, by tenant and driver.
    pub drivers: Vec<DriverWindow>,
}

/// One driver of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverWindow {
    /// Tenant.
    pub tenant: String,
    /// Blamed driver.
    pub driver: String,
    /// Its counts.
    pub counts: WindowCounts,
}

/// Counts of the last window, and of each earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowCounts {
    /// Distinct machines in the last window.
    pub machines: u64,
    /// Crashes in the last window.
    pub crashes: u64,
    /// Distinct sites in the last window; machines that name none share one.
    pub sites: u64,
    /// Of `machines`, those that did not crash (on this driver) in the history: a boot loop is not news.
    pub new_machines: u64,
    /// Distinct machines over the last window and the history together.
    pub all_machines: u64,
    /// Distinct machines of each earlier window, oldest first, one entry per window.
    pub history: Vec<u64>,
}

#[derive(Row, Deserialize)]
struct Found {
    is_fleet: bool,
    tenant: String,
    driver: String,
    last: (u64, u64, u64),
    before: u64,
    all: u64,
    windows: Vec<(u32, u64)>,
}

/// Window 0 is the last one, 1 the one before it. The inner query folds ticks into windows, the outer one windows
/// into drivers, so that the sets of the history are merged once.
const SQL: &str = "
SELECT
    is_fleet,
    tenant,
    driver,
    maxIf((machines, crashes, sites), window = 0) AS last,
    uniqCombined64MergeIf(14)(machine_set, window > 0) AS before,
    uniqCombined64Merge(14)(machine_set) AS all,
    groupArrayIf((window, machines), window > 0) AS windows
FROM (
    SELECT
        grouping(tenant, driver) != 0 AS is_fleet,
        tenant,
        driver,
        toUInt32(intDiv({end_s:Int64} - 1 - toInt64(toUnixTimestamp(tick)), {window_s:Int64})) AS window,
        uniqCombined64MergeState(14)(arrivals.machines) AS machine_set,
        finalizeAggregation(machine_set) AS machines,
        uniqExactMerge(arrivals.crashes) AS crashes,
        uniqExactMerge(arrivals.sites) AS sites
    FROM arrivals
    WHERE tick >= toDateTime({start_s:Int64}, 'UTC')
        AND tick < toDateTime({end_s:Int64}, 'UTC')
        AND kind = 'kernel'
        AND ({tenant:Nullable(String)} IS NULL OR tenant = {tenant:Nullable(String)})
    GROUP BY GROUPING SETS ((tenant, driver, window), (window))
)
WHERE is_fleet OR driver != ''
GROUP BY is_fleet, tenant, driver
ORDER BY is_fleet, tenant, driver";

impl Database {
    /// Windows of `window_s` seconds (rounded up to whole ticks of 10 s) back from `now_ms` over `history_s` seconds
    /// of history. The last one holds what arrived up to this moment.
    pub async fn driver_windows(
        &self,
        tenant: Option<&str>,
        now_ms: i64,
        window_s: u32,
        history_s: u32,
    ) -> Result<DriverWindows, DatabaseError> {
        let window_s = window_s.div_ceil(10).max(1) * 10;
        let history = i64::from(history_s / window_s);
        if history > MAX_WINDOWS {
            return Err(DatabaseError::Invalid("more than 10000 windows of history"));
        }
        let end_ms = now_ms.div_euclid(TICK_MS).saturating_add(1).saturating_mul(TICK_MS);
        let end_s = end_ms / 1000;
        let start_s = end_s.saturating_sub((history + 1) * i64::from(window_s)).max(0);
        let found: Vec<Found> = self
            .ask(SQL)
            .param("tenant", tenant)
            .param("start_s", start_s)
            .param("end_s", end_s)
            .param("window_s", i64::from(window_s))
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read the drivers' windows"))?;
        Ok(assemble(found, window_s, end_ms, usize::try_from(history).unwrap_or_default()))
    }
}

fn assemble(found: Vec<Found>, window_s: u32, end_ms: i64, history_len: usize) -> DriverWindows {
    let mut fleet = WindowCounts { history: vec![0; history_len], ..WindowCounts::default() };
    let mut drivers = Vec::with_capacity(found.len());
    for row in found {
        let counts = counts(&row, history_len);
        if row.is_fleet {
            fleet = counts;
        } else {
            drivers.push(DriverWindow { tenant: row.tenant, driver: row.driver, counts });
        }
    }
    DriverWindows { window_s, end_ms, history_len, fleet, drivers }
}

fn counts(row: &Found, history_len: usize) -> WindowCounts {
    let mut history = vec![0; history_len];
    for &(window, machines) in &row.windows {
        let back = usize::try_from(window).unwrap_or(usize::MAX);
        if let Some(slot) = history_len.checked_sub(back).and_then(|index| history.get_mut(index)) {
            *slot = machines;
        }
    }
    let (machines, crashes, sites) = row.last;
    WindowCounts {
        machines,
        crashes,
        sites,
        new_machines: row.all.saturating_sub(row.before).min(machines),
        all_machines: row.all,
        history,
    }
}
