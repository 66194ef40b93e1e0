//! Offsets from an image's base to sections and offsets in them, as symbols have them, and back. Where code was moved
//! after it was linked (OMAP), symbols speak of where it was before.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use super::dbi::Dbi;
use super::msf::Msf;
use crate::image::Damaged;
use crate::reader::{Reader, index};

/// Headers of ten times as many sections as the loader of Windows takes (96). Each question looks through them.
const MAX_SECTION_BYTES: u32 = 1_024 * 40;

const IMAGE_SCN_CNT_CODE: u32 = 0x20;
const IMAGE_SCN_MEM_EXECUTE: u32 = 0x2000_0000;

/// A pair for each block of code that was moved: this is for thirty million of them.
const MAX_OMAP_BYTES: u32 = 256 << 20;

#[derive(Debug, Clone, Copy)]
struct Section {
    start: u32,
    len: u32,
    is_code: bool,
}

/// Sorted pairs: from here on, there.
#[derive(Debug)]
struct Omap(Vec<(u32, u32)>);

impl Omap {
    fn read(msf: &Msf<'_>, stream: u16) -> Result<Option<Self>, Damaged> {
        let bytes = msf.read(stream, 0, MAX_OMAP_BYTES)?;
        let mut reader = Reader::new(&bytes);
        let mut pairs = Vec::with_capacity(bytes.len().checked_div(8).unwrap_or(0));
        while let (Some(from), Some(to)) = (reader.u32(), reader.u32()) {
            pairs.push((from, to));
        }
        pairs.sort_unstable();
        Ok((!pairs.is_empty()).then_some(Self(pairs)))
    }

    /// `None` where the code is only on one side: its target is 0.
    fn map(&self, rva: u32) -> Option<u32> {
        let after = self.0.partition_point(|(from, _)| *from <= rva);
        let (from, to) = *self.0.get(after.checked_sub(1)?)?;
        (to != 0).then_some(())?;
        rva.checked_sub(from)?.checked_add(to)
    }
}

#[derive(Debug)]
pub(super) struct AddressMap {
    /// Of the image as it was linked.
    sections: Vec<Section>,
    to_source: Option<Omap>,
    from_source: Option<Omap>,
}

impl AddressMap {
    pub(super) fn read(msf: &Msf<'_>, dbi: &Dbi) -> Result<Self, Damaged> {
        let streams = &dbi.streams;
        let headers = |stream| Ok(sections(&msf.read(stream, 0, MAX_SECTION_BYTES)?));
        let original: Vec<Section> = headers(streams.original_sections)?;
        let moved = !original.is_empty();
        let sections = if moved { original } else { headers(streams.sections)? };
        let omap = |stream| if moved { Omap::read(msf, stream) } else { Ok(None) };
        let to_source = omap(streams.omap_to_source)?;
        Ok(Self { sections, to_source, from_source: omap(streams.omap_from_source)? })
    }

    /// Section (counted from 1) and offset in it.
    pub(super) fn place(&self, rva: u32) -> Option<(u16, u32)> {
        let rva = self.to_source.as_ref().map_or(Some(rva), |omap| omap.map(rva))?;
        let (number, section) = (1_u16..)
            .zip(&self.sections)
            .find(|(_, section)| rva.checked_sub(section.start).is_some_and(|offset| offset < section.len))?;
        Some((number, rva.checked_sub(section.start)?))
    }

    /// Whether a section may be executed.
    pub(super) fn is_code(&self, section: u16) -> bool {
        let section = usize::from(section).checked_sub(1).and_then(|at| self.sections.get(at));
        section.is_some_and(|section| section.is_code)
    }

    pub(super) fn rva(&self, section: u16, offset: u32) -> Option<u32> {
        let section = self.sections.get(usize::from(section).checked_sub(1)?)?;
        self.moved(section.start.checked_add(offset)?)
    }

    /// Where the code is now that was linked to an offset from the base.
    pub(super) fn moved(&self, rva: u32) -> Option<u32> {
        self.from_source.as_ref().map_or(Some(rva), |omap| omap.map(rva))
    }

    pub(super) fn held(&self) -> usize {
        let pairs = |omap: &Option<Omap>| omap.as_ref().map_or(0, |omap| omap.0.capacity());
        pairs(&self.to_source).saturating_add(pairs(&self.from_source)).saturating_mul(8)
    }
}

/// Section headers, as they stand in the image.
fn sections(bytes: &[u8]) -> Vec<Section> {
    let header = |header: &[u8]| {
        let mut reader = Reader::at(header, 8);
        let virtual_size = reader.u32()?;
        let start = reader.u32()?;
        let len = virtual_size.max(reader.u32()?);
        reader.skip(16)?;
        let is_code = reader.u32()? & (IMAGE_SCN_CNT_CODE | IMAGE_SCN_MEM_EXECUTE) != 0;
        Some(Section { start, len, is_code })
    };
    bytes.chunks_exact(index(40)).map_while(header).collect()
}
