//! What our SQLite files have in common: their settings, telling a file of ours from another, the lock that keeps a
//! second process away, reads off the async threads, and which failures may pass. Knows no table.

mod group;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction};

pub(crate) use self::group::{Group, Ledger};
use crate::store_error::StoreError;

/// How long opening waits for a process that is still letting go of the file.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// The write-ahead log is folded back when it holds this much: a few of the largest transactions.
const CHECKPOINT_BYTES: i32 = 32 * 1024 * 1024;
/// What the write-ahead log is cut back to after a burst.
const WAL_KEPT_BYTES: i64 = 64 * 1024 * 1024;

/// One of our files.
pub(crate) struct Layout {
    /// What it is called in errors.
    pub(crate) store: &'static str,
    /// Its name in the folder.
    pub(crate) file: &'static str,
    /// The name of the lock beside it.
    pub(crate) lock: &'static str,
    /// Tells the file apart from any other SQLite file.
    pub(crate) application_id: i32,
    /// Version of the tables below. A later one migrates from here.
    pub(crate) version: i32,
    /// Size of a page, with its reason where it is set.
    pub(crate) page_bytes: i32,
    /// Makes the tables.
    pub(crate) create: fn(&Transaction<'_>) -> rusqlite::Result<()>,
}

/// An open file: the lock on it, the writer's connection and the readers' one.
pub(crate) struct Opened {
    pub(crate) lock: File,
    pub(crate) writer: Connection,
    pub(crate) reader: Reader,
}

impl Layout {
    /// Opens the file, creating it and its folder when missing.
    pub(crate) fn open(&self, dir: &Path) -> Result<Opened, StoreError> {
        std::fs::create_dir_all(dir)
            .map_err(|error| StoreError::unavailable(self.store, "creating the folder", error))?;
        let lock = self.lock(dir)?;
        let path = dir.join(self.file);
        let open_both = || {
            let writer = Connection::open(&path)?;
            self.prepare(&writer)?;
            let reader = Connection::open(&path)?;
            reader.pragma_update(None, "query_only", true)?;
            Ok((writer, reader))
        };
        let (writer, reader) =
            open_both().map_err(|failure| error(self.store, "opening the file", failure))?;
        let (application, version) =
            identity(&writer).map_err(|failure| error(self.store, "reading the file's layout", failure))?;
        if (application, version) != (self.application_id, self.version) {
            let reason = format!("{} has layout {application:#x}/{version}, not ours", path.display());
            return Err(StoreError::unusable(self.store, "opening the file", reason));
        }
        // The file's own entry in the folder has to be durable too.
        File::open(dir)
            .and_then(|folder| folder.sync_all())
            .map_err(|failure| StoreError::unavailable(self.store, "syncing the folder", failure))?;
        let reader = Reader { store: self.store, connection: Arc::new(Mutex::new(reader)) };
        Ok(Opened { lock, writer, reader })
    }

    fn prepare(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.pragma_update(None, "page_size", self.page_bytes)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: in WAL mode each commit is one fsync of the write-ahead log, and what was answered survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_BYTES / self.page_bytes.max(1))?;
        connection.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)?;
        if identity(connection)? != (0, 0) {
            return Ok(());
        }
        let transaction = connection.unchecked_transaction()?;
        (self.create)(&transaction)?;
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.version)?;
        transaction.commit()
    }

    /// Two writers would give the same number to two records: one process at a time.
    fn lock(&self, dir: &Path) -> Result<File, StoreError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(self.lock))
            .map_err(|error| StoreError::unavailable(self.store, "opening the lock file", error))?;
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    let reason = format!("{} is in use by another process", dir.join(self.file).display());
                    return Err(StoreError::unusable(self.store, "locking the file", reason));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::unavailable(self.store, "locking the file", error));
                }
            }
        }
    }
}

fn identity(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    Ok((pragma("application_id")?, pragma("user_version")?))
}

/// The connection that reads; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    store: &'static str,
    connection: Arc<Mutex<Connection>>,
}

impl Reader {
    /// Runs a read off the async threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let read = tokio::task::spawn_blocking(move || {
            // A panic in a read leaves no half-done state in a connection that only reads.
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection)
        });
        read.await
            .map_err(|error| StoreError::unavailable(self.store, doing, error))?
            .map_err(|failure| error(self.store, doing, failure))
    }
}

/// A full or failing disk may recover; a damaged file does not.
pub(crate) fn error(store: &'static str, doing: &'static str, source: rusqlite::Error) -> StoreError {
    use rusqlite::Error;
    match source.sqlite_error_code() {
        None if matches!(source, Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..)) => {
            StoreError::unusable(store, doing, source)
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::unusable(store, doing, source)
        }
        _ => StoreError::unavailable(store, doing, source),
    }
}

pub(crate) fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
