//! The chart of one element: machines that went dark against those that could be expected to.

use serde::{Deserialize, Serialize};

/// Multiples of the expected that are looked for.
const RATIOS: [f64; 2] = [3.0, 10.0];

/// Cumulative sums of log likelihood ratios, and what they are made of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Chart {
    sums: [f64; RATIOS.len()],
    is_loud: bool,
    /// Machines since the onset.
    pub(super) machines: u32,
    /// Expected since the onset.
    pub(super) expected: f64,
    /// Expected within one interval between beats.
    lead: f64,
    /// When the first of them went dark, ms since 1970; none while nothing is unusual.
    pub(super) onset_ms: Option<i64>,
}

impl Chart {
    /// A tick from `from_ms`: `count` machines where `expected` were to be, and `lead` in one interval between beats.
    ///
    /// Machines that were switched on together are found dark together, whenever they went: so a quiet interval counts
    /// as credit for what comes at its end, and the sums may fall as far below zero.
    pub(super) fn step(&mut self, from_ms: i64, count: u32, expected: f64, lead: f64) {
        self.lead = lead;
        self.is_loud = false;
        for (sum, ratio) in self.sums.iter_mut().zip(RATIOS) {
            let least = -(ratio - 1.0) * lead;
            let next = *sum + f64::from(count) * ratio.ln() - (ratio - 1.0) * expected;
            self.is_loud |= next > least;
            *sum = next.max(least);
        }
        if self.is_loud {
            self.onset_ms.get_or_insert(from_ms);
            self.grow(count, expected);
        } else {
            (self.machines, self.expected, self.onset_ms) = (0, 0.0, None);
        }
    }

    /// A tick of what is reported already: it only grows.
    pub(super) fn grow(&mut self, count: u32, expected: f64) {
        self.machines = self.machines.saturating_add(count);
        self.expected += expected;
    }

    /// Whether nothing is unusual.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_loud
    }

    /// The larger of the sums.
    pub(super) fn score(&self) -> f64 {
        self.sums.iter().fold(0.0, |most, sum| most.max(*sum))
    }

    /// Whether so many machines are `times` those expected, one at least.
    pub(super) fn is_beyond(&self, machines: u32, times: f64) -> bool {
        f64::from(machines) >= times * (self.expected + self.lead + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_adds_up_to_nothing() {
        let mut chart = Chart::default();
        for tick in 0..10_000 {
            chart.step(tick * 60_000, u32::from(tick % 2 == 0), 0.5, 2.5);
        }
        assert!(chart.score() < 5.0, "{}", chart.score());
    }

    #[test]
    fn what_comes_together_after_a_while_is_as_if_it_had_come_one_by_one() {
        let mut chart = Chart::default();
        for tick in 0..1000 {
            chart.step(tick * 60_000, if tick % 5 == 0 { 10 } else { 0 }, 2.0, 10.0);
        }
        assert!(chart.score() < 15.0 && !chart.is_beyond(chart.machines, 2.0), "{chart:?}");
    }

    #[test]
    fn a_jump_is_seen_from_its_beginning() {
        let mut chart = Chart::default();
        for tick in 0..10 {
            chart.step(tick * 60_000, if tick < 5 { 0 } else { 10 }, 0.5, 0.5);
        }
        assert_eq!((chart.onset_ms, chart.machines), (Some(300_000), 50));
        assert!(chart.score() > 80.0 && chart.is_beyond(50, 4.0), "{chart:?}");
        assert!(!chart.is_beyond(50, 40.0));
    }
}
