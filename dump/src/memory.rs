//! The memory that a small dump saved, as one map from addresses to places in the file. Owns the resolution of blocks
//! that are unsorted, repeat or overlap; copies nothing.

use std::cmp::Reverse;

use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::header::Header;
use crate::layout::Layout;
use crate::problem::{Damage, Part, Problems};
use crate::triage::Triage;

/// An entry of the table of data blocks, in dumps of either width: u64 address, u32 offset in the file, u32 size.
const ENTRY_LEN: usize = 16;

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

/// Saved memory.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    file: Bytes<'a>,
    width: Width,
    /// In ascending order, none inside another: starts and ends both ascend. So the block with the most bytes from an
    /// address on is always the last that begins at or before it.
    blocks: Vec<Block>,
}

impl<'a> Memory<'a> {
    /// No memory at all.
    pub(crate) fn none(file: Bytes<'a>, width: Width) -> Self {
        Self { file, width, blocks: Vec::new() }
    }

    /// Maps the stack, the debugger data and all data blocks of a small dump.
    pub(crate) fn of_triage(
        file: Bytes<'a>,
        layout: &Layout,
        header: &Header,
        triage: &Triage,
        budget: &mut Budget,
        problems: &mut Problems,
    ) -> Self {
        let mut memory = Self::none(file, layout.width);
        let count = triage.data_blocks_count;
        let table_len = count.saturating_mul(ENTRY_LEN.try_into().unwrap_or(u64::MAX));
        let table = file.clip(triage.data_blocks_offset, table_len).unwrap_or_default();
        let (entries, _rest) = table.as_chunks::<ENTRY_LEN>();
        let own_parts = [
            (Part::Stack, triage.top_of_stack, triage.call_stack_offset, triage.size_of_call_stack),
            (Part::DataBlocks, triage.data_page_address, triage.data_page_offset, triage.data_page_size),
            (
                Part::DebuggerData,
                header.kd_debugger_data_block,
                triage.debugger_data_offset,
                triage.debugger_data_size,
            ),
        ];
        let wanted = entries.len().saturating_add(own_parts.len());
        let (blocks, room) = budget.vec(u64::try_from(wanted).unwrap_or(u64::MAX));
        memory.blocks = blocks;
        for (part, start, offset, size) in own_parts {
            memory.add(start, offset, size, problems, |damage| (part, damage));
        }
        let mut read = 0_u64;
        for entry in entries.iter().take(room.saturating_sub(own_parts.len())) {
            read = read.saturating_add(1);
            let entry = Bytes(entry);
            let fields = (entry.u64(0), entry.u32(8), entry.u32(12));
            let (Some(start), Some(offset), Some(size)) = fields else { break };
            memory.add(start, offset.into(), size.into(), problems, |damage| {
                let damage = match damage {
                    Damage::Cut { offset, .. } => Damage::EntryCut { entry: read, count, offset },
                    _ => Damage::EntryOutside { entry: read, count, offset: offset.into() },
                };
                (Part::DataBlocks, damage)
            });
        }
        if read < count {
            problems.add(Part::DataBlocks, Damage::Count { count, read });
        }
        memory.sort();
        memory
    }

    /// Adds what of a block lies inside the file and the address space.
    fn add(
        &mut self,
        start: u64,
        offset: u64,
        size: u64,
        problems: &mut Problems,
        name: impl FnOnce(Damage) -> (Part, Damage),
    ) {
        if size == 0 {
            return;
        }
        let start = self.width.address(start);
        let kept = self.file.clip(offset, size).map_or(0, <[u8]>::len);
        let kept = u64::try_from(kept).unwrap_or(0);
        if kept < size {
            let damage = if kept == 0 {
                Damage::Outside { offset }
            } else {
                Damage::Cut { offset, len: kept, needed: size }
            };
            let (part, damage) = name(damage);
            problems.add(part, damage);
        }
        let len = kept.min(self.width.address(u64::MAX).saturating_sub(start));
        if let (Ok(offset), Ok(len @ 1..)) = (u32::try_from(offset), u32::try_from(len)) {
            self.blocks.push(Block { start, offset, len });
        }
    }

    /// Establishes the order of `blocks`: drops what lies inside another, joins what continues another in the file.
    fn sort(&mut self) {
        self.blocks.sort_unstable_by_key(|block| (block.start, Reverse(block.len)));
        self.blocks.dedup_by(|next, kept| next.end() <= kept.end() || join(kept, *next));
    }

    /// The longest run of bytes from an address on.
    pub(crate) fn run(&self, va: u64) -> Option<&'a [u8]> {
        let va = self.width.address(va);
        let after = self.blocks.partition_point(|block| block.start <= va);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        let skipped = va.checked_sub(block.start)?;
        let len = u64::from(block.len).checked_sub(skipped).filter(|&len| len != 0)?;
        self.file.get(u64::from(block.offset).checked_add(skipped)?, len)
    }

    /// Exactly `len` bytes from an address on.
    pub(crate) fn read(&self, va: u64, len: usize) -> Option<&'a [u8]> {
        self.run(va)?.get(..len)
    }
}

/// Extends `kept` by `next` where both are one run, in memory and in the file.
fn join(kept: &mut Block, next: Block) -> bool {
    let distance = next.start.checked_sub(kept.start);
    let file_distance = next.offset.checked_sub(kept.offset).map(u64::from);
    if next.start > kept.end() || distance != file_distance {
        return false;
    }
    match next.end().checked_sub(kept.start).map(u32::try_from) {
        Some(Ok(len)) => {
            kept.len = len;
            true
        }
        _ => false,
    }
}
