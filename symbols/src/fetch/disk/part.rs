//! A file that is being downloaded. Its lock says who downloads: whoever has it is alone with the slot, in all processes.
//! It outlives a failed attempt, with a note of where it came from, so that the next one goes on behind its end.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::evict::remove_empty;
use super::{Disk, Slot, in_folder};
use crate::id::FileId;

/// Longest tag of a version that is kept; real ones are below 100 bytes.
const VALIDATOR_BYTES: usize = 512;

/// What tells whether a file at a server is still the one that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Validator {
    /// A strong `ETag`.
    Tag(String),
    /// `Last-Modified`.
    Date(String),
}

impl Validator {
    /// As `If-Range` wants it.
    pub(crate) fn header(&self) -> &str {
        match self {
            Self::Tag(text) | Self::Date(text) => text,
        }
    }

    fn to_line(&self) -> String {
        match self {
            Self::Tag(text) => format!("tag {text}"),
            Self::Date(text) => format!("date {text}"),
        }
    }

    fn from_line(line: &str) -> Option<Self> {
        match line.split_once(' ')? {
            ("tag", text) => Some(Self::Tag(text.to_owned())),
            ("date", text) => Some(Self::Date(text.to_owned())),
            _ => None,
        }
    }
}

/// The partial file of a slot, locked.
#[derive(Debug)]
pub(crate) struct Part {
    slot: Slot,
    path: PathBuf,
    file: File,
}

impl Disk {
    /// The slot's partial file; `None` while another one downloads.
    pub(crate) fn lock(&self, slot: &Slot) -> io::Result<Option<Part>> {
        let path = slot.part();
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        // The holder before us may have renamed or removed the file that we just opened: then we hold the lock of
        // something else, and open again.
        for _ in 0..5 {
            let file = in_folder(&slot.folder, || options.open(&path))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path)? => {
                    return Ok(Some(Part { slot: slot.clone(), path, file }));
                }
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Makes a finished file the slot's content.
    pub(crate) fn publish(&self, part: Part, finished: &Path, id: &FileId) -> io::Result<PathBuf> {
        let content = part.slot.content(id);
        let file = File::open(finished)?;
        // Without it a power cut would leave a file of the right length, full of zeros.
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        fs::rename(finished, &content)?;
        if finished != part.path {
            remove(&part.path)?;
        }
        remove(&part.slot.note())?;
        drop(part);
        self.added(bytes);
        Ok(content)
    }
}

impl Part {
    /// The file itself, for writing.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Where it stands.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where its content is unpacked to.
    pub(crate) fn unpacked(&self) -> PathBuf {
        self.slot.unpacked()
    }

    /// How much is there of the file at `place`, and of which version of it.
    pub(crate) fn resume(&self, place: &str) -> io::Result<Option<(u64, Validator)>> {
        let bytes = self.file.metadata()?.len();
        let note = match fs::read_to_string(self.slot.note()) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut lines = note.lines();
        let same = lines.next() == Some(place);
        let validator = lines.next().and_then(Validator::from_line);
        // The last byte is asked for again: a range that begins at the end is an error at servers, not an empty answer.
        let from = bytes.saturating_sub(1);
        Ok(validator.filter(|_| same && from > 0).map(|validator| (from, validator)))
    }

    /// Begins with an empty file, which will be that of `place`.
    pub(crate) fn begin(&mut self, place: &str, validator: Option<&Validator>) -> io::Result<()> {
        self.clear()?;
        match validator {
            Some(validator) if validator.header().len() <= VALIDATOR_BYTES => {
                let mut note = File::create(self.slot.note())?;
                writeln!(note, "{place}\n{}", validator.to_line())
            }
            _ => Ok(()),
        }
    }

    /// Makes the file end at `bytes`, and goes there.
    pub(crate) fn seek_end(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.file.seek(SeekFrom::Start(bytes)).map(|_at| ())
    }

    /// Forgets what is there.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        remove(&self.slot.note())?;
        remove(&self.slot.unpacked())?;
        self.seek_end(0)
    }

    /// Gives the slot up. What can be resumed stays; the rest goes.
    pub(crate) fn give_up(self) -> io::Result<()> {
        let bytes = self.file.metadata()?.len();
        remove(&self.slot.unpacked())?;
        if bytes > 0 && self.slot.note().try_exists()? {
            return Ok(());
        }
        remove(&self.slot.note())?;
        remove(&self.path)?;
        remove_empty(&self.path);
        Ok(())
    }
}

/// Whether this very file stands at a path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
