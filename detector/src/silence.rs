//! Machines that went dark: who, beyond expectation, and what they share.
//!
//! Machines go dark for many reasons that nobody should be woken for: people go home, a site loses its power, the way to
//! us stalls. So a driver, or one build of it, is reported only if more of its machines went dark than comparable machines
//! without it do right now *and*, where it has habits of its own, than did at that hour before (`recent`, `usual`,
//! `chart`), at enough sites, and not together with those beside them (`judge`). A tenant's clock stands still while
//! nobody's beats arrive (`pulse`).
//! Never looks at all machines: a tick costs what beat in it, what went dark, and the elements of that.

use serde::{Deserialize, Serialize};

use crate::attribution::Profile;
use crate::input::Version;
use crate::names::NameId;

mod alarms;
mod chart;
mod fleet;
mod judge;
mod life;
mod machines;
mod pulse;
mod recent;
mod sample;
mod slab;
mod tenant;
#[cfg(test)]
mod tests;
mod usual;

use crate::index::NONE;
use fleet::{Fleet, Kin, What};
use machines::{Life, Machines};

/// A beat that claims to be later than this beyond the last tick has a wrong time, ms.
const AHEAD_MS: i64 = 600_000;
/// Where seconds are counted from: 1 January 2000.
const EPOCH_MS: i64 = 946_684_800_000;

/// What a machine is and runs.
#[derive(Debug, Clone, Copy)]
pub struct Installed<'a> {
    /// When it said so, ms since 1970.
    pub at_ms: i64,
    /// Where it stands; empty makes it a site of its own.
    pub site: NameId,
    /// Rollout ring.
    pub ring: NameId,
    /// Model.
    pub model: NameId,
    /// Build of Windows.
    pub os_build: u32,
    /// Third-party images that it loads.
    pub modules: &'a [(NameId, Version)],
}

/// How large a tenant's fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Machines with a heartbeat or an inventory within a week.
    pub machines: u64,
    /// Sites they stand at.
    pub sites: u64,
}

/// Machines that went dark together, and what they share.
#[derive(Debug, Clone, PartialEq)]
pub struct Dark {
    /// Whose machines.
    pub tenant: NameId,
    /// The driver that they share.
    pub driver: NameId,
    /// Its build, where machines with other builds go on beating.
    pub version: Option<Version>,
    /// Machines that went dark since the onset.
    pub machines: u64,
    /// Their sites.
    pub sites: u64,
    /// How many could be expected since the onset.
    pub expected: f64,
    /// Value of the chart: a logarithm of a likelihood ratio.
    pub score: f64,
    /// Value that it had to reach.
    pub threshold: f64,
    /// The first of them, ms since 1970.
    pub onset_ms: i64,
    /// At most 2,000 of the dark machines. Empty unless this is new or has grown by half since they were last given.
    pub sample: Vec<Profile>,
    /// At most 4,000 that still beat and have the driver. Empty whenever `sample` is.
    pub reference: Vec<Profile>,
}

/// Who beats, who stopped, and what they have installed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Silence {
    /// End of the last tick, ms since 1970.
    now_ms: Option<i64>,
    machines: Machines,
    fleet: Fleet,
    /// Elements with anything unusual or recent.
    active: Vec<u32>,
    /// Next record to be looked at for its age.
    swept: u32,
}

/// As it is written down.
#[derive(Deserialize)]
struct Stored {
    now_ms: Option<i64>,
    machines: Machines,
    fleet: Fleet,
    active: Vec<u32>,
    swept: u32,
}

impl From<Stored> for Silence {
    fn from(stored: Stored) -> Self {
        let Stored { now_ms, mut machines, mut fleet, active, swept } = stored;
        machines.rebuild();
        fleet.rebuild();
        Self { now_ms, machines, fleet, active, swept }
    }
}

impl Silence {
    /// Nobody is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A machine says that it lives; with `farewell`, that it goes down on purpose.
    pub fn beat(&mut self, tenant: NameId, machine: u64, at_ms: i64, farewell: bool) {
        let at_ms = self.bounded(at_ms);
        let (number, at_s) = self.clock(tenant, at_ms);
        let key = sample::key(tenant, machine);
        let Some(id) = self.machines.find(key).or_else(|| self.enroll(number, key, at_s, None)) else {
            return;
        };
        if farewell {
            self.lie_down(id, Life::Gone);
        } else {
            self.wake(id, number, at_s, at_ms, true);
        }
    }

