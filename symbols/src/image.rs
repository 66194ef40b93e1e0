//! A PE image: its identity, its sections, its exception table. Reads a file's layout and a loaded image's; never
//! believes an offset.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

mod headers;
mod mapped;

use bytes::Bytes;

use crate::id::PdbId;
pub(crate) use headers::{HEAD_BYTES, Headers};
use headers::{Section, Span};
use mapped::Pages;

/// Bytes of a page, on every machine that Windows runs on (pages of 8 and 64 KiB are made of these).
pub const PAGE_BYTES: usize = 4096;

/// What it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// x86.
    X86,
    /// x64.
    X64,
    /// ARM64.
    Arm64,
    /// Another `Machine` of the file header.
    Unknown(u16),
}

impl From<u16> for Machine {
    fn from(raw: u16) -> Self {
        match raw {
            0x014C => Self::X86,
            0x8664 => Self::X64,
            0xAA64 => Self::Arm64,
            other => Self::Unknown(other),
        }
    }
}

/// Why a file is not what it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Damaged {
    /// `image`, `PDB`, `.sym file`.
    pub what: &'static str,
    /// In words.
    pub why: String,
}

impl Damaged {
    pub(crate) fn new(what: &'static str, why: impl Into<String>) -> Self {
        Self { what, why: why.into() }
    }
}

#[derive(Debug)]
enum Layout {
    /// As it lies in a file.
    File(Bytes),
    /// As it lies in memory, by offset from its base.
    Mapped(Pages),
}

/// An image.
#[derive(Debug)]
pub struct Image {
    layout: Layout,
    headers: Headers,
    pdb: Option<PdbId>,
}

impl Image {
    /// Reads the headers of a file.
    ///
    /// # Errors
    /// [`Damaged`] where it is no PE image.
    pub fn parse(bytes: Bytes) -> Result<Self, Damaged> {
        let headers = Headers::parse(&bytes)?;
        Ok(Self::with_pdb(Layout::File(bytes), headers))
    }

    /// Reads an image as it lies in a dump's memory. `page` is asked once for each page, by its offset from the image's
    /// base; `None` where the dump does not hold it. What lies in no page is never answered for.
    ///
    /// # Errors
    /// [`Damaged`] where the first page is missing or is none of a PE image, or `size` is absurd.
    pub fn mapped(size: u32, page: impl FnMut(u32) -> Option<[u8; PAGE_BYTES]>) -> Result<Self, Damaged> {
        let pages = Pages::read(size, page)?;
        let headers = Headers::parse(pages.at(0).unwrap_or_default())?;
        Ok(Self::with_pdb(Layout::Mapped(pages), headers))
    }

    fn with_pdb(layout: Layout, headers: Headers) -> Self {
        let mut image = Self { layout, headers, pdb: None };
        image.pdb = headers::pdb(&image);
        image
    }

    /// What it runs on.
    pub fn machine(&self) -> Machine {
        self.headers.machine
    }

    /// `TimeDateStamp`.
    pub fn timestamp(&self) -> u32 {
        self.headers.timestamp
    }

    /// `SizeOfImage`.
    pub fn size(&self) -> u32 {
        self.headers.size
    }

    /// The PDB that its debug directory names.
    pub fn pdb(&self) -> Option<&PdbId> {
        self.pdb.as_ref()
    }

    /// What lies at an offset from its base, to the end of the section: in a file to the end of what the file holds of
    /// it, in memory to the next page that is missing.
    pub fn at(&self, rva: u32) -> Option<&[u8]> {
        let section = self.headers.section_at(rva);
        let found = match &self.layout {
            Layout::File(bytes) => self.headers.in_file(section, rva)?.of(bytes)?,
            Layout::Mapped(pages) => {
                let left = self.headers.left_in(section, rva)?;
                let there = pages.at(rva)?;
                there.get(..left).unwrap_or(there)
            }
        };
        (!found.is_empty()).then_some(found)
    }

    /// The exception directory (`.pdata`), cut to its stated size, and in memory at the first page that is missing.
    pub fn exception_table(&self) -> &[u8] {
        self.span(self.headers.exceptions).unwrap_or_default()
    }

    /// Whether the exception directory is all there: only then a function without an entry has none.
    pub fn has_whole_exception_table(&self) -> bool {
        let found = self.exception_table().len();
        found > 0 && found == crate::reader::index(self.headers.exceptions.len)
    }

    /// Whether code may stand at this offset: an executable section.
    pub fn is_code(&self, rva: u32) -> bool {
        self.headers.section_at(rva).is_some_and(Section::is_code)
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        match &self.layout {
            Layout::File(bytes) => bytes.len(),
            Layout::Mapped(pages) => pages.held(),
        }
    }

    /// What its export directory calls it: a driver that was renamed still says what it was linked as.
    pub(crate) fn exported_name(&self) -> Option<String> {
        headers::exported_name(self)
    }

    fn span(&self, span: Span) -> Option<&[u8]> {
        let bytes = self.at(span.start)?;
        Some(bytes.get(..crate::reader::index(span.len)).unwrap_or(bytes))
    }
}
