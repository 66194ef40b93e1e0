//! Whether a file is the one that was asked for. Reads what identifies it, and no more.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::id::{FileId, ImageId, PdbId};
use crate::image::{Damaged, HEAD_BYTES, Headers};
use crate::module::sym;
use crate::names::{self, Msf, Source};

/// Whether a file is the one that was asked for: servers, proxies and people put wrong files under right names. Leaves the
/// file's position alone.
///
/// # Errors
/// [`Damaged`] where it is not, or cannot be read.
pub fn check(id: &FileId, file: &File) -> Result<(), Damaged> {
    match id {
        FileId::Image(id) => image(id, file),
        FileId::Pdb(id) => pdb(id, file),
        FileId::Sym(id) => sym(id, file),
    }
}

/// The first bytes of a file, fewer where it has fewer.
fn head(file: &File, len: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; len];
    let mut read = 0;
    while let Some(rest) = head.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, u64::try_from(read).unwrap_or(u64::MAX))? {
            0 => break,
            more => read = read.saturating_add(more),
        }
    }
    head.truncate(read);
    Ok(head)
}

fn head_of(what: &'static str, file: &File, len: usize) -> Result<Vec<u8>, Damaged> {
    head(file, len).map_err(|error| Damaged::new(what, format!("cannot be read: {error}")))
}

fn image(id: &ImageId, file: &File) -> Result<(), Damaged> {
    let headers = Headers::parse(&head_of("image", file, HEAD_BYTES)?)?;
    if (headers.timestamp, headers.size) != (id.timestamp(), id.size()) {
        let why = format!("is {:08X}{:x}, not {}", headers.timestamp, headers.size, id.key());
        return Err(Damaged::new("image", why));
    }
    let about = file.metadata();
    let about = about.map_err(|error| Damaged::new("image", format!("cannot be read: {error}")))?;
    whole(&headers, about.len())
}

/// A download that was cut short has the right headers, and code of which the end is missing.
pub(super) fn whole(headers: &Headers, len: u64) -> Result<(), Damaged> {
    let end = headers.file_end();
    if len < end {
        return Err(Damaged::new("image", format!("cut short: {len} bytes, and its sections end at {end}")));
    }
    Ok(())
}

/// The age may be higher than the image asks for: tools that add to a PDB (source indexing) raise it. A lower one is of a
/// build before: an incremental link keeps the GUID, raises the age, and moves functions.
fn pdb(id: &PdbId, file: &File) -> Result<(), Damaged> {
    let found = names::identity(&Msf::open(Source::Borrowed(file))?)?;
    if found.guid == id.guid() && found.age.max(found.written) >= id.age() {
        return Ok(());
    }
    Err(Damaged::new("PDB", format!("is {:X}{:x}, not {}", found.guid.simple(), found.age, id.key())))
}

fn sym(id: &PdbId, file: &File) -> Result<(), Damaged> {
    let found = sym::id(&head_of(".sym file", file, sym::HEAD_BYTES)?)?;
    if found.guid() == id.guid() && found.age() >= id.age() {
        return Ok(());
    }
    Err(Damaged::new(".sym file", format!("is of {}, not {}", found.key(), id.key())))
}
