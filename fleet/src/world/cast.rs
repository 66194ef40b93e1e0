//! From an outage's order to its plan and its truth: which driver, which machines, how it looks, who tells of it, and
//! what is owed.

mod looks;
mod told;

pub(super) use told::release_told;

use detector::Change;
use detector::attribution::{Element, Facet, Origin};
use dump::synth::hash;

use super::builds::{Release, Rollout, fresh};
use super::chance::log_uniform;
use super::drivers::On;
use super::machines::RINGS;
use super::model::Model;
use super::orders::{Order, Shape, beside};
use super::plan::{Plan, Way, Who};
use super::{Expect, OutageClass, Truth};
use crate::random::Random;
use crate::scenario::{Kind, WorldConfig};

/// A new build goes ring by ring where its canaries alone keep the outage going for so long; else to all at once.
const STAGED_FROM_S: f64 = 1800.0;

/// What the outages bring into a world.
#[derive(Debug)]
pub(super) struct Cast<'a> {
    config: &'a WorldConfig,
    model: &'a mut Model,
    random: Random,
    end_ms: i64,
    /// Drivers that an outage has.
    pub(super) used: Vec<u32>,
    /// The outages.
    pub(super) plans: Vec<Plan>,
    /// The truth about each.
    pub(super) truths: Vec<Truth>,
    /// New builds.
    pub(super) releases: Vec<Release>,
    /// What is told.
    pub(super) changes: Vec<Change>,
}

/// Its driver, and whom it takes.
struct Target {
    driver: Option<u32>,
    origin: Origin,
    elements: Vec<Element>,
    who: Who,
    tenant: usize,
}

