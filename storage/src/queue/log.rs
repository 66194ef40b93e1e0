//! The embedded log: a queue with one partition in one SQLite file. Owns the file, its lock and the order of
//! appends; never talks to a network.
//!
//! One writer thread takes everything that waits into one transaction, so concurrent appends share one fsync. A
//! second connection reads. Offsets are dense from 0: the next offset is the count of accepted messages and the
//! committed position the count of committed ones, which is why both survive a restart exactly.

mod consumer;
mod store;
mod writer;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{DeadLetter, LogConfig, QueueError, QueueState};
use crate::message::Message;
pub(super) use consumer::LogConsumer;
use writer::{Command, Work};

/// The largest value taken. SQLite stops at 1 GB; ingest sends larger dumps through the blob store at 900 KiB, so
/// anything near this is a mistake of the caller.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// How many calls may wait for the writer thread: more than fit into one transaction, so that the next one is
/// already there when the first is synced.
const WAITING_CALLS: usize = 1024;
/// How long opening waits for a process that is still letting go of the log.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The embedded log; clones share it.
#[derive(Debug, Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    commands: mpsc::Sender<Command>,
    reader: Arc<Mutex<Connection>>,
    /// The next offset to be given away, once durable.
    end: watch::Receiver<i64>,
    /// One partition: one consumer at a time, the others wait for it.
    turn: Arc<Semaphore>,
}

impl Log {
    pub(super) async fn open(config: &LogConfig) -> Result<Self, QueueError> {
        let config = config.clone();
        tokio::task::spawn_blocking(move || Self::open_blocking(&config))
            .await
            .map_err(|error| QueueError::unavailable("opening the log", error))?
    }

    fn open_blocking(config: &LogConfig) -> Result<Self, QueueError> {
        std::fs::create_dir_all(&config.dir)
            .map_err(|error| QueueError::unavailable("creating the log's folder", error))?;
        let lock = lock(&config.dir)?;
        let (writer, reader) = store::open(&config.dir)?;
        let counters =
            store::counters(&writer).map_err(|error| store::error("reading the log's counters", error))?;
        let (commands, waiting) = mpsc::channel(WAITING_CALLS);
        let (end_sender, end) = watch::channel(counters.next);
        let id = format!("log:{}", counters.id);
        let work = writer::Writer::new(writer, counters, config.max_bytes, end_sender, lock);
        std::thread::Builder::new()
            .name("queue-log".to_owned())
            .spawn(move || work.run(waiting))
            .map_err(|error| QueueError::unavailable("starting the log's writer", error))?;
        let inner = Inner {
            id,
            commands,
            reader: Arc::new(Mutex::new(reader)),
            end,
            turn: Arc::new(Semaphore::new(1)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(super) fn id(&self) -> &str {
        &self.inner.id
    }

    pub(super) async fn append(&self, message: Message) -> Result<(), QueueError> {
        let meta = message
            .meta
            .to_json()
            .map_err(|error| QueueError::unusable("writing the message's header", error))?;
        let bytes = meta.len().saturating_add(message.value.len());
        if bytes > MAX_MESSAGE_BYTES {
            let (bytes, limit) = (store::to_u64(bytes), store::to_u64(MAX_MESSAGE_BYTES));
            return Err(QueueError::TooLarge { bytes, limit });
        }
        self.write(Work::Append { meta, value: message.value }).await
    }

    pub(super) async fn consumer(&self) -> Result<LogConsumer, QueueError> {
        Ok(LogConsumer::new(self.clone()))
    }

    pub(super) async fn state(&self) -> Result<QueueState, QueueError> {
        let counters = self.read("reading the log's counters", store::counters).await?;
        Ok(QueueState {
            accepted: counters.next.unsigned_abs(),
            committed: counters.position.unsigned_abs(),
            dead_lettered: counters.dead_lettered.unsigned_abs(),
        })
    }

    pub(super) async fn dead_letters(&self, newest: usize) -> Result<Vec<DeadLetter>, QueueError> {
        self.read("reading the dead letters", move |connection| store::dead_letters(connection, newest)).await
    }

    pub(super) async fn close(self) {
        let (reply, done) = oneshot::channel();
        if self.inner.commands.send(Command::Close(reply)).await.is_ok() {
            // An error here is the writer having ended by itself: closed all the same.
            drop(done.await);
        }
    }

    /// Hands work to the writer thread and waits for its transaction.
    async fn write(&self, work: Work) -> Result<(), QueueError> {
        let (reply, done) = oneshot::channel();
        self.inner
            .commands
            .send(Command::Write(work, reply))
            .await
            .map_err(|_writer_ended| QueueError::Closed)?;
        done.await.map_err(|_writer_ended| QueueError::Closed)?
    }

    /// Runs a read off the async threads.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        if self.inner.commands.is_closed() {
            return Err(QueueError::Closed);
        }
        let reader = Arc::clone(&self.inner.reader);
        tokio::task::spawn_blocking(move || {
            // A panic in a read leaves no half-done state in a connection that only reads.
            let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection)
        })
        .await
        .map_err(|error| QueueError::unavailable(doing, error))?
        .map_err(|error| store::error(doing, error))
    }
}

/// Two writers would give the same offset to two messages: one process at a time.
fn lock(dir: &Path) -> Result<File, QueueError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("lock"))
        .map_err(|error| QueueError::unavailable("opening the log's lock file", error))?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                let reason = format!("{} is in use by another process", dir.display());
                return Err(QueueError::unusable("locking the log", reason));
            }
            Err(TryLockError::Error(error)) => {
                return Err(QueueError::unavailable("locking the log", error));
            }
        }
    }
}
