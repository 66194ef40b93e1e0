//! The cache on disk: files of sources, and what sources failed with. Several processes may share it: content appears by
//! renaming, and who holds the lock of a partial file is the one who downloads. Knows no source and no network; files of
//! tenants never come here.
//!
//! `v1/crash.pdb/3249d99d0c4049318610f4e4fb0b69361/` holds `crash.pdb` or `crash.sym`; `.names.part`, what is being
//! downloaded, and `.names.note`, where from; `.names.KEY_OF_SOURCE.failed`. Of an image: `.image.part` and so on. The
//! names of files never begin with a dot, so none of them can be taken for another.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::config::FailureTtls;
use super::failure::Failure;
use super::metrics::Metrics;
use crate::id::FileId;
use crate::set::Want;

mod evict;
mod part;

pub(crate) use part::{Part, Validator};

/// A failure's reason is for people: no server may fill the disk with it.
const FAILURE_BYTES: u64 = 1 << 10;
/// A file counts as used again after so many seconds: a write for each look would be more work than the look.
const TOUCH_SECONDS: u64 = 60;

/// The cache.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    ttls: FailureTtls,
    usage: evict::Usage,
    metrics: Metrics,
}

/// Where the files that answer one want are kept.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    folder: PathBuf,
    stem: &'static str,
    ids: Vec<FileId>,
}

/// A file of the cache.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: FileId,
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

impl Slot {
    /// The files that would answer, the better one first.
    pub(crate) fn ids(&self) -> &[FileId] {
        &self.ids
    }

    fn content(&self, id: &FileId) -> PathBuf {
        self.folder.join(id.file_name().to_ascii_lowercase())
    }

    fn part(&self) -> PathBuf {
        self.folder.join(format!(".{}.part", self.stem))
    }

    fn note(&self) -> PathBuf {
        self.folder.join(format!(".{}.note", self.stem))
    }

    fn unpacked(&self) -> PathBuf {
        self.folder.join(format!(".{}.unpacked", self.stem))
    }

    fn failed(&self, source: &str) -> PathBuf {
        self.folder.join(format!(".{}.{source}.failed", self.stem))
    }
}

/// The files that answer a want.
pub(crate) fn files_of(want: &Want) -> Vec<FileId> {
    match want {
        Want::Image(id) => vec![FileId::Image(id.clone())],
        Want::Names(id) => vec![FileId::Pdb(id.clone()), FileId::Sym(id.clone())],
    }
}

impl Disk {
    /// Opens the cache, which is created when missing, and counts what is there.
    pub(crate) fn open(dir: &Path, limit: u64, ttls: FailureTtls, metrics: Metrics) -> io::Result<Self> {
        let root = dir.join("v1");
        fs::create_dir_all(&root)?;
        let disk = Self { root, ttls, usage: evict::Usage::new(limit), metrics };
        disk.evict();
        Ok(disk)
    }

    /// Where the answers to a want are kept.
    pub(crate) fn slot(&self, want: &Want) -> Slot {
        let (stem, name, key) = match want {
            Want::Image(id) => ("image", id.name(), id.key()),
            Want::Names(id) => ("names", id.name(), id.key()),
        };
        let folder = self.root.join(name.to_ascii_lowercase()).join(key.to_ascii_lowercase());
        Slot { folder, stem, ids: files_of(want) }
    }

    /// A file that answers, if one is there.
    pub(crate) fn find(&self, slot: &Slot) -> io::Result<Option<Found>> {
        for id in slot.ids() {
            let path = slot.content(id);
            match File::open(&path) {
                Ok(file) => {
                    touch(&path);
                    return Ok(Some(Found { id: id.clone(), file, path }));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Removes a file that turned out to be of no use: a power cut may leave one of zeros.
    pub(crate) fn discard(&self, path: &Path) {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(%error, path = %path.display(), "cannot remove a damaged symbol file");
        }
    }

    /// What a source failed with lately.
    pub(crate) fn failure(&self, slot: &Slot, source: &str) -> Option<Failure> {
        let mut file = File::open(slot.failed(source)).ok()?;
        let written = file.metadata().and_then(|about| about.modified()).ok()?;
        let mut text = String::new();
        file.by_ref().take(FAILURE_BYTES).read_to_string(&mut text).ok()?;
        let failure = Failure::from_text(&text)?;
        // A file from the future (somebody set the clock) is believed for no longer than any other.
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        (age < failure.ttl(&self.ttls)?).then_some(failure)
    }

    /// Keeps what a source failed with.
    pub(crate) fn keep_failure(&self, slot: &Slot, source: &str, failure: &Failure) -> io::Result<()> {
        let Some(mut text) = failure.to_text() else { return Ok(()) };
        text.truncate(text.floor_char_boundary(usize::try_from(FAILURE_BYTES).unwrap_or(0)));
        in_folder(&slot.folder, || fs::write(slot.failed(source), &text))?;
        self.added(0);
        Ok(())
    }
}

/// Does something in a folder that may not be there yet, or is just being removed because it was empty.
fn in_folder<T>(folder: &Path, mut action: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut last = action();
    for _ in 0..3 {
        match &last {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                last = action();
            }
            _ => break,
        }
    }
    last
}

/// Notes that a file was used. Where that fails (another user's file) it is only evicted sooner.
fn touch(path: &Path) {
    let old = |at: SystemTime| at.elapsed().is_ok_and(|age| age.as_secs() >= TOUCH_SECONDS);
    let stale = fs::metadata(path).and_then(|about| about.modified()).is_ok_and(old);
    if stale
        && let Err(error) =
            File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()))
    {
        tracing::debug!(%error, path = %path.display(), "cannot note the use of a symbol file");
    }
}