impl<'a> Cast<'a> {
    pub(super) fn new(config: &'a WorldConfig, model: &'a mut Model, end_ms: i64, seed: u64) -> Self {
        Self {
            config,
            model,
            random: Random::new(seed),
            end_ms,
            used: Vec::new(),
            plans: Vec::new(),
            truths: Vec::new(),
            releases: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// One more outage.
    pub(super) fn add(&mut self, order: &Order) {
        let mut target = self.target(order);
        let population = target.who.population(self.model, target.tenant);
        let rate = order.config.rate.unwrap_or_else(|| usual_rate(order.class, population));
        if order.shape == Shape::Build {
            self.release(order, &mut target, rate, population);
        }
        if order.class == OutageClass::DuringRelease {
            self.harmless_release_before(order, &target);
        }
        if order.config.told {
            self.tell(order, &target);
        }
        let has_dumps = order.past().is_none_or(crate::Outage::has_dumps);
        let ways = if has_dumps { self.ways(order, target.driver) } else { Vec::new() };
        let end_ms = order.begin_ms + order.length_ms;
        let planned = if has_dumps { population.min(rate * order.length_ms as f64 / 1000.0) } else { 0.0 };
        self.truths.push(self.truth(order, &target, rate, planned, &ways));
        if !has_dumps {
            return;
        }
        self.plans.push(Plan {
            truth: self.truths.len() - 1,
            tenant: target.tenant,
            begin_ms: order.begin_ms,
            end_ms,
            rate,
            ramp: (order.config.ramp, order.config.ramp_s.map_or(600.0, f64::from)),
            burns: order.class == OutageClass::SlowBurn,
            who: target.who,
            ways,
            loops: order.config.loops,
            awake: self.config.heartbeats.interval_s > 0,
            dark: order.class == OutageClass::BootLoopDark,
            population,
            taken: 0,
            bits: None,
            pause_until_ms: i64::MIN,
            debt: 0.0,
            random: Random::new(self.random.next()),
        });
    }

    fn target(&mut self, order: &Order) -> Target {
        let named = &order.config.tenant;
        let tenant = self.model.fleets.iter().position(|fleet| fleet.name == *named).unwrap_or(0);
        let mut who = Who { machines: 0..self.model.fleets[tenant].machines, ..Who::default() };
        let driver = self.driver(order);
        if let Some(driver) = driver.filter(|_| self.is_installed(order)) {
            who.has.push(self.install(order, driver));
        }
        let mut target = Target { driver, origin: Origin::AllVersions, elements: Vec::new(), who, tenant };
        match order.shape {
            Shape::All | Shape::Anyone | Shape::Build => {}
            Shape::Model => self.one_model(&mut target),
            Shape::Os => self.one_os_build(order, &mut target),
            Shape::Ring => {
                target.who.ring = Some(1);
                target.claim(Origin::Ring, Facet::Ring, RINGS[1].to_owned());
            }
            Shape::Module => self.one_module(order, &mut target),
            Shape::OsAndModule => {
                self.one_os_build(order, &mut target);
                self.one_module(order, &mut target);
                target.origin = Origin::Slice;
            }
            Shape::Site => self.one_site(&mut target),
        }
        target
    }

    /// The driver that is to blame; none where blame is spread over everybody.
    fn driver(&mut self, order: &Order) -> Option<u32> {
        if let Some(past) = order.past() {
            return past.blamed().first().map(|name| self.model.drivers.named(name));
        }
        let last = self.config.drivers as usize;
        let driver = match (&order.config.driver, order.config.rank) {
            _ if order.shape == Shape::Anyone => return None,
            (name, _) if !name.is_empty() => self.model.drivers.named(name),
            (_, Some(0)) => self.model.drivers.named(&format!("fresh{:03}.sys", self.truths.len())),
            (_, Some(rank)) => rank.min(last as u32) - 1,
            _ if order.class == OutageClass::Busiest => 0,
            _ => self.unused(last),
        };
        self.used.push(driver);
        Some(driver)
    }

    /// A driver of the background that no outage has: each doubling of the rank is as likely as the next.
    fn unused(&mut self, drivers: usize) -> u32 {
        let least = (drivers as f64 / 10.0).clamp(2.0, 20.0);
        loop {
            let driver = log_uniform(&mut self.random, least, drivers as f64) as u32 - 1;
            if !self.used.contains(&driver) || self.used.len() * 2 > drivers {
                return driver;
            }
        }
    }

    /// Windows' own drivers are everywhere.
    fn is_installed(&self, order: &Order) -> bool {
        order.past().is_none_or(|past| {
            past.blamed()
                .first()
                .is_some_and(|blamed| past.drivers.iter().any(|driver| driver.name == *blamed))
        })
    }

    /// Puts the driver on its machines, with two others of its maker beside it that have nothing to do with it.
    fn install(&mut self, order: &Order, driver: u32) -> usize {
        let few = self.config.all_machines() < 20_000;
        let share = order.config.installed.unwrap_or(if few { 0.9 } else { 0.4 });
        let place = self.model.drivers.watch(driver, On::Any(share));
        for _ in 0..2 {
            let decoy = self.unused(self.config.drivers as usize);
            self.used.push(decoy);
            self.model.drivers.same_maker(driver, decoy);
            self.model.drivers.watch(decoy, On::Beside(place, 0.97, 0.01));
        }
        place
    }

    fn one_model(&mut self, target: &mut Target) {
        let kinds = &self.model.kinds;
        let fitting: Vec<u16> = (0..kinds.models.len() as u16)
            .filter(|&model| (0.03..0.2).contains(&kinds.model_share(model)))
            .collect();
        let model = fitting.get(self.random.below(fitting.len())).copied().unwrap_or(0);
        target.who.model = Some(model);
        target.claim(Origin::Model, Facet::Model, kinds.models[usize::from(model)].0.clone());
    }

    fn one_os_build(&mut self, order: &Order, target: &mut Target) {
        let sum: f64 = self.config.os_builds.iter().map(|os| os.share).sum();
        let fitting: Vec<u32> = self
            .config
            .os_builds
            .iter()
            .filter(|os| (0.04..0.4).contains(&(os.share / sum)))
            .map(|os| os.build)
            .collect();
        let drawn = fitting.get(self.random.below(fitting.len())).copied();
        let first = self.config.os_builds.first().map(|os| os.build);
        let build = order.past().and_then(|past| past.build).or(drawn).or(first).unwrap_or(0);
        target.who.os_build = Some(build);
        target.claim(Origin::OsBuild, Facet::OsBuild, build.to_string());
    }

    fn one_module(&mut self, order: &Order, target: &mut Target) {
        let module = match order.past().and_then(beside) {
            Some(name) => self.model.drivers.named(name),
            None => self.unused(self.config.drivers as usize),
        };
        self.used.push(module);
        let on = target.who.has.first().map_or(On::Any(0.15), |&place| On::Beside(place, 0.2, 0.05));
        target.who.has.push(self.model.drivers.watch(module, on));
        target.claim(Origin::Module, Facet::Module, self.model.drivers.name(module).to_owned());
    }

    /// One of the larger sites.
    fn one_site(&mut self, target: &mut Target) {
        let fleet = &self.model.fleets[target.tenant];
        let size = |site: usize| fleet.site_machines(site).end - fleet.site_machines(site).start;
        let large: Vec<usize> =
            (0..fleet.sites.len()).filter(|&site| (100..5000).contains(&size(site))).collect();
        let largest = (0..fleet.sites.len()).max_by_key(|&site| size(site)).unwrap_or(0);
        let site = large.get(self.random.below(large.len())).copied().unwrap_or(largest);
        target.who.machines = fleet.site_machines(site);
        target.claim(Origin::Site, Facet::Site, fleet.sites[site].clone());
    }

    /// A new build of the driver, which alone crashes.
    fn release(&mut self, order: &Order, target: &mut Target, rate: f64, population: f64) {
        let Some(driver) = target.driver else { return };
        let salt = self.random.next();
        let canaries = population * self.config.rings.canary;
        // machines get the build twice as fast as they crash
        let usual_s = |machines: f64| machines / (2.0 * rate);
        let rollout = match order.config.rollout_s.map(|seconds| i64::from(seconds) * 1000) {
            Some(span_ms) if order.class == OutageClass::SlowBurn => {
                Rollout::staged(order.begin_ms, span_ms, salt)
            }
            Some(span_ms) => Rollout::at_once(order.begin_ms, span_ms, salt),
            None if order.class == OutageClass::SlowBurn => {
                Rollout::staged(order.begin_ms, order.length_ms / 6, salt)
            }
            None if usual_s(canaries) >= STAGED_FROM_S => {
                let canary_s = usual_s(canaries).min(order.length_ms as f64 / 2000.0);
                Rollout::staged(order.begin_ms, (canary_s * 10_000.0) as i64, salt)
            }
            None => {
                let span_s = usual_s(population).clamp(30.0, order.length_ms as f64 / 2000.0);
                Rollout::at_once(order.begin_ms, (span_s * 1000.0) as i64, salt)
            }
        };
        let mut version = fresh(driver, order.begin_ms, hash(salt));
        let name = self.model.drivers.name(driver);
        let known =
            order.past().and_then(|past| past.drivers.iter().find(|own| own.name.to_lowercase() == name));
        if let Some(known) = known {
            version = detector::Version { timestamp: known.timestamp, size: known.size };
        }
        let release = Release { driver, version, rollout };
        self.releases.push(release);
        target.who.release = Some(release);
        target.claim(Origin::NewVersion, Facet::Version, format!("{:#x}", version.timestamp));
    }

    /// What is known of it.
    fn truth(&self, order: &Order, target: &Target, rate: f64, planned: f64, ways: &[Way]) -> Truth {
        let drivers = &self.model.drivers;
        let mut blamed: Vec<u32> =
            target.driver.into_iter().chain(ways.iter().map(|way| way.blamed)).collect();
        let wrong = self.config.noise.blame.wrong;
        let can_be_wrong = |way: &Way| way.blamed != drivers.nobody && !drivers.is_windows(way.blamed);
        if wrong > 0.0 && ways.iter().any(can_be_wrong) {
            blamed.extend([drivers.kernel, drivers.win32k]);
        }
        let mut names: Vec<String> = blamed.iter().map(|&driver| drivers.name(driver).to_owned()).collect();
        names.extend(
            target.elements.iter().filter(|own| own.facet == Facet::Module).map(|own| own.value.clone()),
        );
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| !name.is_empty() && seen.insert(name.clone()));
        let end_ms = order.begin_ms + order.length_ms;
        let loops = 1.0 + 4.0 * order.config.loops;
        Truth {
            id: order.id.clone(),
            class: order.class,
            tenant: self.model.fleets[target.tenant].name.clone(),
            // what the kernel and nobody get of a fast outage shows in their own charts
            subjects_any: ways.iter().any(|way| way.blamed == drivers.nobody) || rate * wrong >= 0.25,
            drivers: names,
            begin_ms: order.begin_ms,
            end_ms: self.model.arrivals.tail_ms(planned * loops, end_ms).min(self.end_ms),
            first_upload_ms: None,
            rate,
            machines: 0,
            origin: target.origin,
            elements: target.elements.clone(),
            page: order.config.expect.unwrap_or_else(|| {
                owed(order.class, rate, planned, self.model.fleets[target.tenant].machines as f64)
            }),
        }
    }
}

impl Target {
    fn claim(&mut self, origin: Origin, facet: Facet, value: String) {
        self.origin = origin;
        self.elements.push(Element { facet, value });
    }
}

/// Machines a second where the file does not say: small fleets are not gone in a minute.
fn usual_rate(class: OutageClass, population: f64) -> f64 {
    let usual = match class {
        OutageClass::SlowBurn => 0.1,
        OutageClass::SiteOutage => 0.5,
        _ => 2.0,
    };
    (population / 900.0).clamp(0.01, usual)
}

/// What is owed for an outage that takes `planned` machines of a fleet.
fn owed(class: OutageClass, rate: f64, planned: f64, machines: f64) -> Expect {
    let fast = rate >= 0.5 && planned >= 50.0;
    let many = planned >= 10.0 && planned >= 0.05 * machines;
    match class {
        // not to be told from a cluster of the same size, which is everyday noise
        OutageClass::SiteOutage => Expect::Nothing,
        _ if fast || many => Expect::Page,
        _ if planned >= 20.0 || (planned >= 5.0 && planned >= 0.02 * machines) => Expect::Ticket,
        _ => Expect::Nothing,
    }
}

/// Whether an outage needs heartbeats to be noticed at all.
pub(crate) fn needs_heartbeats(kind: &Kind) -> bool {
    matches!(kind, Kind::Class(OutageClass::BootLoopDark))
}
