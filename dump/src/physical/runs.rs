//! The forms that list runs of pages: the descriptor in the header of a full dump, and the ranges that newer debuggers
//! write. Pages follow one another in the order of the list. Owns the order by address and the resolution of overlaps;
//! never trusts a count.

use crate::bytes::{Bytes, Width};
use crate::layout::Layout;
use crate::physical::PAGE;
use crate::problem::{Damage, Part, Problems};
use crate::source::Store;

/// Physical addresses have 52 bits at most.
const MAX_PAGE: u64 = 1 << 40;

/// From the beginning of the list's header to its first range.
const RANGES_AT: u64 = 0x30;
const RANGE_LEN: u64 = 16;
/// Bytes of the list that are read at once.
const CHUNK: u64 = 4096 * RANGE_LEN;

/// `MetadataSize` counts from here on.
const METADATA_AT: u64 = 0x20;

/// Pages that follow one another, in memory and in the file.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u64,
    count: u64,
    /// Where in the file the first of them is.
    offset: u64,
    /// Which entry of the list, from 1.
    entry: u64,
}

/// Runs in ascending order, none overlapping another.
#[derive(Debug)]
pub(crate) struct Runs {
    runs: Vec<Run>,
    /// Where the pages begin.
    pub(crate) first_page: u64,
    /// Pages of all runs, whether the file has them or not.
    pub(crate) pages: u64,
}

impl Runs {
    /// For pages that begin at `first_page`.
    fn new(first_page: u64) -> Self {
        Self { runs: Vec::new(), first_page, pages: 0 }
    }

    /// Adds an entry of the list. `None` where it makes no sense, so that the place of all further pages is unknown.
    /// What has no page inside the file is not kept, so there are no more runs than the file has pages.
    fn add(&mut self, entry: u64, first: u64, count: u64, size: u64) -> Option<()> {
        first.checked_add(count).filter(|&end| count != 0 && end <= MAX_PAGE)?;
        let offset = self.first_page.checked_add(self.pages.checked_mul(PAGE)?)?;
        self.pages = self.pages.checked_add(count)?;
        if offset < size {
            self.runs.push(Run { first, count, offset, entry });
        }
        Some(())
    }

    /// Establishes the order. Of pages that occur twice, those of the run that begins lower count.
    fn sort(&mut self, count: u64, problems: &mut Problems) {
        self.runs.sort_unstable_by_key(|run| (run.first, run.entry));
        let mut end = 0_u64;
        for run in &mut self.runs {
            let skipped = end.saturating_sub(run.first).min(run.count);
            if skipped != 0 {
                problems.add(Part::PhysicalMemory, Damage::EntryInvalid { entry: run.entry, count });
            }
            run.first = run.first.saturating_add(skipped);
            run.count = run.count.saturating_sub(skipped);
            run.offset = run.offset.saturating_add(skipped.saturating_mul(PAGE));
            end = end.max(run.first.saturating_add(run.count));
        }
        self.runs.retain(|run| run.count != 0);
    }

    /// Where in the file a page is.
    pub(crate) fn offset_of(&self, page: u64) -> Option<u64> {
        let after = self.runs.partition_point(|run| run.first <= page);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let skipped = page.checked_sub(run.first).filter(|&skipped| skipped < run.count)?;
        run.offset.checked_add(skipped.checked_mul(PAGE)?)
    }
}

