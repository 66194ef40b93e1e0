//! One compilation unit: its functions, the calls inlined into them, and its lines. Read whole when an address of it is
//! asked for. Owns the search in it; names of other streams stay numbers here.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use super::annotations::{Covered, covered};
use super::budget::Budget;
use super::dbi::{NONE, UnitInfo};
use super::lines::{Line, Lines};
use super::msf::{Msf, damaged};
use super::records::{Procedure, Records};
use crate::image::Damaged;
use crate::reader::{Reader, index, len32};

/// A unit is read at once. Of 1 500 functions with templates it has 2 MB; with link-time code generation a whole program can
/// be one.
pub(super) const MAX_UNIT_BYTES: u32 = 256 << 20;

/// `CV_SIGNATURE_C13`: Visual C++ 7 and later, and everybody else.
const C13: u32 = 4;

/// Symbols of one function that a question walks. The longest function of the samples has 3.7 KB of them (`crash.pdb`);
/// this leaves room for one that a whole program is inlined into.
const MAX_WALK: u32 = 1 << 20;

/// Calls inlined into each other. Deeper ones are left out.
const MAX_DEPTH: usize = 128;

#[derive(Debug)]
pub(super) struct Unit {
    bytes: Vec<u8>,
    symbols: usize,
    procedures: Vec<Procedure>,
    lines: Lines,
}

/// A function that was inlined at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inlined {
    /// Its id, for the stream of ids.
    pub(super) callee: u32,
    pub(super) file: Option<u32>,
    pub(super) line: Option<u32>,
}

impl Unit {
    pub(super) fn read(msf: &Msf<'_>, info: &UnitInfo) -> Result<Self, Damaged> {
        if info.stream == NONE || msf.len(info.stream) > MAX_UNIT_BYTES {
            return Err(damaged("a unit without symbols, or with too many"));
        }
        let bytes = msf.read(info.stream, 0, MAX_UNIT_BYTES)?;
        if Reader::new(&bytes).u32() != Some(C13) {
            return Err(damaged("a unit older than Visual C++ 7"));
        }
        let symbols = index(info.symbols).min(bytes.len());
        let start = symbols.saturating_add(index(info.c11_lines));
        let lines = Lines::parse(&bytes, start, info.c13_lines);
        let procedures = procedures(bytes.get(..symbols).unwrap_or_default());
        Ok(Self { bytes, symbols, procedures, lines })
    }

    fn symbols(&self) -> &[u8] {
        self.bytes.get(..self.symbols).unwrap_or_default()
    }

    pub(super) fn procedure_at(&self, section: u16, offset: u32) -> Option<&Procedure> {
        let after =
            self.procedures.partition_point(|found| (found.section, found.start) <= (section, offset));
        let found = self.procedures.get(after.checked_sub(1)?)?;
        let within = offset.checked_sub(found.start)?;
        (found.section == section && within < found.len).then_some(found)
    }

    pub(super) fn name(&self, procedure: &Procedure) -> Option<&[u8]> {
        Records::from(self.symbols(), procedure.named).next()?.name()
    }

    /// Distance from the stack pointer of a function, once it has made its frame, to its return address.
    pub(super) fn frame_bytes(&self, procedure: &Procedure) -> Option<u32> {
        let mut records = Records::from(self.symbols(), procedure.place);
        records.next();
        let last = procedure.end.min(procedure.place.saturating_add(MAX_WALK));
        let (frame, saved) =
            records.take_while(|record| record.place < last).find_map(|record| record.frame_bytes())?;
        frame.checked_add(saved)
    }

    pub(super) fn line_at(&self, section: u16, offset: u32, budget: &Budget) -> Option<Line> {
        self.lines.at(&self.bytes, section, offset, budget)
    }

    /// Place of a file's name among the names of the PDB.
    pub(super) fn file_name(&self, file: u32) -> Option<u32> {
        self.lines.file_name(&self.bytes, file)
    }

