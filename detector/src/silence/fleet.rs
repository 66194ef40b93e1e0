//! What machines are and run, shared by those that are alike: profiles, inventories, and the elements in them (drivers,
//! and drivers in one build). Counts change once a tick for each profile, not for each machine.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::chart::Chart;
use super::machines::KINDS;
use super::recent::Recent;
use super::slab::Slab;
use super::tenant::Tenant;
use super::usual::{Usual, to_f32};
use crate::index::NONE;
use crate::input::Version;
use crate::names::NameId;

/// Entries of all inventories together: 128 MB. Beyond, a machine keeps what it had: hostile inventories, one for each
/// machine, must not take the memory.
const ENTRIES: usize = 32 * 1024 * 1024;
/// Elements: 200 MB. As above.
const ELEMENTS: usize = 400_000;

/// Machines that left an element are forgotten by half in so many hours: a release takes days, and who is off most is last.
const LEFT_H: f64 = 24.0;

/// Machines by kind.
pub(super) type ByKind = [u32; KINDS];

/// A driver, or one build of it, on a tenant's machines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Element {
    pub(super) what: What,
    /// The driver of a build; [`NONE`] in drivers.
    pub(super) parent: u32,
    /// Inventories that have it, and builds of it.
    refs: u32,
    pub(super) machines: u32,
    /// Of these, those that beat.
    pub(super) awake: ByKind,
    /// And those that are dark.
    pub(super) dark: u32,
    /// Of this tick.
    pub(super) went: ByKind,
    pub(super) recent: Recent,
    pub(super) chart: Chart,
    pub(super) usual: Usual,
    /// Whether it is among those that the next tick looks at.
    pub(super) active: bool,
    /// Whether it is reported.
    pub(super) alarmed: bool,
    /// Machines that left it, faded as of then.
    left: f32,
    left_at_ms: i64,
}

/// What tells elements apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct What {
    pub(super) tenant: u32,
    pub(super) driver: NameId,
    pub(super) version: Option<Version>,
}

/// Elements in ascending order: builds and their drivers.
#[derive(Debug, Serialize, Deserialize)]
struct Inventory {
    elements: Box<[u32]>,
    refs: u32,
    key: u64,
}

/// What tells profiles apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Kin {
    pub(super) tenant: u32,
    pub(super) site: NameId,
    pub(super) ring: NameId,
    pub(super) model: NameId,
    pub(super) os_build: u32,
    /// [`NONE`] where it was never told.
    pub(super) inventory: u32,
}

/// Machines that are alike.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) kin: Kin,
    machines: u32,
    pub(super) awake: ByKind,
    /// Where its changes of this tick are.
    pending: u32,
}

/// What changes in a tick, for one profile or more.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Delta {
    pub(super) machines: i32,
    pub(super) awake: [i32; KINDS],
    pub(super) dark: i32,
    /// Those that count as gone dark.
    pub(super) went: ByKind,
}

impl Delta {
    fn add(&mut self, other: &Self) {
        self.machines += other.machines;
        self.dark += other.dark;
        for (sum, by) in self.awake.iter_mut().zip(other.awake) {
            *sum += by;
        }
        for (sum, by) in self.went.iter_mut().zip(other.went) {
            *sum += by;
        }
    }
}

impl Element {
    /// Machines that had it lately and have it no more: what they run was changed, so that they were alive.
    pub(super) fn left(&self, at_ms: i64) -> f64 {
        let hours = (at_ms - self.left_at_ms).max(0) as f64 / 3_600_000.0;
        f64::from(self.left) * (-hours / LEFT_H).exp2()
    }

    /// Counts those of `had` machines that left.
    fn count_left(&mut self, had: u32, at_ms: i64) {
        let left = had.saturating_sub(self.machines);
        if left > 0 {
            (self.left, self.left_at_ms) = (self.left(at_ms) as f32 + to_f32(left), at_ms);
        }
    }

