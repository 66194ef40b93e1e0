//! What the whole fleet does at this moment, as a multiple of its past: a Monday morning, a Patch Tuesday, the release of
//! what a stalled intake held back. No driver can move it by itself: what one adds is capped, and the two that are
//! furthest beyond their past are left out.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::stats::float;

/// Spans that are looked at, s, and the events by which each is held to one.
const SPANS: [(i64, f64); 4] = [(10, 8.0), (20, 20.0), (120, 20.0), (900, 20.0)];
/// Fewer machines of a driver within a span need no cap.
const BIG: u32 = 8;
/// Standard deviations that chance does not reach.
const SURE: f64 = 5.0;
/// How many of the furthest are left out.
const LEFT_OUT: usize = 2;

/// Rates by series, machines a second of the clock.
pub(crate) trait Rates {
    /// Of one series.
    fn rate(&self, series: u32) -> f64;
    /// Of all together.
    fn total(&self) -> f64;
}

/// Machines by series over the spans, and the clock that they drive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Common {
    /// Ticks with machines, oldest first.
    ring: VecDeque<(i64, Vec<(u32, u32)>)>,
    /// Ticks that have left the ring.
    gone: usize,
    spans: Vec<Span>,
    /// The multiple now.
    pub(crate) factor: f64,
    /// The clock, s.
    pub(crate) clock: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Span {
    counts: HashMap<u32, u32, FixedState>,
    small: u64,
    big: Vec<u32>,
    /// First tick of the ring that is in the span, counted from the beginning of time.
    first: usize,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            ring: VecDeque::new(),
            gone: 0,
            spans: vec![Span::default(); SPANS.len()],
            factor: 1.0,
            clock: 0.0,
        }
    }
}

impl Common {
    /// Ends a tick: its machines by series, its length, and how busy this hour usually is. Moves the clock.
    pub(crate) fn tick(
        &mut self,
        at_ms: i64,
        took_s: f64,
        machines: Vec<(u32, u32)>,
        busy: f64,
        rates: &impl Rates,
    ) {
        for span in &mut self.spans {
            for (series, count) in &machines {
                span.change(*series, i64::from(*count));
            }
        }
        if !machines.is_empty() {
            self.ring.push_back((at_ms, machines));
        }
        let mut factor: f64 = 1.0;
        for (span, (length, hold)) in self.spans.iter_mut().zip(SPANS) {
            while let Some((at, old)) = self.ring.get(span.first - self.gone) {
                if at_ms - at < length * 1000 {
                    break;
                }
                for (series, count) in old {
                    span.change(*series, -i64::from(*count));
                }
                span.first += 1;
            }
            let seconds = took_s.max(f64::from(i32::try_from(length).unwrap_or(i32::MAX))) * busy;
            factor = factor.max(span.factor(seconds, hold, rates));
        }
        let oldest = self.spans.iter().map(|span| span.first).min().unwrap_or(self.gone);
        while self.gone < oldest && self.ring.pop_front().is_some() {
            self.gone += 1;
        }
        self.factor = factor;
        self.clock += took_s * busy * factor;
    }

    /// Machines since then (of at most a quarter of an hour) in the series that count, without the largest of them.
    pub(crate) fn others_since(&self, since_ms: i64, counts: impl Fn(u32) -> bool) -> u64 {
        let mut machines: HashMap<u32, u64, FixedState> = HashMap::default();
        for (_, tick) in self.ring.iter().rev().take_while(|(at, _)| *at >= since_ms) {
            for (series, count) in tick.iter().filter(|(series, _)| counts(*series)) {
                *machines.entry(*series).or_default() += u64::from(*count);
            }
        }
        machines.values().sum::<u64>() - machines.values().max().copied().unwrap_or(0)
    }

    /// Machines of one series over the shortest span that holds so many seconds, and that span's seconds.
    pub(crate) fn lately(&self, series: u32, seconds: i64) -> (u64, i64) {
        let index = SPANS.iter().position(|(length, _)| *length >= seconds).unwrap_or(SPANS.len() - 1);
        let own = self.spans.get(index).and_then(|span| span.counts.get(&series)).copied().unwrap_or(0);
        (u64::from(own), SPANS.get(index).map_or(0, |(length, _)| *length))
    }
}

