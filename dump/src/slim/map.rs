//! The memory of a small dump as disjoint runs. Resolves blocks that overlap the way the reader does, so that every
//! address keeps its bytes; leaves out the saved stack, which is kept apart from the rest.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::layout::Layout;
use crate::triage::Triage;

/// u64 address, u32 offset in the file, u32 size.
const ENTRY_LEN: u64 = 16;

/// Bytes at an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) start: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> Run<'a> {
    /// First address behind. Runs end inside the address space.
    pub(super) fn end(self) -> u64 {
        self.start.saturating_add(Bytes(self.bytes).len())
    }

    /// What of it lies in a range of addresses.
    pub(super) fn part(self, range: &Range<u64>) -> Option<Self> {
        let start = self.start.max(range.start);
        let len = self.end().min(range.end).checked_sub(start).filter(|&len| len != 0)?;
        let bytes = Bytes(self.bytes).get(start.checked_sub(self.start)?, len)?;
        Some(Self { start, bytes })
    }
}

/// Runs in ascending order, none empty, none overlapping another.
#[derive(Debug)]
pub(super) struct Map<'a> {
    runs: Vec<Run<'a>>,
    stack: Run<'a>,
}

impl<'a> Map<'a> {
    /// The blocks of the dump's table, and further places that hold memory: address, offset in the file, length. `None`
    /// where they are so many that they take more memory than the dump is worth: real ones have a block in 850 bytes.
    pub(super) fn new(
        file: Bytes<'a>,
        layout: &Layout,
        triage: &Triage,
        stack: &'a [u8],
        further: impl Iterator<Item = (u64, u64, u64)> + Clone,
    ) -> Option<Self> {
        let address = |va| layout.width.address(va);
        let end_of_space = address(u64::MAX);
        let stack_room = end_of_space.saturating_sub(triage.top_of_stack);
        let stack = Run { start: triage.top_of_stack, bytes: clip(stack, stack_room) };
        let size = triage.data_blocks_count.saturating_mul(ENTRY_LEN);
        let table = file.clip(triage.data_blocks_offset, size).unwrap_or_default();
        let entries = table.chunks_exact(16).map(Bytes);
        let entries =
            entries.filter_map(|entry| Some((entry.u64(0)?, entry.u32(8)?.into(), entry.u32(12)?.into())));
        let block = |(start, offset, len)| {
            let start = address(start);
            let bytes = clip(file.clip(offset, len)?, end_of_space.saturating_sub(start));
            (!bytes.is_empty()).then_some(Run { start, bytes })
        };
        let blocks = entries.chain(further).filter_map(block);
        // the stack parts one of them in two at most
        let wanted = u64::try_from(blocks.clone().count()).ok()?.checked_add(1)?;
        let (mut runs, room) = Budget::large(file.len()).vec::<Run<'a>>(wanted);
        if room < wanted {
            return None;
        }
        runs.extend(blocks);
        arrange(stack, &mut runs);
        Some(Self { runs, stack })
    }

    /// The runs that have bytes in a range of addresses, cut to it.
    pub(super) fn parts(&self, range: Range<u64>) -> impl Iterator<Item = Run<'a>> + '_ {
        let first = self.runs.partition_point(|run| run.end() <= range.start);
        let behind = self.runs.get(first..).unwrap_or_default();
        behind.iter().map_while(move |run| run.part(&range))
    }

    /// All runs.
    pub(super) fn runs(&self) -> &[Run<'a>] {
        &self.runs
    }

