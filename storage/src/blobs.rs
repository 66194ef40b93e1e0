//! Dumps too large for the queue, the few dumps kept for people, and the bytes of symbol files. Owns keys and their
//! durability in the object store; never looks inside a file, and never makes a key of anything but a crash id: those of
//! symbol files are made and checked by `symbols`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::{NamedTempFile, TempPath};
use uuid::Uuid;

mod kept;

pub use kept::Inflated;

/// Where temporary files stand inside the store: in the same file system, so that finishing one is a rename.
const TEMP_FOLDER: &str = "tmp";
/// A temporary file this old belongs to a process that died: no upload takes a day.
const STALE_TEMP: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// A new key for an upload too large for the queue. Each call gives another one: two uploads of one crash are two
/// messages, and the first to be analysed must not take the other's bytes away.
pub fn spool_key(crash_id: Uuid) -> String {
    format!("spool/{crash_id}/{}", Uuid::new_v4())
}

/// The key under which the dump of a crash is kept for people.
pub fn kept_key(crash_id: Uuid) -> String {
    format!("kept/{crash_id}")
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Nothing is stored under the key.
    #[error("no blob {key}")]
    NotFound {
        /// The key.
        key: String,
    },
    /// More is stored under the key than the caller is ready to hold.
    #[error("blob {key} has {bytes} bytes, more than the {limit} asked for")]
    TooLarge {
        /// The key.
        key: String,
        /// How much is there.
        bytes: u64,
        /// The caller's limit.
        limit: u64,
    },
    /// Not a key that this module makes.
    #[error("not a blob key: {key:?}")]
    BadKey {
        /// What was given.
        key: String,
    },
    /// The object store failed.
    #[error("the blob store failed while {doing} {key}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// With which blob.
        key: String,
        /// What the store said.
        #[source]
        source: object_store::Error,
    },
    /// The file system failed.
    #[error("the blob store failed while {doing} {path:?}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl BlobError {
    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Store { .. } | Self::File { .. })
    }

    /// Whether nothing is stored under the key.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// A handle on the blob store; clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<LocalFileSystem>,
    temp: Arc<Path>,
}

impl Blobs {
    /// Opens the store in a folder, which is created when missing. Several processes may share it.
    pub fn open(dir: &Path) -> Result<Self, BlobError> {
        let temp = dir.join(TEMP_FOLDER);
        std::fs::create_dir_all(&temp).map_err(|source| BlobError::File {
            doing: "creating",
            path: temp.clone(),
            source,
        })?;
        let store = LocalFileSystem::new_with_prefix(dir)
            .map_err(|source| store_error("opening", &dir.to_string_lossy(), source))?
            // Off by default: without it a 2xx would promise bytes that a power cut takes away.
            .with_fsync(true)
            .with_automatic_cleanup(true);
        remove_stale(&temp);
        Ok(Self { store: Arc::new(store), temp: temp.into() })
    }

    /// A new temporary file in the store's own file system, for [`Self::put_file`]. It goes away when dropped.
    pub fn temp_file(&self) -> Result<NamedTempFile, BlobError> {
        NamedTempFile::new_in(&self.temp).map_err(|source| BlobError::File {
            doing: "creating a temporary file in",
            path: self.temp.to_path_buf(),
            source,
        })
    }

    /// Makes a finished temporary file the blob of `key`: durable, file and folder, when `Ok`.
    pub async fn put_file(&self, key: &str, temp: TempPath) -> Result<(), BlobError> {
        let key = check_key(key)?;
        let path = temp.to_path_buf();
        let synced = path.clone();
        tokio::task::spawn_blocking(move || {
            // Temporary files are their owner's alone; the analyzer may run as another user of the same group.
            std::fs::set_permissions(&synced, Permissions::from_mode(0o640))?;
            std::fs::File::open(&synced)?.sync_all()
        })
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|source| BlobError::File { doing: "syncing", path: path.clone(), source })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let from = Key::from(TEMP_FOLDER).join(name.as_ref());
        self.store
            .rename(&from, &key)
            .await
            .map_err(|source| store_error("storing", key.as_ref(), source))?;
        // The file is no longer there under its temporary name: there is nothing left for the guard to delete.
        temp.keep().map_err(|error| BlobError::File { doing: "keeping", path, source: error.error })?;
        Ok(())
    }

    /// Stores bytes: durable, file and folder, when `Ok`. An older blob of the key is replaced at once or not at all.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        let key = check_key(key)?;
        self.store
            .put(&key, bytes.into())
            .await
            .map_err(|source| store_error("storing", key.as_ref(), source))?;
        Ok(())
    }

    /// The bytes of a blob, if they are at most `limit`.
    pub async fn get(&self, key: &str, limit: u64) -> Result<Bytes, BlobError> {
        let key = check_key(key)?;
        let found =
            self.store.get(&key).await.map_err(|source| store_error("reading", key.as_ref(), source))?;
        if found.meta.size > limit {
            return Err(BlobError::TooLarge { key: key.to_string(), bytes: found.meta.size, limit });
        }
        found.bytes().await.map_err(|source| store_error("reading", key.as_ref(), source))
    }

    /// Deletes a blob; fine when it is gone already.
    pub async fn delete(&self, key: &str) -> Result<(), BlobError> {
        let key = check_key(key)?;
        match self.store.delete(&key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(store_error("deleting", key.as_ref(), source)),
        }
    }

    /// How many bytes the store holds, temporary files left out.
    pub async fn size(&self) -> Result<u64, BlobError> {
        let mut objects = self.store.list(None);
        let mut total = 0u64;
        while let Some(object) = objects.next().await {
            let object = object.map_err(|source| store_error("listing", "", source))?;
            if object.location.prefix_matches(&Key::from(TEMP_FOLDER)) {
                continue;
            }
            total = total.saturating_add(object.size);
        }
        Ok(total)
    }
}

/// A key travels through the queue, where others may have written: only what this module makes gets to the store.
fn check_key(key: &str) -> Result<Key, BlobError> {
    let parts: Vec<&str> = key.split('/').collect();
    let is_id = |part: &str| Uuid::parse_str(part).is_ok_and(|id| id.hyphenated().to_string() == part);
    let ours = match parts.as_slice() {
        ["spool", crash, upload] => is_id(crash) && is_id(upload),
        ["kept", crash] => is_id(crash),
        ["symbols", tenant, name, key, file_name] => crate::symbols::is_key(tenant, name, key, file_name),
        _ => false,
    };
    if !ours {
        return Err(BlobError::BadKey { key: key.chars().take(200).collect() });
    }
    Key::parse(key).map_err(|_not_a_path| BlobError::BadKey { key: key.to_owned() })
}

fn store_error(doing: &'static str, key: &str, source: object_store::Error) -> BlobError {
    match source {
        object_store::Error::NotFound { .. } => BlobError::NotFound { key: key.to_owned() },
        source => BlobError::Store { doing, key: key.to_owned(), source },
    }
}

/// Removes what a killed process left. Best effort: another process may be doing the same.
fn remove_stale(temp: &Path) {
    let Ok(entries) = std::fs::read_dir(temp) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > STALE_TEMP)
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "stale temporary file not removed");
        }
    }
}