    /// What a machine is and runs, in full.
    pub fn install(&mut self, tenant: NameId, machine: u64, what: Installed<'_>) {
        let at_ms = self.bounded(what.at_ms);
        let (number, at_s) = self.clock(tenant, at_ms);
        let key = sample::key(tenant, machine);
        let known = self.machines.find(key);
        let before = known.and_then(|id| self.fleet.profiles.get(self.machines.get(id)?.profile));
        let before = before.map_or(NONE, |profile| profile.kin.inventory);
        let inventory = self.fleet.inventory(number, what.modules, at_ms).unwrap_or(before);
        let kin = Kin {
            tenant: number,
            site: what.site,
            ring: what.ring,
            model: what.model,
            os_build: what.os_build,
            inventory,
        };
        match known {
            Some(id) => self.change_profile(id, kin, at_s),
            None => {
                self.enroll(number, key, at_s, Some(kin));
            }
        }
    }

    /// An upload is a sign of life of a machine that beats. It wakes nobody: who is back says so by beats. In a simulated
    /// weekend an outage's uploads woke machines that were off, and they alone still had old builds: each of these builds
    /// seemed to go dark a quarter of an hour later.
    pub fn crash(&mut self, tenant: NameId, machine: u64, at_ms: i64) {
        let id = self.machines.find(sample::key(tenant, machine));
        let is_awake = |id: &u32| self.machines.get(*id).is_some_and(|known| known.life() == Life::Awake);
        if let Some(id) = id.filter(is_awake) {
            let at_ms = self.bounded(at_ms);
            let (number, at_s) = self.clock(tenant, at_ms);
            self.wake(id, number, at_s, at_ms, false);
        }
    }

    /// Ends the tick at `at_ms`; `budget` is the number of false alarms a month that is accepted. Gives whatever is
    /// dark beyond expectation now.
    pub fn tick(&mut self, at_ms: i64, budget: f64) -> Vec<Dark> {
        let at_ms = sane(at_ms);
        let from_ms = self.now_ms.unwrap_or(at_ms);
        let at_ms = at_ms.max(from_ms);
        self.now_ms = Some(at_ms);
        let span_ms = at_ms - from_ms;
        for tenant in &mut self.fleet.tenants {
            let expected = tenant.beats.max(0.0) * span_ms as f64 / 1000.0;
            tenant.pulse.tick(span_ms, expected, tenant.pace_s());
        }
        self.look_at_overdue(at_ms);
        self.sweep(at_ms, span_ms);
        let woken = self.fleet.flush(at_ms);
        self.active.extend(woken);
        let now_s = seconds(at_ms);
        for tenant in &mut self.fleet.tenants {
            tenant.tick(at_ms, now_s, span_ms);
        }
        if at_ms.div_euclid(86_400_000) != from_ms.div_euclid(86_400_000) {
            for tenant in &mut self.fleet.tenants {
                tenant.usual.end_day(from_ms, !tenant.alarms.is_empty());
            }
            for (_, element) in self.fleet.elements.iter_mut() {
                element.usual.end_day(from_ms, element.alarmed);
            }
        }
        self.judge(from_ms, at_ms, budget)
    }

    /// How large a tenant's fleet is; none where nobody sends heartbeats or inventories.
    #[must_use]
    pub fn fleet(&self, tenant: NameId) -> Option<Size> {
        let tenant = self.fleet.tenant(self.fleet.tenant_id(tenant)?)?;
        let size = Size { machines: u64::from(tenant.machines), sites: tenant.site_count() };
        (size.machines > 0).then_some(size)
    }

    /// Machines with the driver in their inventory; none where no inventory has it.
    #[must_use]
    pub fn exposed(&self, tenant: NameId, driver: NameId) -> Option<u64> {
        let what = What { tenant: self.fleet.tenant_id(tenant)?, driver, version: None };
        let element = self.fleet.elements.get(self.fleet.element_id(what)?)?;
        (element.machines > 0).then_some(u64::from(element.machines))
    }

    /// A moment as somebody else tells it.
    fn bounded(&self, at_ms: i64) -> i64 {
        sane(at_ms).min(self.now_ms.map_or(i64::MAX, |now_ms| now_ms + AHEAD_MS))
    }

    /// A tenant's number, and a moment by its own clock, s.
    fn clock(&mut self, tenant: NameId, at_ms: i64) -> (u32, u32) {
        let number = self.fleet.tenant_number(tenant, at_ms);
        let behind_ms = self.fleet.tenant(number).map_or(0, |tenant| tenant.pulse.behind_ms());
        (number, seconds(at_ms - behind_ms))
    }
}

/// A moment that can be counted with: within 2000 and 2100.
fn sane(at_ms: i64) -> i64 {
    at_ms.clamp(EPOCH_MS, EPOCH_MS + 100 * 366 * 86_400_000)
}

/// Seconds since the year 2000.
fn seconds(at_ms: i64) -> u32 {
    u32::try_from((at_ms - EPOCH_MS).div_euclid(1000).max(0)).unwrap_or(u32::MAX)
}

fn hours(ms: i64) -> u32 {
    u32::try_from(ms.div_euclid(3_600_000).max(0)).unwrap_or(u32::MAX)
}
