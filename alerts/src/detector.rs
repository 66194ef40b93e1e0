//! Counts to decisions: which driver is taking machines down, and when that is over.
//!
//! Pure: no clock, no I/O, no randomness. Every two seconds it is given, for each driver, how many distinct machines
//! it took down in the last minute, five and fifteen, and minute by minute over the past hour; all by when a crash
//! became a row, so that nothing waits for late uploads and a backlog is no silence. It never looks at a single crash,
//! a bucket or a version: that is evidence, gathered once it has decided.
//!
//! The test is a Poisson tail against `lam+`, the upper 99 % quantile of the driver's own rate (a Gamma posterior, so
//! that a driver seen for the first time has a rate too), scaled by what the whole fleet does at this moment
//! (`common_mode`). The threshold follows from the number of false pages that one is willing to have in a month.

mod common_mode;
mod statistics;
mod youth;

use std::collections::BTreeMap;

use self::common_mode::CommonMode;
use self::statistics::{count, gamma_upper, ln_poisson_tail};
use self::youth::Youth;
use crate::config::DetectorConfig;

/// Length of one window of the history, ms.
pub const WINDOW_MS: i64 = 60_000;
/// How many windows the history has, the newest included.
pub const WINDOWS: usize = 60;
/// The spans that are tested, in windows: a burst, an outage, a slow burn.
pub const SPANS: [usize; 3] = [1, 5, 15];

/// Drivers that a fleet may have, for the threshold: a fixed figure, so that it does not move as the fleet grows.
const DRIVERS: f64 = 10_000.0;
/// Independent looks in a month: the windows of ticks closer than ten seconds overlap nearly wholly.
const LOOKS_PER_MONTH: f64 = 30.0 * 24.0 * 360.0;
/// A count is back at the baseline when at least as many would come by chance once in a thousand windows.
const LN_CALM: f64 = -6.9;
/// An outage of one site pages too, if it is this many times larger than one that is spread.
const ONE_SITE_FACTOR: u64 = 10;
/// With fewer sites than this in the fleet, the number of sites says nothing about breadth.
const FLEET_SITES: u64 = 3;
/// An incident older than this no longer lends its baseline or its patience to the next one, ms.
const MEMORY_MS: i64 = 3_600_000;

/// What is watched: one driver of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriverKey {
    /// Tenant.
    pub tenant: String,
    /// Base name, lower case.
    pub driver: String,
}

/// One driver's counts at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverCounts {
    /// Whose.
    pub key: DriverKey,
    /// Distinct machines over each of [`SPANS`], up to now.
    pub machines: [u64; SPANS.len()],
    /// Distinct sites among the machines of the longest span; one that names none is a site of its own.
    pub sites: u64,
    /// Distinct machines in each window, newest first; missing ones at the end count as 0.
    pub windows: Vec<u64>,
}

/// The fleet at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observation {
    /// Now, ms since 1970.
    pub now_ms: i64,
    /// Every driver with an arrival in the history.
    pub drivers: Vec<DriverCounts>,
    /// Distinct sites of each tenant over the history, counted in the same way.
    pub fleet_sites: BTreeMap<String, u64>,
    /// Distinct machines since its onset, for each open incident.
    pub totals: BTreeMap<DriverKey, u64>,
}

/// What is to be done. The detector has already taken it as done.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// A driver jumped above its past.
    Open {
        /// Which.
        key: DriverKey,
        /// Why.
        reason: Reason,
        /// How often it came back within an hour of its last incident.
        returns: u32,
    },
    /// An open incident has ten times as many machines as when last said.
    Grew {
        /// Which.
        key: DriverKey,
        /// Machines now.
        machines: u64,
    },
    /// The driver has been back at its baseline for long enough.
    Resolve {
        /// Which.
        key: DriverKey,
    },
}

/// Why an incident was opened, and what is needed to follow it after a restart.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Reason {
    /// Start of the first window that was above the baseline, ms since 1970.
    pub onset_ms: i64,
    /// Distinct machines in the span that decided.
    pub machines: u64,
    /// Distinct sites over the longest span.
    pub sites: u64,
    /// Its length in seconds.
    pub span_s: u64,
    /// How many machines that span could be expected to have at most.
    pub expected: f64,
    /// The driver's own rate before (`lam+`), machines per minute.
    pub baseline_per_minute: f64,
    /// What the whole fleet did at that moment, as a multiple of its past.
    pub common_mode: f64,
    /// Decimal logarithm of the chance of this many machines.
    pub log10_chance: f64,
}

