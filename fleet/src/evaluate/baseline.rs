//! The methods that the detector is compared with, fed with the same stream: distinct machines of each driver, each
//! counted once a day. What each method computes is its own file; counting, and when an alarm is a new one, is here.
//!
//! All of them need 20 machines before they may speak, as sparse counts need; none of them looks at sites, at the
//! whole fleet or at suspect machines. They are told of an alarm as soon as a count exceeds its limit, not when the
//! hour is over: that is the fastest they can be.

use std::collections::HashMap;

use detector::{Crash, History, Severity, Subject};
use serde::{Deserialize, Serialize};

use crate::evaluate::score::Alarm;

mod cusum;
mod ears;
mod hours;
mod rolling;
mod sentry;
mod threshold;

use self::hours::{HOUR_MS, Hours};

/// Machines without which no method may speak.
const ENOUGH: u32 = 20;
/// An alarm whose limit was not exceeded for so long is over; the next one is another.
const OVER_AFTER_MS: i64 = 30 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// So many machines in a minute.
    Threshold(u32),
    /// Five deviations above the mean of a week's hours.
    RollingZ,
    /// Three deviations above the mean of seven hours, two hours ago.
    EarsC2,
    /// What Sentry calls an escalating issue.
    Sentry,
    /// A cumulative sum of log-likelihood ratios, with the rate that history gives.
    PoissonCusum,
}

impl Method {
    /// Every method; each threshold is one.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [Self::RollingZ, Self::EarsC2, Self::Sentry, Self::PoissonCusum];
        threshold::GRID.into_iter().map(Self::Threshold).chain(others)
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Threshold(machines) => write!(f, "threshold, {machines} machines/min"),
            Self::RollingZ => f.write_str("rolling z > 5, hours of a week"),
            Self::EarsC2 => f.write_str("EARS C2, hours"),
            Self::Sentry => f.write_str("Sentry's escalating issues"),
            Self::PoissonCusum => f.write_str("Poisson CUSUM, rate of history"),
        }
    }
}

/// One driver of one tenant.
#[derive(Debug, Default)]
struct Series {
    tenant: usize,
    driver: String,
    hours: Hours,
    minutes: threshold::Minutes,
    cusum: cusum::Chart,
    /// Hour and limits of the methods that go by hours, once they were asked for.
    limits: Option<(i64, HourLimits)>,
}

/// What the machines of an hour must exceed.
#[derive(Debug, Clone, Copy)]
struct HourLimits {
    rolling: f64,
    ears: f64,
    sentry: f64,
}

impl HourLimits {
    fn of(hours: &Hours, hour: i64) -> Self {
        Self {
            rolling: rolling::limit(hours, hour),
            ears: ears::limit(hours, hour),
            sentry: sentry::limit(hours, hour),
        }
    }
}

/// All methods over one stream.
#[derive(Debug)]
pub(crate) struct Panel {
    tenants: Vec<String>,
    by_tenant: Vec<HashMap<String, usize>>,
    series: Vec<Series>,
    counted: Counted,
    /// From the beginning of the history to its end.
    history_ms: (i64, i64),
    cusum_limit: f64,
    /// When a method last exceeded its limit in a series.
    exceeded: HashMap<(Method, usize), i64>,
    alarms: Vec<(Method, Alarm)>,
}

impl Panel {
    /// Methods that know nothing yet; the history that follows is of this span.
    pub(crate) fn new(history_from_ms: i64, start_ms: i64) -> Self {
        Self {
            tenants: Vec::new(),
            by_tenant: Vec::new(),
            series: Vec::new(),
            counted: Counted::default(),
            history_ms: (history_from_ms, start_ms),
            cusum_limit: f64::INFINITY,
            exceeded: HashMap::new(),
            alarms: Vec::new(),
        }
    }

    /// An hour of the past.
    pub(crate) fn learn(&mut self, past: &History<'_>) {
        let machines = u32::try_from(past.machines).unwrap_or(u32::MAX);
        let series = self.series(past.tenant, past.driver);
        if let Some(series) = self.series.get_mut(series) {
            series.hours.add(past.hour_ms.div_euclid(HOUR_MS), machines);
        }
    }

    /// The history is complete.
    pub(crate) fn begin(&mut self) {
        let (from_ms, start_ms) = self.history_ms;
        for series in &mut self.series {
            series.cusum = cusum::Chart::new(series.hours.total(), start_ms - from_ms, start_ms);
        }
        self.cusum_limit = cusum::limit(self.series.len());
    }

