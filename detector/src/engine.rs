//! The detector: feed it what arrived, then end the tick.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::attribution::Profile;
use crate::case::Case;
use crate::config::DetectorConfig;
use crate::incident::{Incident, Transition};
use crate::input::{Act, Beat, Change, Crash, Install, Version};
use crate::limits::Limits;
use crate::names::{NameId, Names};
use crate::series::{Key, RHO, watched};
use crate::silence::{Installed, Silence};
use crate::stats::{fnv64, mix};
use crate::tenant::{Pending, Tenant};

mod cases;
mod dark;
mod state;

pub use state::{Memory, RestoreError, VERSION};

/// Uploaded later than this after the crash: the other stratum.
const LATE_MS: i64 = 15 * 60_000;
/// A clock that says more than this before the arrival, or after it, is not believed.
const OLDEST_MS: i64 = 30 * 86_400_000;
const NEWEST_MS: i64 = 5 * 60_000;
/// A chart this high may become an incident: what its machines share is remembered. Most never get there.
const WARM: f32 = 8.0;
/// Machines of one driver and tick whose profile is made.
const PROFILES: u32 = 512;
/// Changes that are remembered.
const MOST_CHANGES: usize = 1000;
const CHANGE_LIFE_MS: i64 = 14 * 86_400_000;
/// Machines a month below which a fleet is held to have this many: an empty one gives no sound threshold.
const LEAST_MONTHLY: f64 = 100.0;
/// Share of the accepted false pages that the drivers' own series may take; the others share the rest.
const PRIMARY_SHARE: f64 = 0.5;
/// Series that a machine is brought into beside its driver's.
const SECONDARY: f64 = 4.0;

/// What was seen before this detector began: machines an hour of one series, oldest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Base name of the driver; empty for crashes that are blamed on nobody.
    pub driver: &'a str,
    /// Start of the hour, ms since 1970.
    pub hour_ms: i64,
    /// Distinct machines in it.
    pub machines: u64,
}

/// The detector of all tenants.
#[derive(Debug, Serialize, Deserialize)]
pub struct Detector {
    config: DetectorConfig,
    #[serde(with = "state::names")]
    names: Names,
    now_ms: i64,
    tenants: Vec<Tenant>,
    #[serde(skip)]
    pending: BTreeMap<usize, Vec<Pending>>,
    #[serde(skip)]
    in_tick: BTreeMap<(usize, NameId), u32>,
    #[serde(with = "state::cases")]
    cases: BTreeMap<u32, Case>,
    next_case: u32,
    changes: Vec<Change>,
    #[serde(skip)]
    acts: Vec<Act>,
    silence: Silence,
}

