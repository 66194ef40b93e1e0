//! Machines as attribution looks at them: dark ones, and ones that beat on with the same driver.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::fleet::{Fleet, What};
use super::machines::{Life, Machine, Machines};
use super::tenant::Tenant;
use crate::attribution::Profile;
use crate::index::NONE;
use crate::names::NameId;

/// Most dark machines that are given.
const DARK: usize = 2000;
/// Most others.
const OTHERS: usize = 4000;
/// Records that are looked at for the others.
const LOOKED: usize = 200_000;
/// The onset is when this share of the machines had missed a beat: the first of all may have gone home.
const ONSET: usize = 20;

/// Folds a tenant into a machine's number and takes it out again.
pub(super) fn key(tenant: NameId, machine: u64) -> u64 {
    machine ^ u64::from(tenant.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// One element on a tenant's machines.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) machines: &'a Machines,
    pub(super) tenant: &'a Tenant,
    pub(super) element: u32,
}

/// What is seen of the dark ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) sites: u64,
    /// By the tenant's clock.
    pub(super) first_missed_s: u32,
}

impl<'a> View<'a> {
    /// Machines with the element that went dark since and are, the latest first.
    fn dark_since(self, since_s: u32) -> impl Iterator<Item = &'a Machine> {
        let mut seen: HashSet<u32, FixedState> = HashSet::default();
        let recent = self.tenant.lately.iter().rev().take_while(move |went| went.at_s >= since_s);
        let new = recent.filter(move |went| seen.insert(went.machine()));
        new.filter_map(move |went| self.machines.get(went.machine()))
            .filter(move |machine| machine.life() == Life::Dark && self.has(machine, self.element))
    }

    pub(super) fn seen(self, since_s: u32) -> Seen {
        let mut sites: HashSet<NameId, FixedState> = HashSet::default();
        let (mut missed, mut loose) = (Vec::new(), 0);
        for machine in self.dark_since(since_s) {
            let site = self.fleet.profiles.get(machine.profile).map_or(NameId::EMPTY, |kin| kin.kin.site);
            loose += u64::from(site == NameId::EMPTY);
            sites.insert(site);
            missed.push(machine.last_s.saturating_add(machine.pace_s()));
        }
        sites.remove(&NameId::EMPTY);
        missed.sort_unstable();
        let first = missed.get(missed.len() / ONSET).copied();
        Seen {
            sites: loose + u64::try_from(sites.len()).unwrap_or(u64::MAX),
            first_missed_s: first.unwrap_or(since_s),
        }
    }

    /// The latest dark machines.
    pub(super) fn dark(self, since_s: u32, wall_ms: impl Fn(u32) -> i64) -> Vec<Profile> {
        let latest = self.dark_since(since_s).take(DARK);
        latest.filter_map(|machine| self.profile(machine, wall_ms(machine.last_s))).collect()
    }

    /// Machines that beat and have the element's driver, from all over the records.
    pub(super) fn others(self, wall_ms: impl Fn(u32) -> i64) -> Vec<Profile> {
        let what = self.fleet.elements.get(self.element).map(|element| element.what);
        let driver = what.and_then(|what| self.fleet.element_id(What { version: None, ..what }));
        let driver = driver.unwrap_or(NONE);
        // Machines of one site often enrolled one after the other: steps take some of each.
        let step = (self.machines.list().len() / LOOKED).max(1);
        let some = self.machines.list().iter().step_by(step);
        some.filter(|machine| machine.life() == Life::Awake && self.has(machine, driver))
            .take(OTHERS)
            .filter_map(|machine| self.profile(machine, wall_ms(machine.last_s)))
            .collect()
    }

    fn has(self, machine: &Machine, element: u32) -> bool {
        self.fleet.profiles.get(machine.profile).is_some_and(|profile| self.fleet.has(profile, element))
    }

    fn profile(self, machine: &Machine, at_ms: i64) -> Option<Profile> {
        let kin = self.fleet.profiles.get(machine.profile)?.kin;
        let driver = self.fleet.elements.get(self.element)?.what.driver;
        let elements = self.fleet.elements_of(kin.inventory).iter();
        let builds = elements.filter_map(|id| {
            let what = self.fleet.elements.get(*id)?.what;
            Some((what.driver, what.version?))
        });
        let (own, modules): (Vec<_>, Vec<_>) = builds.partition(|(name, _)| *name == driver);
        Some(Profile {
            machine: key(self.tenant.name, machine.key),
            at_ms,
            version: own.first().map(|(_, version)| *version).unwrap_or_default(),
            fault_offset: 0,
            os_build: kin.os_build,
            model: kin.model,
            ring: kin.ring,
            site: kin.site,
            modules,
        })
    }
}