    /// A crash of the stream.
    pub(crate) fn crash(&mut self, crash: &Crash<'_>) {
        let at_ms = crash.arrived_at_ms;
        if crash.driver.is_empty() || crash.suspect {
            return;
        }
        let number = self.series(crash.tenant, crash.driver);
        if !self.counted.first_of_day(number, crash.machine, at_ms) {
            return;
        }
        let Some(series) = self.series.get_mut(number) else { return };
        let hour = at_ms.div_euclid(HOUR_MS);
        let machines = series.hours.add(hour, 1);
        if series.cusum.machine(at_ms, self.cusum_limit) {
            self.exceeds(Method::PoissonCusum, number, machines, at_ms);
        }
        let Some(series) = self.series.get_mut(number) else { return };
        let (minute, enough) = series.minutes.machine(at_ms);
        if machines >= ENOUGH {
            self.exceeds_hours(number, hour, machines, at_ms);
        }
        if enough >= ENOUGH {
            for limit in threshold::GRID.into_iter().filter(|limit| minute >= *limit) {
                self.exceeds(Method::Threshold(limit), number, minute, at_ms);
            }
        }
    }

    fn exceeds_hours(&mut self, number: usize, hour: i64, machines: u32, at_ms: i64) {
        let Some(series) = self.series.get_mut(number) else { return };
        let limits = match series.limits {
            Some((of, limits)) if of == hour => limits,
            _ => HourLimits::of(&series.hours, hour),
        };
        series.limits = Some((hour, limits));
        let HourLimits { rolling, ears, sentry } = limits;
        for (method, limit) in [(Method::RollingZ, rolling), (Method::EarsC2, ears), (Method::Sentry, sentry)]
        {
            if f64::from(machines) > limit {
                self.exceeds(method, number, machines, at_ms);
            }
        }
    }

    fn exceeds(&mut self, method: Method, number: usize, machines: u32, at_ms: i64) {
        let before = self.exceeded.insert((method, number), at_ms);
        let Some(series) = self.series.get(number) else { return };
        if before.is_none_or(|before| at_ms - before > OVER_AFTER_MS) {
            let tenant = self.tenants.get(series.tenant).cloned().unwrap_or_default();
            let alarm = Alarm {
                at_ms,
                severity: Severity::Sev1,
                tenant,
                subject: Subject::Driver(series.driver.clone()),
                machines: u64::from(machines),
                sites: 0,
                why: String::new(),
            };
            self.alarms.push((method, alarm));
        }
    }

    /// What each method had to say, in the order of time.
    pub(crate) fn alarms(self) -> Vec<(Method, Alarm)> {
        self.alarms
    }

    fn series(&mut self, tenant: &str, driver: &str) -> usize {
        let tenant = match self.tenants.iter().position(|known| known == tenant) {
            Some(number) => number,
            None => {
                self.tenants.push(tenant.to_owned());
                self.by_tenant.push(HashMap::new());
                self.tenants.len() - 1
            }
        };
        let next = self.series.len();
        let Some(drivers) = self.by_tenant.get_mut(tenant) else { return next };
        if let Some(number) = drivers.get(driver) {
            return *number;
        }
        drivers.insert(driver.to_owned(), next);
        let cusum = cusum::Chart::new(0, 0, self.history_ms.1);
        self.series.push(Series { tenant, driver: driver.to_owned(), cusum, ..Series::default() });
        next
    }
}

/// Which machines were counted within a day. Two generations: what is in neither was not counted for a day at least.
#[derive(Debug, Default)]
struct Counted {
    young: HashMap<(usize, u64), i64>,
    old: HashMap<(usize, u64), i64>,
    since_ms: i64,
}

impl Counted {
    fn first_of_day(&mut self, series: usize, machine: u64, at_ms: i64) -> bool {
        if at_ms - self.since_ms >= DAY_MS {
            self.old = std::mem::take(&mut self.young);
            self.since_ms = at_ms;
        }
        let key = (series, machine);
        let last = self.young.get(&key).or_else(|| self.old.get(&key));
        let first = last.is_none_or(|last| at_ms - last >= DAY_MS);
        if first {
            self.young.insert(key, at_ms);
        }
        first
    }
}

#[cfg(test)]
mod tests;