    /// What was inlined at an offset, outermost first.
    pub(super) fn inlined_at(&self, procedure: &Procedure, offset: u32, budget: &Budget) -> Vec<Inlined> {
        let mut search = Search::default();
        let mut records = Records::from(self.symbols(), procedure.place);
        records.next();
        let last = procedure.end.min(procedure.place.saturating_add(MAX_WALK));
        while let Some(record) = records.next().filter(|record| record.place < last) {
            if budget.spend(record.len()).is_none() {
                break;
            }
            search.leave(record.place);
            if let Some((nested, _)) = record.procedure() {
                records.skip_to(nested.end);
            } else if let Some(site) = record.inline_site() {
                let found = match self.lines.callee(site.callee) {
                    Some(start) => covered(site.annotations, start, procedure.start, offset),
                    None => Covered::default(),
                };
                search.enter(site.end, site.callee, found);
            }
        }
        search.deepest
    }

    /// An id of another unit: the place of that unit's name among the names of the PDB, and the id's number there.
    pub(super) fn import(&self, id: u32) -> Option<(u32, u32)> {
        let mut reader = Reader::new(self.bytes.get(self.lines.imports.clone())?);
        let (unit, number) = ((id >> 20) & 0x7FF, id & 0xF_FFFF);
        for _ in 0..unit {
            reader.skip(4)?;
            let count = reader.u32()?;
            reader.take_u32(count.checked_mul(4)?)?;
        }
        let name = reader.u32()?;
        let count = reader.u32()?;
        let ids = reader.take_u32(count.checked_mul(4)?)?;
        Some((name, Reader::at(ids, index(number).checked_mul(4)?).u32()?))
    }

    /// What a number of this unit is in the stream of ids.
    pub(super) fn export(&self, number: u32) -> Option<u32> {
        self.lines.export(number)
    }

    pub(super) fn held(&self) -> usize {
        let procedures = self.procedures.capacity().saturating_mul(size_of::<Procedure>());
        self.bytes.capacity().saturating_add(procedures).saturating_add(self.lines.held())
    }
}

#[derive(Debug, Clone, Copy)]
struct Open {
    end: u32,
    inlined: Inlined,
}

/// The walk over the sites of one function.
#[derive(Debug, Default)]
struct Search {
    open: Vec<Open>,
    deepest: Vec<Inlined>,
}

impl Search {
    /// Sites that ended before a record. None outlasts the one it is in, so only the innermost needs a look.
    fn leave(&mut self, place: u32) {
        while self.open.last().is_some_and(|open| open.end <= place) {
            self.open.pop();
        }
    }

    fn enter(&mut self, end: u32, callee: u32, found: Covered) {
        if self.open.len() >= MAX_DEPTH {
            return;
        }
        let file = found.line.map(|line| line.file).or(found.file);
        let inlined = Inlined { callee, file, line: found.line.map(|line| line.line) };
        let end = self.open.last().map_or(end, |outer| end.min(outer.end));
        self.open.push(Open { end, inlined });
        // Compilers leave gaps: an outer call does not always cover what its inner calls cover. Then it has no line.
        if found.line.is_some() && self.open.len() > self.deepest.len() {
            self.deepest = self.open.iter().map(|open| open.inlined).collect();
        }
    }
}

/// All code with a name, sorted; of several at one address the first.
fn procedures(symbols: &[u8]) -> Vec<Procedure> {
    let mut found: Vec<Procedure> = Vec::new();
    let mut records = Records::from(symbols, 4);
    for record in &mut records {
        let Some((mut procedure, parent)) = record.procedure() else { continue };
        if let Some((section, start)) = parent {
            // A part that was split off stands right behind its function, and has no name of its own.
            let last = found.last().filter(|last| (last.section, last.start) == (section, start));
            let Some(last) = last else { continue };
            procedure.named = last.named;
        }
        procedure.end = procedure.end.min(len32(symbols.len()));
        found.push(procedure);
    }
    found.sort_by_key(|procedure| (procedure.section, procedure.start));
    found.dedup_by_key(|procedure| (procedure.section, procedure.start));
    found.shrink_to_fit();
    found
}
