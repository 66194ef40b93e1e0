//! What is in an upload: blocking, on a file of any length. A PDB, the only symbol file that is often huge, is read where
//! it lies; what does not begin like a symbol file is not read at all; all else is looked into in memory.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;
use symbols::FileId;
use symbols::identify::{UnpackLimits, Unpacked, unpack};
use symbols::names::Pdb;

const PDB: &[u8] = b"Microsoft C/C++ MSF 7.00\r\n";
/// Images, `.sym` files, zips, cabinets.
const OTHERS: [&[u8]; 5] = [b"MZ", b"MODULE ", b"PK\x03\x04", b"PK\x05\x06", b"MSCF"];
/// Enough to tell them apart.
const HEAD_BYTES: u64 = 64;

/// What an upload came to.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) files: Vec<(FileId, Content)>,
    /// Name, and why it is of no use.
    pub(super) refused: Vec<(String, String)>,
}

/// Where a file's bytes are.
#[derive(Debug)]
pub(super) enum Content {
    /// It is the upload itself, which has this many.
    Upload(u64),
    /// Out of an archive.
    Member(Bytes),
}

/// Looks into an upload.
pub(super) fn look(name: &str, path: &Path, limits: &UnpackLimits) -> io::Result<Looked> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes)?;
    if bytes.starts_with(PDB) {
        return Ok(pdb(name, file, len));
    }
    if OTHERS.iter().any(|beginning| bytes.starts_with(beginning)) {
        file.read_to_end(&mut bytes)?;
    }
    let whole = Bytes::from(bytes);
    let Unpacked { files, refused } = unpack(name, whole.clone(), limits);
    let files = files.into_iter().map(|file| {
        let is_upload = std::ptr::eq(file.bytes.as_ptr(), whole.as_ptr()) && file.bytes.len() == whole.len();
        (file.id, if is_upload { Content::Upload(len) } else { Content::Member(file.bytes) })
    });
    Ok(Looked { files: files.collect(), refused })
}

/// Opens it as the analysis would: one that it cannot read is of no use.
fn pdb(name: &str, file: File, len: u64) -> Looked {
    match Pdb::open(file, name) {
        Ok(pdb) => {
            let id = FileId::Pdb(pdb.id().clone());
            Looked { files: vec![(id, Content::Upload(len))], refused: Vec::new() }
        }
        Err(error) => Looked { files: Vec::new(), refused: vec![(name.to_owned(), error.to_string())] },
    }
}
