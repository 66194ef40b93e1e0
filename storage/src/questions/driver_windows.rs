//! What the detector asks every few seconds: each driver now, against each driver and the fleet before.

use std::collections::HashMap;

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

/// The last window, and the history taken together.
#[derive(Row, Deserialize)]
struct Now {
    is_fleet: bool,
    tenant: String,
    driver: String,
    machines: u64,
    crashes: u64,
    sites: u64,
    before: u64,
    all: u64,
}

const NOW: &str = "
WITH tick >= toDateTime({last_s:Int64}, 'UTC') AS is_now
SELECT
    grouping(tenant, driver) != 0 AS is_fleet,
    tenant,
    driver,
    uniqCombined64MergeIf(14)(arrivals.machines, is_now) AS machines,
    uniqExactMergeIf(arrivals.crashes, is_now) AS crashes,
    uniqExactMergeIf(arrivals.sites, is_now) AS sites,
    uniqCombined64MergeIf(14)(arrivals.machines, NOT is_now) AS before,
    uniqCombined64Merge(14)(arrivals.machines) AS all
FROM arrivals
WHERE tick >= toDateTime({start_s:Int64}, 'UTC')
    AND tick < toDateTime({end_s:Int64}, 'UTC')
    AND kind = 'kernel'
    AND ({tenant:Nullable(String)} IS NULL OR tenant = {tenant:Nullable(String)})
GROUP BY GROUPING SETS ((tenant, driver), ())
HAVING is_fleet OR driver != ''";

/// The history window by window, counted back from the last one: `(1, machines)` is the window before it.
#[derive(Row, Deserialize)]
struct Then {
    is_fleet: bool,
    tenant: String,
    driver: String,
    windows: Vec<(u32, u64)>,
}

const THEN: &str = "
SELECT is_fleet, tenant, driver, groupArray((window, machines)) AS windows
FROM (
    SELECT
        grouping(tenant, driver) != 0 AS is_fleet,
        tenant,
        driver,
        toUInt32(intDiv({end_s:Int64} - 1 - toInt64(toUnixTimestamp(tick)), {window_s:Int64})) AS window,
        uniqCombined64Merge(14)(arrivals.machines) AS machines
    FROM arrivals
    WHERE tick >= toDateTime({start_s:Int64}, 'UTC')
        AND tick < toDateTime({last_s:Int64}, 'UTC')
        AND kind = 'kernel'
        AND ({tenant:Nullable(String)} IS NULL OR tenant = {tenant:Nullable(String)})
    GROUP BY GROUPING SETS ((tenant, driver, window), (window))
)
WHERE is_fleet OR driver != ''
GROUP BY is_fleet, tenant, driver";

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
        let back = |windows: i64| end_s.saturating_sub(windows * i64::from(window_s)).max(0);
        let ask = |sql| {
            self.ask(sql)
                .param("tenant", tenant)
                .param("start_s", back(history + 1))
                .param("last_s", back(1))
                .param("end_s", end_s)
                .param("window_s", i64::from(window_s))
        };
        let (now, then) = tokio::try_join!(ask(NOW).fetch_all::<Now>(), ask(THEN).fetch_all::<Then>())
            .map_err(DatabaseError::while_("read the drivers' windows"))?;
        let history_len = usize::try_from(history).unwrap_or_default();
        let (fleet, drivers) = assemble(now, then, history_len);
        Ok(DriverWindows { window_s, end_ms, history_len, fleet, drivers })
    }
}

fn assemble(now: Vec<Now>, then: Vec<Then>, history_len: usize) -> (WindowCounts, Vec<DriverWindow>) {
    let mut histories: HashMap<(bool, String, String), Vec<(u32, u64)>> =
        then.into_iter().map(|row| ((row.is_fleet, row.tenant, row.driver), row.windows)).collect();
    let mut fleet = WindowCounts { history: vec![0; history_len], ..WindowCounts::default() };
    let mut drivers = Vec::with_capacity(now.len());
    for Now { is_fleet, tenant, driver, machines, crashes, sites, before, all } in now {
        let key = (is_fleet, tenant, driver);
        let history = dense(&histories.remove(&key).unwrap_or_default(), history_len);
        let new_machines = all.saturating_sub(before).min(machines);
        let counts = WindowCounts { machines, crashes, sites, new_machines, all_machines: all, history };
        let (_, tenant, driver) = key;
        if is_fleet {
            fleet = counts;
        } else {
            drivers.push(DriverWindow { tenant, driver, counts });
        }
    }
    drivers.sort_unstable_by(|a, b| (&a.tenant, &a.driver).cmp(&(&b.tenant, &b.driver)));
    (fleet, drivers)
}

/// One entry for each window, oldest first.
fn dense(windows: &[(u32, u64)], history_len: usize) -> Vec<u64> {
    let mut history = vec![0; history_len];
    for &(back, machines) in windows {
        let back = usize::try_from(back).unwrap_or(usize::MAX);
        if let Some(slot) = history_len.checked_sub(back).and_then(|index| history.get_mut(index)) {
            *slot = machines;
        }
    }
    history
}
