//! One tenant's fleet: its clock, its series, its sites. Ends a tick by moving the clock and bringing the tick's machines
//! into the charts; says which series alarm. Knows nothing of incidents but which series have one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::attribution::Profile as MachineProfile;
use crate::excursion::{Excursion, Mark};
use crate::incident::{Reason, Severity};
use crate::index::Index;
use crate::input::Version;
use crate::limits::{DAILY_SHARE, Limits};
use crate::names::NameId;
use crate::seen::Seen;
use crate::series::{Key, Kind, Series};
use crate::stats::mix;
use crate::tempo::{Common, Profile, Rates};

mod days;
mod judge;
mod reference;
mod secondary;

use days::Days;
pub(crate) use reference::{Past, Reservoir};

/// Sites that are told apart when a fleet's sites are counted: more make no difference.
const MOST_SITES: usize = 4096;
/// Series of one tenant. A client that invents names must not take the memory.
const MOST_SERIES: usize = 2_000_000;
/// Builds of modules that are dated, for the same reason.
const MOST_BUILDS: usize = 2_000_000;
/// Quiet excursions are swept so often.
const SWEEP_MS: i64 = 120_000;
const HOUR_MS: i64 = 3_600_000;
/// Machines that were off come back within so long.
const LATEST_MS: i64 = 7 * 24 * HOUR_MS;

/// A crash that waits for the end of its tick, first of its machine in its driver.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) driver: NameId,
    pub(crate) machine: u64,
    pub(crate) site: u32,
    pub(crate) crashed_ms: i64,
    pub(crate) bugcheck: u32,
    pub(crate) os_build: u32,
    pub(crate) bucket: NameId,
    pub(crate) late: bool,
    /// What it shares with others, where somebody will ask.
    pub(crate) profile: Option<MachineProfile>,
}

/// A series that is beyond its usual.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    pub(crate) series: u32,
    /// The driver that it is about, where the series is one of something else and one driver has most of it.
    pub(crate) driver: NameId,
    pub(crate) severity: Severity,
    pub(crate) at_ms: i64,
    pub(crate) onset_ms: i64,
    pub(crate) reason: Reason,
}

/// A tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) name: NameId,
    pub(crate) series: Vec<Series>,
    #[serde(skip)]
    index: Index,
    fresh: Common,
    late: Common,
    busy: Profile,
    days: Days,
    /// The clock of busy hours alone: what all crashes together are held against.
    plain: f64,
    /// All machines, by primary series, fresh and late.
    flow: [Series; 2],
    began_ms: i64,
    /// The clock at the first tick.
    born: f64,
    swept_ms: i64,
    sites: HashSet<u32, FixedState>,
    firsts: HashMap<u32, Mark, FixedState>,
    pub(crate) excursions: BTreeMap<u32, Excursion>,
    pub(crate) seen: Seen,
    pub(crate) reservoir: Reservoir,
    pub(crate) past: HashMap<u32, Past, FixedState>,
    pub(crate) builds: HashMap<(NameId, Version), i64, FixedState>,
    /// When the incident of a series was, ms: what crashed then and is uploaded late is that incident's.
    over: BTreeMap<u32, (i64, i64)>,
}

/// The rates of a stratum, for its clock.
struct Stratum<'a> {
    series: &'a [Series],
    flow: &'a Series,
    clock: f64,
}

impl Rates for Stratum<'_> {
    fn rate(&self, series: u32) -> f64 {
        get(self.series, series).map_or(0.0, |one| one.mean(self.clock))
    }
    fn total(&self) -> f64 {
        self.flow.mean(self.clock)
    }
}

fn get(series: &[Series], place: u32) -> Option<&Series> {
    usize::try_from(place).ok().and_then(|place| series.get(place))
}

fn key_of(series: &[Series], place: u32) -> u64 {
    get(series, place).map_or(u64::MAX, Series::key)
}

impl Tenant {
    /// Finds the series of a state that was taken up.
    pub(crate) fn index_anew(&mut self) {
        let Self { series, index, .. } = self;
        *index = Index::default();
        series.shrink_to_fit();
        for place in 0..u32::try_from(series.len()).unwrap_or(u32::MAX) {
            index.insert(place, |place| key_of(series, place));
        }
    }