/// An incident that is open, or was lately.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// The rate before it, machines per minute.
    pub baseline_per_minute: f64,
    /// Which of [`SPANS`] decided: a slow burn looks calm by the minute.
    pub span: usize,
    /// Machines when last said.
    pub noted_machines: u64,
    /// Start of the present calm, ms.
    pub calm_since_ms: Option<i64>,
    /// When it was resolved, ms; `None` while open.
    pub resolved_at_ms: Option<i64>,
    /// How often it came back within an hour: each time the calm must last twice as long, so that a driver
    /// that comes and goes pages ever more rarely, and yet never silently.
    pub returns: u32,
}

impl Followed {
    /// As it was just after `reason` opened it.
    #[must_use]
    pub fn opened(reason: &Reason, returns: u32) -> Self {
        let seconds = |windows: usize| count_ms(windows).unsigned_abs() / 1000;
        Self {
            baseline_per_minute: reason.baseline_per_minute,
            span: SPANS.iter().position(|span| seconds(*span) == reason.span_s).unwrap_or(0),
            noted_machines: reason.machines,
            calm_since_ms: None,
            resolved_at_ms: None,
            returns,
        }
    }
}

/// The fleet as one driver is held against it.
#[derive(Debug, Clone, Copy)]
struct Fleet {
    /// What everybody else does, as a multiple of their past.
    common: f64,
    /// Machines that are nothing special over each span while the fleet is new to us.
    least: [f64; SPANS.len()],
}

/// The detector's thresholds and what it remembers between ticks.
#[derive(Debug, Clone)]
pub struct Detector {
    config: DetectorConfig,
    ln_alarm: f64,
    followed: BTreeMap<DriverKey, Followed>,
}

impl Detector {
    /// A detector that follows nothing yet.
    #[must_use]
    pub fn new(config: DetectorConfig) -> Self {
        let tests = DRIVERS * count(SPANS.len() as u64) * LOOKS_PER_MONTH;
        let ln_alarm = (config.false_pages_per_month / tests).ln();
        Self { config, ln_alarm, followed: BTreeMap::new() }
    }

    /// Take up an incident that was open, or lately resolved, before a restart.
    pub fn restore(&mut self, key: DriverKey, followed: Followed) {
        self.followed.insert(key, followed);
    }

    /// The incidents that are open.
    pub fn open(&self) -> impl Iterator<Item = &DriverKey> {
        self.followed.iter().filter(|(_, f)| f.resolved_at_ms.is_none()).map(|(key, _)| key)
    }

    /// Look at the fleet once.
    pub fn tick(&mut self, seen: &Observation) -> Vec<Decision> {
        self.followed.retain(|_, f| f.resolved_at_ms.is_none_or(|at| seen.now_ms - at < MEMORY_MS));
        let (common, youth) = (CommonMode::of(&seen.drivers), Youth::of(&seen.drivers));
        let mut decisions = Vec::new();
        let mut missing: Vec<DriverKey> = self.open().cloned().collect();
        for driver in &seen.drivers {
            missing.retain(|key| *key != driver.key);
            let fleet = Fleet { common: common.without(driver), least: youth.expects(driver) };
            decisions.extend(self.look(driver, seen, fleet));
        }
        // A driver without one arrival in the whole history is calm, not unknown.
        for key in missing {
            let silent = DriverCounts { key, machines: [0; SPANS.len()], sites: 0, windows: Vec::new() };
            decisions.extend(self.look(&silent, seen, Fleet { common: 1.0, least: [0.0; SPANS.len()] }));
        }
        decisions
    }

    fn look(&mut self, driver: &DriverCounts, seen: &Observation, fleet: Fleet) -> Vec<Decision> {
        match self.followed.get_mut(&driver.key) {
            Some(followed) if followed.resolved_at_ms.is_none() => {
                follow(followed, driver, seen, fleet.common, &self.config)
            }
            earlier => {
                let Some(reason) = self.config.alarm(driver, earlier.as_deref(), seen, fleet, self.ln_alarm)
                else {
                    return Vec::new();
                };
                let returns = earlier.map_or(0, |f| f.returns.saturating_add(1));
                self.followed.insert(driver.key.clone(), Followed::opened(&reason, returns));
                vec![Decision::Open { key: driver.key.clone(), reason, returns }]
            }
        }
    }
}

