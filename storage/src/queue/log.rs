//! The embedded log: a queue with one partition in one SQLite file. Owns the file, its lock and the order of
//! appends; never talks to a network.
//!
//! One writer thread takes everything that waits into one transaction, so concurrent appends share one fsync. A
//! second connection reads. Offsets are dense from 0: the next offset is the count of accepted messages and the
//! committed position the count of committed ones, which is why both survive a restart exactly.

mod consumer;
mod store;
mod writer;

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{Semaphore, watch};

use super::{DeadLetter, LogConfig, Position, QueueError, QueueState};
use crate::message::Message;
use crate::sqlite::{self, Group, Reader, to_u64};
pub(super) use consumer::LogConsumer;
use writer::{Book, Work};

/// What the log is called where its machinery speaks of it.
const STORE: &str = "the queue";
/// The largest value taken. SQLite stops at 1 GB; ingest sends larger dumps through the blob store at 900 KiB, so
/// anything near this is a mistake of the caller.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// The embedded log; clones share it.
#[derive(Debug, Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    group: Group<Book>,
    reader: Reader,
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
        let opened = store::LAYOUT.open(&config.dir)?;
        let counters = store::counters(&opened.writer)
            .map_err(|error| sqlite::error(STORE, "reading the log's counters", error))?;
        let (end_sender, end) = watch::channel(counters.next);
        let id = format!("log:{}", counters.id);
        let book = Book::new(config.max_bytes, end_sender);
        let group = Group::start("queue-log", opened.writer, opened.lock, book, counters)?;
        let inner = Inner { id, group, reader: opened.reader, end, turn: Arc::new(Semaphore::new(1)) };
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
            let (bytes, limit) = (to_u64(bytes), to_u64(MAX_MESSAGE_BYTES));
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

    pub(super) async fn dead_message(&self, position: Position) -> Result<Option<Message>, QueueError> {
        self.read("reading a dead letter", move |connection| store::dead_message(connection, position.offset))
            .await
    }

    pub(super) async fn close(self) {
        self.inner.group.close().await;
    }

    /// Hands work to the writer thread and waits for its transaction.
    async fn write(&self, work: Work) -> Result<(), QueueError> {
        self.inner.group.write(work).await
    }

    /// Runs a read off the async threads.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.inner.group.check_open()?;
        Ok(self.inner.reader.read(doing, work).await?)
    }
}
