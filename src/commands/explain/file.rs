//! Dumps on disk: a file that is read by ranges, so that the size of a memory dump does not matter; a pipe whole. Knows no
//! format.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use analyzer::Source;
use anyhow::Context as _;

/// What a path leads to.
pub(super) enum Opened {
    /// A file.
    File(FileSource),
    /// A pipe or a device, read to its end.
    Bytes(Vec<u8>),
}

/// A file, read where it is asked.
pub(super) struct FileSource {
    file: File,
    size: u64,
}

/// Opens what may be a dump. Of a pipe no more than `most` bytes are read, and one by which it is seen to be longer.
pub(super) fn open(path: &Path, most: u64) -> anyhow::Result<Opened> {
    let cannot_read = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let kind = file.metadata().with_context(cannot_read)?;
    if kind.is_file() {
        return Ok(Opened::File(FileSource { file, size: kind.len() }));
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).with_context(cannot_read)?;
    Ok(Opened::Bytes(bytes))
}

impl Source for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        use std::os::windows::fs::FileExt as _;

        while !buffer.is_empty() {
            match self.file.seek_read(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    let (_, rest) = std::mem::take(&mut buffer)
                        .split_at_mut_checked(read)
                        .ok_or(io::ErrorKind::InvalidData)?;
                    buffer = rest;
                    offset = offset.saturating_add(u64::try_from(read).map_err(io::Error::other)?);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
