//! Machines an hour of one driver, for as long as any method looks back. Hours without a machine take no space.

use std::collections::VecDeque;

/// An hour.
pub(super) const HOUR_MS: i64 = 3_600_000;
/// Hours of a week.
pub(super) const WEEK: i64 = 7 * 24;
/// A week before today's first hour, and today.
const KEPT: i64 = WEEK + 24;

/// Hours with machines, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Hours {
    counts: VecDeque<(i64, u32)>,
    total: u64,
}

impl Hours {
    /// Adds machines to an hour, which is never before the last one; how many it has now.
    pub(super) fn add(&mut self, hour: i64, machines: u32) -> u32 {
        self.total += u64::from(machines);
        match self.counts.back_mut() {
            Some((last, count)) if *last == hour => {
                *count += machines;
                return *count;
            }
            _ => self.counts.push_back((hour, machines)),
        }
        while self.counts.front().is_some_and(|(oldest, _)| *oldest < hour - KEPT) {
            self.counts.pop_front();
        }
        machines
    }

    /// Machines of all hours ever.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Counts of the hours in `[from, to)` that had machines.
    pub(super) fn between(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, u32)> {
        let begin = self.counts.partition_point(|(hour, _)| *hour < from);
        self.counts.range(begin..).copied().take_while(move |(hour, _)| *hour < to)
    }

    /// Mean and standard deviation (of a sample) over all hours in `[from, to)`, those without machines included.
    pub(super) fn moments(&self, from: i64, to: i64) -> (f64, f64) {
        let hours = (to - from) as f64;
        let (sum, squares) = self.between(from, to).fold((0.0, 0.0), |(sum, squares), (_, count)| {
            let count = f64::from(count);
            (sum + count, squares + count * count)
        });
        let mean = sum / hours;
        let variance = (squares - sum * mean) / (hours - 1.0);
        (mean, variance.max(0.0).sqrt())
    }
}