impl Detector {
    /// A detector that has seen nothing. `start_ms` is when its first tick begins.
    #[must_use]
    pub fn new(config: DetectorConfig, start_ms: i64) -> Self {
        Self {
            config,
            names: Names::default(),
            now_ms: start_ms,
            tenants: Vec::new(),
            pending: BTreeMap::new(),
            in_tick: BTreeMap::new(),
            cases: BTreeMap::new(),
            next_case: 1,
            changes: Vec::new(),
            acts: Vec::new(),
            silence: Silence::new(),
        }
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &DetectorConfig {
        &self.config
    }

    /// The end of the last tick, ms since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Learns from the past, before the first tick: `from_ms` is where the history begins.
    pub fn learn(&mut self, from_ms: i64, history: &[History<'_>]) {
        #[expect(clippy::cast_precision_loss, reason = "a span in ms and counts of machines")]
        let seconds = (self.now_ms - from_ms).max(0) as f64 / 1000.0;
        let mut fleets: BTreeMap<&str, BTreeMap<i64, f64>> = BTreeMap::new();
        let mut drivers: HashMap<(&str, &str), f64, FixedState> = HashMap::default();
        for one in history.iter().filter(|one| one.hour_ms >= from_ms && one.hour_ms < self.now_ms) {
            #[expect(clippy::cast_precision_loss, reason = "a count of machines")]
            let machines = one.machines as f64;
            *fleets.entry(one.tenant).or_default().entry(one.hour_ms.div_euclid(3_600_000)).or_default() +=
                machines;
            #[expect(clippy::cast_precision_loss, reason = "an age in ms")]
            let age_s = (self.now_ms - one.hour_ms) as f64 / 1000.0;
            // What is forgotten of it is forgotten by the series' own measure.
            let weight = 1.0 - watched(age_s) / watched(f64::INFINITY);
            *drivers.entry((one.tenant, one.driver)).or_default() += machines * weight;
        }
        for (tenant, hours) in fleets {
            let place = self.tenant(tenant);
            let Some(fleet) = self.tenants.get_mut(place) else { continue };
            fleet.pass(seconds, from_ms);
            let mean = hours.values().sum::<f64>() / seconds.max(3600.0);
            for hour in from_ms.div_euclid(3_600_000)..self.now_ms.div_euclid(3_600_000) {
                fleet.learn_hour(hour, hours.get(&hour).copied().unwrap_or(0.0), mean);
            }
            fleet.begin();
        }
        let mut drivers: Vec<_> = drivers.into_iter().collect();
        drivers.sort_unstable_by_key(|(names, _)| *names);
        for ((tenant, driver), machines) in drivers {
            let (place, driver) = (self.tenant(tenant), self.names.number(driver));
            if let Some(fleet) = self.tenants.get_mut(place) {
                fleet.learn(driver, machines);
            }
        }
    }

    fn tenant(&mut self, name: &str) -> usize {
        let name = self.names.number(name);
        if let Some(place) = self.tenants.iter().position(|tenant| tenant.name == name) {
            return place;
        }
        self.tenants.push(Tenant::new(name, self.now_ms));
        self.tenants.len() - 1
    }

    /// A crash of the present tick.
    pub fn crash(&mut self, crash: &Crash<'_>) {
        let place = self.tenant(crash.tenant);
        let driver = self.names.number(crash.driver);
        let tenant_name = self.names.number(crash.tenant);
        self.silence.crash(tenant_name, crash.machine, crash.arrived_at_ms);
        let Some(tenant) = self.tenants.get_mut(place) else { return };
        if crash.suspect {
            return;
        }
        tenant.note_machine(self.now_ms, crash.machine);
        let crashed_ms = crashed_ms(crash);
        let late = crash.arrived_at_ms.saturating_sub(crashed_ms) > LATE_MS;
        let key = Key::of_driver(driver, late);
        if !tenant.is_first(key.kind, key.id, crash.machine) {
            return;
        }
        let site = site_number(crash);
        tenant.note_site(site);
        let in_tick = self.in_tick.entry((place, driver)).or_default();
        *in_tick += 1;
        let series = tenant.find(key).and_then(|at| tenant.at(at));
        let warm = series.is_some_and(|one| one.height() >= WARM) || *in_tick > 1;
        let usual = !warm && series.is_none_or(|one| one.incident == 0);
        let asked = match series.map_or(0, |one| one.incident) {
            0 => warm && *in_tick < PROFILES,
            case => self.cases.get(&case).is_some_and(Case::wants_profiles) && *in_tick < PROFILES,
        };
        let remember = series.is_none_or(|one| one.incident == 0) && tenant.reservoir.wants();
        if usual && driver != NameId::EMPTY {
            let past = tenant.past.entry(driver.0).or_default();
            past.note(crash.version, crash.fault_offset, crash.arrived_at_ms);
        }
        let profile = (asked || remember).then(|| profile(&mut self.names, crash));
        if let Some(profile) = &profile {
            tenant.note_builds(&profile.modules, crash.arrived_at_ms);
            if remember {
                tenant.reservoir.keep(driver, profile.clone());
            }
        }
        if driver != NameId::EMPTY {
            tenant.note_builds(&[(driver, crash.version)], crash.arrived_at_ms);
        }
        self.pending.entry(place).or_default().push(Pending {
            driver,
            machine: crash.machine,
            site,
            crashed_ms,
            bugcheck: crash.bugcheck,
            os_build: crash.os_build,
            bucket: self.names.number(crash.bucket),
            late,
            profile,
        });
    }

    /// A heartbeat of the present tick.
    pub fn beat(&mut self, beat: &Beat<'_>) {
        let tenant = self.names.number(beat.tenant);
        self.silence.beat(tenant, beat.machine, beat.at_ms, beat.farewell);
    }

    /// What a machine runs.
    pub fn install(&mut self, install: &Install<'_>) {
        let place = self.tenant(install.tenant);
        let names = &mut self.names;
        let modules: Vec<(NameId, Version)> =
            install.modules.iter().map(|one| (names.number(one.name), one.version)).collect();
        let what = Installed {
            at_ms: install.at_ms,
            site: names.number(install.site),
            ring: names.number(install.ring),
            model: names.number(install.model),
            os_build: install.os_build,
            modules: &modules,
        };
        let tenant_name = names.number(install.tenant);
        self.silence.install(tenant_name, install.machine, what);
        if let Some(tenant) = self.tenants.get_mut(place) {
            tenant.note_builds(&modules, install.at_ms);
        }
    }

    /// Something was changed.
    pub fn change(&mut self, change: &Change) {
        self.changes.retain(|old| self.now_ms - old.at_ms < CHANGE_LIFE_MS);
        if self.changes.len() >= MOST_CHANGES {
            self.changes.remove(0);
        }
        self.changes.push(change.clone());
    }

    /// Somebody did something; it takes effect when the tick ends.
    pub fn act(&mut self, act: &Act) {
        self.acts.push(act.clone());
    }

    /// Machines with the incident's driver that did not crash in it, from elsewhere: they are added to the detector's own
    /// sample in the next attribution of that incident. Versions and modules are numbered by [`Detector::number`].
    pub fn reference(&mut self, incident: u128, machines: Vec<Profile>) {
        if let Some(case) = self.cases.values_mut().find(|case| case.incident.id == incident) {
            case.reference = Some(machines);
        }
    }

    /// The number of a name, for [`Detector::reference`].
    pub fn number(&mut self, name: &str) -> NameId {
        self.names.number(name)
    }

    /// Ends the tick at `at_ms`.
    pub fn tick(&mut self, at_ms: i64) -> Vec<Transition> {
        #[expect(clippy::cast_precision_loss, reason = "a tick in ms")]
        let took_s = ((at_ms - self.now_ms).max(0) as f64 / 1000.0).min(3600.0);
        self.now_ms = at_ms;
        let pending = std::mem::take(&mut self.pending);
        self.in_tick.clear();
        let heights = self.heights();
        let mut alarms = Vec::new();
        for place in 0..self.tenants.len() {
            let limits = self.limits(place);
            let Some(tenant) = self.tenants.get_mut(place) else { continue };
            let none = Vec::new();
            let pending = pending.get(&place).unwrap_or(&none);
            let raised = tenant.tick(at_ms, took_s, pending, heights, &limits);
            alarms.extend(raised.into_iter().map(|alarm| (place, alarm)));
        }
        let mut steps = self.do_acts(at_ms);
        self.count(at_ms, &pending);
        for (place, alarm) in alarms {
            steps.extend(self.take_alarm(place, at_ms, alarm));
        }
        steps.extend(self.listen(at_ms));
        steps.extend(self.follow(at_ms));
        steps
    }

    /// How high a chart must get: of a driver, of something else.
    fn heights(&self) -> (f64, f64) {
        let monthly = self.tenants.iter().map(Tenant::monthly).sum::<f64>().max(LEAST_MONTHLY);
        #[expect(clippy::cast_precision_loss, reason = "four")]
        let charts = RHO.len() as f64;
        let budget = self.config.false_pages_per_month;
        let primary = (charts * monthly / (budget * PRIMARY_SHARE)).ln();
        let other = (charts * SECONDARY * monthly / (budget * (1.0 - PRIMARY_SHARE))).ln();
        (primary, other)
    }

    /// The thresholds of one tenant's fleet.
    #[must_use]
    fn limits(&self, place: usize) -> Limits {
        let Some(tenant) = self.tenants.get(place) else { return Limits::of(1, 1, 1.0) };
        let (mut machines, mut sites) = tenant.size();
        let told = self.silence.fleet(tenant.name);
        if let Some(size) = told {
            machines = machines.max(size.machines);
            sites = sites.max(size.sites);
        }
        if let Some(known) = self.config.machines.get(self.names.name(tenant.name)) {
            machines = *known;
        }
        Limits::of(machines, sites, self.config.false_pages_per_month)
    }

    /// Incidents that are open, and those over for less than a day.
    pub fn incidents(&self) -> impl Iterator<Item = Incident> {
        self.cases.values().map(|case| case.view(&self.names))
    }

    /// How many incidents are open.
    #[must_use]
    pub fn open_incidents(&self) -> usize {
        self.cases.values().filter(|case| case.is_open()).count()
    }

    /// Series that are kept.
    #[must_use]
    pub fn series(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.series.len()).sum()
    }
}

/// When it crashed, as far as that can be believed: when it arrived else.
fn crashed_ms(crash: &Crash<'_>) -> i64 {
    let (crashed_ms, arrived_ms) = (crash.crashed_at_ms, crash.arrived_at_ms);
    let is_believed = crashed_ms != 0
        && arrived_ms.saturating_sub(crashed_ms) < OLDEST_MS
        && crashed_ms.saturating_sub(arrived_ms) < NEWEST_MS;
    if is_believed { crashed_ms.min(arrived_ms) } else { arrived_ms }
}

/// A site as a number; a machine that names none is a site of its own.
fn site_number(crash: &Crash<'_>) -> u32 {
    let hash = if crash.site.is_empty() { mix(crash.machine, 1) } else { fnv64(crash.site.as_bytes()) };
    u32::try_from(mix(hash, 2) >> 32).unwrap_or(0)
}

fn profile(names: &mut Names, crash: &Crash<'_>) -> Profile {
    Profile {
        machine: crash.machine,
        at_ms: crash.arrived_at_ms,
        version: crash.version,
        fault_offset: crash.fault_offset,
        os_build: crash.os_build,
        model: names.number(crash.model),
        ring: names.number(crash.ring),
        site: names.number(crash.site),
        modules: crash.modules.iter().map(|one| (names.number(one.name), one.version)).collect(),
    }
}
