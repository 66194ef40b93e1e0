//! Crashes as time goes by: the background, clusters, outages; and the queue of those that have not arrived yet.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use detector::Change;

use super::Truth;
use super::clusters::Cluster;
use super::machines::REGION_COUNT;
use super::model::{Model, OF_NOBODY, Sent};
use super::plan::Plan;
use super::traffic::{DAY_MS, Rates, Traffic};
use crate::random::Random;
use crate::scenario::NoiseConfig;

/// How often it is looked up how much crashes.
const LEVEL_MS: i64 = 60_000;
/// The outage of crashes that belong to none.
const NO_OUTAGE: u16 = u16::MAX;

/// Machines that say nothing for a while: from when, until when.
pub(super) type Silent = BTreeMap<(usize, u64), (i64, i64)>;

/// Where the time goes by.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) noise: NoiseConfig,
    pub(super) start_ms: i64,
    /// Crashes a second in the mean.
    pub(super) per_second: f64,
    pub(super) traffic: Traffic,
    pub(super) rates: Rates,
    /// Not yet begun, the next one last.
    pub(super) clusters: Vec<Cluster>,
    /// Not yet told, the next one last.
    pub(super) changes: Vec<Change>,
    /// Not yet begun, the next one last.
    pub(super) coming: Vec<Plan>,
    running: Vec<Plan>,
    next_day: i64,
    level_until_ms: i64,
    level: Level,
    debt: f64,
    background: Random,
    others: Random,
    sent: BinaryHeap<Reverse<Sent>>,
    posted: u64,
    /// Machines that say nothing, where heartbeats are looked at.
    pub(super) silent: Option<Silent>,
}

/// What crashes now.
#[derive(Debug, Default)]
struct Level {
    /// Crashes a second.
    per_second: f64,
    /// Sums of the weights of tenants and their regions.
    cells: Vec<(f64, usize, usize)>,
}

/// Who is blamed for a crash, and how it looks.
struct Look {
    blamed: u32,
    bugcheck: u32,
    fault: u32,
}

/// What a stream is made from.
pub(super) struct Parts {
    pub(super) noise: NoiseConfig,
    pub(super) start_ms: i64,
    pub(super) per_second: f64,
    pub(super) traffic: Traffic,
    pub(super) rates: Rates,
    pub(super) clusters: Vec<Cluster>,
    pub(super) changes: Vec<Change>,
    pub(super) plans: Vec<Plan>,
    pub(super) has_beats: bool,
    pub(super) seed: u64,
}

impl Stream {
    pub(super) fn new(mut parts: Parts) -> Self {
        parts.clusters.retain(|cluster| cluster.at_ms >= parts.start_ms);
        parts.changes.retain(|change| change.at_ms >= parts.start_ms);
        parts.clusters.sort_by_key(|cluster| Reverse(cluster.at_ms));
        parts.changes.sort_by_key(|change| Reverse(change.at_ms));
        parts.plans.sort_by_key(|plan| Reverse(plan.begin_ms));
        let mut background = Random::new(parts.seed);
        Self {
            noise: parts.noise,
            start_ms: parts.start_ms,
            per_second: parts.per_second,
            traffic: parts.traffic,
            rates: parts.rates,
            clusters: parts.clusters,
            changes: parts.changes,
            coming: parts.plans,
            running: Vec::new(),
            next_day: 1,
            level_until_ms: i64::MIN,
            level: Level::default(),
            debt: background.gap(1.0),
            others: Random::new(background.next()),
            background,
            sent: BinaryHeap::new(),
            posted: 0,
            silent: parts.has_beats.then(Silent::new),
        }
    }

    /// Lets everything crash that crashes between two times.
    pub(super) fn run(&mut self, model: &Model, truths: &mut [Truth], from_ms: i64, until_ms: i64) {
        if from_ms >= self.start_ms + self.next_day * DAY_MS {
            self.rates.turn(self.next_day);
            self.next_day += 1;
            self.level_until_ms = from_ms;
            if let Some(silent) = &mut self.silent {
                silent.retain(|_, (_, until)| *until > from_ms);
            }
        }
        if from_ms >= self.level_until_ms {
            self.look_up(model, from_ms);
        }
        let mut at = from_ms as f64;
        let per_ms = self.level.per_second / 1000.0;
        let mut expected = per_ms * (until_ms - from_ms) as f64;
        while self.debt < expected {
            expected -= self.debt;
            at += self.debt / per_ms;
            self.debt = self.background.gap(1.0);
            self.crash_of_background(model, (at as i64).min(until_ms - 1));
        }
        self.debt -= expected;
        while self.clusters.last().is_some_and(|cluster| cluster.at_ms < until_ms) {
            if let Some(cluster) = self.clusters.pop() {
                self.cluster(model, &cluster);
            }
        }
        self.outages(model, truths, from_ms, until_ms);
    }

