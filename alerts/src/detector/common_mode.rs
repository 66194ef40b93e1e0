//! What the whole fleet does at this moment, as a multiple of its past: Monday morning, a patch day, the release of
//! a stalled ingest. Dividing by it matters more for false pages than any seasonal profile.

use super::statistics::count;
use super::{DriverCounts, SPANS, WINDOWS};

/// Machines that are added on both sides, so that a quiet fleet's first crash is no movement of the fleet.
const WEIGHT: f64 = 20.0;
/// With at least this many drivers active, the middle one says what the fleet does.
const ENOUGH: usize = 8;

/// What all drivers together did over each span.
pub(super) struct CommonMode {
    spans: [Sums; SPANS.len()],
}

#[derive(Clone, Copy)]
struct Sums {
    observed: f64,
    expected: f64,
    /// The middle driver's own multiple; 1 where there are too few to have a middle.
    middle: f64,
}

impl CommonMode {
    pub(super) fn of(drivers: &[DriverCounts]) -> Self {
        Self { spans: core::array::from_fn(|index| sums(drivers, index)) }
    }

    /// The multiple as the others see it, at least 1: a fleet that falls silent must not make the detector touchy.
    ///
    /// The larger of two estimates. The first adds up all other drivers, each capped so that one that explodes does
    /// not speak for the fleet. The cap makes it blind to a movement of more than about thirty times: there the
    /// middle driver's own multiple speaks, which no minority of exploding drivers can move. Leaving out the driver
    /// in question matters where it is most of the fleet's crashes: it would explain itself away.
    pub(super) fn without(&self, driver: &DriverCounts) -> f64 {
        let one = |(index, sums): (usize, &Sums)| {
            let (observed, expected) = capped(driver, index);
            ((sums.observed - observed) / (sums.expected - expected)).max(sums.middle)
        };
        self.spans.iter().enumerate().map(one).fold(1.0, f64::max)
    }
}

fn sums(drivers: &[DriverCounts], index: usize) -> Sums {
    let mut sums = Sums { observed: WEIGHT, expected: WEIGHT, middle: 1.0 };
    let mut multiples: Vec<f64> = Vec::with_capacity(drivers.len());
    for driver in drivers {
        let (observed, expected) = capped(driver, index);
        sums.observed += observed;
        sums.expected += expected;
        multiples.push((count(driver.machines[index]) + 0.5) / (expected + 0.5));
    }
    if multiples.len() >= ENOUGH {
        let middle = multiples.len() / 2;
        sums.middle = *multiples.select_nth_unstable_by(middle, f64::total_cmp).1;
    }
    sums
}

/// A driver's machines over a span, capped, and how many its own past lets expect.
fn capped(driver: &DriverCounts, index: usize) -> (f64, f64) {
    let span = SPANS[index];
    let past: u64 = driver.windows.iter().take(WINDOWS).skip(span).sum();
    let usual = count(span as u64) * (0.5 + count(past)) / count((WINDOWS - span) as u64);
    (count(driver.machines[index]).min(3.0 + 30.0 * usual), usual)
}