    /// All runs, without the room for blocks that repeated them.
    pub(super) fn into_runs(mut self) -> Vec<Run<'a>> {
        self.runs.shrink_to_fit();
        self.runs
    }

    /// The saved stack.
    pub(super) fn stack(&self) -> Run<'a> {
        self.stack
    }

    /// The bytes at an address, up to the end of their run or of the stack.
    pub(super) fn at(&self, va: u64) -> Option<&'a [u8]> {
        let to_end = va..u64::MAX;
        let run = self.stack.part(&to_end).or_else(|| self.parts(to_end).next())?;
        (run.start == va).then_some(run.bytes)
    }

    /// The bytes at an address, at most as many, up to the first that the dump does not have.
    pub(super) fn up_to(&self, va: u64, most: usize) -> Option<Cow<'a, [u8]>> {
        let first = self.at(va)?;
        if let Some(enough) = first.get(..most) {
            return Some(Cow::Borrowed(enough));
        }
        let mut bytes = Cow::Borrowed(first);
        while let Some(more) = va.checked_add(Bytes(&bytes).len()).and_then(|next| self.at(next))
            && let Some(room) = most.checked_sub(bytes.len()).filter(|&room| room != 0)
        {
            bytes.to_mut().extend_from_slice(more.get(..room).unwrap_or(more));
        }
        Some(bytes)
    }
}

fn clip(bytes: &[u8], len: u64) -> &[u8] {
    usize::try_from(len).ok().and_then(|len| bytes.get(..len)).unwrap_or(bytes)
}

/// Puts blocks into order, none over another or the stack.
fn arrange<'a>(stack: Run<'a>, runs: &mut Vec<Run<'a>>) {
    // all are parts of one file: where they begin in it is the order of their pointers
    runs.sort_unstable_by_key(|run| (run.start, Reverse(run.bytes.len()), run.bytes.as_ptr()));
    runs.dedup_by(|next, kept| next.end() <= kept.end());
    disjoint(runs);
    without(stack, runs);
}

/// Where two blocks overlap, the one that begins last wins: it also ends last.
fn disjoint(runs: &mut [Run<'_>]) {
    let mut next = u64::MAX;
    for run in runs.iter_mut().rev() {
        run.bytes = clip(run.bytes, next.saturating_sub(run.start));
        next = run.start;
    }
}

/// The reader looks for an address on the stack first.
fn without<'a>(stack: Run<'a>, runs: &mut Vec<Run<'a>>) {
    let (below, above) = (0..stack.start, stack.end()..u64::MAX);
    let mut parted = None;
    runs.retain_mut(|run| {
        let (first, last) = (run.part(&below), run.part(&above));
        if first.is_some() && last.is_some() {
            parted = last;
        }
        first.or(last).map(|part| *run = part).is_some()
    });
    if let Some(last) = parted {
        runs.insert(runs.partition_point(|run| run.start < last.start), last);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the plain definition: of the blocks that have an address, the one that ends last, of those the longest,
        /// of those the first in the file.
        #[test]
        fn runs_are_what_the_blocks_say(
            blocks in prop::collection::vec((0_u64..30, 0_usize..20, 1_usize..20), 0..12),
            stack in (0_u64..30, 0_usize..10),
        ) {
            let file: [u8; 64] = std::array::from_fn(|at| u8::try_from(at).unwrap());
            let stack = Run { start: stack.0, bytes: &file[..stack.1] };
            let run = |&(start, at, len): &(u64, usize, usize)| Run { start, bytes: &file[at..at + len] };
            let all: Vec<Run<'_>> = blocks.iter().map(run).collect();
            let mut runs = all.clone();
            arrange(stack, &mut runs);
            prop_assert!(runs.iter().all(|run| !run.bytes.is_empty()));
            prop_assert!(runs.windows(2).all(|pair| pair[0].end() <= pair[1].start), "{:?}", runs);
            for va in 0..64 {
                let has = |run: &&Run<'_>| (run.start..run.end()).contains(&va);
                let byte = |run: &Run<'_>| run.bytes[usize::try_from(va - run.start).unwrap()];
                let preferred = |run: &&Run<'_>| (run.end(), run.bytes.len(), Reverse(run.bytes[0]));
                let best = all.iter().filter(has).max_by_key(preferred).filter(|_| !has(&&stack));
                prop_assert_eq!(runs.iter().find(has).map(byte), best.map(byte), "{}", va);
            }
        }
    }
}
