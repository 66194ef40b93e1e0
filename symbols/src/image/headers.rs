//! The headers of a PE image, the same in a file and in memory. Owns what is believed of them: nothing that lies outside
//! of the image, and no section that begins before the one in front of it ends.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use super::{Damaged, Image, Machine};
use crate::id::PdbId;
use crate::reader::{Reader, index};

/// Room for a DOS program in front of them, and for as many sections as are taken.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// The specification says that the loader takes 96.
const MAX_SECTIONS: u16 = 256;

/// There are some twenty kinds of entries.
const MAX_DEBUG_ENTRIES: usize = 32;

const MAX_EXPORTED_NAME: usize = 256;

const IMAGE_SCN_CNT_CODE: u32 = 0x20;
const IMAGE_SCN_MEM_EXECUTE: u32 = 0x2000_0000;
const IMAGE_DEBUG_TYPE_CODEVIEW: u32 = 2;
const IMAGE_DIRECTORY_ENTRY_EXCEPTION: usize = 3;
const IMAGE_DIRECTORY_ENTRY_DEBUG: usize = 6;

/// Part of an image or of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let rest = bytes.get(index(self.start)..)?;
        Some(rest.get(..index(self.len)).unwrap_or(rest))
    }

    fn offset_of(&self, rva: u32) -> Option<u32> {
        rva.checked_sub(self.start).filter(|offset| *offset < self.len)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// Where it lies in memory.
    memory: Span,
    /// Where its bytes lie in the file.
    file: Span,
    characteristics: u32,
}

impl Section {
    pub(super) fn is_code(&self) -> bool {
        self.characteristics & (IMAGE_SCN_CNT_CODE | IMAGE_SCN_MEM_EXECUTE) != 0
    }
}

/// What the headers say.
#[derive(Debug)]
pub(crate) struct Headers {
    pub(super) machine: Machine,
    pub(crate) timestamp: u32,
    pub(crate) size: u32,
    /// `SizeOfHeaders`, cut at the first section.
    headers: Span,
    sections: Vec<Section>,
    pub(super) exceptions: Span,
    debug: Span,
    exports: Span,
}

fn damaged(why: &str) -> Damaged {
    Damaged::new("image", why)
}

impl Headers {
    /// From the first bytes of a file, or the first page of an image in memory.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, Damaged> {
        if !head.starts_with(b"MZ") {
            return Err(damaged("does not begin with MZ"));
        }
        let cut = || damaged("cut short in its headers");
        let start = Reader::at(head, 0x3C).u32().ok_or_else(cut)?;
        let mut reader = Reader::at(head, index(start));
        if reader.take(4).ok_or_else(cut)? != b"PE\0\0" {
            return Err(damaged("begins with MZ and has no PE header"));
        }
        let (machine, count, timestamp, optional) = file_header(&mut reader).ok_or_else(cut)?;
        if count > MAX_SECTIONS {
            return Err(Damaged::new("image", format!("{count} sections, more than {MAX_SECTIONS}")));
        }
        let optional = reader.take(usize::from(optional)).ok_or_else(cut)?;
        let mut headers = optional_header(optional).ok_or_else(|| damaged("its optional header is none"))?;
        headers.machine = machine.into();
        headers.timestamp = timestamp;
        headers.read_sections(&mut reader, count).ok_or_else(cut)?;
        headers.check()?;
        Ok(headers)
    }

    fn read_sections(&mut self, reader: &mut Reader<'_>, count: u16) -> Option<()> {
        for _ in 0..count {
            self.sections.push(section(reader)?);
        }
        Some(())
    }

    /// Refuses what the loader refuses: sections out of order, one in another, one outside of the image.
    fn check(&mut self) -> Result<(), Damaged> {
        let mut end = 0_u32;
        for (number, section) in self.sections.iter().enumerate() {
            if section.memory.start < end {
                return Err(Damaged::new("image", format!("section {number} begins inside of another")));
            }
            end = section.memory.start.saturating_add(section.memory.len);
            if end > self.size {
                return Err(Damaged::new("image", format!("section {number} ends outside of the image")));
            }
        }
        let first = self.sections.first().map_or(self.size, |section| section.memory.start);
        self.headers.len = self.headers.len.min(first);
        Ok(())
    }

    /// Where the last of what the sections have in the file ends. A section that begins at 0 has nothing there, whatever
    /// size it states: some linkers write data that is all zeros so.
    pub(crate) fn file_end(&self) -> u64 {
        let files =
            self.sections.iter().map(|section| section.file).filter(|file| file.start > 0 && file.len > 0);
        files.map(|file| u64::from(file.start).saturating_add(file.len.into())).max().unwrap_or(0)
    }

    pub(super) fn section_at(&self, rva: u32) -> Option<&Section> {
        let after = self.sections.partition_point(|section| section.memory.start <= rva);
        let section = self.sections.get(after.checked_sub(1)?)?;
        section.memory.offset_of(rva).is_some().then_some(section)
    }

    /// What the file holds from an offset on, of a section or of the headers.
    pub(super) fn in_file(&self, section: Option<&Section>, rva: u32) -> Option<Span> {
        let (memory, file) = match section {
            Some(section) => (section.memory, section.file),
            None => (self.headers, self.headers),
        };
        let offset = memory.offset_of(rva)?;
        let len = memory.len.min(file.len).checked_sub(offset).filter(|len| *len > 0)?;
        Some(Span { start: file.start.checked_add(offset)?, len })
    }

    /// Bytes from an offset to the end of its section, or of the headers.
    pub(super) fn left_in(&self, section: Option<&Section>, rva: u32) -> Option<usize> {
        let memory = section.map_or(self.headers, |section| section.memory);
        Some(index(memory.len.checked_sub(memory.offset_of(rva)?)?))
    }
}

