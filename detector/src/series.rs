//! One series: its usual rate and its charts. A hundred bytes, touched only when one of its machines crashes.
//!
//! The rate is a Gamma posterior over the clock of [`crate::tempo`], forgetting by half in 14 days; charts use its 99 %
//! quantile. A chart is the cumulative sum of a Poisson likelihood ratio, "`rho` times the usual" against "the usual":
//! `S <- max(0, S + ln rho - (rho - 1) * rate * clock)`. What a chart loses between two machines follows from the clock
//! alone, so nothing is done for a series that is quiet.
//!
//! How high a chart must get: each excursion begins with a machine, and one without cause reaches `h` with a chance of at
//! most `exp(-h)` (Ville's inequality), so `h = ln(charts * machines a month / false alarms a month)`, whatever the number
//! of drivers.

use serde::{Deserialize, Serialize};

use crate::names::NameId;
use crate::stats::gamma_99;

/// The multiples that are looked for: a third of a rare driver's pages need the last, the busiest driver the first.
pub(crate) const RHO: [f64; 4] = [3.0, 6.0, 15.0, 50.0];
/// Logarithms of [`RHO`].
const LN_RHO: [f64; 4] = [1.098_612_3, 1.791_759_5, 2.708_050_2, 3.912_023_0];
/// The past counts half after this long, s.
const HALF_LIFE: f64 = 14.0 * 86_400.0;
/// Mean life in the sense of an exponential, s.
const MEMORY: f64 = HALF_LIFE / std::f64::consts::LN_2;
/// What came lately is remembered beside it, this long: rates drift, and new drivers have no past.
const LATELY: f64 = 86_400.0 / std::f64::consts::LN_2;
/// The long past counts as so much watching beside it.
const LATELY_PRIOR_S: f64 = 21_600.0;
/// A driver nobody has seen: half a machine, as if it had been watched for a tenth longer than it was.
const PRIOR_MACHINES: f64 = 0.5;
const PRIOR_SHARE: f64 = 0.1;
const PRIOR_LEAST_S: f64 = 600.0;
/// A chart above this is no surer; without a lid an outage would stay in it for weeks.
const LID: f64 = 60.0;

/// What is counted. The number is a name's, a bug check's code or a build's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) id: u32,
    /// Machines that uploaded more than 15 minutes after they crashed: another series, with another past.
    pub(crate) late: bool,
}

impl Key {
    /// The primary series of a driver, or of nobody.
    pub(crate) fn of_driver(driver: NameId, late: bool) -> Self {
        let kind = if driver == NameId::EMPTY { Kind::Unattributed } else { Kind::Driver };
        Self { kind, id: driver.0, late }
    }

    /// A number that no other key has.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.id) << 8 | (self.kind as u64) << 1 | u64::from(self.late)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Kind {
    Driver,
    BugCheck,
    OsBuild,
    Bucket,
    Unattributed,
    Everything,
}

impl Kind {
    /// Whether each crash is in exactly one series of these kinds.
    pub(crate) fn is_primary(self) -> bool {
        matches!(self, Self::Driver | Self::Unattributed)
    }
}

/// One chart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chart {
    /// Logarithm of the likelihood ratio.
    pub(crate) score: f32,
    /// The time when it left zero, s since 1970.
    onset_s: u32,
    /// How long ago that was, s of the clock.
    age: f32,
}

impl Chart {
    /// The time when it left zero, ms since 1970.
    pub(crate) fn onset_ms(&self) -> i64 {
        i64::from(self.onset_s) * 1000
    }
}

/// One series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) key: Key,
    /// Machines learnt, the old ones forgotten.
    learnt: f32,
    /// The same of the last day or so.
    lately: f32,
    /// The 99 % quantile of its rate, machines a second of the clock: of the long past or of the last day, if that is more.
    pub(crate) most: f32,
    /// The clock when it was last touched.
    at: f64,
    /// The clock from which on its machines were counted.
    from: f32,
    pub(crate) charts: [Chart; 4],
    /// Place of its incident, from 1; 0 where it has none.
    pub(crate) incident: u32,
    /// Its incident is open and as loud as can be: nothing is to be charted before that one is over.
    pub(crate) hushed: bool,
}

/// How much past there is at a clock.
pub(crate) fn watched(clock: f64) -> f64 {
    MEMORY * (1.0 - (-clock.max(0.0) / MEMORY).exp())
}

impl Series {
    pub(crate) fn new(key: Key, clock: f64, from: f64) -> Self {
        let mut series = Self {
            key,
            learnt: 0.0,
            lately: 0.0,
            most: 0.0,
            at: clock,
            from: narrow(from),
            charts: [Chart::default(); 4],
            incident: 0,
            hushed: false,
        };
        series.set_rate(clock);
        series
    }

    fn set_rate(&mut self, clock: f64) {
        let (shape, seconds) = self.posterior(clock);
        let most = gamma_99(shape) / seconds;
        let prior = shape / seconds * LATELY_PRIOR_S;
        let lately = gamma_99(prior + f64::from(self.lately)) / (LATELY_PRIOR_S + LATELY);
        self.most = narrow(most.max(lately));
    }

    fn posterior(&self, clock: f64) -> (f64, f64) {
        let watched = watched(clock - f64::from(self.from));
        let learnt = f64::from(self.learnt);
        // What was learnt outweighs the prior: a busy driver's rate is its own.
        let prior = (watched * PRIOR_SHARE).max(PRIOR_LEAST_S) / (1.0 + learnt / 10.0);
        (PRIOR_MACHINES + learnt, watched + prior)
    }