/// Type 1: `PHYSICAL_MEMORY_DESCRIPTOR`, which has 700 bytes: 42 runs of 64 bits, 86 of 32.
pub(crate) fn of_header(
    store: &Store<'_>,
    header: Bytes<'_>,
    layout: &Layout,
    problems: &mut Problems,
) -> Option<Runs> {
    let at = &layout.header;
    let block = Bytes(header.get(at.physical_memory_block, at.physical_memory_block_size)?);
    let (word, pages_at) = match layout.width {
        Width::W32 => (4_u64, 4_u64),
        Width::W64 => (8, 8),
    };
    let (first, stride) = (word.saturating_mul(2), word.saturating_mul(2));
    let count = u64::from(block.u32(0)?);
    let pages = block.word(layout.width, pages_at)?;
    // never written: the fill is no number of runs
    if count == 0 || block.0.starts_with(b"PAGE") {
        problems.add(Part::PhysicalMemory, Damage::Invalid);
        return None;
    }
    let room = block.len().saturating_sub(first).checked_div(stride)?;
    if count > room {
        problems.add(Part::PhysicalMemory, Damage::Count { count, read: room });
    }
    let mut runs = Runs::new(at.size);
    for entry in 0..count.min(room) {
        let run = first.saturating_add(entry.saturating_mul(stride));
        let (base, len) =
            (block.word(layout.width, run)?, block.word(layout.width, run.saturating_add(word))?);
        let entry = entry.saturating_add(1);
        if runs.add(entry, base, len, store.size()).is_none() {
            problems.add(Part::PhysicalMemory, Damage::EntryInvalid { entry, count });
            break;
        }
    }
    runs.sort(count, problems);
    if runs.pages != pages {
        problems.add(Part::PhysicalMemory, Damage::Count { count: pages, read: runs.pages });
    }
    Some(runs)
}

/// Types 8 to 10: `RDMP_HEADER64`. A zero page number ends the list of the first two, the number of pages the list of
/// the last: so kdmp-parser reads them, whose author reversed the writer.
pub(crate) fn of_ranges(
    store: &Store<'_>,
    layout: &Layout,
    complete: bool,
    problems: &mut Problems,
) -> Option<Runs> {
    let (at, width) = (layout.header.size, layout.width);
    let part = Part::PhysicalMemory;
    let head = store.read(at, usize::try_from(RANGES_AT).ok()?)?;
    let head = Bytes(&head);
    let (metadata, first_page) = (head.u64(0x10)?, head.u64(0x18)?);
    let begin = at.checked_add(RANGES_AT)?;
    if first_page < begin {
        problems.add(part, Damage::Outside { offset: first_page });
        return None;
    }
    let agrees =
        at.checked_add(METADATA_AT).and_then(|begin| begin.checked_add(metadata)) == Some(first_page);
    if !agrees {
        problems.add(part, Damage::Invalid);
        // nobody has seen this form in a 32-bit dump
        if width == Width::W32 {
            return None;
        }
    }
    let said = if complete { head.u64(0x28)? } else { 0 };
    let mut runs = Runs::new(first_page);
    let mut list = List { store, at: begin, end: first_page.min(store.size()), kept: Vec::new() };
    let mut entry = 0_u64;
    while let Some((first, count)) = list.next() {
        let done = if complete && said != 0 { runs.pages >= said } else { first == 0 };
        if done || (first, count) == (0, 0) {
            break;
        }
        entry = entry.saturating_add(1);
        if runs.add(entry, first, count, store.size()).is_none() {
            problems.add(part, Damage::EntryInvalid { entry, count: entry });
            break;
        }
    }
    runs.sort(entry, problems);
    if complete && runs.pages != said {
        problems.add(part, Damage::Count { count: said, read: runs.pages });
    }
    Some(runs)
}

/// A list of ranges in the file, read piece by piece.
struct List<'s> {
    store: &'s Store<'s>,
    at: u64,
    end: u64,
    /// What was read and not yet taken, in descending order.
    kept: Vec<(u64, u64)>,
}

impl List<'_> {
    fn next(&mut self) -> Option<(u64, u64)> {
        if self.kept.is_empty() {
            let len = self.end.checked_sub(self.at)?.min(CHUNK);
            let bytes = self.store.read(self.at, usize::try_from(len).ok()?)?;
            self.at = self.at.checked_add(len)?;
            let (ranges, _) = bytes.as_chunks::<16>();
            let number = |offset, range: &[u8; 16]| Bytes(range).u64(offset);
            self.kept
                .extend(ranges.iter().rev().filter_map(|range| Some((number(0, range)?, number(8, range)?))));
        }
        self.kept.pop()
    }
}