    /// Counts. Whether it was woken by that.
    fn apply(&mut self, delta: &Delta) -> bool {
        self.machines = moved(self.machines, delta.machines);
        self.dark = moved(self.dark, delta.dark);
        shift(&mut self.awake, &delta.awake);
        for (sum, count) in self.went.iter_mut().zip(delta.went) {
            *sum += count;
        }
        let wakes = !self.active && delta.went.iter().any(|count| *count > 0);
        self.active |= wakes;
        wakes
    }
}

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Fleet {
    pub(super) tenants: Vec<Tenant>,
    pub(super) profiles: Slab<Profile>,
    inventories: Slab<Inventory>,
    pub(super) elements: Slab<Element>,
    pending: Vec<(u32, Delta)>,
    entries: usize,
    #[serde(skip)]
    by: Lookup,
}

/// Rebuilt, not stored.
#[derive(Debug, Default)]
struct Lookup {
    tenants: HashMap<NameId, u32, FixedState>,
    profiles: HashMap<Kin, u32, FixedState>,
    inventories: HashMap<u64, u32, FixedState>,
    elements: HashMap<What, u32, FixedState>,
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn moved(count: u32, by: i32) -> u32 {
    count.saturating_add_signed(by)
}

impl Fleet {
    /// Makes the look-ups again after the rest was read.
    pub(super) fn rebuild(&mut self) {
        let tenants = (0u32..).zip(&self.tenants).map(|(id, tenant)| (tenant.name, id));
        self.by = Lookup {
            tenants: tenants.collect(),
            profiles: self.profiles.iter().map(|(id, profile)| (profile.kin, id)).collect(),
            inventories: self.inventories.iter().map(|(id, inventory)| (inventory.key, id)).collect(),
            elements: self.elements.iter().map(|(id, element)| (element.what, id)).collect(),
        };
    }

    pub(super) fn tenant(&self, id: u32) -> Option<&Tenant> {
        self.tenants.get(index(id))
    }

    pub(super) fn tenant_mut(&mut self, id: u32) -> Option<&mut Tenant> {
        self.tenants.get_mut(index(id))
    }

    pub(super) fn tenant_id(&self, name: NameId) -> Option<u32> {
        self.by.tenants.get(&name).copied()
    }

    /// The number of a tenant, given to it at first sight.
    pub(super) fn tenant_number(&mut self, name: NameId, now_ms: i64) -> u32 {
        if let Some(id) = self.tenant_id(name) {
            return id;
        }
        let id = u32::try_from(self.tenants.len()).unwrap_or(NONE);
        self.tenants.push(Tenant::new(name, now_ms));
        self.by.tenants.insert(name, id);
        id
    }

    pub(super) fn element_id(&self, what: What) -> Option<u32> {
        self.by.elements.get(&what).copied()
    }

    /// The elements of an inventory.
    pub(super) fn elements_of(&self, inventory: u32) -> &[u32] {
        self.inventories.get(inventory).map_or(&[], |inventory| &inventory.elements)
    }

    /// The inventories that have an element.
    pub(super) fn inventories_with(&self, element: u32) -> HashSet<u32, FixedState> {
        let all = self.inventories.iter();
        let with = all.filter(|(_, inventory)| inventory.elements.binary_search(&element).is_ok());
        with.map(|(id, _)| id).collect()
    }

    /// Whether machines of a profile have an element.
    pub(super) fn has(&self, profile: &Profile, element: u32) -> bool {
        self.elements_of(profile.kin.inventory).binary_search(&element).is_ok()
    }

    fn element(&mut self, what: What, parent: u32, now_ms: i64) -> Option<u32> {
        if let Some(id) = self.by.elements.get(&what) {
            return Some(*id);
        }
        if self.elements.len() >= ELEMENTS {
            return None;
        }
        let id = self.elements.add(Element {
            what,
            parent,
            refs: 0,
            machines: 0,
            awake: [0; KINDS],
            dark: 0,
            went: [0; KINDS],
            recent: Recent::default(),
            chart: Chart::default(),
            usual: Usual::new(now_ms),
            active: false,
            alarmed: false,
            left: 0.0,
            left_at_ms: 0,
        });
        self.by.elements.insert(what, id);
        if let Some(driver) = self.elements.get_mut(parent) {
            driver.refs += 1;
        }
        Some(id)
    }

