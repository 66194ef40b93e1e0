//! How often the state is written. A small one costs nothing; that of millions of machines takes seconds, during which
//! nothing is detected. So it is written for at most a fiftieth of the time: what a restart then has to read again, the
//! stream of signals still has. What people are to be told never waits. Pure.

use std::time::Duration;

/// Between two writings, at least so many times what one took.
const REST: u32 = 50;
/// Where nothing happens, not more often than this.
const LEAST: Duration = Duration::from_secs(30);
/// And not more rarely, whatever it costs: a restart must not take hours.
const MOST: Duration = Duration::from_secs(900);

/// What the last writing took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace(Duration);

impl Pace {
    /// Takes note of a writing, from the first byte of the state to the store's yes.
    pub(super) fn took(&mut self, time: Duration) {
        self.0 = time;
    }

    /// How long after the last writing the next one comes. `quiet_steps`: something happened that nobody is told of.
    pub(super) fn pause(self, quiet_steps: bool) -> Duration {
        let rest = self.0.saturating_mul(REST).min(MOST);
        if quiet_steps { rest } else { rest.max(LEAST) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fiftieth_of_the_time_is_spent() {
        for (took_ms, idle_s, steps_ms) in
            [(0, 30, 0), (10, 30, 500), (900, 45, 45_000), (4_000, 200, 200_000), (60_000, 900, 900_000)]
        {
            let mut pace = Pace::default();
            pace.took(Duration::from_millis(took_ms));
            assert_eq!(pace.pause(false), Duration::from_secs(idle_s), "{took_ms} ms");
            assert_eq!(pace.pause(true), Duration::from_millis(steps_ms), "{took_ms} ms");
        }
    }
}