    /// The next change that is told before a time.
    pub(super) fn told(&mut self, until_ms: i64) -> Option<Change> {
        self.changes.pop_if(|change| change.at_ms < until_ms)
    }

    /// The next crash that arrives before a time.
    pub(super) fn arrived(&mut self, until_ms: i64) -> Option<Sent> {
        if self.sent.peek().is_none_or(|Reverse(sent)| sent.arrives_ms >= until_ms) {
            return None;
        }
        self.sent.pop().map(|Reverse(sent)| sent)
    }

    fn look_up(&mut self, model: &Model, at_ms: i64) {
        self.level_until_ms = at_ms + LEVEL_MS;
        let by_region = self.traffic.at(at_ms + LEVEL_MS / 2);
        let all: f64 = by_region.iter().sum();
        self.level.per_second = self.per_second * all * self.rates.pick.sum;
        self.level.cells.clear();
        let mut sum = 0.0;
        for (tenant, fleet) in model.fleets.iter().enumerate() {
            for region in 0..REGION_COUNT {
                sum += fleet.share * fleet.region_share(region) * self.traffic.week_at(region, at_ms);
                self.level.cells.push((sum, tenant, region));
            }
        }
    }

    fn crash_of_background(&mut self, model: &Model, at_ms: i64) {
        let nobody = self.noise.blame.nobody > 0.0 && self.background.chance(self.noise.blame.nobody);
        let driver =
            if nobody { model.drivers.nobody } else { self.rates.pick.pick(&mut self.background) as u32 };
        let (tenant, machine) = self.machine_with(model, driver);
        let look = self.look(model, driver);
        let bad = self.noise.bad_machines;
        if bad.share == 0.0 || !self.background.chance(bad.share) {
            self.post(model, tenant, machine, at_ms, &look, NO_OUTAGE, false);
            return;
        }
        let suspect = self.background.chance(bad.known);
        let more = bad.crashes / 2 + self.background.below(bad.crashes as usize / 2 + 1) as u32;
        let mut at_ms = at_ms;
        for _ in 0..more.max(1) {
            self.post(model, tenant, machine, at_ms, &look, NO_OUTAGE, suspect);
            at_ms += 60_000 + (60_000.0 * bad.gap_min * self.background.unit()) as i64;
        }
    }

    /// A machine that runs at this hour and has the driver.
    fn machine_with(&mut self, model: &Model, driver: u32) -> (usize, u64) {
        let cells = &self.level.cells;
        let mark = self.background.unit() * cells.last().map_or(0.0, |cell| cell.0);
        let (_, tenant, region) = cells[cells.partition_point(|cell| cell.0 <= mark).min(cells.len() - 1)];
        let fleet = &model.fleets[tenant];
        let range = fleet.region_machines(region);
        let count = (range.end - range.start).max(1);
        let place = model.drivers.place(driver);
        let mut machine = range.start;
        // where hardly any machine has it, one without it is taken: its own crash lists it all the same
        for _ in 0..400 {
            machine = range.start + self.background.next() % count;
            let key = fleet.key(machine);
            if place.is_none_or(|place| model.drivers.has(place, key, model.goes_home(key))) {
                break;
            }
        }
        (tenant, machine)
    }

    /// A crash in a driver as it looks; sometimes somebody else gets the blame.
    fn look(&mut self, model: &Model, driver: u32) -> Look {
        let draw = self.background.next();
        if driver == model.drivers.nobody {
            return Look { blamed: driver, bugcheck: OF_NOBODY[(draw % 4) as usize], fault: 0 };
        }
        let look = Look {
            blamed: driver,
            bugcheck: Model::bugcheck(driver, draw),
            fault: Model::fault(driver, draw),
        };
        self.misjudged(model, look)
    }

    fn misjudged(&mut self, model: &Model, look: Look) -> Look {
        let wrong = self.noise.blame.wrong;
        if wrong == 0.0 || !self.background.chance(wrong) {
            return look;
        }
        Look { blamed: model.scapegoat(self.background.unit()), ..look }
    }

