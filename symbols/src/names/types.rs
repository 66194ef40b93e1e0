//! Names of inlined functions: a stream of ids, which refers to a stream of types. Owns where a record is in such a
//! stream. They are the largest part of a PDB, and stay in the file: a name costs a few reads.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use super::budget::Budget;
use super::msf::Msf;
use crate::image::Damaged;
use crate::reader::{Reader, index, len32};

pub(super) const TYPES: u16 = 2;
pub(super) const IDS: u16 = 4;

const LF_CLASS: u16 = 0x1504;
const LF_STRUCTURE: u16 = 0x1505;
const LF_UNION: u16 = 0x1506;
const LF_ENUM: u16 = 0x1507;
const LF_INTERFACE: u16 = 0x1519;
const LF_FUNC_ID: u16 = 0x1601;
const LF_MFUNC_ID: u16 = 0x1602;
const LF_STRING_ID: u16 = 0x1605;
const LF_CLASS2: u16 = 0x1608;
const LF_STRUCTURE2: u16 = 0x1609;
const LF_UNION2: u16 = 0x160A;
const LF_INTERFACE2: u16 = 0x160B;

/// One read while a stream is walked: any record fits, its length has 16 bits.
const CHUNK: u32 = 66 << 10;

/// The read for one record: what lies between two places that linkers noted, and most often the record too.
const SMALL_CHUNK: u32 = 12 << 10;

/// Records between two known places, in bytes: linkers note one every 8 KB.
const MAX_STEP: u32 = 1 << 20;

/// How often a place is noted where the linker noted none.
const NOTE_EVERY: u32 = 1_024;

/// Places that linkers noted: 16 MB of them are for 16 GB of types.
const MAX_NOTES_BYTES: u32 = 16 << 20;

/// An id: what it is called, and what it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Id {
    /// A function in a namespace (an id), or in none (0).
    Function { scope: u32, name: String },
    /// A member function of a type.
    Member { parent: u32, name: String },
    /// A namespace.
    Text(String),
}

/// Where records are.
#[derive(Debug)]
pub(super) struct TypeIndex {
    stream: u16,
    first: u32,
    end: u32,
    header_len: u32,
    /// Numbers and their places, both rising.
    known: Vec<(u32, u32)>,
}

impl TypeIndex {
    pub(super) fn read(msf: &Msf<'_>, stream: u16) -> Result<Self, Damaged> {
        let mut index = Self { stream, first: 0, end: 0, header_len: 0, known: Vec::new() };
        // Compilers before 2012 wrote no stream of ids.
        let Some(header) = header(&msf.read(stream, 0, 56)?) else { return Ok(index) };
        (index.first, index.end, index.header_len) = (header.first, header.end, header.len);
        index.known = known(&msf.read(header.hash, header.notes, header.notes_len.min(MAX_NOTES_BYTES))?);
        if index.known.is_empty() && index.first < index.end {
            index.note(msf)?;
        }
        Ok(index)
    }

    /// Notes places, of a stream that comes without.
    fn note(&mut self, msf: &Msf<'_>) -> Result<(), Damaged> {
        let (mut number, mut place) = (self.first, 0_u32);
        let mut next_note = number;
        loop {
            let chunk = msf.read(self.stream, self.header_len.saturating_add(place), CHUNK)?;
            let mut reader = Reader::new(&chunk);
            let mut read = 0_u32;
            while let Some(body) = body(&mut reader) {
                if number >= next_note {
                    self.known.push((number, place.saturating_add(read)));
                    next_note = number.saturating_add(NOTE_EVERY);
                }
                number = number.saturating_add(1);
                read = read.saturating_add(len32(body.len())).saturating_add(2);
            }
            if read == 0 {
                return Ok(());
            }
            place = place.saturating_add(read);
        }
    }

