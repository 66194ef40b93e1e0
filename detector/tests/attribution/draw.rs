//! Incidents drawn with their truth: a fleet with rings, skewed models and sites, a rollout in flight, co-loaded images
//! of the same vendor that are updated along, a reference that is small and partly out of date, usual crashes in between.

use bluescope_detector::attribution::{Facet, Origin, Profile, Question};
use bluescope_detector::names::{NameId, Names};
use bluescope_detector::{Change, Version};

pub(crate) const DRIVER: &str = "csagent.sys";
pub(crate) const ONSET_MS: i64 = 1_721_362_140_000;
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const DAY_MS: i64 = 1_440 * MINUTE_MS;
const LASTED_MS: i64 = 20 * MINUTE_MS;

/// Splitmix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn log_between(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    fn pick(&mut self, shares: &[f64]) -> usize {
        let mut left = self.unit() * shares.iter().sum::<f64>();
        for (at, share) in shares.iter().enumerate() {
            left -= share;
            if left < 0.0 {
                return at;
            }
        }
        shares.len() - 1
    }
}

/// What the affected machines have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    NewVersion,
    Os(usize),
    Model(usize),
    Site(usize),
    Ring(usize),
    Module(usize),
    OsAndModule(usize, usize),
    Nothing,
}

/// The classes that are drawn.
pub(crate) const CLASSES: [Origin; 8] = [
    Origin::NewVersion,
    Origin::OsBuild,
    Origin::Model,
    Origin::Site,
    Origin::Ring,
    Origin::Module,
    Origin::Slice,
    Origin::AllVersions,
];

struct Fleet {
    rings: [f64; 3],
    models: Vec<f64>,
    /// Builds of Windows, by ring.
    os: [Vec<f64>; 3],
    sites: Vec<f64>,
    /// Share of machines that run the new build, by ring.
    progress: [f64; 3],
    old_builds: Vec<f64>,
    modules: Vec<f64>,
    /// A model's own image.
    oem: usize,
    /// The model of many canaries.
    pilot: usize,
}

/// A machine, its modules not yet drawn.
struct Machine {
    ring: usize,
    model: usize,
    os: usize,
    site: usize,
    is_new: bool,
    old: usize,
    seed: u64,
}

/// An incident with its truth, to be asked about.
pub(crate) struct Drawn {
    pub(crate) names: Names,
    pub(crate) affected: Vec<Profile>,
    pub(crate) reference: Vec<Profile>,
    pub(crate) history: Vec<Profile>,
    pub(crate) first_seen: Vec<(Version, i64)>,
    pub(crate) changes: Vec<Change>,
    pub(crate) truth: Origin,
    pub(crate) elements: Vec<(Facet, String)>,
    pub(crate) about: String,
}

impl Drawn {
    pub(crate) fn question(&self) -> Question<'_> {
        Question {
            driver: DRIVER,
            onset_ms: ONSET_MS,
            now_ms: ONSET_MS + LASTED_MS,
            affected: &self.affected,
            reference: &self.reference,
            history: &self.history,
            first_seen: &self.first_seen,
            changes: &self.changes,
            names: &self.names,
        }
    }
}

pub(crate) fn new_build() -> Version {
    Version { timestamp: 0x6690_2c2a, size: 0xe4000 }
}

pub(crate) fn old_build(number: usize) -> Version {
    Version { timestamp: 0x6500_0000 + number as u32 * 0x1_0000, size: 0xe0000 + number as u32 * 0x1000 }
}

fn os_build(number: usize) -> u32 {
    [19045, 22621, 22631, 26100][number]
}

const POPULAR: usize = 40;
const DECOYS: usize = 3;
/// One model's own.
const OEM: usize = POPULAR + DECOYS;

impl Fleet {
    fn draw(dice: &mut Dice) -> Self {
        let canary = dice.between(0.02, 0.05);
        let early = dice.between(0.1, 0.2);
        let slope = dice.between(0.6, 1.4);
        let models = (1..=30).map(|rank| f64::from(rank).powf(-slope)).collect();
        let os: Vec<f64> = (0..4).map(|_| dice.between(0.05, 1.0)).collect();
        let ahead = |more: f64| {
            let mut os = os.clone();
            os[3] *= more;
            os
        };
        let sites = (1..=60).map(|rank| f64::from(rank).powf(-0.8)).collect();
        Self {
            rings: [canary, early, 1.0 - canary - early],
            models,
            os: [ahead(6.0), ahead(2.0), os.clone()],
            sites,
            progress: [0.0; 3],
            old_builds: (0..1 + dice.below(5)).map(|_| dice.log_between(0.03, 1.0)).collect(),
            modules: (0..POPULAR).map(|at| if at < 15 { 0.99 } else { dice.between(0.03, 0.95) }).collect(),
            oem: dice.below(30),
            pilot: dice.below(30),
        }
    }