    pub(crate) fn new(name: NameId, at_ms: i64) -> Self {
        let flow = |late| Series::new(Key { kind: Kind::Everything, id: u32::MAX, late }, 0.0, 0.0);
        Self {
            name,
            series: Vec::new(),
            index: Index::default(),
            fresh: Common::default(),
            late: Common::default(),
            busy: Profile::new(at_ms),
            days: Days::new(at_ms),
            plain: 0.0,
            flow: [flow(false), flow(true)],
            began_ms: at_ms,
            born: 0.0,
            swept_ms: at_ms,
            sites: HashSet::default(),
            firsts: HashMap::default(),
            excursions: BTreeMap::new(),
            seen: Seen::default(),
            reservoir: Reservoir::default(),
            past: HashMap::default(),
            builds: HashMap::default(),
            over: BTreeMap::new(),
        }
    }

    /// The series of a key, made at first sight; nothing where there are too many.
    pub(crate) fn place(&mut self, key: Key) -> Option<u32> {
        if let Some(place) = self.find(key) {
            return Some(place);
        }
        if self.series.len() >= MOST_SERIES {
            return None;
        }
        let place = u32::try_from(self.series.len()).ok()?;
        let clock = self.clock(key);
        // What is no driver has no past from before: it is watched since the first tick.
        let from = if key.kind.is_primary() { 0.0 } else { self.born };
        if self.series.len() == self.series.capacity() {
            // An eighth more: doubling would leave half of it empty.
            self.series.reserve_exact(self.series.len() / 8 + 64);
        }
        self.series.push(Series::new(key, clock, from));
        let Self { series, index, .. } = self;
        index.insert(place, |place| key_of(series, place));
        Some(place)
    }

    pub(crate) fn find(&self, key: Key) -> Option<u32> {
        self.index.find(key.number(), |place| key_of(&self.series, place))
    }

    pub(crate) fn at(&self, place: u32) -> Option<&Series> {
        get(&self.series, place)
    }

    pub(crate) fn at_mut(&mut self, place: u32) -> Option<&mut Series> {
        usize::try_from(place).ok().and_then(|place| self.series.get_mut(place))
    }

    fn clock(&self, key: Key) -> f64 {
        match (key.kind, key.late) {
            (Kind::Everything, _) => self.plain,
            (_, true) => self.late.clock,
            (_, false) => self.fresh.clock,
        }
    }

    /// What all do, as a multiple of their past.
    pub(crate) fn factor(&self, late: bool) -> f64 {
        if late { self.late.factor } else { self.fresh.factor }
    }

    /// Machines a month.
    pub(crate) fn monthly(&self) -> f64 {
        const MONTH_S: f64 = 30.0 * 86_400.0;
        self.flow_mean() * MONTH_S
    }

    /// The fleet's size as its crashes tell it: machines and sites.
    pub(crate) fn size(&self) -> (u64, u64) {
        let daily = self.days.usual().unwrap_or_else(|| self.monthly() / 30.0);
        let machines = daily / DAILY_SHARE;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive rate")]
        let machines = machines.min(1e12) as u64;
        (machines, self.sites.len() as u64)
    }

    /// Takes in an hour of the past, before the first tick. `mean` is the fleet's, machines a second.
    pub(crate) fn learn_hour(&mut self, hour: i64, machines: f64, mean: f64) {
        self.busy.learn(hour, machines, mean * 3600.0);
        self.days.count(hour.saturating_mul(HOUR_MS), machines);
    }

    /// Takes in a driver's past: machines of so many seconds, the old ones forgotten already.
    pub(crate) fn learn(&mut self, driver: NameId, machines: f64) {
        let Some(place) = self.place(Key::of_driver(driver, false)) else { return };
        let clock = self.fresh.clock;
        if let Some(series) = self.at_mut(place) {
            series.touch(clock);
            series.learn(clock, machines);
        }
        self.flow[0].touch(clock);
        self.flow[0].learn(clock, machines);
    }

