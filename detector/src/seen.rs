//! Which machine has been counted in which series lately: a boot loop is one machine. Two halves of a set, the older of
//! which is thrown away after a while, so that a machine counts again after half a day to a day.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

const HALF_MS: i64 = 12 * 3_600_000;
/// Marks in one half. Beyond it the half is over early: an outage of millions must not take the memory of billions.
const MOST: usize = 8_000_000;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    now: HashSet<u64, FixedState>,
    before: HashSet<u64, FixedState>,
    began_ms: i64,
}

impl Seen {
    /// Whether this is the first time.
    pub(crate) fn first(&mut self, mark: u64) -> bool {
        !self.before.contains(&mark) && self.now.insert(mark)
    }

    pub(crate) fn turn(&mut self, at_ms: i64) {
        if at_ms - self.began_ms >= HALF_MS || self.now.len() >= MOST {
            self.before = std::mem::take(&mut self.now);
            self.began_ms = at_ms;
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        (self.now.capacity() + self.before.capacity()) * 9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_in_half_a_day_at_least_and_again_the_day_after() {
        let mut seen = Seen::default();
        assert!(seen.first(7));
        assert!(!seen.first(7));
        seen.turn(HALF_MS);
        assert!(!seen.first(7), "the older half counts too");
        seen.turn(2 * HALF_MS);
        assert!(seen.first(7));
    }
}