    fn machine(&self, dice: &mut Dice) -> Machine {
        let ring = dice.pick(&self.rings);
        // Canaries are the machines of three offices, for the most part.
        let site = if ring == 0 && dice.chance(0.7) { 20 + dice.below(3) } else { dice.pick(&self.sites) };
        // And many of them have the model that the pilots were given.
        let model = if ring == 0 && dice.chance(0.5) { self.pilot } else { dice.pick(&self.models) };
        let os = dice.pick(&self.os[ring]);
        let is_new = dice.chance(self.progress[ring]);
        let old = dice.pick(&self.old_builds);
        Machine { ring, model, os, site, is_new, old, seed: dice.next() }
    }

    fn has(&self, machine: &Machine, module: usize) -> bool {
        let mut dice = Dice(machine.seed ^ (module as u64) << 40);
        match module {
            OEM => machine.model == self.oem || dice.chance(0.01),
            decoy if decoy >= POPULAR => dice.chance(0.97),
            popular => dice.chance(self.modules[popular]),
        }
    }

    fn is_hit(&self, cause: Cause, machine: &Machine) -> bool {
        match cause {
            Cause::NewVersion => machine.is_new,
            Cause::Os(os) => machine.os == os,
            Cause::Model(model) => machine.model == model,
            Cause::Site(site) => machine.site == site,
            Cause::Ring(ring) => machine.ring == ring,
            Cause::Module(module) => self.has(machine, module),
            Cause::OsAndModule(os, module) => machine.os == os && self.has(machine, module),
            Cause::Nothing => true,
        }
    }
}

struct Scene {
    fleet: Fleet,
    names: Names,
    modules: Vec<NameId>,
    models: Vec<NameId>,
    sites: Vec<NameId>,
    rings: Vec<NameId>,
}

impl Scene {
    /// How the machine looked: `seen_new` is whether its list is younger than the rollout.
    fn profile(&self, dice: &mut Dice, machine: &Machine, seen_new: bool, fault: u64) -> Profile {
        let is_new = machine.is_new && seen_new;
        let modules = (0..=OEM).filter(|module| self.fleet.has(machine, *module)).map(|module| {
            let along = is_new && module >= POPULAR && module != OEM && !machine.seed.is_multiple_of(10);
            let timestamp = 0x6000_0000 + module as u32 + u32::from(along) * 0x10_0000;
            (self.modules[module], Version { timestamp, size: 0x1000 })
        });
        Profile {
            machine: machine.seed,
            at_ms: ONSET_MS + (dice.unit() * LASTED_MS as f64) as i64,
            version: if is_new { new_build() } else { old_build(machine.old) },
            fault_offset: fault,
            os_build: os_build(machine.os),
            model: self.models[machine.model],
            ring: self.rings[machine.ring],
            site: self.sites[machine.site],
            modules: modules.collect(),
        }
    }
}

/// Draws one incident of a class.
pub(crate) fn draw(class: Origin, dice: &mut Dice) -> Drawn {
    let mut fleet = Fleet::draw(dice);
    let cause = cause(class, &mut fleet, dice);
    let released = cause == Cause::NewVersion || dice.chance(0.5);
    if released {
        fleet.progress = progress(cause, dice);
    }
    let mut names = Names::default();
    let mut list = |count: usize, name: &dyn Fn(usize) -> String| -> Vec<NameId> {
        (0..count).map(|at| names.number(&name(at))).collect()
    };
    let rings = list(3, &|at| ["canary", "early", "broad"][at].to_owned());
    let models = list(30, &|at| format!("Latitude {}", 5000 + at));
    let sites = list(60, &|at| format!("site-{at}"));
    let modules = list(OEM + 1, &|at| format!("m{at}.sys"));
    let scene = Scene { fleet, names, modules, models, sites, rings };
    let noise = dice.between(0.0, 0.12);
    let stale = dice.between(0.0, 0.6);
    let gone = dice.between(0.0, 0.5);
    let count = dice.log_between(50.0, 500.0) as usize;
    let others = dice.log_between(50.0, 5000.0) as usize;
    let mut affected = Vec::new();
    while affected.len() < count {
        let machine = scene.fleet.machine(dice);
        let usual = dice.chance(noise * 0.02);
        if scene.fleet.is_hit(cause, &machine) && !dice.chance(noise) || usual {
            let fault = if usual { 0x1000 + 16 * dice.below(20) as u64 } else { 0xe14ed };
            let is_current = !dice.chance(0.01);
            affected.push(scene.profile(dice, &machine, is_current, fault));
        }
    }
    let mut reference = Vec::new();
    while reference.len() < others {
        let machine = scene.fleet.machine(dice);
        if scene.fleet.is_hit(cause, &machine) && dice.chance(gone) {
            continue;
        }
        let seen_new = !dice.chance(stale);
        reference.push(scene.profile(dice, &machine, seen_new, 0));
    }
    let seen = (0..scene.fleet.old_builds.len())
        .map(|number| (old_build(number), ONSET_MS - (dice.between(20.0, 90.0) * DAY_MS as f64) as i64));
    let mut first_seen: Vec<(Version, i64)> = seen.collect();
    if released {
        let minutes = dice.log_between(10.0, 5.0 * 1440.0);
        first_seen.push((new_build(), ONSET_MS - (minutes * MINUTE_MS as f64) as i64));
    }
    let about = format!(
        "{cause:?} affected {count} reference {others} progress {:.2?} stale {stale:.2} gone {gone:.2} noise {noise:.2} \
         builds {:.2?}",
        scene.fleet.progress, scene.fleet.old_builds
    );
    let history = history(&scene, dice, count, &affected);
    let elements = elements(&scene, cause);
    let Scene { names, .. } = scene;
    let changes = Vec::new();
    Drawn { names, affected, reference, history, first_seen, changes, truth: class, elements, about }
}

