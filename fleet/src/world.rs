//! A simulated world as the detector sees it: months of ticks in seconds, and the truth about every outage in it.
//! Deterministic: one configuration and one seed, one stream. Knows nothing of dumps, HTTP or how detection works.

mod beats;
mod builds;
mod cast;
mod chance;
mod clusters;
mod drivers;
mod machines;
mod model;
mod orders;
mod past;
mod plan;
mod stream;
#[cfg(test)]
mod tests;
mod traffic;
mod uploads;

use detector::attribution::{Element, Origin};
use detector::{Beat, Change, Crash, History, Install, Module};
use dump::synth::hash;
use serde::{Deserialize, Serialize};

use self::beats::Beats;
use self::builds::Releases;
use self::cast::{Cast, release_told};
use self::model::{Model, emptied};
use self::orders::{Order, Shape, orders};
use self::past::Past;
use self::stream::{Parts, Stream};
use self::traffic::{DAY_MS, Rates, Traffic};
use crate::random::Random;
use crate::scenario::{OsShare, WorldConfig};

pub(crate) use self::cast::needs_heartbeats;
pub(crate) use self::drivers::MOST_WATCHED;
pub(crate) use self::orders::usual_length_s;

/// One thing that the detector is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    /// A crash arrived.
    Crash(Crash<'a>),
    /// A machine lives.
    Beat(Beat<'a>),
    /// What a machine runs.
    Install(Install<'a>),
    /// Something was changed.
    Change(Change),
}

/// Kinds of outages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutageClass {
    /// One build of a driver, as it is rolled out.
    NewVersion,
    /// All builds of a driver at once.
    Content,
    /// One model.
    Model,
    /// One build of Windows.
    OsBuild,
    /// One ring.
    Ring,
    /// Only where another image is loaded.
    Module,
    /// A new build that is a little worse.
    SlowBurn,
    /// All builds of the busiest driver.
    Busiest,
    /// All builds of a driver, hours after a harmless release of it.
    DuringRelease,
    /// One of two outages that have nothing to do with each other.
    TwoAtOnce,
    /// One bug check, blamed on Windows, nobody and many drivers.
    WrongBlame,
    /// Machines that go dark, and upload hours later if at all.
    BootLoopDark,
    /// One site.
    SiteOutage,
    /// An outage of the past.
    Catalogue,
}

impl OutageClass {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NewVersion,
        Self::Content,
        Self::Model,
        Self::OsBuild,
        Self::Ring,
        Self::Module,
        Self::SlowBurn,
        Self::Busiest,
        Self::DuringRelease,
        Self::TwoAtOnce,
        Self::WrongBlame,
        Self::BootLoopDark,
        Self::SiteOutage,
        Self::Catalogue,
    ];

    /// As files and reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NewVersion => "new_version",
            Self::Content => "content",
            Self::Model => "model",
            Self::OsBuild => "os_build",
            Self::Ring => "ring",
            Self::Module => "module",
            Self::SlowBurn => "slow_burn",
            Self::Busiest => "busiest",
            Self::DuringRelease => "during_release",
            Self::TwoAtOnce => "two_at_once",
            Self::WrongBlame => "wrong_blame",
            Self::BootLoopDark => "boot_loop_dark",
            Self::SiteOutage => "site_outage",
            Self::Catalogue => "catalogue",
        }
    }

    /// The class of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// What is owed for an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Somebody must be woken.
    Page,
    /// Somebody must find a ticket; a page is not wrong.
    Ticket,
    /// Nothing; neither is wrong.
    Nothing,
}

/// What really happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    /// What reports call it.
    pub id: String,
    /// What kind.
    pub class: OutageClass,
    /// Whose machines.
    pub tenant: String,
    /// Base names that an incident may rightly bear; the guilty one first.
    pub drivers: Vec<String>,
    /// Whether bug check, build of Windows, bucket, unattributed and everything are right, too: blame is spread.
    pub subjects_any: bool,
    /// First machine down, ms since 1970.
    pub begin_ms: i64,
    /// When its last uploads are expected: its end and the tail of late ones.
    pub end_ms: i64,
    /// When its first upload arrived; of an outage that lets nobody upload, when the first machine fell silent.
    pub first_upload_ms: Option<i64>,
    /// Machines a second that it takes down, at its height.
    pub rate: f64,
    /// Distinct machines that uploaded, or fell silent, so far.
    pub machines: u64,
    /// What it comes from.
    pub origin: Origin,
    /// What a right claim holds.
    pub elements: Vec<Element>,
    /// What is owed.
    pub page: Expect,
}

/// A world that runs.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    seed: u64,
    start_ms: i64,
    end_ms: i64,
    now_ms: i64,
    model: Model,
    stream: Stream,
    beats: Vec<Beats>,
    truths: Vec<Truth>,
    bucket: String,
    /// Empty between ticks: only its memory is kept.
    modules: Vec<Module<'static>>,
}

/// What the parts of a world draw from; each has its own stream, so that one setting changes one thing.
#[derive(Debug, Clone, Copy)]
enum Part {
    Stalls,
    Orders,
    Cast,
    Clusters,
    Releases,
    Later,
    Rates,
    Background,
    Past,
}

fn part(seed: u64, part: Part) -> u64 {
    hash(hash(seed) ^ part as u64)
}