    /// Lets the clock of the past pass.
    pub(crate) fn pass(&mut self, seconds: f64, from_ms: i64) {
        self.fresh.clock += seconds;
        self.late.clock += seconds;
        self.plain += seconds;
        self.born += seconds;
        self.began_ms = self.began_ms.min(from_ms);
        self.days = Days::new(from_ms);
    }

    /// A place where machines crash.
    pub(crate) fn note_site(&mut self, site: u32) {
        if self.sites.len() < MOST_SITES {
            self.sites.insert(site);
        }
    }

    /// Builds of modules that were seen: when first.
    pub(crate) fn note_builds(&mut self, modules: &[(NameId, Version)], at_ms: i64) {
        for build in modules {
            if self.builds.len() < MOST_BUILDS {
                self.builds.entry(*build).or_insert(at_ms);
            }
        }
    }

    /// Ends a tick. `height` is how high a chart must get for primary and for other series.
    pub(crate) fn tick(
        &mut self,
        at_ms: i64,
        took_s: f64,
        pending: &[Pending],
        height: (f64, f64),
        limits: &Limits,
    ) -> Vec<Alarm> {
        let places = self.move_clocks(at_ms, took_s, pending);
        let mut touched = BTreeSet::new();
        for (one, place) in pending.iter().zip(&places) {
            let Some(place) = *place else { continue };
            if self.apply(place, at_ms, one, limits, true) >= height.0 {
                touched.insert(place);
            }
            self.secondary(at_ms, one, place, limits, height, &mut touched);
        }
        let alarms =
            touched.into_iter().filter_map(|place| self.judge(place, at_ms, height, limits)).collect();
        self.sweep(at_ms);
        alarms
    }

    /// Where each crash's primary series is; the clocks as of this tick.
    fn move_clocks(&mut self, at_ms: i64, took_s: f64, pending: &[Pending]) -> Vec<Option<u32>> {
        let mut counts = [BTreeMap::<u32, u32>::new(), BTreeMap::new()];
        let mut places = Vec::with_capacity(pending.len());
        for one in pending {
            let place = self.place(Key::of_driver(one.driver, one.late));
            if let Some(place) = place {
                *counts[usize::from(one.late)].entry(place).or_default() += 1;
            }
            places.push(place);
        }
        self.days.count(at_ms, 0.0);
        let busy = self.busy.at(at_ms);
        let [fresh, late] = counts.map(|counts| counts.into_iter().collect::<Vec<_>>());
        let rates = |flow: usize, clock: f64| Stratum { series: &self.series, flow: &self.flow[flow], clock };
        self.fresh.tick(at_ms, took_s, fresh, busy, &rates(0, self.fresh.clock));
        self.late.tick(at_ms, took_s, late, busy, &rates(1, self.late.clock));
        self.plain += took_s * busy;
        places
    }

