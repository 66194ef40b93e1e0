//! The memory that a small dump saved, as one map from addresses to places in the file. Owns the resolution of blocks
//! that are unsorted, repeat or overlap; copies nothing.

use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::header::Header;
use crate::layout::Layout;
use crate::problem::{Damage, Part, Problems};
use crate::table::{self, Table};
use crate::triage::Triage;

/// An entry of the table of data blocks, in dumps of either width: u64 address, u32 offset in the file, u32 size.
const ENTRY_LEN: u64 = 16;
/// Stack, data page, debugger data.
const OWN_PARTS: u64 = 3;

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
        let count = triage.data_blocks_count;
        let table = Table {
            part: Part::DataBlocks,
            offset: triage.data_blocks_offset,
            count,
            max: u64::MAX,
            stride: ENTRY_LEN,
            spare: OWN_PARTS,
        };
        let (blocks, entries) = table::open(file, table, budget, problems);
        let mut memory = Self { file, width: layout.width, blocks };
        memory.add_own_parts(header, triage, problems);
        for (number, entry) in entries {
            let fields = (entry.u64(0), entry.u32(8), entry.u32(12));
            let (Some(start), Some(offset), Some(size)) = fields else { break };
            if let Some(damage) = memory.add(start, offset.into(), size.into()) {
                let damage = match damage {
                    Damage::Cut { offset, .. } => Damage::EntryCut { entry: number, count, offset },
                    _ => Damage::EntryOutside { entry: number, count, offset: offset.into() },
                };
                problems.add(Part::DataBlocks, damage);
            }
        }
        memory.sort();
        memory
    }

    /// Adds the parts that have fields of their own in the header of a small dump.
    fn add_own_parts(&mut self, header: &Header, triage: &Triage, problems: &mut Problems) {
        let stack = (triage.top_of_stack, triage.call_stack_offset, triage.size_of_call_stack);
        let page = (triage.data_page_address, triage.data_page_offset, triage.data_page_size);
        let debugger_data =
            (header.kd_debugger_data_block, triage.debugger_data_offset, triage.debugger_data_size);
        let parts = [(Part::Stack, stack), (Part::DataBlocks, page), (Part::DebuggerData, debugger_data)];
        for (part, (start, offset, size)) in parts {
            if let Some(damage) = self.add(start, offset, size) {
                problems.add(part, damage);
            }
        }
    }

    /// Adds what of a block lies inside the file and the address space; tells what does not lie inside the file.
    fn add(&mut self, start: u64, offset: u64, size: u64) -> Option<Damage> {
        if size == 0 {
            return None;
        }
        let start = self.width.address(start);
        let kept = self.file.clip(offset, size).map_or(0, |bytes| Bytes(bytes).len());
        let len = kept.min(self.width.address(u64::MAX).saturating_sub(start));
        if let (Ok(offset), Ok(len @ 1..)) = (u32::try_from(offset), u32::try_from(len)) {
            self.blocks.push(Block { start, offset, len });
        }
        match kept {
            0 => Some(Damage::Outside { offset }),
            kept if kept < size => Some(Damage::Cut { offset, len: kept, needed: size }),
            _ => None,
        }
    }

    /// Establishes the order of `blocks`: drops what lies inside another, joins what continues another in the file.
    fn sort(&mut self) {
        // ascending starts, the longest first where they are equal: one number, compared without a branch
        self.blocks.sort_unstable_by_key(|block| u128::from(block.start) << 32 | u128::from(!block.len));
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
