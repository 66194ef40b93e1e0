//! Where a record is: an open-addressing table of record numbers and nothing else. The keys are in the records, so that
//! a machine or a series costs 4 to 6 bytes here.

/// No record.
pub(crate) const NONE: u32 = u32::MAX;

/// Record numbers by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    slots: Vec<u32>,
    taken: usize,
}

/// Spreads a key over all bits. Machines are hashes already, but whoever feeds us chose how.
fn spread(key: u64) -> u64 {
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

impl Index {
    fn home(&self, key: u64) -> usize {
        let wide = u128::from(spread(key)).wrapping_mul(self.slots.len() as u128) >> 64;
        usize::try_from(wide).unwrap_or(0)
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 < self.slots.len() { slot + 1 } else { 0 }
    }

    fn slot(&self, slot: usize) -> u32 {
        self.slots.get(slot).copied().unwrap_or(NONE)
    }

    fn put(&mut self, slot: usize, record: u32) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = record;
        }
    }

    /// The record of a key; `key_of` reads a record's key.
    pub(crate) fn find(&self, key: u64, key_of: impl Fn(u32) -> u64) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mut slot = self.home(key);
        loop {
            match self.slot(slot) {
                NONE => return None,
                record if key_of(record) == key => return Some(record),
                _ => slot = self.after(slot),
            }
        }
    }

    /// Adds a record whose key is not there yet.
    pub(crate) fn insert(&mut self, record: u32, key_of: impl Fn(u32) -> u64) {
        // At most seven slots of eight are taken; a quarter more each time keeps what is empty small.
        if (self.taken + 1) * 8 > self.slots.len() * 7 {
            let length = (self.slots.len() + self.slots.len() / 4).max(64);
            let old = std::mem::replace(&mut self.slots, vec![NONE; length]);
            for record in old.into_iter().filter(|record| *record != NONE) {
                self.place(record, key_of(record));
            }
        }
        self.place(record, key_of(record));
        self.taken += 1;
    }

    fn place(&mut self, record: u32, key: u64) {
        let mut slot = self.home(key);
        while self.slot(slot) != NONE {
            slot = self.after(slot);
        }
        self.put(slot, record);
    }

    /// Takes a record out, and moves what stood behind it so that no search ends too early.
    pub(crate) fn remove(&mut self, record: u32, key_of: impl Fn(u32) -> u64) {
        if self.slots.is_empty() {
            return;
        }
        let mut hole = self.home(key_of(record));
        while self.slot(hole) != record {
            if self.slot(hole) == NONE {
                return;
            }
            hole = self.after(hole);
        }
        let mut next = self.after(hole);
        while self.slot(next) != NONE {
            let home = self.home(key_of(self.slot(next)));
            let stays = if hole <= next { hole < home && home <= next } else { hole < home || home <= next };
            if !stays {
                self.put(hole, self.slot(next));
                hole = next;
            }
            next = self.after(next);
        }
        self.put(hole, NONE);
        self.taken -= 1;
    }

    /// Memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_was_put_in_and_not_taken_out(steps in prop::collection::vec((0u32..200, any::<bool>()), 0..600)) {
            // Few distinct homes: long runs, which is where removal goes wrong.
            let key_of = |record: u32| u64::from(record) + 7;
            let (mut index, mut model) = (Index::default(), BTreeSet::new());
            for (record, add) in steps {
                if add && model.insert(record) {
                    index.insert(record, key_of);
                } else if !add && model.remove(&record) {
                    index.remove(record, key_of);
                }
            }
            for record in 0..200 {
                let found = index.find(key_of(record), key_of);
                prop_assert_eq!(found, model.contains(&record).then_some(record));
            }
        }
    }
}