impl World {
    /// A world at its beginning. The configuration was checked by [`crate::scenario::ScenarioSet::from_json`].
    #[must_use]
    pub fn new(config: &WorldConfig, seed: u64) -> Self {
        let start_ms = config.start_ms;
        let end_ms = start_ms + (config.days * DAY_MS as f64) as i64;
        let orders = orders(config, part(seed, Part::Orders));
        let mut config = config.clone();
        add_os_builds(&mut config, &orders);
        let later = clusters::later(&config, part(seed, Part::Later));
        let mut model = Model::new(&config, later.len(), (start_ms, end_ms), seed);
        let mut cast = Cast::new(&config, &mut model, end_ms, part(seed, Part::Cast));
        for order in &orders {
            cast.add(order);
        }
        let Cast { plans, truths, mut releases, mut changes, used, .. } = cast;
        for (release, told) in clusters::releases(&config, end_ms, &used, part(seed, Part::Releases)) {
            releases.push(release);
            if told {
                let tenants = 0..model.fleets.len();
                changes.extend(tenants.flat_map(|tenant| release_told(&model, tenant, &release)));
            }
        }
        model.drivers.watch_popular(config.popular as usize);
        model.releases = Releases::new(releases, model.drivers.names.len());
        let mut rates = rates(&config, &later, seed);
        (-i64::from(config.warmup_days)..=0).for_each(|day| rates.turn(day));
        let times = (start_ms, end_ms);
        let has_beats = config.heartbeats.interval_s > 0;
        let stream = Stream::new(Parts {
            noise: config.noise.clone(),
            start_ms,
            per_second: config.crash_rate() / 60.0,
            traffic: Traffic::new(&config.noise, start_ms, model.region_shares()),
            rates,
            clusters: clusters::clusters(&config, &model, times, part(seed, Part::Clusters)),
            changes,
            plans,
            has_beats,
            seed: part(seed, Part::Background),
        });
        let fleets = model.fleets.iter().enumerate().filter(|_| has_beats);
        let beats =
            fleets.map(|(tenant, fleet)| Beats::new(config.heartbeats, tenant, fleet, start_ms)).collect();
        Self {
            config,
            seed,
            start_ms,
            end_ms,
            now_ms: start_ms,
            model,
            stream,
            beats,
            truths,
            bucket: String::new(),
            modules: Vec::new(),
        }
    }

    /// What really happens. Complete from the beginning but for `first_upload_ms` and `machines`.
    #[must_use]
    pub fn truths(&self) -> &[Truth] {
        &self.truths
    }

    /// Distinct machines per driver and hour before the world begins, oldest first; crashes that nobody is blamed for
    /// have the empty name. Returns where that history begins.
    pub fn history(&self, sink: &mut dyn FnMut(History<'_>)) -> i64 {
        let config = &self.config;
        let later = clusters::later(config, part(self.seed, Part::Later));
        let days = i64::from(config.warmup_days);
        let seed = part(self.seed, Part::Past);
        let before = (self.start_ms - days * DAY_MS, self.start_ms);
        Past {
            model: &self.model,
            noise: &config.noise,
            traffic: &self.stream.traffic,
            rates: rates(config, &later, self.seed),
            clusters: &clusters::clusters(config, &self.model, before, hash(seed)),
            per_second: self.stream.per_second,
            start_ms: self.start_ms,
            days,
            random: Random::new(seed),
        }
        .tell(sink)
    }

    /// When the first tick begins, ms since 1970.
    #[must_use]
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// When the last tick ends.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        self.end_ms
    }

    /// What arrives in the next tick: changes, then crashes in the order of their arrival, then heartbeats. Returns the
    /// end of that tick, or nothing when the world is over.
    pub fn tick(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> Option<i64> {
        if self.now_ms >= self.end_ms {
            return None;
        }
        let until_ms = (self.now_ms + i64::from(self.config.tick_s) * 1000).min(self.end_ms);
        let Self { model, stream, truths, beats, bucket, .. } = self;
        let mut modules = emptied(std::mem::take(&mut self.modules));
        stream.run(model, truths, self.now_ms, until_ms);
        while let Some(change) = stream.told(until_ms) {
            sink(Input::Change(change));
        }
        while let Some(sent) = stream.arrived(until_ms) {
            if let Some(truth) = truths.get_mut(usize::from(sent.first_of)) {
                truth.machines += 1;
                truth.first_upload_ms.get_or_insert(sent.arrives_ms);
            }
            let key = model.fleets[usize::from(sent.tenant)].key(sent.machine);
            model.modules(key, sent.crashed_ms, sent.blamed, &mut modules);
            sink(Input::Crash(model.crash(&sent, bucket, &modules)));
        }
        if let Some(silent) = &stream.silent {
            for beats in beats {
                beats.run(model, silent, until_ms, &mut modules, sink);
            }
        }
        self.modules = emptied(modules);
        self.now_ms = until_ms;
        Some(until_ms)
    }
}

fn rates(config: &WorldConfig, later: &[(f64, f64)], seed: u64) -> Rates {
    Rates::new(config.drivers as usize, config.zipf, config.noise.drift, later, part(seed, Part::Rates))
}

/// The builds of Windows that outages of the past need, each on a sixth of the machines.
fn add_os_builds(config: &mut WorldConfig, orders: &[Order]) {
    let sum: f64 = config.os_builds.iter().map(|os| os.share).sum();
    let wanted = orders.iter().filter(|order| matches!(order.shape, Shape::Os | Shape::OsAndModule));
    for build in wanted.filter_map(|order| order.past()?.build) {
        if !config.os_builds.iter().any(|os| os.build == build) {
            config.os_builds.push(OsShare { build, share: sum / 6.0 });
        }
    }
}
