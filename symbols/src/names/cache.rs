//! What a PDB keeps of what it read: compilation units, to a number of bytes, and answers, to a number of addresses.
//! Forgets the oldest; a crash asks for the same few over and over.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Place;
use super::dbi::UnitInfo;
use super::msf::Msf;
use super::unit::{self, Unit};
use crate::image::Damaged;

/// Units of some hundred KB each, for the stacks of more than one crash.
const MAX_UNIT_BYTES: usize = 64 << 20;

/// Units in all: each question looks through them.
const MAX_UNITS: usize = 1_024;

/// A unit above this is read once and kept. Otherwise a file with two, and room for one of them, could have them read again
/// for each question.
pub(super) const LARGE: u32 = 8 << 20;

/// Some 10 000 addresses of one or two places each.
pub(super) const MAX_ANSWER_BYTES: usize = 4 << 20;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Kept = VecDeque<(u16, Option<Arc<Unit>>)>;

/// Units, the last one asked for at the end; `None` is one that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Units {
    kept: Mutex<Kept>,
    /// Those of the large ones that there is room for.
    large: BTreeSet<u16>,
    kept_large: Mutex<Kept>,
}

impl Units {
    /// The largest ones of the large are kept, to as many bytes as one may have; the others are never read. Which ones
    /// these are is up to the file, not to the order of questions.
    pub(super) fn new(msf: &Msf<'_>, units: &[UnitInfo]) -> Self {
        let sizes = (0_u16..).zip(units).map(|(number, info)| (msf.len(info.stream), number));
        Self { large: large(sizes, unit::MAX_UNIT_BYTES), ..Self::default() }
    }

    /// Whether a large unit may be read.
    pub(super) fn keeps(&self, number: u16) -> bool {
        self.large.contains(&number)
    }

    pub(super) fn get_or(
        &self,
        number: u16,
        read: impl FnOnce() -> Result<Unit, Damaged>,
    ) -> Option<Arc<Unit>> {
        let keeps = self.keeps(number);
        let mut kept = lock(if keeps { &self.kept_large } else { &self.kept });
        if let Some(at) = kept.iter().position(|(kept, _)| *kept == number)
            && let Some(found) = kept.remove(at)
        {
            let unit = found.1.clone();
            kept.push_back(found);
            return unit;
        }
        // Read with the lock held: whoever else asks this PDB most likely asks for the same unit.
        let unit = read().inspect_err(|error| tracing::debug!(unit = number, %error, "no symbols")).ok();
        let unit = unit.map(Arc::new);
        kept.push_back((number, unit.clone()));
        while !keeps && (kept.len() > MAX_UNITS || total(&kept) > MAX_UNIT_BYTES && kept.len() > 1) {
            kept.pop_front();
        }
        unit
    }

    pub(super) fn held(&self) -> usize {
        total(&lock(&self.kept)).saturating_add(total(&lock(&self.kept_large)))
    }
}

fn large(sizes: impl Iterator<Item = (u32, u16)>, room: u32) -> BTreeSet<u16> {
    let mut large: Vec<(u32, u16)> = sizes.filter(|(size, _)| *size > LARGE).collect();
    large.sort_unstable_by_key(|(size, number)| (Reverse(*size), *number));
    let mut room = room;
    let fits = large.into_iter().filter_map(|(size, number)| {
        room = room.checked_sub(size)?;
        Some(number)
    });
    fits.collect()
}

fn total(kept: &Kept) -> usize {
    let held = |unit: &Option<Arc<Unit>>| unit.as_ref().map_or(0, |unit| unit.held());
    kept.iter().fold(0, |sum, (_, unit)| sum.saturating_add(held(unit)))
}

/// Answers by address.
#[derive(Debug, Default)]
pub(super) struct Answers {
    kept: Mutex<KeptAnswers>,
}

#[derive(Debug, Default)]
struct KeptAnswers {
    places: HashMap<u32, Arc<[Place]>>,
    bytes: usize,
}

impl Answers {
    pub(super) fn get_or(&self, rva: u32, find: impl FnOnce() -> Vec<Place>) -> Vec<Place> {
        if let Some(found) = lock(&self.kept).places.get(&rva) {
            return found.to_vec();
        }
        let found: Arc<[Place]> = find().into();
        let bytes = found.iter().map(bytes_of).fold(64, usize::saturating_add);
        let mut kept = lock(&self.kept);
        if kept.bytes.saturating_add(bytes) > MAX_ANSWER_BYTES {
            *kept = KeptAnswers::default();
        }
        kept.bytes = kept.bytes.saturating_add(bytes);
        kept.places.insert(rva, Arc::clone(&found));
        found.to_vec()
    }
}

fn bytes_of(place: &Place) -> usize {
    let text = place.function.len().saturating_add(place.file.as_ref().map_or(0, String::len));
    text.saturating_add(size_of::<Place>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_units_are_kept_as_long_as_there_is_room() {
        let sizes = [LARGE, LARGE + 1, LARGE * 3, LARGE * 2, LARGE * 2].into_iter().zip(0..);
        for (room, expected) in [
            (LARGE * 9, vec![1, 2, 3, 4]),
            (LARGE * 5, vec![2, 3]),
            (LARGE * 4 + 1, vec![1, 2]),
            (LARGE * 2, vec![3]),
            (LARGE, vec![]),
        ] {
            assert_eq!(large(sizes.clone(), room).into_iter().collect::<Vec<_>>(), expected, "{room}");
        }
    }
}
