//! Time as the fleet lives it: the detector's clock runs faster when everybody crashes more, at busy hours of the week and
//! when the whole fleet moves at once. A driver is held against this clock, so that what all do is nothing special.

mod common;

use serde::{Deserialize, Serialize};

pub(crate) use common::{Common, Rates};

/// Hours of a week.
const HOURS: usize = 168;
/// Events by which a profile's hour is held to its mean.
const SHRINK: f64 = 20.0;
/// What a week counts beside the next.
const WEEKLY: f64 = 0.75;
const HOUR_MS: i64 = 3_600_000;

/// How busy each hour of the week is, as a multiple of the mean.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    seen: Vec<f64>,
    expected: Vec<f64>,
    hour: i64,
    in_hour: f64,
}

impl Profile {
    pub(crate) fn new(at_ms: i64) -> Self {
        Self {
            seen: vec![0.0; HOURS],
            expected: vec![0.0; HOURS],
            hour: at_ms.div_euclid(HOUR_MS),
            in_hour: 0.0,
        }
    }

    /// The multiple at this moment.
    pub(crate) fn at(&self, at_ms: i64) -> f64 {
        self.of(at_ms.div_euclid(HOUR_MS))
    }

    fn of(&self, hour: i64) -> f64 {
        let slot = slot(hour);
        let (seen, expected) = (self.seen.get(slot), self.expected.get(slot));
        let (seen, expected) = (seen.copied().unwrap_or(0.0), expected.copied().unwrap_or(0.0));
        ((seen + SHRINK) / (expected + SHRINK)).clamp(0.1, 5.0)
    }

    /// So many machines until `at_ms`, where `rate` a second is the mean.
    pub(crate) fn count(&mut self, at_ms: i64, machines: f64, rate: f64) {
        let hour = at_ms.div_euclid(HOUR_MS);
        while self.hour < hour {
            // Behind a gap of weeks there is nothing to learn hour by hour.
            if hour - self.hour > 200 {
                self.hour = hour;
                self.in_hour = 0.0;
                break;
            }
            let in_hour = std::mem::take(&mut self.in_hour);
            self.learn(self.hour, in_hour, rate * 3600.0);
            self.hour += 1;
        }
        self.in_hour += machines;
    }

    /// An hour's machines, where `mean` is usual. An hour of an outage counts as a busy one, not as what it was.
    pub(crate) fn learn(&mut self, hour: i64, machines: f64, mean: f64) {
        let usual = mean * self.of(hour);
        let slot = slot(hour);
        if let (Some(seen), Some(expected)) = (self.seen.get_mut(slot), self.expected.get_mut(slot)) {
            *seen = *seen * WEEKLY + machines.min(3.0 * usual + 10.0);
            *expected = *expected * WEEKLY + mean;
        }
    }
}

/// Place of an hour since 1970 in the week.
fn slot(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(168)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_hours_are_learnt_and_an_outage_is_not() {
        let mut profile = Profile::new(0);
        for hour in 0..168 * 4_i64 {
            let busy = if hour % 24 == 9 { 3.0 } else { 22.0 / 24.0 };
            profile.learn(hour, busy * 600.0, 600.0);
        }
        let at = |hour: i64| profile.at(hour * HOUR_MS);
        assert!((at(9) - 3.0).abs() < 0.1 && (at(10) - 0.92).abs() < 0.05, "{} {}", at(9), at(10));
        profile.learn(168 * 4 + 10, 1e7, 600.0);
        assert!(profile.at((168 * 5 + 10) * HOUR_MS) < 2.0);
    }
}
