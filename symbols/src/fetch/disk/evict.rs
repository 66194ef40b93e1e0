//! Keeps the cache within its limit: what was used longest ago goes first. A file that is open elsewhere goes on being
//! readable there; only its name is gone.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::Disk;

/// A small file takes a block, and its name some more: failures, of which there are many, must count.
const LEAST_BYTES: u64 = 4 << 10;
/// A partial file this old is of no use: what it was begun for was analysed without it.
const STALE_PART: Duration = Duration::from_secs(24 * 60 * 60);
/// So much of the limit is free after an eviction, so that not every file causes one.
const FREE_PERCENT: u64 = 10;
/// The folder is walked again after this part of the limit was added: others may add, too.
const WALK_PERCENT: u64 = 5;

/// What is known of the use of the disk between two walks.
#[derive(Debug)]
pub(super) struct Usage {
    limit: u64,
    walked: AtomicU64,
    added: AtomicU64,
    walking: Mutex<()>,
}

impl Usage {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, walked: AtomicU64::new(0), added: AtomicU64::new(0), walking: Mutex::new(()) }
    }

    fn percent(&self, percent: u64) -> u64 {
        self.limit.checked_div(100).unwrap_or(0).saturating_mul(percent)
    }
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
    /// Whether it belongs to a download, and goes only with nobody at it.
    of_part: bool,
}

impl Disk {
    /// Counts a file that was written, and evicts when that was one too many.
    pub(super) fn added(&self, bytes: u64) {
        let bytes = bytes.max(LEAST_BYTES);
        let added = self.usage.added.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let total = self.usage.walked.load(Ordering::Relaxed).saturating_add(added);
        self.metrics.cache_bytes.set(i64::try_from(total).unwrap_or(i64::MAX));
        if total > self.usage.limit || added > self.usage.percent(WALK_PERCENT) {
            self.evict();
        }
    }

    /// Walks the cache, sweeps, and removes what is too much.
    pub(super) fn evict(&self) {
        let Ok(_alone) = self.usage.walking.try_lock().or_else(|error| match error {
            std::sync::TryLockError::Poisoned(poisoned) => Ok(PoisonError::into_inner(poisoned)),
            std::sync::TryLockError::WouldBlock => Err(()),
        }) else {
            return;
        };
        self.usage.added.store(0, Ordering::Relaxed);
        let mut entries = Vec::new();
        if let Err(error) = self.walk(&mut entries) {
            tracing::warn!(%error, folder = %self.root.display(), "cannot walk the symbol cache");
        }
        let mut total: u64 = entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.bytes));
        if total > self.usage.limit {
            let target = self.usage.limit.saturating_sub(self.usage.percent(FREE_PERCENT));
            entries.sort_by_key(|entry| entry.used);
            for entry in entries {
                if total <= target {
                    break;
                }
                if entry.remove() {
                    total = total.saturating_sub(entry.bytes);
                    self.metrics.cache_evictions.inc();
                    remove_empty(&entry.path);
                }
            }
        }
        self.usage.walked.store(total, Ordering::Relaxed);
        self.metrics.cache_bytes.set(i64::try_from(total).unwrap_or(i64::MAX));
    }

    fn walk(&self, entries: &mut Vec<Entry>) -> io::Result<()> {
        for name in folders(&self.root)? {
            for key in folders(&name)? {
                for file in listed(&key)? {
                    self.look_at(&file, entries);
                }
                remove_empty(&key.join("file"));
            }
        }
        Ok(())
    }

    fn look_at(&self, file: &fs::DirEntry, entries: &mut Vec<Entry>) {
        // Gone since it was listed: another process walks, too.
        let Ok(about) = file.metadata() else { return };
        let (path, used) = (file.path(), about.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        let age = used.elapsed().unwrap_or_default();
        let name = file.file_name();
        let name = name.to_string_lossy();
        let longest = self.ttls.not_found.max(self.ttls.unreachable).max(self.ttls.damaged);
        let (stale, of_part) = match name.strip_prefix('.').and_then(|rest| rest.rsplit_once('.')) {
            Some((_, "failed")) => (age > longest, false),
            Some(_) => (age > STALE_PART, true),
            None => (false, false),
        };
        let entry = Entry { path, used, bytes: about.len().max(LEAST_BYTES), of_part };
        if !(stale && entry.remove()) {
            entries.push(entry);
        }
    }
}

impl Entry {
    /// Whether it is gone. Evicting what is being downloaded would only make it be downloaded twice: whoever downloads has
    /// locked the partial file, which `.names.note` and `.names.unpacked` stand beside.
    fn remove(&self) -> bool {
        if !self.of_part {
            return remove_logged(&self.path);
        }
        // The lock is held until the file is gone: who gets it behind us finds that out, and makes a new one.
        match File::open(self.path.with_extension("part")).map(|part| (part.try_lock(), part)) {
            Ok((Ok(()), _part)) => remove_logged(&self.path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => remove_logged(&self.path),
            Ok((Err(_), _)) | Err(_) => false,
        }
    }
}

/// What stands in a folder; nothing where it went since it was listed: others remove empty ones.
fn listed(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.collect(),
    }
}

fn folders(of: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = listed(of)?.into_iter();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|entry| entry.path()).collect())
}

fn remove_logged(path: &Path) -> bool {
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "cannot remove from the symbol cache");
            false
        }
    }
}

/// Removes the two folders above a file, of its key and its name, where they are empty; that they mostly are not is no
/// failure.
pub(super) fn remove_empty(file: &Path) {
    for folder in file.ancestors().skip(1).take(2) {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}
