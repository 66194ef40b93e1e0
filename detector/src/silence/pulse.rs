//! A tenant's own clock: it stands still while nobody's beats arrive, so that a stalled intake, or a network that is
//! down, makes nobody dark.

use serde::{Deserialize, Serialize};

/// Beats that must be missing before anything is said of their way: none of five comes by chance in one of 150.
const FEW: f64 = 5.0;
/// Below this share of the beats that were to come, it is the way and not the machines.
const STALLED: f64 = 0.1;
/// For longer than this many intervals between beats. One is no sign: machines that were switched on together, after a
/// power cut, beat together. Two would be late: a machine that beat just before is dark then.
const PATIENCE: f64 = 1.2;

/// Who left while nothing arrived is overdue three intervals after that; two more for those slower than others.
const AFTERMATH: f64 = 5.0;

/// What arrived of what was to arrive.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Pulse {
    /// Beats of this tick.
    got: u32,
    /// Since beats arrived last: time, and beats that were to come.
    gap_ms: i64,
    missing: f64,
    is_stalled: bool,
    lost_ms: i64,
    /// For how long what goes dark may have left while nothing arrived, ms.
    aftermath_ms: i64,
}

impl Pulse {
    pub(super) fn beat(&mut self) {
        self.got = self.got.saturating_add(1);
    }

    /// A tick of `span_ms` ended, in which `expected` beats were to come, from machines that beat every `pace_s`.
    pub(super) fn tick(&mut self, span_ms: i64, expected: f64, pace_s: f64) {
        let got = f64::from(std::mem::take(&mut self.got));
        self.aftermath_ms = (self.aftermath_ms - span_ms).max(0);
        if got > 0.0 && got >= STALLED * expected || expected <= 0.0 {
            if self.is_stalled {
                self.lost_ms += self.gap_ms;
                self.aftermath_ms = (AFTERMATH * pace_s * 1000.0) as i64;
            }
            (self.gap_ms, self.missing, self.is_stalled) = (0, 0.0, false);
            return;
        }
        self.gap_ms += span_ms;
        self.missing += expected - got;
        self.is_stalled = self.missing >= FEW && self.gap_ms as f64 > PATIENCE * pace_s * 1000.0;
    }

    /// Whether what goes dark now says nothing about habits. Whoever left while nothing arrived could not say goodbye,
    /// and all of them are overdue together soon after: a twentieth of a fleet within five minutes, where one in 200 is
    /// the most on any other day.
    pub(super) fn is_upset(&self) -> bool {
        self.is_stalled || self.aftermath_ms > 0
    }

    /// How far the clock is behind the wall's, ms.
    pub(super) fn behind_ms(&self) -> i64 {
        self.lost_ms + if self.is_stalled { self.gap_ms } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A minute a tick, 60 beats a minute, each machine every five.
    fn minutes(pulse: &mut Pulse, count: u32, beats: impl Fn(u32) -> u32) {
        for minute in 0..count {
            (0..beats(minute)).for_each(|_| pulse.beat());
            pulse.tick(60_000, 60.0, 300.0);
        }
    }

    #[test]
    fn stands_still_while_nothing_comes() {
        let mut pulse = Pulse::default();
        minutes(&mut pulse, 20, |_| 60);
        minutes(&mut pulse, 20, |_| 2);
        assert_eq!(pulse.behind_ms(), 20 * 60_000, "a few get through");
        assert!(pulse.is_upset());
        minutes(&mut pulse, 20, |_| 60);
        assert_eq!(pulse.behind_ms(), 20 * 60_000);
        assert!(pulse.is_upset(), "who left meanwhile is missed now");
        minutes(&mut pulse, 10, |_| 60);
        assert!(!pulse.is_upset());
    }

    #[test]
    fn goes_on_while_a_third_comes_or_all_beat_together() {
        let mut pulse = Pulse::default();
        minutes(&mut pulse, 60, |_| 20);
        minutes(&mut pulse, 60, |minute| if minute % 5 == 0 { 300 } else { 0 });
        assert!(pulse.behind_ms() == 0 && !pulse.is_upset());
    }
}
