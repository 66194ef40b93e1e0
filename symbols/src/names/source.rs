//! Where the bytes of a PDB come from: a file, of which only what is asked for is read, or memory. Never seeks: several
//! may read at once.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use crate::reader::index;

#[derive(Debug)]
pub(crate) enum Source<'a> {
    File(File),
    Borrowed(&'a File),
    Memory(Bytes),
}

impl Source<'_> {
    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Borrowed(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        }
    }

    pub(super) fn read_exact_at(&self, to: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(to, offset),
            Self::Borrowed(file) => file.read_exact_at(to, offset),
            Self::Memory(bytes) => {
                let start = index(u32::try_from(offset).unwrap_or(u32::MAX));
                let there = bytes.get(start..).and_then(|rest| rest.get(..to.len()));
                to.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}
