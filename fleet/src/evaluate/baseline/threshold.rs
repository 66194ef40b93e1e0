//! Static threshold: so many machines in a minute, whatever the driver. The first of the rules in chapter 5, "Alerting on
//! SLOs", of The Site Reliability Workbook (B. Beyer and others, O'Reilly 2018): alert where the rate of a short window
//! is at least the threshold.
//!
//! Nobody knows the right threshold beforehand, so a grid of them runs, and the table shows the best one: of those that
//! find what the detector finds, the one with the fewest false alarms.

/// Machines a minute.
pub(super) const GRID: [u32; 9] = [5, 10, 20, 30, 60, 120, 300, 600, 1200];

const SLOT_MS: i64 = 10_000;
/// Slots of the minute that is held against the threshold.
const MINUTE: usize = 6;
/// Slots over which there must be 20 machines: ten minutes.
const SLOTS: usize = 60;

/// Machines of the last ten minutes, in slots of 10 s.
#[derive(Debug)]
pub(super) struct Minutes {
    slots: [u32; SLOTS],
    now: i64,
}

impl Default for Minutes {
    fn default() -> Self {
        Self { slots: [0; SLOTS], now: i64::MIN / 2 }
    }
}

impl Minutes {
    /// Counts a machine: how many came within the minute, and within ten.
    pub(super) fn machine(&mut self, at_ms: i64) -> (u32, u32) {
        // streams are in order; what is not, counts as now
        let now = at_ms.div_euclid(SLOT_MS).max(self.now);
        let passed = usize::try_from(now - self.now).unwrap_or(SLOTS).min(SLOTS);
        self.now = now;
        // the present slot is the first
        self.slots.rotate_right(passed % SLOTS);
        self.slots.iter_mut().take(passed).for_each(|slot| *slot = 0);
        if let Some(present) = self.slots.first_mut() {
            *present += 1;
        }
        (self.slots.iter().take(MINUTE).sum(), self.slots.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_and_ten_are_counted() {
        let mut minutes = Minutes::default();
        let mut last = (0, 0);
        for second in 0..120 {
            last = minutes.machine(1_000_000_000_000 + second * 1000);
        }
        assert_eq!(last, (60, 120));
        // 9 minutes later the first minute is gone from the ten
        assert_eq!(minutes.machine(1_000_000_000_000 + (60 + 600) * 1000), (1, 51));
        assert_eq!(minutes.machine(1_000_000_000_000 + 9_000_000), (1, 1));
    }
}