fn cause(class: Origin, fleet: &mut Fleet, dice: &mut Dice) -> Cause {
    match class {
        Origin::NewVersion => Cause::NewVersion,
        Origin::OsBuild => {
            let os = dice.below(4);
            // What most machines have cannot be told from what all have.
            let share = dice.between(0.05, 0.45);
            for shares in &mut fleet.os {
                let rest = shares.iter().sum::<f64>() - shares[os];
                shares[os] = rest * share / (1.0 - share);
            }
            Cause::Os(os)
        }
        Origin::Model => Cause::Model(dice.below(12)),
        Origin::Site => Cause::Site(dice.below(30)),
        Origin::Ring => Cause::Ring(dice.below(2)),
        Origin::Module => Cause::Module(module(fleet, dice)),
        Origin::Slice => {
            for shares in &mut fleet.os {
                *shares = vec![0.4, 0.3, 0.2, 0.1];
            }
            Cause::OsAndModule(dice.below(3), module(fleet, dice))
        }
        Origin::AllVersions | Origin::Unknown => Cause::Nothing,
    }
}

fn module(fleet: &mut Fleet, dice: &mut Dice) -> usize {
    let module = 15 + dice.below(POPULAR - 15);
    fleet.modules[module] = dice.between(0.05, 0.45);
    module
}

/// How far the rollout is. A ring that fails as such is not also the one that wholly runs the new build: nobody could
/// tell the two.
fn progress(cause: Cause, dice: &mut Dice) -> [f64; 3] {
    if cause == Cause::Nothing && dice.chance(0.5) {
        // What is harmless goes on to everybody, while half of the reference was seen before.
        return [0.95, 0.9, dice.between(0.3, 0.95)];
    }
    let most = if matches!(cause, Cause::Ring(_)) { 0.6 } else { 1.0 };
    let canary = dice.between(0.3, most);
    match dice.below(3) {
        0 => [canary, 0.0, 0.0],
        1 => [canary, dice.between(0.05, canary), 0.0],
        _ => {
            let early = dice.between(0.3, canary.max(0.31));
            [canary, early, dice.between(0.02, early.min(0.5))]
        }
    }
}

/// The usual crashes, at the pace at which they are among the affected.
fn history(scene: &Scene, dice: &mut Dice, count: usize, affected: &[Profile]) -> Vec<Profile> {
    let usual = affected.iter().filter(|profile| profile.fault_offset != 0xe14ed).count().min(count / 5);
    if usual == 0 {
        return Vec::new();
    }
    let span = LASTED_MS as f64 * 200.0 / usual as f64;
    (0..200)
        .map(|_| {
            let machine = scene.fleet.machine(dice);
            let fault = 0x1000 + 16 * dice.below(20) as u64;
            let at_ms = ONSET_MS - (dice.unit() * span) as i64 - 1;
            Profile { at_ms, ..scene.profile(dice, &machine, false, fault) }
        })
        .collect()
}

fn elements(scene: &Scene, cause: Cause) -> Vec<(Facet, String)> {
    let name = |id: NameId| scene.names.name(id).to_owned();
    let os = |os: usize| (Facet::OsBuild, os_build(os).to_string());
    let module = |module: usize| (Facet::Module, name(scene.modules[module]));
    match cause {
        Cause::NewVersion => vec![(Facet::Version, format!("{:#x}", new_build().timestamp))],
        Cause::Os(build) => vec![os(build)],
        Cause::Model(model) => vec![(Facet::Model, name(scene.models[model]))],
        Cause::Site(site) => vec![(Facet::Site, name(scene.sites[site]))],
        Cause::Ring(ring) => vec![(Facet::Ring, name(scene.rings[ring]))],
        Cause::Module(image) => vec![module(image)],
        Cause::OsAndModule(build, image) => vec![os(build), module(image)],
        Cause::Nothing => Vec::new(),
    }
}
