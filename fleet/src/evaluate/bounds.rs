//! How far a count can be trusted: exact one-sided 95 % bounds. Knows nothing of what was counted.

use serde::{Deserialize, Serialize};

/// What is rarer is not believed.
const DOUBT: f64 = 0.05;
/// What alarms are counted over.
const MONTH_DAYS: f64 = 28.0;

/// How often something happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Frequency {
    /// Times.
    pub events: u64,
    /// Over how many simulated days.
    pub days: f64,
    /// Times in 28 days.
    pub per_28_days: f64,
    /// Not more often than this in 28 days, with 95 % confidence; nothing where no day was simulated.
    pub at_most: Option<f64>,
}

impl Frequency {
    /// `events` of a Poisson process in `days`.
    pub fn new(events: u64, days: f64) -> Self {
        if days <= 0.0 {
            return Self { events, days, per_28_days: 0.0, at_most: None };
        }
        let months = days / MONTH_DAYS;
        let at_most = Some(poisson_upper(events) / months);
        Self { events, days, per_28_days: events as f64 / months, at_most }
    }
}

/// How many of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// So many.
    pub right: u64,
    /// Of so many.
    pub of: u64,
    /// At least this share, with 95 % confidence; nothing where there were none.
    pub at_least: Option<f64>,
}

impl Share {
    /// `right` of `of`.
    pub fn new(right: u64, of: u64) -> Self {
        Self { right, of, at_least: share_lower(right, of) }
    }

    /// 0 to 1; nothing where there were none.
    pub fn value(&self) -> Option<f64> {
        (self.of > 0).then(|| self.right as f64 / self.of as f64)
    }
}

/// The largest mean under which so few events would still be seen once in twenty times: Garwood's bound (Biometrika 28,
/// 1936).
fn poisson_upper(events: u64) -> f64 {
    let events = events as f64;
    let constant = -ln_factorial(events);
    let at_most_events = |mean: f64| {
        let most_likely = (constant + events * mean.ln() - mean).exp();
        // beyond the mean of `events`, the terms below shrink: k / mean from one to the next
        tail(most_likely, (0..).map(|down| (events - f64::from(down)) / mean))
    };
    // 1.645 deviations would do for many events; the bound is a few higher for few
    bisect(events, events + 4.0 * events.sqrt() + 4.0, |mean| at_most_events(mean) > DOUBT)
}

/// The smallest share under which so many would still be right once in twenty times: Clopper and Pearson's bound
/// (Biometrika 26, 1934).
fn share_lower(right: u64, of: u64) -> Option<f64> {
    if right == 0 || right > of {
        return (of > 0).then_some(0.0);
    }
    let (right, of) = (right as f64, of as f64);
    let constant = ln_factorial(of) - ln_factorial(right) - ln_factorial(of - right);
    let at_least_right = |share: f64| {
        let wrong = if of > right { (of - right) * (-share).ln_1p() } else { 0.0 };
        let most_likely = (constant + right * share.ln() + wrong).exp();
        let odds = share / (1.0 - share);
        tail(most_likely, (0..).map(|up| (of - right - f64::from(up)) / (right + f64::from(up) + 1.0) * odds))
    };
    Some(bisect(0.0, right / of, |share| at_least_right(share) < DOUBT))
}

/// A sum of terms, given its largest, first one and the ratio of each to the one before.
fn tail(first: f64, ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut term, mut sum) = (first, first);
    for ratio in ratios {
        term *= ratio;
        sum += term;
        if term <= sum * f64::EPSILON {
            break;
        }
    }
    sum
}

/// Where `below` ends, to the last digits.
fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = low.midpoint(high);
        if middle <= low || middle >= high {
            break;
        }
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Counts are at most those of alarms and outages: summing is fast enough, and exact.
fn ln_factorial(n: f64) -> f64 {
    (2..=n as u64).map(|k| (k as f64).ln()).sum()
}

/// Delays, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Delays {
    /// How many.
    pub n: u64,
    /// Half of them are not longer.
    pub median_s: f64,
    /// Nine of ten are not longer.
    pub p90_s: f64,
    /// The longest.
    pub max_s: f64,
}

impl Delays {
    /// Of these; nothing where there are none.
    pub fn new(mut delays: Vec<f64>) -> Option<Self> {
        delays.sort_by(f64::total_cmp);
        // by rank, upwards: a delay that was measured, never one between two
        let rank = |share: f64| {
            let rank = (share * delays.len() as f64).ceil() as usize;
            delays.get(rank.saturating_sub(1)).copied()
        };
        Some(Self { n: delays.len() as u64, median_s: rank(0.5)?, p90_s: rank(0.9)?, max_s: rank(1.0)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 5e-4 * expected, "{found} is not {expected}");
    }

    /// The sum that the bound is the inverse of.
    fn poisson_cdf(events: u64, mean: f64) -> f64 {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=events {
            term *= mean / k as f64;
            sum += term;
        }
        sum
    }

    #[test]
    fn no_event_in_twenty_months_is_at_most_three_in_twenty() {
        let frequency = Frequency::new(0, 560.0);
        assert_eq!((frequency.events, frequency.per_28_days), (0, 0.0));
        near(frequency.at_most, 2.9957 / 20.0);
    }

    #[test]
    fn bounds_are_those_of_the_tables() {
        // Garwood's table, upper 5 %
        for (events, bound) in [(0, 2.996), (1, 4.744), (2, 6.296), (5, 10.513), (10, 16.962), (30, 40.691)] {
            near(Some(poisson_upper(events)), bound);
        }
        near(share_lower(10, 10), 0.05_f64.powf(0.1));
        near(share_lower(9, 10), 0.6058);
        near(share_lower(5, 10), 0.2224);
        assert_eq!((share_lower(0, 10), share_lower(0, 0)), (Some(0.0), None));
    }

    #[test]
    fn the_bound_is_the_mean_that_gives_one_in_twenty() {
        for events in [0, 1, 3, 7, 20, 100, 300] {
            let mean = poisson_upper(events);
            let tail = poisson_cdf(events, mean);
            assert!((tail - 0.05).abs() < 1e-6, "{events}: {tail}");
        }
        // far out, where the sum has no floating-point form, it is mean plus 1.645 deviations
        near(Some(poisson_upper(40_149)), 40_149.0 + 1.645 * 40_149.0_f64.sqrt() + 1.4);
    }

    #[test]
    fn delays_are_ranked() {
        let delays = Delays::new((1..=10).rev().map(f64::from).collect()).unwrap();
        assert_eq!(delays, Delays { n: 10, median_s: 5.0, p90_s: 9.0, max_s: 10.0 });
        assert_eq!(Delays::new(vec![7.0]).unwrap().p90_s, 7.0);
        assert_eq!(Delays::new(Vec::new()), None);
    }
}