    /// The number of an inventory, given to it at first sight; none where there is no room for another.
    pub(super) fn inventory(
        &mut self,
        tenant: u32,
        modules: &[(NameId, Version)],
        now_ms: i64,
    ) -> Option<u32> {
        let mut elements = Vec::with_capacity(modules.len() * 2);
        for (driver, version) in modules {
            let driver_what = What { tenant, driver: *driver, version: None };
            let Some(parent) = self.element(driver_what, NONE, now_ms) else { continue };
            elements.push(parent);
            elements.extend(self.element(What { version: Some(*version), ..driver_what }, parent, now_ms));
        }
        elements.sort_unstable();
        elements.dedup();
        let mut key = hash(tenant, &elements);
        while let Some(id) = self.by.inventories.get(&key) {
            if *self.elements_of(*id) == *elements {
                return Some(*id);
            }
            // Two inventories of one hash: whoever wants that can make them.
            key = key.wrapping_add(1);
        }
        if self.entries + elements.len() > ENTRIES {
            self.drop_unused(&elements);
            return None;
        }
        self.entries += elements.len();
        for id in &elements {
            if let Some(element) = self.elements.get_mut(*id) {
                element.refs += 1;
            }
        }
        let id = self.inventories.add(Inventory { elements: elements.into(), refs: 0, key });
        self.by.inventories.insert(key, id);
        Some(id)
    }

    /// The number of a profile, given to it at first sight.
    pub(super) fn profile(&mut self, kin: Kin) -> u32 {
        if let Some(id) = self.by.profiles.get(&kin) {
            return *id;
        }
        if let Some(inventory) = self.inventories.get_mut(kin.inventory) {
            inventory.refs += 1;
        }
        let id = self.profiles.add(Profile { kin, machines: 0, awake: [0; KINDS], pending: NONE });
        self.by.profiles.insert(kin, id);
        id
    }

    /// Notes what changes for a profile when the tick ends.
    pub(super) fn change(&mut self, profile: u32, note: impl FnOnce(&mut Delta)) {
        let Some(known) = self.profiles.get_mut(profile) else { return };
        if known.pending == NONE {
            known.pending = u32::try_from(self.pending.len()).unwrap_or(NONE);
            self.pending.push((profile, Delta::default()));
        }
        if let Some((_, delta)) = self.pending.get_mut(index(known.pending)) {
            note(delta);
        }
    }

    /// Brings every count up to date. Gives the elements of which machines went dark, that were not active.
    pub(super) fn flush(&mut self, at_ms: i64) -> Vec<u32> {
        // Many sites have machines with one inventory: its elements are counted once.
        let mut by_inventory: HashMap<u32, Delta, FixedState> = HashMap::default();
        let mut empty = Vec::new();
        for (id, delta) in std::mem::take(&mut self.pending) {
            let Some(profile) = self.profiles.get_mut(id) else { continue };
            profile.pending = NONE;
            profile.machines = moved(profile.machines, delta.machines);
            shift(&mut profile.awake, &delta.awake);
            let kin = profile.kin;
            if profile.machines == 0 {
                empty.push(id);
            }
            let elements = self.inventories.get(kin.inventory).map_or(0, |known| known.elements.len());
            if let Some(tenant) = self.tenants.get_mut(index(kin.tenant)) {
                tenant.apply(&delta, kin.site, elements);
            }
            by_inventory.entry(kin.inventory).or_default().add(&delta);
        }
        // What some machines leave, others of the same tick may come to.
        let mut shrunk: Vec<(u32, u32)> = by_inventory
            .iter()
            .filter(|(_, delta)| delta.machines < 0)
            .flat_map(|(inventory, _)| self.elements_of(*inventory))
            .filter_map(|id| Some((*id, self.elements.get(*id)?.machines)))
            .collect();
        shrunk.sort_unstable();
        shrunk.dedup();
        let mut woken = Vec::new();
        for (inventory, delta) in by_inventory {
            let ids = self.inventories.get(inventory).map_or(&[][..], |inventory| &inventory.elements);
            for id in ids {
                if self.elements.get_mut(*id).is_some_and(|element| element.apply(&delta)) {
                    woken.push(*id);
                }
            }
        }
        for (id, had) in shrunk {
            if let Some(element) = self.elements.get_mut(id) {
                element.count_left(had, at_ms);
            }
        }
        // The order in which a map gives them is nobody's business.
        woken.sort_unstable();
        empty.into_iter().for_each(|id| self.forget(id));
        woken
    }

