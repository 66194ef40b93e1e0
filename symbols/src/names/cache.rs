//! What a PDB keeps of what it read: compilation units, to a number of bytes, and answers, to a number of addresses.
//! Forgets the oldest; a crash asks for the same few over and over.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Place;
use super::unit::Unit;
use crate::image::Damaged;

/// Units of some hundred KB each, for the stacks of more than one crash.
const MAX_UNIT_BYTES: usize = 64 << 20;

/// Some 10 000 addresses of one or two places each.
pub(super) const MAX_ANSWER_BYTES: usize = 4 << 20;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Units, the last one asked for at the end; `None` is one that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Units {
    kept: Mutex<VecDeque<(u16, Option<Arc<Unit>>)>>,
}

fn held(unit: Option<&Arc<Unit>>) -> usize {
    unit.map_or(0, |unit| unit.held())
}

impl Units {
    pub(super) fn get_or(
        &self,
        number: u16,
        read: impl FnOnce() -> Result<Unit, Damaged>,
    ) -> Option<Arc<Unit>> {
        let mut kept = lock(&self.kept);
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
        while total(&kept) > MAX_UNIT_BYTES && kept.len() > 1 {
            kept.pop_front();
        }
        unit
    }

    pub(super) fn held(&self) -> usize {
        total(&lock(&self.kept))
    }
}

fn total(kept: &VecDeque<(u16, Option<Arc<Unit>>)>) -> usize {
    kept.iter().fold(0, |sum, (_, unit)| sum.saturating_add(held(unit.as_ref())))
}

/// Answers by address.
#[derive(Debug, Default)]
pub(super) struct Answers {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
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
            *kept = Kept::default();
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
