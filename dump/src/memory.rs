//! The memory that a small dump saved, as one map from addresses to places in the file. Owns the resolution of blocks
//! that are unsorted, repeat or overlap; holds no byte of them.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::header::Header;
use crate::layout::Layout;
use crate::problem::{Damage, Part, Problem, Problems};
use crate::table::{self, Table};
use crate::triage::Triage;

/// An entry of the table of data blocks, in dumps of either width: u64 address, u32 offset in the file, u32 size.
const ENTRY_LEN: u64 = 16;
const ENTRY: usize = 16;
/// Stack, data page, debugger data.
const OWN_PARTS: u64 = 3;

/// Lookups that are answered without a sorted map: sorting takes as long as some thirty of them, and most bug checks
/// lead to a few only.
const UNSORTED: u32 = 10;

/// Addresses that are one run in the file. Both ends lie inside the file and the address space.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: u64,
    offset: u32,
    len: u32,
}

impl Block {
    /// First address behind.
    fn end(self) -> u64 {
        self.start.saturating_add(self.len.into())
    }
}

/// Where the pieces of saved memory are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces {
    width: Width,
    /// Stack, data page, debugger data: address, offset, size.
    own: [(Part, u64, u64, u64); 3],
    table: Table,
}

/// Saved memory. Where blocks overlap, the one that reaches furthest is believed, of those the longest, of those the
/// first in the file.
#[derive(Debug)]
pub(crate) struct Memory {
    pieces: Pieces,
    lookups: AtomicU32,
    sorted: OnceLock<(Vec<Block>, Vec<Problem>)>,
}

impl Memory {
    /// The stack, the debugger data and all data blocks of a small dump.
    pub(crate) fn of_triage(layout: &Layout, header: &Header, triage: &Triage) -> Self {
        let debugger_data = (header.kd_debugger_data_block, triage.debugger_data_offset);
        let own = [
            (Part::Stack, triage.top_of_stack, triage.call_stack_offset, triage.size_of_call_stack),
            (Part::DataBlocks, triage.data_page_address, triage.data_page_offset, triage.data_page_size),
            (Part::DebuggerData, debugger_data.0, debugger_data.1, triage.debugger_data_size),
        ];
        let table = Table {
            part: Part::DataBlocks,
            offset: triage.data_blocks_offset,
            count: triage.data_blocks_count,
            max: u64::MAX,
            stride: ENTRY_LEN,
            spare: OWN_PARTS,
        };
        let pieces = Pieces { width: layout.width, own, table };
        Self { pieces, lookups: AtomicU32::new(0), sorted: OnceLock::new() }
    }

    /// What was wrong with the pieces.
    pub(crate) fn problems(&self, file: Bytes<'_>) -> &[Problem] {
        &self.sorted(file).1
    }

    fn sorted(&self, file: Bytes<'_>) -> &(Vec<Block>, Vec<Problem>) {
        self.sorted.get_or_init(|| {
            let mut problems = Problems::default();
            let mut blocks = self.pieces.read(file, &mut problems);
            sort(&mut blocks);
            (blocks, problems.into_vec())
        })
    }

    /// The block with the most bytes from an address on.
    fn block(&self, file: Bytes<'_>, va: u64) -> Option<Block> {
        if self.sorted.get().is_none() && self.lookups.fetch_add(1, Ordering::Relaxed) < UNSORTED {
            return self.pieces.find(file, va);
        }
        let blocks = &self.sorted(file).0;
        let after = blocks.partition_point(|block| block.start <= va);
        blocks.get(after.checked_sub(1)?).filter(|block| va < block.end()).copied()
    }

    /// The place in the file of the longest run of bytes from an address on.
    fn run(&self, file: Bytes<'_>, va: u64) -> Option<(u64, u64)> {
        let block = self.block(file, va)?;
        let skipped = va.checked_sub(block.start)?;
        Some((u64::from(block.offset).checked_add(skipped)?, u64::from(block.len).checked_sub(skipped)?))
    }

    /// The bytes from an address on, at most as many, up to the first that the dump does not have. Borrowed where one
    /// run of the file has them all.
    pub(crate) fn up_to<'f>(&self, file: Bytes<'f>, va: u64, most: usize) -> Option<Cow<'f, [u8]>> {
        let va = self.pieces.width.address(va);
        let most = u64::try_from(most).ok()?;
        let (offset, mut len) = self.run(file, va)?;
        let mut bytes: Cow<'f, [u8]> = Cow::Borrowed(&[]);
        while len < most {
            let Some((next, more)) = va.checked_add(len).and_then(|next| self.run(file, next)) else { break };
            let wanted = more.min(most.saturating_sub(len));
            // what goes on in the file needs no copy
            if bytes.is_empty() && offset.checked_add(len) != Some(next) {
                bytes = Cow::Owned(file.get(offset, len)?.to_vec());
            }
            if let Cow::Owned(bytes) = &mut bytes {
                bytes.extend_from_slice(file.get(next, wanted)?);
            }
            len = len.checked_add(wanted)?;
        }
        Some(if bytes.is_empty() { Cow::Borrowed(file.get(offset, len.min(most))?) } else { bytes })
    }
}

