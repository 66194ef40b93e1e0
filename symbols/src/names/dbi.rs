//! The two streams that say what a PDB is and where its parts are: the PDB stream (GUID, age, named streams) and the DBI
//! stream (compilation units, and which of them contributed which bytes of code).
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::collections::HashMap;

use uuid::Uuid;

use super::msf::{Msf, damaged};
use crate::image::{Damaged, Machine};
use crate::reader::{Reader, index};

const PDB_STREAM: u16 = 1;
const DBI_STREAM: u16 = 3;

/// "No stream", as a stream number.
pub(super) const NONE: u16 = u16::MAX;

/// Version of the contributions with four bytes more: the number of the section in the object file.
const CONTRIBUTIONS_V2: u32 = 0xEFFE_0000 + 20_140_516;

/// What symbol servers key a PDB by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) guid: Uuid,
    pub(crate) age: u32,
    /// Age of the PDB stream.
    pub(crate) written: u32,
}

/// Reads what identifies a PDB, and no more of it.
///
/// The age is that of the DBI stream where there is one: it is written with the image. Tools that add to a PDB afterwards
/// (source indexing) raise that of the PDB stream.
pub(crate) fn identity(msf: &Msf<'_>) -> Result<Identity, Damaged> {
    let head = msf.read(PDB_STREAM, 0, 28)?;
    let mut reader = Reader::at(&head, 8);
    let read = (|| Some((reader.u32()?, reader.guid()?)))();
    let (written, guid) = read.ok_or_else(|| damaged("has no PDB stream"))?;
    let head = msf.read(DBI_STREAM, 0, 12)?;
    let age = Reader::at(&head, 8).u32().filter(|age| *age != 0).unwrap_or(written);
    Ok(Identity { guid, age, written })
}

/// Number of a named stream: `/names` holds the names of source files.
pub(super) fn named_stream(msf: &Msf<'_>, wanted: &[u8]) -> Result<Option<u16>, Damaged> {
    let stream = msf.read(PDB_STREAM, 0, MAX_PDB_STREAM)?;
    Ok(find_named(&stream, wanted))
}

fn find_named(stream: &[u8], wanted: &[u8]) -> Option<u16> {
    let mut reader = Reader::at(stream, 28);
    let len = reader.u32()?;
    let names = reader.take_u32(len)?;
    let count = reader.u32()?;
    reader.skip(4)?;
    for _ in 0..2 {
        // Bit sets of the buckets that are in use, and of those that were deleted.
        let words = reader.u32()?;
        reader.take_u32(words.checked_mul(4)?)?;
    }
    for _ in 0..count {
        let name = Reader::at(names, index(reader.u32()?)).name();
        let number = reader.u32()?;
        if name == wanted {
            return u16::try_from(number).ok();
        }
    }
    None
}

/// A compilation unit: where its symbols and lines are.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnitInfo {
    /// [`NONE`] where they were stripped, as in what Microsoft publishes.
    pub(super) stream: u16,
    pub(super) symbols: u32,
    pub(super) c11_lines: u32,
    pub(super) c13_lines: u32,
}

/// Code that came from one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Contribution {
    pub(super) section: u16,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) unit: u16,
}

/// Streams that linkers added later.
#[derive(Debug, Clone, Copy)]
pub(super) struct DebugStreams {
    pub(super) fpo: u16,
    pub(super) omap_to_source: u16,
    pub(super) omap_from_source: u16,
    pub(super) sections: u16,
    pub(super) frame_data: u16,
    pub(super) original_sections: u16,
}

#[derive(Debug)]
pub(super) struct Dbi {
    pub(super) machine: Machine,
    pub(super) publics: u16,
    pub(super) symbols: u16,
    pub(super) units: Vec<UnitInfo>,
    /// Sorted.
    pub(super) contributions: Vec<Contribution>,
    pub(super) streams: DebugStreams,
    units_len: u32,
}

const HEADER_LEN: u32 = 64;

/// The DBI stream is read at once. It has some 30 bytes for each function, so this is for ten million of them.
const MAX_DBI_BYTES: u32 = 512 << 20;

/// References name a unit by a text, and texts are cut there.
const MAX_UNIT_NAME: usize = 1_024;

/// Names of units, for 65 535 paths of 200 bytes.
const MAX_UNIT_NAMES_BYTES: usize = 16 << 20;

/// What a name costs beside its text.
const UNIT_NAME_OVERHEAD: usize = 48;

/// The PDB stream names a handful of streams.
const MAX_PDB_STREAM: u32 = 1 << 20;

impl Dbi {
    pub(super) fn read(msf: &Msf<'_>) -> Result<Self, Damaged> {
        match msf.len(DBI_STREAM) {
            0 => return Err(damaged("has no DBI stream")),
            len if len > MAX_DBI_BYTES => return Err(damaged(format!("a DBI stream of {len} bytes"))),
            _ => (),
        }
        let stream = msf.read(DBI_STREAM, 0, MAX_DBI_BYTES)?;
        parse(&stream).ok_or_else(|| damaged("its DBI stream is cut short, or older than Visual C++ 5"))
    }

    /// Names of all units. Wanted only for references from one unit into another, which most PDBs have none of.
    pub(super) fn unit_names(&self, msf: &Msf<'_>) -> Result<UnitNames, Damaged> {
        let bytes = msf.read(DBI_STREAM, HEADER_LEN, self.units_len)?;
        let mut names = UnitNames::default();
        each_unit(&bytes, |number, _, name| names.add(number, name));
        Ok(names)
    }

    pub(super) fn contribution_at(&self, section: u16, offset: u32) -> Option<&Contribution> {
        let after =
            self.contributions.partition_point(|found| (found.section, found.start) <= (section, offset));
        let found = self.contributions.get(after.checked_sub(1)?)?;
        (found.section == section && offset < found.end).then_some(found)
    }

