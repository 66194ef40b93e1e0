//! The memory that a small dump saved, as one map from addresses to places in the file. Owns the telling of what
//! lies outside the file; holds no byte of it.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::block_map::{Block, BlockMap};
use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::header::Header;
use crate::layout::Layout;
use crate::problem::{Damage, Part, Problem, Problems};
use crate::table::{self, Table};
use crate::triage::Triage;

/// An entry of the table of data blocks, in dumps of either width: u64 address, u32 offset in the file, u32 size.
const ENTRY_LEN: u64 = 16;
/// Stack, data page, debugger data.
const OWN_PARTS: u64 = 3;

/// A piece of memory as a small dump lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataBlock {
    /// Its first address.
    pub va: u64,
    /// Where its content begins in the file, or would begin.
    pub offset: u64,
    /// Its length.
    pub len: u64,
}

/// The table of data blocks, as far as it lies inside the file.
pub(crate) fn data_blocks<'f>(
    file: Bytes<'f>,
    width: Width,
    triage: &Triage,
) -> impl Iterator<Item = DataBlock> + use<'f> {
    let len = triage.data_blocks_count.saturating_mul(ENTRY_LEN);
    let table = file.clip(triage.data_blocks_offset, len).unwrap_or_default();
    let (entries, _cut) = table.as_chunks::<16>();
    let blocks = entries.iter().filter_map(|entry| fields(entry));
    blocks.map(move |(va, offset, len)| DataBlock { va: width.address(va), offset, len })
}

/// Where the pieces of saved memory are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces {
    width: Width,
    /// Stack, data page, debugger data: address, offset, size.
    own: [(Part, u64, u64, u64); 3],
    table: Table,
}

/// A piece of memory that the secondary data hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extra {
    pub(crate) va: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// Saved memory.
#[derive(Debug)]
pub(crate) struct Memory {
    pieces: Pieces,
    extras: Vec<Extra>,
    map: OnceLock<(BlockMap, Vec<Problem>)>,
}

impl Memory {
    /// The stack, the debugger data and all data blocks of a small dump.
    pub(crate) fn of_triage(layout: &Layout, header: &Header, triage: &Triage, extras: Vec<Extra>) -> Self {
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
        Self { pieces, extras, map: OnceLock::new() }
    }

    /// What was wrong with the pieces.
    pub(crate) fn problems(&self, file: Bytes<'_>) -> &[Problem] {
        &self.map(file).1
    }

    fn map(&self, file: Bytes<'_>) -> &(BlockMap, Vec<Problem>) {
        self.map.get_or_init(|| {
            let mut problems = Problems::default();
            let mut budget = Budget::large(file.len());
            let mut blocks = self.pieces.read(file, &mut budget, &mut problems);
            let extras = self.extras.iter();
            blocks.extend(
                extras.filter_map(|extra| self.pieces.block(file, extra.va, extra.offset, extra.len).0),
            );
            let map = BlockMap::new(blocks, &mut budget);
            (map, problems.into_vec())
        })
    }

    /// The place in the file of the longest run of bytes from an address on.
    fn run(&self, file: Bytes<'_>, va: u64) -> Option<(u64, u64)> {
        let block = self.map(file).0.block(va)?;
        let skipped = va.checked_sub(block.start)?;
        Some((u64::from(block.offset).checked_add(skipped)?, u64::from(block.len).checked_sub(skipped)?))
    }

    /// The bytes from an address on, at most as many, up to the first that the dump does not have. Borrowed where one
    /// run of the file has them all.
    pub(crate) fn up_to<'f>(&self, file: Bytes<'f>, va: u64, most: usize) -> Option<Cow<'f, [u8]>> {
        let va = self.pieces.width.address(va);
        // one place of the file may be at any number of addresses
        let most = u64::try_from(most).ok()?.min(file.len());
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
        let end_of_memory = match self.width {
            Width::W32 => 1 << 32,
            Width::W64 => u64::MAX,
        };
        let len = kept.min(end_of_memory.saturating_sub(start));
        let block = match (u32::try_from(offset), u32::try_from(len)) {
            (Ok(offset), Ok(len @ 1..)) => Some(Block { start, offset, len }),
            _ => None,
        };
        (block, kept)
    }

    /// All pieces. What does not lie inside the file is told.
    fn read(self, file: Bytes<'_>, budget: &mut Budget, problems: &mut Problems) -> Vec<Block> {
        let damage = |offset, kept, size| match kept {
            0 => Some(Damage::Outside { offset }),
            kept if kept < size => Some(Damage::Cut { offset, len: kept, needed: size }),
            _ => None,
        };
        let (mut blocks, entries) = table::open(file, self.table, budget, problems);
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
}

/// Address, offset and size.
fn fields(entry: &[u8]) -> Option<(u64, u64, u64)> {
    let entry = Bytes(entry);
    Some((entry.u64(0)?, entry.u32(8)?.into(), entry.u32(12)?.into()))
}