impl Pieces {
    /// What of a piece lies inside the file and the address space, and how much inside the file.
    fn block(self, file: Bytes<'_>, start: u64, offset: u64, size: u64) -> (Option<Block>, u64) {
        let start = self.width.address(start);
        let kept = size.min(file.len().saturating_sub(offset));
        let len = kept.min(self.width.address(u64::MAX).saturating_sub(start));
        let block = match (u32::try_from(offset), u32::try_from(len)) {
            (Ok(offset), Ok(len @ 1..)) => Some(Block { start, offset, len }),
            _ => None,
        };
        (block, kept)
    }

    /// All pieces. What does not lie inside the file is told.
    fn read(self, file: Bytes<'_>, problems: &mut Problems) -> Vec<Block> {
        let damage = |offset, kept, size| match kept {
            0 => Some(Damage::Outside { offset }),
            kept if kept < size => Some(Damage::Cut { offset, len: kept, needed: size }),
            _ => None,
        };
        let (mut blocks, entries) = table::open(file, self.table, &mut Budget::large(file.len()), problems);
        for (part, start, offset, size) in self.own.into_iter().filter(|(.., size)| *size != 0) {
            let (block, kept) = self.block(file, start, offset, size);
            blocks.extend(block);
            if let Some(damage) = damage(offset, kept, size) {
                problems.add(part, damage);
            }
        }
        let count = self.table.count;
        for (number, entry) in entries {
            let Some((start, offset, size)) = fields(entry.0).filter(|(.., size)| *size != 0) else {
                continue;
            };
            let (block, kept) = self.block(file, start, offset, size);
            blocks.extend(block);
            match damage(offset, kept, size) {
                Some(Damage::Cut { offset, .. }) => {
                    problems.add(Part::DataBlocks, Damage::EntryCut { entry: number, count, offset });
                }
                Some(_) => {
                    problems.add(Part::DataBlocks, Damage::EntryOutside { entry: number, count, offset });
                }
                None => {}
            }
        }
        blocks
    }

    /// The block that a sorted map would find.
    fn find(self, file: Bytes<'_>, va: u64) -> Option<Block> {
        let mut best: Option<Block> = None;
        let mut consider = |start, offset, size| {
            if let Some(block) = self.block(file, start, offset, size).0
                && (block.start..block.end()).contains(&va)
                && best.is_none_or(|best| block.preference() > best.preference())
            {
                best = Some(block);
            }
        };
        for (_, start, offset, size) in self.own {
            consider(start, offset, size);
        }
        let len = self.table.count.saturating_mul(ENTRY_LEN);
        let (entries, _) = file.clip(self.table.offset, len).unwrap_or_default().as_chunks::<ENTRY>();
        let room = Budget::large(file.len()).room::<Block>().saturating_sub(self.own.len());
        for entry in entries.iter().take(room) {
            if let Some((start, offset, size)) = fields(entry)
                && va.wrapping_sub(self.width.address(start)) < size
            {
                consider(start, offset, size);
            }
        }
        best
    }
}

impl Block {
    /// Of blocks that hold an address, the one with the greatest is believed.
    fn preference(self) -> (u64, u32, Reverse<u32>) {
        (self.end(), self.len, Reverse(self.offset))
    }
}

/// Address, offset and size.
fn fields(entry: &[u8]) -> Option<(u64, u64, u64)> {
    let entry = Bytes(entry);
    Some((entry.u64(0)?, entry.u32(8)?.into(), entry.u32(12)?.into()))
}

/// Ascending, none inside another: starts and ends both ascend. So the block with the most bytes from an address on is
/// always the last that begins at or before it.
fn sort(blocks: &mut Vec<Block>) {
    // the longest first where starts are equal: one number, compared without a branch
    let key = |block: &Block| {
        u128::from(block.start) << 64 | u128::from(!block.len) << 32 | u128::from(block.offset)
    };
    blocks.sort_unstable_by_key(key);
    blocks.dedup_by(|next, kept| next.end() <= kept.end());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Blocks may contradict one another: which is believed does not depend on how often was asked before.
        #[test]
        fn sorted_or_not_the_answers_are_the_same(
            blocks in prop::collection::vec((0_u64..64, 0_u32..0x400, 0_u32..40), 0..20),
            own in (0_u64..64, 0_u64..0x400, 0_u64..40),
            content in prop::collection::vec(any::<u8>(), 0x200),
        ) {
            let mut file = content;
            for (start, offset, size) in &blocks {
                file.extend(start.to_le_bytes());
                file.extend(offset.to_le_bytes());
                file.extend(size.to_le_bytes());
            }
            let count = u64::try_from(blocks.len()).unwrap();
            let table = Table {
                part: Part::DataBlocks, offset: 0x200, count, max: u64::MAX, stride: ENTRY_LEN, spare: OWN_PARTS,
            };
            let nothing = (Part::DataBlocks, 0, 0, 0);
            let pieces = Pieces { width: Width::W64, own: [(Part::Stack, own.0, own.1, own.2), nothing, nothing], table };
            let file = Bytes(&file);
            let memory = |lookups| Memory { pieces, lookups: AtomicU32::new(lookups), sorted: OnceLock::new() };
            for va in 0..110 {
                for most in [1, 8, 200] {
                    prop_assert_eq!(memory(0).up_to(file, va, most), memory(UNSORTED).up_to(file, va, most));
                }
            }
        }
    }
}
