//! The memory of a small dump as disjoint runs. Resolves blocks that overlap the way the reader does, so that every
//! address keeps its bytes; leaves out the saved stack, which is kept apart from the rest.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

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
    /// The blocks of the dump's table, and further places that hold memory: address, offset in the file, length.
    pub(super) fn new(
        file: Bytes<'a>,
        layout: &Layout,
        triage: &Triage,
        stack: &'a [u8],
        further: impl Iterator<Item = (u64, u64, u64)>,
    ) -> Self {
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
            (!bytes.is_empty()).then_some((offset, Run { start, bytes }))
        };
        let mut blocks: Vec<(u64, Run<'a>)> = entries.chain(further).filter_map(block).collect();
        blocks.sort_by_key(|(offset, run)| (run.start, Reverse(run.bytes.len()), *offset));
        blocks.dedup_by(|(_, next), (_, kept)| next.end() <= kept.end());
        Self { runs: without(&stack, disjoint(&blocks)), stack }
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

/// Where two blocks overlap, the one that begins last wins: it also ends last.
fn disjoint<'a>(blocks: &[(u64, Run<'a>)]) -> impl Iterator<Item = Run<'a>> {
    let next_starts = blocks.iter().skip(1).map(|(_, next)| next.start).chain([u64::MAX]);
    blocks.iter().zip(next_starts).filter_map(|((_, block), next)| block.part(&(0..next)))
}

/// The reader looks for an address on the stack first.
fn without<'a>(stack: &Run<'a>, runs: impl Iterator<Item = Run<'a>>) -> Vec<Run<'a>> {
    let (below, above) = (0..stack.start, stack.end()..u64::MAX);
    runs.flat_map(|run| run.part(&below).into_iter().chain(run.part(&above))).collect()
}