    /// Its mean rate, machines a second of the clock.
    pub(crate) fn mean(&self, clock: f64) -> f64 {
        let forgotten = (-(clock - self.at).max(0.0) / MEMORY).exp();
        let (shape, seconds) = self.posterior(clock);
        (shape - PRIOR_MACHINES) * forgotten / seconds
    }

    /// Brings it to the clock.
    pub(crate) fn touch(&mut self, clock: f64) {
        let passed = (clock - self.at).max(0.0);
        if passed == 0.0 {
            return;
        }
        let most = self.most;
        for (chart, rho) in self.charts.iter_mut().zip(RHO) {
            if chart.score > 0.0 {
                chart.score = after(chart.score, rho, most, passed);
                chart.age += narrow(passed);
            }
        }
        self.learnt *= narrow((-passed / MEMORY).exp());
        self.lately *= narrow((-passed / LATELY).exp());
        self.at = clock;
    }

    /// One more machine: into the charts with the weight of its site, into the past with what is believed of it.
    pub(crate) fn add(&mut self, at_ms: i64, in_charts: bool, weight: f64) {
        let clock = self.at;
        if in_charts {
            for (chart, ln_rho) in self.charts.iter_mut().zip(LN_RHO) {
                if chart.score <= 0.0 {
                    let onset_s = u32::try_from(at_ms.div_euclid(1000)).unwrap_or(0);
                    *chart = Chart { score: 0.0, onset_s, age: 0.0 };
                }
                chart.score = narrow((f64::from(chart.score) + ln_rho).min(LID));
            }
        }
        // What belongs to an incident is not how it goes lately, or the incident would end by going on.
        if self.incident == 0 {
            self.lately += narrow(weight);
        }
        self.learn(clock, weight);
    }

    /// Machines of the past.
    pub(crate) fn learn(&mut self, clock: f64, machines: f64) {
        self.learnt = narrow(f64::from(self.learnt) + machines);
        self.set_rate(clock);
    }

    /// The most machines that could be expected since this chart left zero.
    pub(crate) fn expected(&self, chart: &Chart) -> f64 {
        f64::from(self.most) * f64::from(chart.age)
    }

    /// How long it has been watched, s of the clock.
    pub(crate) fn age(&self) -> f64 {
        self.at - f64::from(self.from)
    }

    /// The clock when it was last touched.
    pub(crate) fn last(&self) -> f64 {
        self.at
    }

    /// Begins anew.
    pub(crate) fn calm(&mut self) {
        self.charts = [Chart::default(); 4];
        self.hushed = false;
    }

    /// Its key in one number.
    pub(crate) fn key(&self) -> u64 {
        self.key.number()
    }

    /// Whether all its charts are back at zero by this clock.
    pub(crate) fn is_quiet(&self, clock: f64) -> bool {
        let passed = (clock - self.at).max(0.0);
        self.charts.iter().zip(RHO).all(|(chart, rho)| after(chart.score, rho, self.most, passed) <= 0.0)
    }

    /// The highest chart now.
    pub(crate) fn height(&self) -> f32 {
        self.charts.iter().map(|chart| chart.score).fold(0.0, f32::max)
    }
}

/// What is left of a score after so long without a machine.
fn after(score: f32, rho: f64, most: f32, passed: f64) -> f32 {
    narrow((f64::from(score) - (rho - 1.0) * f64::from(most) * passed).max(0.0))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seven digits are more than a rate or a score is known to"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { kind: Kind::Driver, id: 1, late: false };

    #[test]
    fn it_is_small() {
        assert!(size_of::<Series>() <= 88, "{}", size_of::<Series>());
    }

    #[test]
    fn a_rare_driver_needs_a_handful_and_a_busy_one_a_multiple() {
        let month = 30.0 * 86_400.0;
        let mut rare = Series::new(KEY, month, 0.0);
        let mut machines = 0;
        while rare.height() < 16.0 {
            rare.touch(month + f64::from(machines));
            rare.add(0, true, 1.0);
            machines += 1;
        }
        assert!((5..=6).contains(&machines), "{machines}");

        // Twice a minute for a month, then as before: nothing. Then five times as many: soon.
        let mut busy = Series::new(KEY, 0.0, 0.0);
        let mut clock = 0.0;
        while clock < month {
            clock += 30.0;
            busy.touch(clock);
            busy.add(0, true, 1.0);
            assert!(busy.height() < 9.0 || clock < 3600.0, "{} at {clock}", busy.height());
        }
        assert!((busy.mean(clock) * 30.0 - 1.0).abs() < 0.01 + 0.01, "{}", busy.mean(clock) * 30.0);
        let begun = clock;
        while busy.height() < 16.0 {
            clock += 6.0;
            busy.touch(clock);
            busy.add(0, true, 1.0);
        }
        assert!(clock - begun < 200.0, "{}", clock - begun);
    }

    #[test]
    fn the_quiet_lose_their_scores_by_the_clock_alone() {
        let mut series = Series::new(KEY, 1e6, 0.0);
        for _ in 0..3 {
            series.add(7, true, 1.0);
        }
        let high = series.height();
        series.touch(1e6 + 3600.0);
        assert!(series.height() < high && series.height() > 0.0);
        series.touch(1e6 + 1e8);
        assert_eq!(series.height(), 0.0);
        series.add(9_000, true, 1.0);
        assert_eq!(series.charts[0].onset_ms(), 9_000, "a new excursion");
    }
}