/// `Machine`, `NumberOfSections`, `TimeDateStamp`, `SizeOfOptionalHeader`.
fn file_header(reader: &mut Reader<'_>) -> Option<(u16, u16, u32, u16)> {
    let machine = reader.u16()?;
    let sections = reader.u16()?;
    let timestamp = reader.u32()?;
    reader.skip(8)?;
    let optional = reader.u16()?;
    reader.skip(2)?;
    Some((machine, sections, timestamp, optional))
}

fn optional_header(bytes: &[u8]) -> Option<Headers> {
    let directories = match Reader::new(bytes).u16()? {
        0x10B => 96,
        0x20B => 112,
        _ => return None,
    };
    let mut sizes = Reader::at(bytes, 56);
    let size = sizes.u32()?;
    let headers = Span { start: 0, len: sizes.u32()? };
    let mut reader = Reader::at(bytes, directories);
    let mut directory = || Some(Span { start: reader.u32()?, len: reader.u32()? });
    let mut spans = [Span::default(); 16];
    spans.iter_mut().for_each(|span| *span = directory().unwrap_or_default());
    Some(Headers {
        machine: Machine::Unknown(0),
        timestamp: 0,
        size,
        headers,
        sections: Vec::new(),
        exceptions: spans.get(IMAGE_DIRECTORY_ENTRY_EXCEPTION).copied().unwrap_or_default(),
        debug: spans.get(IMAGE_DIRECTORY_ENTRY_DEBUG).copied().unwrap_or_default(),
        exports: spans.first().copied().unwrap_or_default(),
    })
}

fn section(reader: &mut Reader<'_>) -> Option<Section> {
    reader.skip(8)?;
    let virtual_size = reader.u32()?;
    let start = reader.u32()?;
    let file_len = reader.u32()?;
    let file_start = reader.u32()?;
    reader.skip(12)?;
    let characteristics = reader.u32()?;
    // Some old linkers leave `VirtualSize` empty; the loader then takes the size in the file.
    let len = if virtual_size == 0 { file_len } else { virtual_size };
    Some(Section {
        memory: Span { start, len },
        file: Span { start: file_start, len: file_len },
        characteristics,
    })
}

/// The PDB that the `CodeView` entry of the debug directory names.
pub(super) fn pdb(image: &Image) -> Option<PdbId> {
    let mut entries = Reader::new(image.span(image.headers.debug)?);
    for _ in 0..MAX_DEBUG_ENTRIES {
        entries.skip(12)?;
        let kind = entries.u32()?;
        let len = entries.u32()?;
        let start = entries.u32()?;
        entries.skip(4)?;
        if kind == IMAGE_DEBUG_TYPE_CODEVIEW
            && let Some(id) = image.span(Span { start, len }).and_then(codeview)
        {
            return Some(id);
        }
    }
    None
}

fn codeview(bytes: &[u8]) -> Option<PdbId> {
    let mut reader = Reader::new(bytes);
    if reader.take(4)? != b"RSDS" {
        return None;
    }
    let guid = reader.guid()?;
    let age = reader.u32()?;
    PdbId::new(std::str::from_utf8(reader.name()).ok()?, guid, age)
}

pub(super) fn exported_name(image: &Image) -> Option<String> {
    let directory = image.span(image.headers.exports)?;
    let name = image.at(Reader::at(directory, 12).u32()?)?;
    let name = Reader::new(name.get(..MAX_EXPORTED_NAME).unwrap_or(name)).name();
    std::str::from_utf8(name).ok().filter(|name| !name.is_empty()).map(str::to_owned)
}
