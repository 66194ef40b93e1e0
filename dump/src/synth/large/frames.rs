//! Which physical page each virtual page gets. Neighbours in one are not neighbours in the other, there are gaps, and
//! where the machine allows it some memory lies above 4 GB: what is right only by luck fails.

use std::collections::{BTreeMap, BTreeSet};

use super::super::noise::hash;
use super::SynthMapping;
use super::memory::Memory;

/// What of a machine decides about its physical memory.
#[derive(Clone, Copy)]
pub(super) struct Physical {
    /// First page that may be given away.
    pub(super) first: u64,
    /// First page of the second part of memory.
    pub(super) second: u64,
    /// 4 KB pages in a large page.
    pub(super) large: u64,
    /// 4 KB pages in a huge page; none where there are no huge pages.
    pub(super) huge: Option<u64>,
}

/// 4 KB pages that are handed out before allocation moves to the second part of memory.
const IN_FIRST_PART: u64 = 64;

/// Hands out physical pages.
pub(super) struct Frames {
    physical: Physical,
    next: u64,
    given: u64,
    seed: u64,
}

impl Frames {
    pub(super) fn new(physical: Physical, seed: u64) -> Self {
        Self { physical, next: physical.first, given: 0, seed }
    }

    /// One page. Now and then some are left out.
    pub(super) fn one(&mut self) -> u64 {
        if self.given == IN_FIRST_PART {
            self.next = self.physical.second;
        }
        self.given += 1;
        if self.given.is_multiple_of(41) {
            self.next += 3 + hash(self.seed ^ self.given) % 50;
        }
        self.next += 1;
        self.next - 1
    }

    /// A run of as many pages as it is aligned to.
    fn aligned(&mut self, count: u64) -> u64 {
        let from = self.next.max(self.physical.second).next_multiple_of(count);
        self.next = from + count;
        self.given = self.given.max(IN_FIRST_PART + 1);
        from
    }
}

/// Physical places of virtual pages.
pub(super) struct Placed {
    /// Small pages, by virtual page number.
    pub(super) pages: BTreeMap<u64, u64>,
    /// First physical page of each large page, by virtual address in units of large pages.
    pub(super) large: BTreeMap<u64, u64>,
    /// First physical page of each huge page.
    pub(super) huge: BTreeMap<u64, u64>,
}

impl Placed {
    /// Gives every page that has contents a place.
    pub(super) fn of(memory: &Memory, frames: &mut Frames) -> Self {
        let physical = frames.physical;
        let mut placed = Self { pages: BTreeMap::new(), large: BTreeMap::new(), huge: BTreeMap::new() };
        let (mut large, mut huge) = (BTreeSet::new(), BTreeSet::new());
        for (&number, page) in &memory.pages {
            match (page.mapping, physical.huge) {
                (SynthMapping::Huge, Some(pages)) => drop(huge.insert(number / pages)),
                (SynthMapping::Huge | SynthMapping::Large, _) => drop(large.insert(number / physical.large)),
                _ => (),
            }
        }
        let in_huge = |number: u64| physical.huge.filter(|pages| huge.contains(&(number / pages)));
        let mut small: Vec<u64> = memory
            .pages
            .iter()
            .filter(|(_, page)| page.mapping != SynthMapping::PagedOut)
            .map(|(&number, _)| number)
            .filter(|&number| in_huge(number).is_none() && !large.contains(&(number / physical.large)))
            .collect();
        small.sort_by_key(|&number| hash(frames.seed ^ number));
        for number in small {
            placed.pages.insert(number, frames.one());
        }
        for number in large {
            placed.large.insert(number, frames.aligned(physical.large));
        }
        if let Some(pages) = physical.huge {
            for number in huge {
                placed.huge.insert(number, frames.aligned(pages));
            }
        }
        placed
    }

    /// The physical page of a virtual one.
    pub(super) fn frame(&self, physical: Physical, number: u64) -> Option<u64> {
        let huge = physical.huge.and_then(|pages| Some(self.huge.get(&(number / pages))? + number % pages));
        let large = || Some(self.large.get(&(number / physical.large))? + number % physical.large);
        huge.or_else(large).or_else(|| self.pages.get(&number).copied())
    }
}