    /// Kind and content of a record.
    fn record(&self, msf: &Msf<'_>, number: u32, budget: &Budget) -> Result<Option<(u16, Vec<u8>)>, Damaged> {
        if !(self.first..self.end).contains(&number) {
            return Ok(None);
        }
        let after = self.known.partition_point(|(known, _)| *known <= number);
        let Some((mut at, start)) = after.checked_sub(1).and_then(|last| self.known.get(last)).copied()
        else {
            return Ok(None);
        };
        let start = self.header_len.saturating_add(start);
        let mut place = start;
        let mut size = SMALL_CHUNK;
        while place.saturating_sub(start) < MAX_STEP && budget.spend(size).is_some() {
            let chunk = msf.read(self.stream, place, size)?;
            let mut reader = Reader::new(&chunk);
            let mut read = 0_u32;
            while let Some(body) = body(&mut reader) {
                if at == number {
                    let mut fields = Reader::new(body);
                    return Ok(fields.u16().map(|kind| (kind, fields.rest().to_vec())));
                }
                at = at.saturating_add(1);
                read = read.saturating_add(len32(body.len())).saturating_add(2);
            }
            if read == 0 && size == CHUNK {
                break;
            }
            size = if read == 0 { CHUNK } else { SMALL_CHUNK };
            place = place.saturating_add(read);
        }
        Ok(None)
    }

    pub(super) fn id(&self, msf: &Msf<'_>, number: u32, budget: &Budget) -> Result<Option<Id>, Damaged> {
        Ok(self.record(msf, number, budget)?.and_then(|(kind, content)| id(kind, &content)))
    }

    pub(super) fn type_name(
        &self,
        msf: &Msf<'_>,
        number: u32,
        budget: &Budget,
    ) -> Result<Option<String>, Damaged> {
        Ok(self.record(msf, number, budget)?.and_then(|(kind, content)| type_name(kind, &content)))
    }

    pub(super) fn held(&self) -> usize {
        self.known.capacity().saturating_mul(8)
    }
}

struct Header {
    len: u32,
    /// First number, and the number behind the last.
    first: u32,
    end: u32,
    /// Stream of hashes, and where in it the linker noted places.
    hash: u16,
    notes: u32,
    notes_len: u32,
}

fn header(bytes: &[u8]) -> Option<Header> {
    let mut reader = Reader::at(bytes, 4);
    let len = reader.u32()?;
    let (first, end) = (reader.u32()?, reader.u32()?);
    reader.skip(4)?;
    let hash = reader.u16()?;
    reader.skip(18)?;
    Some(Header { len, first, end, hash, notes: reader.u32()?, notes_len: reader.u32()? })
}

fn known(bytes: &[u8]) -> Vec<(u32, u32)> {
    let mut reader = Reader::new(bytes);
    let mut known = Vec::with_capacity(bytes.len().checked_div(8).unwrap_or(0));
    while let (Some(number), Some(place)) = (reader.u32(), reader.u32()) {
        known.push((number, place));
    }
    let rises = known.is_sorted_by(|one, next| one.0 < next.0 && one.1 < next.1);
    if rises { known } else { Vec::new() }
}

fn body<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = reader.u16()?;
    reader.take(usize::from(len))
}

fn text(bytes: &[u8]) -> String {
    let cut = bytes.get(..index(super::records::MAX_NAME)).unwrap_or(bytes);
    String::from_utf8_lossy(cut).into_owned()
}

fn id(kind: u16, content: &[u8]) -> Option<Id> {
    let mut reader = Reader::new(content);
    let first = reader.u32()?;
    match kind {
        LF_FUNC_ID => {
            reader.skip(4)?;
            Some(Id::Function { scope: first, name: text(reader.name()) })
        }
        LF_MFUNC_ID => {
            reader.skip(4)?;
            Some(Id::Member { parent: first, name: text(reader.name()) })
        }
        LF_STRING_ID => Some(Id::Text(text(reader.name()))),
        _ => None,
    }
}

fn type_name(kind: u16, content: &[u8]) -> Option<String> {
    let mut reader = Reader::new(content);
    let (fixed, sized) = match kind {
        LF_CLASS | LF_STRUCTURE | LF_INTERFACE => (16, true),
        LF_CLASS2 | LF_STRUCTURE2 | LF_INTERFACE2 => (18, true),
        LF_UNION => (8, true),
        LF_UNION2 => (10, true),
        LF_ENUM => (12, false),
        _ => return None,
    };
    reader.skip(fixed)?;
    if sized {
        skip_numeric(&mut reader)?;
    }
    Some(text(reader.name()))
}

/// A number that says its own width.
fn skip_numeric(reader: &mut Reader<'_>) -> Option<()> {
    match reader.u16()? {
        ..0x8000 => Some(()),
        0x8000 => reader.skip(1),
        0x8001 | 0x8002 => reader.skip(2),
        0x8003 | 0x8004 => reader.skip(4),
        0x8009 | 0x800A => reader.skip(8),
        _ => None,
    }
}
