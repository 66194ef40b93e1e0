//! Records of symbols: a length, a kind, and what the kind says. Owns their layouts and the walk from one to the next;
//! knows nothing of addresses.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use crate::reader::{Reader, index, len32};

pub(super) const S_PUB32: u16 = 0x110E;
const S_FRAMEPROC: u16 = 0x1012;
const S_THUNK32: u16 = 0x1102;
const S_LPROC32: u16 = 0x110F;
const S_GPROC32: u16 = 0x1110;
const S_SEPCODE: u16 = 0x1132;
const S_LPROC32_ID: u16 = 0x1146;
const S_GPROC32_ID: u16 = 0x1147;
const S_INLINESITE: u16 = 0x114D;
const S_LPROC32_DPC: u16 = 0x1155;
const S_LPROC32_DPC_ID: u16 = 0x1156;
const S_INLINESITE2: u16 = 0x115D;

/// Names are cut here, as MSVC cuts its own.
pub(super) const MAX_NAME: u32 = 4096;

/// One record, and where it is in its stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) place: u32,
    kind: u16,
    body: &'a [u8],
}

/// Records from a place on, to the end of the symbols or of what one question may cost.
#[derive(Debug)]
pub(super) struct Records<'a> {
    symbols: &'a [u8],
    place: u32,
}

impl<'a> Records<'a> {
    pub(super) fn from(symbols: &'a [u8], place: u32) -> Self {
        Self { symbols, place }
    }

    /// Goes on behind what lies inside of a record, where that is further on.
    pub(super) fn skip_to(&mut self, place: u32) {
        self.place = self.place.max(place);
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let mut reader = Reader::at(self.symbols, index(self.place));
        let len = reader.u16()?;
        let body = reader.take(usize::from(len))?;
        let place = self.place;
        self.place = place.checked_add(u32::from(len))?.checked_add(2)?;
        let mut reader = Reader::new(body);
        // A record without a kind is padding of a damaged file: what follows it is none either.
        let kind = reader.u16()?;
        Some(Record { place, kind, body: reader.rest() })
    }
}

/// Code with a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Procedure {
    pub(super) section: u16,
    pub(super) start: u32,
    pub(super) len: u32,
    /// Its own record, and the record that ends it.
    pub(super) place: u32,
    pub(super) end: u32,
    /// Record with its name: its own, or that of the function it was split off.
    pub(super) named: u32,
}

/// A call that the compiler replaced by the callee.
#[derive(Debug, Clone, Copy)]
pub(super) struct InlineSite<'a> {
    pub(super) end: u32,
    pub(super) callee: u32,
    pub(super) annotations: &'a [u8],
}

impl<'a> Record<'a> {
    /// Bytes of all of it.
    pub(super) fn len(&self) -> u32 {
        len32(self.body.len()).saturating_add(4)
    }

    /// A function, a thunk, or a part of a function that stands elsewhere: then `parent` is where the function begins.
    pub(super) fn procedure(&self) -> Option<(Procedure, Option<(u16, u32)>)> {
        let mut reader = Reader::new(self.body);
        reader.skip(4)?;
        let end = reader.u32()?;
        let (section, start, len, parent) = match self.kind {
            S_LPROC32 | S_GPROC32 | S_LPROC32_ID | S_GPROC32_ID | S_LPROC32_DPC | S_LPROC32_DPC_ID => {
                reader.skip(4)?;
                let len = reader.u32()?;
                reader.skip(12)?;
                let start = reader.u32()?;
                (reader.u16()?, start, len, None)
            }
            S_THUNK32 => {
                reader.skip(4)?;
                let start = reader.u32()?;
                let section = reader.u16()?;
                (section, start, u32::from(reader.u16()?), None)
            }
            S_SEPCODE => {
                let len = reader.u32()?;
                reader.skip(4)?;
                let start = reader.u32()?;
                let parent = reader.u32()?;
                let section = reader.u16()?;
                (section, start, len, Some((reader.u16()?, parent)))
            }
            _ => return None,
        };
        let found = Procedure { section, start, len, place: self.place, end, named: self.place };
        (len > 0).then_some((found, parent))
    }

    /// Name of a function or a thunk.
    pub(super) fn name(&self) -> Option<&'a [u8]> {
        let fixed = if self.kind == S_THUNK32 { 21 } else { 35 };
        let name = Reader::at(self.body, fixed).name();
        let cut = name.get(..index(MAX_NAME)).unwrap_or(name);
        (self.kind != S_SEPCODE && !cut.is_empty()).then_some(cut)
    }

    /// Bytes of a function's frame, and of the registers that it saves outside of that. Nothing where it grows while the
    /// function runs.
    pub(super) fn frame_bytes(&self) -> Option<(u32, u32)> {
        const HAS_ALLOCA: u32 = 1;
        (self.kind == S_FRAMEPROC).then_some(())?;
        let mut reader = Reader::new(self.body);
        let frame = reader.u32()?;
        reader.skip(8)?;
        let saved = reader.u32()?;
        reader.skip(6)?;
        (reader.u32()? & HAS_ALLOCA == 0).then_some((frame, saved))
    }

    pub(super) fn inline_site(&self) -> Option<InlineSite<'a>> {
        let mut reader = Reader::new(self.body);
        reader.skip(4)?;
        let end = reader.u32()?;
        let callee = reader.u32()?;
        match self.kind {
            S_INLINESITE => (),
            S_INLINESITE2 => reader.skip(4)?,
            _ => return None,
        }
        Some(InlineSite { end, callee, annotations: reader.rest() })
    }
}
