//! Source lines of one compilation unit (C13). Owns which line an offset belongs to, and where the callees of inlined
//! calls begin; file names stay numbers here.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::ops::Range;

use super::budget::Budget;
use crate::reader::{Reader, index, len32};

const DEBUG_S_LINES: u32 = 0xF2;
const DEBUG_S_FILECHKSMS: u32 = 0xF4;
const DEBUG_S_INLINEELINES: u32 = 0xF6;
const DEBUG_S_CROSSSCOPEIMPORTS: u32 = 0xF7;
const DEBUG_S_CROSSSCOPEEXPORTS: u32 = 0xF8;

const CV_LINES_HAVE_COLUMNS: u16 = 1;

/// Line numbers that are none: "do not step onto" and "do not step into". What stands before them goes on.
const MARKERS: [u32; 2] = [0xFE_EFEE, 0xF0_0F00];

/// Blocks looked at for one address. Functions that the linker folded into one leave a block each.
const MAX_OVERLAP: usize = 16;

/// A file (by the place of its checksum) and a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) file: u32,
    pub(super) line: u32,
}

/// Lines of one run of code.
#[derive(Debug)]
struct Block {
    section: u16,
    start: u32,
    len: u32,
    columns: bool,
    data: Range<usize>,
}

/// Where in a unit's bytes its lines are.
#[derive(Debug, Default)]
pub(super) struct Lines {
    blocks: Vec<Block>,
    callees: Vec<(u32, Line)>,
    checksums: Range<usize>,
    pub(super) imports: Range<usize>,
    /// Numbers that other units know ids by, sorted, and the ids.
    exports: Vec<(u32, u32)>,
}

impl Lines {
    /// Finds the parts. `bytes` are those of the unit, lines begin at `start`. What is damaged ends the search.
    pub(super) fn parse(bytes: &[u8], start: usize, len: u32) -> Self {
        let mut lines = Self::default();
        let whole = Reader::at(bytes, start).take_u32(len).unwrap_or_default();
        let mut reader = Reader::new(whole);
        while let Some((kind, data)) = subsection(&mut reader) {
            let end = start.saturating_add(whole.len()).saturating_sub(reader.rest().len());
            let range = end.saturating_sub(data.len())..end;
            match kind {
                DEBUG_S_LINES => lines.blocks.extend(block(data, range)),
                DEBUG_S_FILECHKSMS => lines.checksums = range,
                DEBUG_S_INLINEELINES => callees(data, &mut lines.callees),
                DEBUG_S_CROSSSCOPEIMPORTS => lines.imports = range,
                DEBUG_S_CROSSSCOPEEXPORTS => lines.exports = exports(data),
                _ => (),
            }
        }
        lines.blocks.sort_by_key(|block| (block.section, block.start));
        lines.callees.sort_by_key(|(callee, _)| *callee);
        lines
    }

    /// Line of an offset in a section.
    pub(super) fn at(&self, bytes: &[u8], section: u16, offset: u32, budget: &Budget) -> Option<Line> {
        let after = self.blocks.partition_point(|block| (block.section, block.start) <= (section, offset));
        let before = self.blocks.get(..after)?;
        let holds = |block: &&Block| {
            block.section == section
                && offset.checked_sub(block.start).is_some_and(|within| within < block.len)
        };
        let block = before.iter().rev().take(MAX_OVERLAP).find(holds)?;
        let data = bytes.get(block.data.clone())?;
        budget.spend(len32(data.len()))?;
        line_in(data, block.columns, offset.checked_sub(block.start)?)
    }

    /// What a number that other units know is in the stream of ids.
    pub(super) fn export(&self, number: u32) -> Option<u32> {
        let at = self.exports.partition_point(|(known, _)| *known < number);
        self.exports.get(at).filter(|(known, _)| *known == number).map(|(_, id)| *id)
    }

    /// Where the callee of an inlined call begins.
    pub(super) fn callee(&self, callee: u32) -> Option<Line> {
        let at = self.callees.partition_point(|(number, _)| *number < callee);
        self.callees.get(at).filter(|(number, _)| *number == callee).map(|(_, line)| *line)
    }

    /// Place of a file's name among the names of the PDB.
    pub(super) fn file_name(&self, bytes: &[u8], file: u32) -> Option<u32> {
        Reader::at(bytes.get(self.checksums.clone())?, index(file)).u32()
    }

    pub(super) fn held(&self) -> usize {
        let blocks = self.blocks.capacity().saturating_mul(size_of::<Block>());
        blocks
            .saturating_add(self.callees.capacity().saturating_mul(12))
            .saturating_add(self.exports.capacity().saturating_mul(8))
    }
}

fn subsection<'a>(reader: &mut Reader<'a>) -> Option<(u32, &'a [u8])> {
    let kind = reader.u32()?;
    let len = reader.u32()?;
    Some((kind, reader.take_u32(len)?))
}

fn block(data: &[u8], range: Range<usize>) -> Option<Block> {
    let mut reader = Reader::new(data);
    let start = reader.u32()?;
    let section = reader.u16()?;
    let columns = reader.u16()? & CV_LINES_HAVE_COLUMNS != 0;
    let len = reader.u32()?;
    Some(Block { section, start, len, columns, data: range.start.checked_add(12)?..range.end })
}

/// The last line that begins at or before an offset. A block has a part for each file.
fn line_in(data: &[u8], columns: bool, within: u32) -> Option<Line> {
    let mut reader = Reader::new(data);
    let mut best: Option<(u32, Line)> = None;
    while let (Some(file), Some(count), Some(size)) = (reader.u32(), reader.u32(), reader.u32()) {
        let Some(part) = size.checked_sub(12).and_then(|size| reader.take_u32(size)) else { break };
        let mut entries = Reader::new(part);
        let width = if columns { 12 } else { 8 };
        let count = count.min(u32::try_from(part.len()).ok()?.checked_div(width)?);
        for _ in 0..count {
            let (start, flags) = (entries.u32()?, entries.u32()?);
            let line = flags & 0x00FF_FFFF;
            let better = best.is_none_or(|(found, _)| found <= start);
            if start <= within && better && !MARKERS.contains(&line) {
                best = Some((start, Line { file, line }));
            }
        }
    }
    best.map(|(_, line)| line)
}

fn exports(data: &[u8]) -> Vec<(u32, u32)> {
    let mut reader = Reader::new(data);
    let mut found = Vec::with_capacity(data.len().checked_div(8).unwrap_or(0));
    while let (Some(number), Some(id)) = (reader.u32(), reader.u32()) {
        found.push((number, id));
    }
    found.sort_by_key(|(number, _)| *number);
    found
}

fn callees(data: &[u8], found: &mut Vec<(u32, Line)>) {
    let mut reader = Reader::new(data);
    let extended = reader.u32() == Some(1);
    while let (Some(callee), Some(file), Some(line)) = (reader.u32(), reader.u32(), reader.u32()) {
        found.push((callee, Line { file, line }));
        if extended {
            let more = reader.u32().and_then(|count| reader.take_u32(count.checked_mul(4)?));
            if more.is_none() {
                return;
            }
        }
    }
}