    fn cluster(&mut self, model: &Model, cluster: &Cluster) {
        let fleet = &model.fleets[cluster.tenant];
        // one image, one fault
        let fault = Model::fault(cluster.driver, self.others.next());
        let bugcheck = Model::bugcheck(cluster.driver, self.others.next());
        for _ in 0..cluster.machines {
            let machine = cluster.machine(fleet, &mut self.others);
            let at_ms = cluster.at_ms + (cluster.length_ms as f64 * self.others.unit()) as i64;
            let look = Look { blamed: cluster.driver, bugcheck, fault };
            self.post(model, cluster.tenant, machine, at_ms, &look, NO_OUTAGE, false);
        }
    }

    fn outages(&mut self, model: &Model, truths: &mut [Truth], from_ms: i64, until_ms: i64) {
        while let Some(plan) = self.coming.pop_if(|plan| plan.begin_ms < until_ms) {
            self.running.push(plan);
        }
        if self.running.is_empty() {
            return;
        }
        let mut running = std::mem::take(&mut self.running);
        for plan in &mut running {
            let per_ms = plan.rate_at(model, i64::midpoint(from_ms, until_ms)) / 1000.0;
            let mut expected = per_ms * (until_ms - from_ms) as f64;
            let mut at = from_ms as f64;
            while plan.debt < expected {
                expected -= plan.debt;
                at += plan.debt / per_ms;
                plan.debt = plan.random.gap(1.0);
                let at_ms = (at as i64).clamp(plan.begin_ms, until_ms - 1);
                if let Some(machine) = plan.take(model, at_ms) {
                    self.crash_of_outage(model, plan, &mut truths[plan.truth], machine, at_ms);
                }
            }
            plan.debt -= expected;
        }
        running.retain(|plan| plan.end_ms > until_ms);
        self.running = running;
    }

    fn crash_of_outage(
        &mut self,
        model: &Model,
        plan: &mut Plan,
        truth: &mut Truth,
        machine: u64,
        at_ms: i64,
    ) {
        let way = plan.way();
        let look = Look { blamed: way.blamed, bugcheck: way.bugcheck, fault: way.fault };
        let is_driver = way.blamed != model.drivers.nobody && !model.drivers.is_windows(way.blamed);
        let look = if is_driver { self.misjudged(model, look) } else { look };
        if plan.dark {
            let back_ms = plan.end_ms + 3_600_000 + (11.0 * 3_600_000.0 * plan.random.unit()) as i64;
            if let Some(silent) = &mut self.silent {
                silent.insert((plan.tenant, machine), (at_ms, back_ms));
            }
            truth.machines += 1;
            truth.first_upload_ms.get_or_insert(at_ms);
            // a few are helped by hand
            if plan.random.chance(0.05) {
                let sent = self.letter(model, plan.tenant, machine, at_ms, &look, NO_OUTAGE);
                let arrives_ms = model.arrivals.arrives_late(&mut self.others, at_ms + 3_600_000);
                self.sent.push(Reverse(Sent { arrives_ms, ..sent }));
            }
            return;
        }
        if let Some(silent) = &mut self.silent {
            silent
                .insert((plan.tenant, machine), (at_ms, at_ms + 180_000 + plan.random.below(300_000) as i64));
        }
        self.post(model, plan.tenant, machine, at_ms, &look, plan.truth as u16, false);
        if plan.random.chance(plan.loops) {
            let mut at_ms = at_ms;
            for _ in 0..2 + plan.random.below(7) {
                at_ms += 180_000 + plan.random.below(420_000) as i64;
                if at_ms < plan.end_ms {
                    self.post(model, plan.tenant, machine, at_ms, &look, NO_OUTAGE, false);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call a crash, each argument another thing")]
    fn post(
        &mut self,
        model: &Model,
        tenant: usize,
        machine: u64,
        at_ms: i64,
        look: &Look,
        first_of: u16,
        suspect: bool,
    ) {
        let sent = self.letter(model, tenant, machine, at_ms, look, first_of);
        self.sent.push(Reverse(Sent { suspect, ..sent }));
    }

    fn letter(
        &mut self,
        model: &Model,
        tenant: usize,
        machine: u64,
        crashed_ms: i64,
        look: &Look,
        first_of: u16,
    ) -> Sent {
        self.posted += 1;
        Sent {
            arrives_ms: model.arrivals.arrives(&mut self.others, crashed_ms),
            order: self.posted,
            crashed_ms,
            machine,
            tenant: tenant as u16,
            first_of,
            blamed: look.blamed,
            bugcheck: look.bugcheck,
            fault: look.fault,
            suspect: false,
        }
    }
}