impl Span {
    fn change(&mut self, series: u32, by: i64) {
        let count = self.counts.entry(series).or_default();
        let before = *count;
        let after = u32::try_from(i64::from(before).saturating_add(by).max(0)).unwrap_or(u32::MAX);
        *count = after;
        if after == 0 {
            self.counts.remove(&series);
        }
        if before < BIG {
            self.small -= u64::from(before);
        }
        if after < BIG {
            self.small += u64::from(after);
        }
        if before < BIG && after >= BIG {
            self.big.push(series);
        } else if before >= BIG && after < BIG {
            self.big.retain(|other| *other != series);
        }
    }

    fn factor(&self, seconds: f64, hold: f64, rates: &impl Rates) -> f64 {
        let mut found = float(self.small);
        let mut expected = rates.total() * seconds;
        // The furthest beyond their past: (excess, machines counted, machines expected).
        let mut furthest = [(0.0_f64, 0.0_f64, 0.0_f64); LEFT_OUT];
        for series in &self.big {
            let usual = rates.rate(*series) * seconds;
            let count = float(u64::from(self.counts.get(series).copied().unwrap_or(0)));
            let counted = count.min(3.0 + 30.0 * usual);
            found += counted;
            let mut one = (count - usual, counted, usual);
            for place in &mut furthest {
                if one.0 > place.0 {
                    std::mem::swap(place, &mut one);
                }
            }
        }
        for (_, counted, usual) in furthest {
            found -= counted;
            expected -= usual;
        }
        let expected = expected.max(0.0);
        // Held to one by what chance does; where chance cannot have done it, as found: an intake that stood still releases
        // hundreds of times the usual.
        let sure = (found - SURE * found.sqrt()) / expected.max(1.0);
        ((hold + found) / (hold + expected)).max(sure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 drivers at 0.01 a second each.
    struct Even;

    impl Rates for Even {
        fn rate(&self, _series: u32) -> f64 {
            0.01
        }
        fn total(&self) -> f64 {
            1.0
        }
    }

    fn run(common: &mut Common, from_s: i64, ticks: i64, of: impl Fn(i64) -> Vec<(u32, u32)>) {
        for tick in 0..ticks {
            common.tick((from_s + tick * 10) * 1000, 10.0, of(tick), 1.0, &Even);
        }
    }

    fn spread(per_tick: u32) -> impl Fn(i64) -> Vec<(u32, u32)> {
        move |tick| (0..per_tick).map(|i| ((u32::try_from(tick).unwrap() * per_tick + i) % 100, 1)).collect()
    }

    #[test]
    fn the_usual_is_one_and_a_jump_of_all_is_seen_at_once() {
        let mut common = Common::default();
        run(&mut common, 0, 200, spread(10));
        assert!((common.factor - 1.0).abs() < 0.05, "{}", common.factor);
        let clock = common.clock;
        assert!((clock / 2000.0 - 1.0).abs() < 0.1, "{clock}");
        run(&mut common, 2000, 1, spread(100));
        assert!(common.factor > 4.0, "{}", common.factor);
        assert!(common.clock - clock > 40.0);
        // And it is over when it is over.
        run(&mut common, 2010, 200, spread(10));
        assert!((common.factor - 1.0).abs() < 0.05, "{}", common.factor);
    }

    #[test]
    fn one_or_two_drivers_alone_do_not_move_it() {
        let mut common = Common::default();
        run(&mut common, 0, 200, spread(10));
        run(&mut common, 2000, 6, |tick| {
            let mut all = spread(10)(tick);
            all.extend([(200, 500), (201, 300)]);
            all
        });
        assert!(common.factor < 1.1, "{}", common.factor);
        assert_eq!(common.lately(200, 60), (3000, 120));
        let lately = (2000 + 60 - 120) * 1000;
        assert_eq!(common.others_since(lately, |series| series != 200), 120);
    }

    #[test]
    fn nothing_is_left_of_what_has_gone_by() {
        let mut common = Common::default();
        run(&mut common, 0, 10, spread(100));
        run(&mut common, 5000, 2, |_| Vec::new());
        assert!(common.ring.is_empty());
        assert!(
            common.spans.iter().all(|span| span.counts.is_empty() && span.small == 0 && span.big.is_empty())
        );
    }
}
