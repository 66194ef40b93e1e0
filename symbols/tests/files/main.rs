//! Files: images, PDBs, `.sym` files and archives, made here and taken from the samples.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as tests do")]

mod frames;
mod hostile;
mod identify;
mod image;
mod names;
mod pdb;
mod pe;
mod samples;
mod walker;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

/// A file with these bytes, which is at its end.
fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file
}
