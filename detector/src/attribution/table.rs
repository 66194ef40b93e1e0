//! The machines as columns of bits: one column for each thing that many of the affected share, one row a machine, the
//! affected first. Builds and counts; what the counts mean is not decided here.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::stats::Counts;
use super::{Facet, Profile, Question};
use crate::input::Version;
use crate::names::NameId;

/// A value shared by fewer of the affected cannot explain 70 % of the excess, not even with another beside it.
const HALF: f64 = 0.5;
/// Two values of one facet may explain it together; the lesser of them must have this much.
const PART: f64 = 0.15;

/// One value of one facet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Version(Version),
    OsBuild(u32),
    Model(NameId),
    Site(NameId),
    Ring(NameId),
    Module(NameId),
    ModuleVersion(NameId, Version),
}

impl Key {
    pub(super) fn facet(self) -> Facet {
        match self {
            Self::Version(_) => Facet::Version,
            Self::OsBuild(_) => Facet::OsBuild,
            Self::Model(_) => Facet::Model,
            Self::Site(_) => Facet::Site,
            Self::Ring(_) => Facet::Ring,
            Self::Module(_) => Facet::Module,
            Self::ModuleVersion(..) => Facet::ModuleVersion,
        }
    }
}

/// What a facet says of a machine, `None` where it is unknown: a machine without a ring is not one outside of the ring.
fn value(facet: Facet, profile: &Profile) -> Option<Key> {
    let named = |id: NameId, key: fn(NameId) -> Key| (id != NameId::EMPTY).then(|| key(id));
    match facet {
        Facet::Version => (profile.version != Version::default()).then_some(Key::Version(profile.version)),
        Facet::OsBuild => (profile.os_build != 0).then_some(Key::OsBuild(profile.os_build)),
        Facet::Model => named(profile.model, Key::Model),
        Facet::Site => named(profile.site, Key::Site),
        Facet::Ring => named(profile.ring, Key::Ring),
        Facet::Module | Facet::ModuleVersion => None,
    }
}

/// Whether two builds are one: a size of 0 stands for any.
pub(super) fn same(left: Version, right: Version) -> bool {
    left.timestamp == right.timestamp && (left.size == right.size || left.size == 0 || right.size == 0)
}

fn matches(key: Key, machine: Key) -> bool {
    match (key, machine) {
        (Key::Version(left), Key::Version(right)) => same(left, right),
        _ => key == machine,
    }
}

/// A set of machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(left, right)| join(*left, *right)).collect())
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        self.with(other, |left, right| left & right)
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        self.with(other, |left, right| left & !right)
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        self.with(other, |left, right| left | right)
    }
}

/// The machines that have one thing.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The thing.
    pub(super) key: Key,
    /// Or this.
    pub(super) or: Option<Key>,
    /// Who has it.
    pub(super) has: Bits,
}

/// All machines.
#[derive(Debug)]
pub(super) struct Table {
    /// Words before the first one of the reference.
    split: usize,
    /// Things that half of the affected share or more.
    pub(super) columns: Vec<Column>,
    /// Things that fewer share.
    pub(super) lesser: Vec<Column>,
    /// Of whom each facet is known.
    known: Vec<(Facet, Bits)>,
    /// Every machine.
    everyone: Bits,
}

const SINGLE: [Facet; 5] = [Facet::Version, Facet::OsBuild, Facet::Model, Facet::Site, Facet::Ring];

impl Table {
    pub(super) fn of(question: &Question<'_>) -> Self {
        let split = question.affected.len().div_ceil(64);
        let words = split + question.reference.len().div_ceil(64);
        let mut table = Self {
            split,
            columns: Vec::new(),
            lesser: Vec::new(),
            known: Vec::new(),
            everyone: Bits(vec![0; words]),
        };
        for (row, _) in table.rows(question) {
            table.everyone.set(row);
        }
        for facet in SINGLE {
            table.single(facet, question);
        }
        table.modules(question);
        table
    }

    fn empty(&self) -> Bits {
        Bits(vec![0; self.everyone.0.len()])
    }