    pub(super) fn held(&self) -> usize {
        let contributions = self.contributions.capacity().saturating_mul(size_of::<Contribution>());
        contributions.saturating_add(self.units.capacity().saturating_mul(size_of::<UnitInfo>()))
    }
}

/// Units by the names of their object files; of several with one name the first.
#[derive(Debug, Default)]
pub(super) struct UnitNames {
    numbers: HashMap<Vec<u8>, u16>,
    bytes: usize,
}

impl UnitNames {
    fn add(&mut self, number: u16, name: &[u8]) {
        let bytes = self.bytes.saturating_add(name.len()).saturating_add(UNIT_NAME_OVERHEAD);
        if name.len() <= MAX_UNIT_NAME && bytes <= MAX_UNIT_NAMES_BYTES {
            self.numbers.entry(name.to_ascii_lowercase()).or_insert(number);
            self.bytes = bytes;
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<u16> {
        self.numbers.get(name.to_ascii_lowercase().as_bytes()).copied()
    }

    pub(super) fn held(&self) -> usize {
        self.bytes
    }
}

fn parse(stream: &[u8]) -> Option<Dbi> {
    let mut reader = Reader::new(stream);
    (reader.u32()? == u32::MAX).then_some(())?;
    reader.skip(10)?;
    let _build = reader.u16()?;
    let publics = reader.u16()?;
    let _dll = reader.u16()?;
    let symbols = reader.u16()?;
    reader.skip(2)?;
    let units_len = reader.u32()?;
    let contributions_len = reader.u32()?;
    let section_map_len = reader.u32()?;
    let file_info_len = reader.u32()?;
    let type_servers_len = reader.u32()?;
    reader.skip(4)?;
    let debug_len = reader.u32()?;
    let edit_and_continue_len = reader.u32()?;
    reader.skip(2)?;
    let machine = reader.u16()?;
    reader.skip(4)?;
    let mut units = Vec::new();
    each_unit(reader.take_u32(units_len)?, |_, unit, _| units.push(unit));
    let contributions = contributions(reader.take_u32(contributions_len)?);
    for len in [section_map_len, file_info_len, type_servers_len, edit_and_continue_len] {
        reader.take_u32(len)?;
    }
    let streams = debug_streams(reader.take_u32(debug_len)?);
    Some(Dbi { machine: machine.into(), publics, symbols, units, contributions, streams, units_len })
}

/// Calls with number, place and name of each unit, to the first one that is cut short.
fn each_unit<'a>(bytes: &'a [u8], mut call: impl FnMut(u16, UnitInfo, &'a [u8])) {
    let mut reader = Reader::new(bytes);
    for number in 0..u16::MAX {
        let Some((unit, name)) = unit(&mut reader, bytes.len()) else { return };
        call(number, unit, name);
    }
}

fn unit<'a>(reader: &mut Reader<'a>, whole: usize) -> Option<(UnitInfo, &'a [u8])> {
    reader.skip(34)?;
    let stream = reader.u16()?;
    let symbols = reader.u32()?;
    let c11_lines = reader.u32()?;
    let c13_lines = reader.u32()?;
    reader.skip(16)?;
    let name = reader.name();
    reader.name();
    let done = whole.checked_sub(reader.rest().len())?;
    reader.skip(done.next_multiple_of(4).checked_sub(done)?)?;
    Some((UnitInfo { stream, symbols, c11_lines, c13_lines }, name))
}

fn contributions(bytes: &[u8]) -> Vec<Contribution> {
    let mut reader = Reader::new(bytes);
    let extra = if reader.u32() == Some(CONTRIBUTIONS_V2) { 4 } else { 0 };
    let mut all = Vec::with_capacity(bytes.len().checked_div(28).unwrap_or(0));
    while let Some(found) = contribution(&mut reader, extra) {
        if found.end > found.start {
            all.push(found);
        }
    }
    // Linkers write them in order; a look-up depends on it.
    all.sort_unstable();
    all.shrink_to_fit();
    all
}

fn contribution(reader: &mut Reader<'_>, extra: usize) -> Option<Contribution> {
    let section = reader.u16()?;
    reader.skip(2)?;
    let start = reader.u32()?;
    let end = start.saturating_add(reader.u32()?);
    reader.skip(4)?;
    let unit = reader.u16()?;
    reader.skip(extra.checked_add(10)?)?;
    Some(Contribution { section, start, end, unit })
}

fn debug_streams(bytes: &[u8]) -> DebugStreams {
    let number = |place: usize| Reader::at(bytes, place.saturating_mul(2)).u16().unwrap_or(NONE);
    DebugStreams {
        fpo: number(0),
        omap_to_source: number(3),
        omap_from_source: number(4),
        sections: number(5),
        frame_data: number(9),
        original_sections: number(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_units_are_found_in_any_case_and_end_somewhere() {
        let mut names = UnitNames::default();
        names.add(3, b"C:\\Src\\A.obj");
        names.add(4, b"c:\\src\\a.OBJ");
        names.add(5, &[b'x'; MAX_UNIT_NAME + 1]);
        assert_eq!(names.get("c:\\SRC\\a.obj"), Some(3));
        assert_eq!(names.get(&"x".repeat(MAX_UNIT_NAME + 1)), None);
        for number in 10..30_000 {
            names.add(number, format!("{number:01000}").as_bytes());
        }
        assert_eq!(names.get(&format!("{:01000}", 10)), Some(10));
        assert_eq!(names.get(&format!("{:01000}", 29_999)), None);
        assert!(names.held() <= MAX_UNIT_NAMES_BYTES && names.held() > MAX_UNIT_NAMES_BYTES / 2);
    }
}