    /// A profile without machines goes, with what only it had.
    fn forget(&mut self, id: u32) {
        let Some(profile) = self.profiles.remove(id) else { return };
        self.by.profiles.remove(&profile.kin);
        let Some(inventory) = self.inventories.get_mut(profile.kin.inventory) else { return };
        inventory.refs = inventory.refs.saturating_sub(1);
        if inventory.refs > 0 {
            return;
        }
        let Some(inventory) = self.inventories.remove(profile.kin.inventory) else { return };
        self.by.inventories.remove(&inventory.key);
        self.entries = self.entries.saturating_sub(inventory.elements.len());
        for id in &inventory.elements {
            if let Some(element) = self.elements.get_mut(*id) {
                element.refs = element.refs.saturating_sub(1);
            }
        }
        self.drop_unused(&inventory.elements);
    }

    /// Lets go of elements that no inventory has, and of their drivers when those were held by them only.
    pub(super) fn drop_unused(&mut self, ids: &[u32]) {
        let mut drivers = Vec::new();
        for id in ids {
            let parent = self.elements.get(*id).map_or(NONE, |element| element.parent);
            if parent == NONE {
                drivers.push(*id);
            } else if self.drop_one(*id)
                && let Some(driver) = self.elements.get_mut(parent)
            {
                driver.refs = driver.refs.saturating_sub(1);
                drivers.push(parent);
            }
        }
        for id in drivers {
            self.drop_one(id);
        }
    }

    fn drop_one(&mut self, id: u32) -> bool {
        let unused = self.elements.get(id).is_some_and(|element| element.refs == 0 && !element.active);
        if unused && let Some(element) = self.elements.remove(id) {
            self.by.elements.remove(&element.what);
        }
        unused
    }
}

/// Adds signed changes to counts.
pub(super) fn shift(counts: &mut ByKind, by: &[i32; KINDS]) {
    for (count, by) in counts.iter_mut().zip(by) {
        *count = moved(*count, *by);
    }
}

fn hash(tenant: u32, elements: &[u32]) -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let mut hasher = FixedState::default().build_hasher();
    hasher.write_u32(tenant);
    for element in elements {
        hasher.write_u32(*element);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_leave_a_build_are_remembered_for_some_hours() {
        let mut fleet = Fleet::default();
        let tenant = fleet.tenant_number(NameId::EMPTY, 0);
        let driver = NameId(1);
        let profile_of = |fleet: &mut Fleet, timestamp| {
            let inventory = fleet.inventory(tenant, &[(driver, Version { timestamp, size: 1 })], 0).unwrap();
            let (site, ring, model) = (NameId::EMPTY, NameId::EMPTY, NameId::EMPTY);
            fleet.profile(Kin { tenant, site, ring, model, os_build: 0, inventory })
        };
        let (old, new) = (profile_of(&mut fleet, 1), profile_of(&mut fleet, 2));
        fleet.change(old, |delta| delta.machines += 10);
        fleet.flush(0);
        fleet.change(old, |delta| delta.machines -= 6);
        fleet.change(new, |delta| delta.machines += 6);
        fleet.flush(0);
        let left = |fleet: &Fleet, version: Option<u32>, hours: i64| {
            let version = version.map(|timestamp| Version { timestamp, size: 1 });
            let id = fleet.element_id(What { tenant, driver, version }).unwrap();
            fleet.elements.get(id).unwrap().left(hours * 3_600_000)
        };
        assert_eq!([left(&fleet, Some(1), 0), left(&fleet, Some(1), 24)], [6.0, 3.0]);
        assert_eq!(
            [left(&fleet, Some(2), 0), left(&fleet, None, 0)],
            [0.0, 0.0],
            "the driver is still there"
        );
        fleet.change(old, |delta| delta.machines -= 1);
        fleet.change(new, |delta| delta.machines += 1);
        fleet.flush(24 * 3_600_000);
        assert_eq!(left(&fleet, Some(1), 24), 4.0);
    }
}