    /// Brings one machine into a series; how high its charts are then.
    fn apply(&mut self, place: u32, at_ms: i64, one: &Pending, limits: &Limits, primary: bool) -> f64 {
        let Some(key) = self.at(place).map(|series| series.key) else { return 0.0 };
        let clock = self.clock(key);
        let mark = Mark::new(at_ms, one.crashed_ms, one.site, one.driver.0);
        let Some(series) = usize::try_from(place).ok().and_then(|place| self.series.get_mut(place)) else {
            return 0.0;
        };
        if key.late && self.over.get(&place).is_some_and(|(from, to)| (*from..=*to).contains(&one.crashed_ms))
        {
            return 0.0;
        }
        let passed = clock - series.last();
        series.touch(clock);
        // An outage must not become the usual: it is learnt as three times the usual at most.
        let weight =
            if series.incident == 0 { 1.0 } else { (3.0 * f64::from(series.most) * passed).min(1.0) };
        if series.hushed {
            series.learn(clock, weight);
            self.note_flow(at_ms, clock, one.late, weight, primary);
            return 0.0;
        }
        let counts = if series.height() <= 0.0 {
            self.excursions.remove(&place);
            self.firsts.insert(place, mark);
            true
        } else {
            let excursion = match self.excursions.entry(place) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let mut excursion = Excursion::default();
                    if let Some(first) = self.firsts.remove(&place) {
                        excursion.note(first, limits.per_site);
                    }
                    entry.insert(excursion)
                }
            };
            if let Some(profile) = &one.profile {
                excursion.keep(profile, one.bugcheck);
            }
            excursion.note(mark, limits.per_site)
        };
        series.add(at_ms, counts, weight);
        let height = f64::from(series.height());
        self.note_flow(at_ms, clock, one.late, weight, primary);
        height
    }

    /// Each machine is one of the fleet's, in its primary series.
    fn note_flow(&mut self, at_ms: i64, clock: f64, late: bool, weight: f64, primary: bool) {
        if primary {
            let flow = &mut self.flow[usize::from(late)];
            flow.touch(clock);
            flow.learn(clock, weight);
            self.busy.count(at_ms, weight, flow.mean(clock));
        }
    }

    /// Charts nothing more of these series until they are calm: their incident is as loud as can be.
    pub(crate) fn hush_anew(&mut self, series: &[u32]) {
        if series.iter().all(|place| self.at(*place).is_none_or(|series| series.hushed)) {
            return;
        }
        self.calm(series);
        for place in series {
            if let Some(series) = self.at_mut(*place) {
                series.hushed = true;
            }
        }
    }

    /// Back to zero: what was is over.
    pub(crate) fn calm(&mut self, series: &[u32]) {
        for place in series {
            if let Some(series) = self.at_mut(*place) {
                series.calm();
            }
            self.excursions.remove(place);
            self.firsts.remove(place);
        }
    }

    /// What crashed in these series between then and now belongs to an incident that is over.
    pub(crate) fn note_over(&mut self, series: &[u32], onset_ms: i64, at_ms: i64) {
        for place in series {
            let of = self.over.entry(*place).or_insert((onset_ms, at_ms));
            // One that came back is the same; another one begins anew.
            let same = onset_ms <= of.1;
            *of = (if same { of.0.min(onset_ms) } else { onset_ms }, at_ms);
        }
    }

    /// Forgets excursions whose charts are back at zero.
    fn sweep(&mut self, at_ms: i64) {
        self.seen.turn(at_ms);
        if at_ms - self.swept_ms < SWEEP_MS {
            return;
        }
        self.swept_ms = at_ms;
        let clocks = (self.fresh.clock, self.late.clock, self.plain);
        let series = &self.series;
        let is_quiet = |place: &u32| {
            get(series, *place).is_none_or(|one| {
                one.is_quiet(match (one.key.kind, one.key.late) {
                    (Kind::Everything, _) => clocks.2,
                    (_, true) => clocks.1,
                    (_, false) => clocks.0,
                })
            })
        };
        self.over.retain(|_, (_, until)| at_ms - *until < LATEST_MS);
        self.excursions.retain(|place, _| !is_quiet(place));
        self.firsts.retain(|place, _| !is_quiet(place));
    }

    /// What was learnt is all: from here on the fleet is watched.
    pub(crate) fn begin(&mut self) {
        self.days.begin();
    }

    /// A machine that crashed, in whatever.
    pub(crate) fn note_machine(&mut self, at_ms: i64, machine: u64) {
        if self.seen.first(mix(machine, u64::MAX)) {
            self.days.count(at_ms, 1.0);
        }
    }

    /// Whether the machine has not been counted under this key lately.
    pub(crate) fn is_first(&mut self, kind: Kind, id: u32, machine: u64) -> bool {
        self.seen.first(mix(machine, u64::from(id) << 8 | kind as u64))
    }
}

impl Tenant {
    /// Bytes of the charts, of the machines behind those above zero, and of how each driver crashed lately.
    pub(crate) fn series_bytes(&self) -> [usize; 3] {
        let charts = self.series.capacity() * size_of::<Series>() + self.index.bytes();
        let firsts = self.firsts.capacity() * (size_of::<(u32, Mark)>() + 1);
        let excursions = self.excursions.values().map(|one| one.bytes() + size_of::<u32>()).sum::<usize>();
        let past = self.past.capacity() * (size_of::<(u32, Past)>() + 1)
            + self.past.values().map(Past::bytes).sum::<usize>();
        [charts, firsts + excursions, past]
    }
}