impl DetectorConfig {
    /// The most surprising span of this driver, if it is surprising, large and broad enough.
    fn alarm(
        &self,
        driver: &DriverCounts,
        earlier: Option<&Followed>,
        seen: &Observation,
        Fleet { common, least }: Fleet,
        ln_alarm: f64,
    ) -> Option<Reason> {
        let fleet_sites = seen.fleet_sites.get(&driver.key.tenant).copied().unwrap_or(0);
        let mut worst: Option<Reason> = None;
        for ((span, &machines), least) in SPANS.iter().zip(&driver.machines).zip(least) {
            // What belongs to the incident before is not news.
            let begins_ms = seen.now_ms - count_ms(*span);
            if earlier.is_some_and(|f| f.resolved_at_ms.is_some_and(|at| begins_ms < at)) {
                continue;
            }
            if machines < self.min_machines || !self.broad(machines, driver.sites, fleet_sites) {
                continue;
            }
            let own = baseline(driver, *span);
            // The hour after an incident has that incident in it: its baseline stands until it is forgotten.
            let baseline_per_minute = earlier.map_or(own, |f| f.baseline_per_minute.min(own));
            let expected = (baseline_per_minute * common * count(*span as u64)).max(least);
            let ln_chance = ln_poisson_tail(machines, expected);
            let log10_chance = ln_chance / core::f64::consts::LN_10;
            if ln_chance > ln_alarm || worst.as_ref().is_some_and(|w| w.log10_chance <= log10_chance) {
                continue;
            }
            worst = Some(Reason {
                onset_ms: onset(driver, seen.now_ms, *span, baseline_per_minute * common),
                machines,
                sites: driver.sites,
                span_s: count_ms(*span).unsigned_abs() / 1000,
                expected,
                baseline_per_minute,
                common_mode: common,
                log10_chance,
            });
        }
        worst
    }

    /// Are these machines spread over the fleet, as far as that can be known? In a fleet of one or two sites, or one
    /// that names none, it cannot.
    fn broad(&self, machines: u64, sites: u64, fleet_sites: u64) -> bool {
        fleet_sites < FLEET_SITES.max(self.min_sites)
            || sites >= self.min_sites
            || machines >= self.min_machines.saturating_mul(ONE_SITE_FACTOR)
    }
}

/// `lam+` of a driver, machines per minute, from the windows before the span under test.
fn baseline(driver: &DriverCounts, span: usize) -> f64 {
    let events: u64 = driver.windows.iter().take(WINDOWS).skip(span).sum();
    gamma_upper(0.5 + count(events), count((WINDOWS - span) as u64))
}

/// Are this many machines nothing out of the ordinary?
fn calm(machines: u64, expected: f64) -> bool {
    ln_poisson_tail(machines, expected) >= LN_CALM
}

/// Start of the span that decided, or of the unbroken run of windows above the baseline where that began earlier.
fn onset(driver: &DriverCounts, now_ms: i64, span: usize, per_minute: f64) -> i64 {
    let newest = driver.windows.iter().take(span.max(SPANS[SPANS.len() - 1]));
    let run = newest.take_while(|machines| !calm(**machines, per_minute)).count();
    now_ms - count_ms(run.max(span))
}

/// Length of so many windows, ms.
fn count_ms(windows: usize) -> i64 {
    WINDOW_MS * i64::try_from(windows).unwrap_or(i64::MAX / WINDOW_MS)
}

/// One look at an open incident.
fn follow(
    followed: &mut Followed,
    driver: &DriverCounts,
    seen: &Observation,
    common: f64,
    config: &DetectorConfig,
) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let total = seen.totals.get(&driver.key).copied().unwrap_or(0);
    if total >= followed.noted_machines.saturating_mul(10) {
        followed.noted_machines = total;
        decisions.push(Decision::Grew { key: driver.key.clone(), machines: total });
    }
    let expected = followed.baseline_per_minute * common * count(SPANS[followed.span] as u64);
    if !calm(driver.machines[followed.span], expected) {
        followed.calm_since_ms = None;
        return decisions;
    }
    let since = *followed.calm_since_ms.get_or_insert(seen.now_ms);
    let patience = config.resolve_after.saturating_mul(2_u32.saturating_pow(followed.returns.min(4)));
    if u128::from((seen.now_ms - since).unsigned_abs()) >= patience.as_millis() {
        followed.resolved_at_ms = Some(seen.now_ms);
        decisions.push(Decision::Resolve { key: driver.key.clone() });
    }
    decisions
}

#[cfg(test)]
mod tests;
