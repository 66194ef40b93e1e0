//! One outage as it runs: whom it may take, how fast, and how its crashes look.

use std::ops::Range;

use super::builds::Release;
use super::chance::Bits;
use super::model::Model;
use crate::random::Random;
use crate::scenario::Ramp;

/// A machine that could crash does so within half a minute on average at most: nobody's whole fleet goes in a second.
const LEAST_WAIT_S: f64 = 30.0;

/// How a crash of it looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Way {
    /// Weight.
    pub(super) share: f64,
    /// Who is blamed.
    pub(super) blamed: u32,
    /// Bug check code.
    pub(super) bugcheck: u32,
    /// Where in the blamed image.
    pub(super) fault: u32,
}

/// Whom it may take: all that is set must fit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Who {
    /// Watched drivers that a machine must have, by place.
    pub(super) has: Vec<usize>,
    /// The build that it must have, too.
    pub(super) release: Option<Release>,
    /// Its model.
    pub(super) model: Option<u16>,
    /// Its build of Windows.
    pub(super) os_build: Option<u32>,
    /// Its ring.
    pub(super) ring: Option<usize>,
    /// The only machines, by number.
    pub(super) machines: Range<u64>,
}

impl Who {
    fn fits(&self, model: &Model, key: u64) -> bool {
        let home = model.goes_home(key);
        self.model.is_none_or(|wanted| model.kinds.model(key) == wanted)
            && self.os_build.is_none_or(|wanted| model.kinds.os_build(key) == wanted)
            && self.ring.is_none_or(|wanted| model.kinds.ring(key) == wanted)
            && self.has.iter().all(|&place| model.drivers.has(place, key, home))
    }

    fn reached(&self, model: &Model, key: u64, at_ms: i64) -> bool {
        self.release
            .as_ref()
            .is_none_or(|release| release.rollout.reaches_ms(key, model.kinds.ring(key)) <= at_ms)
    }

    /// Share of machines that have the build.
    fn reached_share(&self, model: &Model, at_ms: i64) -> f64 {
        let Some(release) = &self.release else { return 1.0 };
        let shares = model.kinds.ring_shares();
        (0..3).map(|ring| shares[ring] * release.rollout.reached(ring, at_ms)).sum()
    }

    /// How many machines fit, whatever build they have; a sample of a large fleet tells.
    pub(super) fn population(&self, model: &Model, tenant: usize) -> f64 {
        const SAMPLE: u64 = 100_000;
        let (first, count) = (self.machines.start, self.machines.end - self.machines.start);
        let step = (count / SAMPLE).max(1);
        let fleet = &model.fleets[tenant];
        let numbers = (first..self.machines.end).step_by(step as usize);
        let fitting = numbers.filter(|&number| self.fits(model, fleet.key(number))).count();
        (fitting as u64 * step).min(count) as f64
    }
}

/// One outage.
#[derive(Debug)]
pub(super) struct Plan {
    /// Place of its truth.
    pub(super) truth: usize,
    /// Whose machines.
    pub(super) tenant: usize,
    /// When its first machine may crash, ms since 1970.
    pub(super) begin_ms: i64,
    /// When no other does.
    pub(super) end_ms: i64,
    /// Machines a second.
    pub(super) rate: f64,
    /// How it begins.
    pub(super) ramp: (Ramp, f64),
    /// Whether its rate goes with the share of machines that have the build.
    pub(super) burns: bool,
    /// Whom it may take.
    pub(super) who: Who,
    /// How it looks.
    pub(super) ways: Vec<Way>,
    /// Share of machines that crash again and again.
    pub(super) loops: f64,
    /// Whether it takes only machines that are on.
    pub(super) awake: bool,
    /// Whether machines stay dark.
    pub(super) dark: bool,
    /// Machines that fit.
    pub(super) population: f64,
    /// Machines that it took.
    pub(super) taken: u64,
    /// Which they are.
    pub(super) bits: Option<Bits>,
    /// Nobody was to be found: not tried again until then.
    pub(super) pause_until_ms: i64,
    /// Expected machines until the next one.
    pub(super) debt: f64,
    /// What it draws from.
    pub(super) random: Random,
}

impl Plan {
    /// Machines a second at a time.
    pub(super) fn rate_at(&self, model: &Model, at_ms: i64) -> f64 {
        if at_ms < self.begin_ms.max(self.pause_until_ms) || at_ms >= self.end_ms {
            return 0.0;
        }
        let since = (at_ms - self.begin_ms) as f64 / 1000.0;
        let (ramp, length) = self.ramp;
        let height = match ramp {
            _ if since >= length => 1.0,
            Ramp::Step => 1.0,
            Ramp::Linear => since / length,
            Ramp::Exponential => 0.01_f64.powf(1.0 - since / length),
        };
        let reached = self.who.reached_share(model, at_ms);
        let left = (self.population * reached - self.taken as f64).max(0.0);
        let burning = if self.burns { reached } else { 1.0 };
        (self.rate * height * burning).min(left / LEAST_WAIT_S)
    }

    /// A machine that it has not taken yet; none where that is hard to find.
    pub(super) fn take(&mut self, model: &Model, at_ms: i64) -> Option<u64> {
        let fleet = &model.fleets[self.tenant];
        let (first, count) = (self.who.machines.start, self.who.machines.end - self.who.machines.start);
        let bits = self.bits.get_or_insert_with(|| Bits::new(count));
        let reached = self.who.reached_share(model, at_ms);
        let left = (self.population * reached - self.taken as f64).max(1.0);
        let tries = (20.0 * count as f64 / left) as u64 + 1000;
        for _ in 0..tries.min(4_000_000) {
            let place = self.random.next() % count;
            let key = fleet.key(first + place);
            let fits = !bits.has(place) && self.who.fits(model, key) && self.who.reached(model, key, at_ms);
            // where heartbeats tell, no machine crashes that is off
            if fits && (!self.awake || model.is_on(fleet, first + place, key, at_ms)) {
                bits.insert(place);
                self.taken += 1;
                return Some(first + place);
            }
        }
        // the sample promised more than there are, or those that have the build can be counted on one hand
        self.pause_until_ms = at_ms + 10_000;
        if reached >= 1.0 {
            self.population -= left / 2.0 + 1.0;
        }
        None
    }

    /// How the next crash looks.
    pub(super) fn way(&mut self) -> Way {
        let mut mark = self.random.unit() * self.ways.iter().map(|way| way.share).sum::<f64>();
        for way in &self.ways {
            mark -= way.share;
            if mark < 0.0 {
                return *way;
            }
        }
        self.ways[0]
    }
}
