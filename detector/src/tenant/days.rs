//! How many machines crash on an ordinary day: the measure of a fleet whose size nobody tells. The middle one of the last
//! two weeks, so that an outage is one day and not a larger fleet.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const DAY_MS: i64 = 86_400_000;
/// Days that are remembered.
const MOST: usize = 14;
/// Before so many are over nothing is said.
const LEAST: usize = 3;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Days {
    day: i64,
    today: f64,
    past: VecDeque<f64>,
    /// How many of them, the oldest, are from before we watched: there a machine counts once an hour and driver.
    told: usize,
}

impl Days {
    pub(crate) fn new(at_ms: i64) -> Self {
        Self { day: at_ms.div_euclid(DAY_MS), today: 0.0, past: VecDeque::new(), told: 0 }
    }

    /// So many machines at this time; times do not go back.
    pub(crate) fn count(&mut self, at_ms: i64, machines: f64) {
        let day = at_ms.div_euclid(DAY_MS);
        // A day without a crash is a day, too; more of them than are remembered make no difference.
        let over = usize::try_from(day - self.day).unwrap_or(0).min(MOST);
        for _ in 0..over {
            if self.past.len() >= MOST {
                self.past.pop_front();
                self.told = self.told.saturating_sub(1);
            }
            self.past.push_back(std::mem::take(&mut self.today));
        }
        self.day = self.day.max(day);
        self.today += machines;
    }

    /// What was counted so far is from before we watched.
    pub(crate) fn begin(&mut self) {
        self.told = self.past.len();
    }

    /// Machines of an ordinary day.
    pub(crate) fn usual(&self) -> Option<f64> {
        if self.past.len() < LEAST {
            return None;
        }
        let seen = self.past.len() - self.told;
        let surest = if seen >= LEAST { self.told } else { 0 };
        let mut days: Vec<f64> = self.past.iter().skip(surest).copied().collect();
        days.sort_unstable_by(f64::total_cmp);
        days.get(days.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_a_day_and_not_a_larger_fleet() {
        let mut days = Days::new(0);
        for day in 0..10 {
            days.count(day * DAY_MS, if day == 4 { 5000.0 } else { 10.0 });
        }
        assert_eq!(days.usual(), Some(10.0));
        days.count(40 * DAY_MS, 1.0);
        assert_eq!(days.usual(), Some(0.0), "nothing came for a month");
    }

    #[test]
    fn what_was_seen_is_surer_than_what_was_told() {
        let mut days = Days::new(0);
        (0..10).for_each(|day| days.count(day * DAY_MS, 20.0));
        days.begin();
        (10..12).for_each(|day| days.count(day * DAY_MS, 8.0));
        assert_eq!(days.usual(), Some(20.0));
        days.count(13 * DAY_MS, 8.0);
        days.count(14 * DAY_MS, 8.0);
        assert_eq!(days.usual(), Some(8.0));
    }

    #[test]
    fn a_few_days_are_needed() {
        let mut days = Days::new(0);
        days.count(0, 7.0);
        days.count(2 * DAY_MS, 7.0);
        assert_eq!(days.usual(), None);
        days.count(3 * DAY_MS, 7.0);
        assert_eq!(days.usual(), Some(7.0));
    }
}