    /// Every machine with its row.
    fn rows<'a>(&self, question: &Question<'a>) -> impl Iterator<Item = (usize, &'a Profile)> + use<'a> {
        let first = self.split * 64;
        let reference =
            question.reference.iter().enumerate().map(move |(row, profile)| (first + row, profile));
        question.affected.iter().enumerate().chain(reference)
    }

    fn single(&mut self, facet: Facet, question: &Question<'_>) {
        let values = question.affected.iter().filter_map(|profile| value(facet, profile));
        let (whole, keys) = frequent(values, PART);
        let mut columns: Vec<(f64, Column)> = keys
            .into_iter()
            .map(|(key, share)| (share / whole, Column { key, or: None, has: self.empty() }))
            .collect();
        let mut known = self.empty();
        for (row, profile) in self.rows(question) {
            let Some(value) = value(facet, profile) else { continue };
            known.set(row);
            for (_, column) in columns.iter_mut().filter(|(_, column)| matches(column.key, value)) {
                column.has.set(row);
            }
        }
        self.known.push((facet, known));
        for (share, column) in columns {
            if share >= HALF { self.columns.push(column) } else { self.lesser.push(column) }
        }
    }

    /// The other images that were loaded, whatever their build and in one build. A machine without any is one whose list
    /// is not known.
    fn modules(&mut self, question: &Question<'_>) {
        let groups = groups(question);
        let mut slots: Vec<u16> = vec![0; question.names.list().count()];
        for (number, group) in (1..).zip(&groups) {
            if let Some(slot) = slots.get_mut(index(group.name)) {
                *slot = number;
            }
        }
        let blank = |key| Column { key, or: None, has: self.empty() };
        let mut columns: Vec<(Column, Vec<Column>)> = groups
            .iter()
            .map(|group| {
                let builds = group.builds.iter().map(|build| blank(Key::ModuleVersion(group.name, *build)));
                (blank(Key::Module(group.name)), builds.collect())
            })
            .collect();
        let mut known = self.empty();
        let first = self.split * 64;
        for (row, profile) in self.rows(question) {
            if !profile.modules.is_empty() {
                known.set(row);
            }
            for (name, version) in &profile.modules {
                let slot = slots.get(index(*name)).copied().unwrap_or_default();
                let Some(number) = usize::from(slot).checked_sub(1) else { continue };
                let Some((any, builds)) = columns.get_mut(number) else { continue };
                any.has.set(row);
                // A machine of the reference whose build is not known may have any: that speaks for none.
                let any_build = row >= first && *version == Version::default();
                for build in builds {
                    if any_build || matches!(build.key, Key::ModuleVersion(_, of) if same(of, *version)) {
                        build.has.set(row);
                    }
                }
            }
        }
        self.known.push((Facet::Module, known));
        for (any, builds) in columns {
            self.columns.push(any);
            self.columns.extend(builds);
        }
    }

    /// Of whom it is known whether they have this.
    pub(super) fn known(&self, column: &Column) -> &Bits {
        let facet = match column.key.facet() {
            Facet::ModuleVersion => Facet::Module,
            facet => facet,
        };
        static NONE: Bits = Bits(Vec::new());
        self.known.iter().find(|(of, _)| *of == facet).map_or(&NONE, |(_, bits)| bits)
    }

    /// Every machine.
    pub(super) fn everyone(&self) -> &Bits {
        &self.everyone
    }

    /// How many of a set are affected, and how many of the reference.
    pub(super) fn count(&self, set: &Bits) -> (u32, u32) {
        let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum();
        let (affected, reference) = set.0.split_at(self.split.min(set.0.len()));
        (ones(affected), ones(reference))
    }

    /// How many of those known have it.
    pub(super) fn counts(&self, has: &Bits, known: &Bits) -> Counts {
        let ((a, b), (n1, n0)) = (self.count(has), self.count(known));
        Counts { a, n1, b, n0 }
    }
}

fn index(name: NameId) -> usize {
    usize::try_from(name.0).unwrap_or(usize::MAX)
}

/// Values that a share of the machines or more has, with how many have them, and of how many machines the value is known.
/// In a fixed order.
fn frequent(values: impl Iterator<Item = Key>, share: f64) -> (f64, Vec<(Key, f64)>) {
    let mut counts: HashMap<Key, u32, FixedState> = HashMap::default();
    let mut whole = 0.0;
    for key in values {
        whole += 1.0;
        *counts.entry(key).or_default() += 1;
    }
    // A build whose size is not known is every build with its timestamp.
    let sizeless: HashMap<u32, u32, FixedState> = counts
        .iter()
        .filter_map(|(key, count)| match key {
            Key::Version(version) if version.size == 0 => Some((version.timestamp, *count)),
            _ => None,
        })
        .collect();
    let sized: Vec<u32> = counts
        .keys()
        .filter_map(|key| match key {
            Key::Version(version) if version.size != 0 => Some(version.timestamp),
            _ => None,
        })
        .filter(|timestamp| sizeless.contains_key(timestamp))
        .collect();
    let mut keys: Vec<(Key, f64)> = counts
        .into_iter()
        .filter_map(|(key, count)| match key {
            Key::Version(version) if version.size == 0 => {
                (!sized.contains(&version.timestamp)).then_some((key, f64::from(count)))
            }
            Key::Version(version) => {
                let more = sizeless.get(&version.timestamp).copied().unwrap_or_default();
                Some((key, f64::from(count) + f64::from(more)))
            }
            _ => Some((key, f64::from(count))),
        })
        .filter(|(_, count)| *count >= share * whole)
        .collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    (whole, keys)
}

/// An image that half of the affected have loaded, with the builds of it that half of them have.
struct Group {
    name: NameId,
    builds: Vec<Version>,
}

fn groups(question: &Question<'_>) -> Vec<Group> {
    let own = question.names.get(question.driver).filter(|id| *id != NameId::EMPTY);
    let mut counts: Vec<u32> = vec![0; question.names.list().count()];
    let mut whole = 0_u32;
    for profile in question.affected.iter().filter(|profile| !profile.modules.is_empty()) {
        whole += 1;
        for (name, _) in profile.modules.iter().filter(|(name, _)| Some(*name) != own) {
            if let Some(count) = counts.get_mut(index(*name)) {
                *count += 1;
            }
        }
    }
    let often = |count: u32| count > 0 && f64::from(count) >= HALF * f64::from(whole);
    let mut builds: HashMap<(NameId, Version), u32, FixedState> = HashMap::default();
    for (name, version) in question.affected.iter().flat_map(|profile| &profile.modules) {
        if counts.get(index(*name)).is_some_and(|count| often(*count)) && *version != Version::default() {
            *builds.entry((*name, *version)).or_default() += 1;
        }
    }
    let mut groups: Vec<Group> = (0..)
        .zip(&counts)
        .filter(|(id, count)| NameId(*id) != NameId::EMPTY && often(**count))
        .map(|(id, _)| Group { name: NameId(id), builds: Vec::new() })
        .take(usize::from(u16::MAX) - 1)
        .collect();
    let mut builds: Vec<(NameId, Version)> =
        builds.into_iter().filter(|(_, count)| often(*count)).map(|(build, _)| build).collect();
    builds.sort_unstable();
    for (name, build) in builds {
        if let Ok(at) = groups.binary_search_by_key(&name, |group| group.name)
            && let Some(group) = groups.get_mut(at)
        {
            group.builds.push(build);
        }
    }
    groups
}
