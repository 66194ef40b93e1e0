//! The embedded stream: one partition in one SQLite file, pruned by age and size. Owns the file and the order of
//! appends; never talks to a network.

mod store;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::store::Book;
use super::{BatchLimits, Marks, Received, STORE, SignalsError, wire};
use crate::sqlite::{Group, Reader};

/// The one partition.
const PARTITION: i32 = 0;

/// The embedded stream; clones share it.
#[derive(Debug, Clone)]
pub struct SignalLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    group: Group<Book>,
    reader: Reader,
    /// The next offset to be given away, once durable.
    end: watch::Receiver<i64>,
}

impl SignalLog {
    pub(super) async fn open(dir: PathBuf, keep_bytes: u64, keep_ms: i64) -> Result<Self, SignalsError> {
        let doing = "opening the file";
        let open = move || {
            let opened = store::LAYOUT.open(&dir)?;
            let state =
                store::state(&opened.writer).map_err(|error| crate::sqlite::error(STORE, doing, error))?;
            let (end_sender, end) = watch::channel(state.next);
            let book = Book::new(keep_bytes, keep_ms, end_sender);
            let group = Group::start("signals-log", opened.writer, opened.lock, book, state)?;
            Ok(Self { inner: Arc::new(Inner { group, reader: opened.reader, end }) })
        };
        tokio::task::spawn_blocking(open)
            .await
            .map_err(|error| SignalsError::unavailable(STORE, doing, error))?
    }

    pub(super) async fn append(&self, values: Vec<Vec<u8>>) -> Result<(), SignalsError> {
        self.inner.group.write(values).await
    }

    pub(super) async fn reader(&self, from: &Marks) -> Result<LogReader, SignalsError> {
        self.inner.group.check_open()?;
        let oldest = self.inner.reader.read("looking for the oldest signal", store::oldest).await?;
        let end = *self.inner.end.borrow();
        let from = from.0.get(&PARTITION).copied();
        let next = from.unwrap_or(oldest).max(oldest);
        if let Some(from) = from.filter(|from| *from < oldest) {
            tracing::warn!(
                missed = oldest.saturating_sub(from),
                "signals were dropped before they were read"
            );
        }
        // A position of another log: that one is gone, and so is what it stood for.
        let next = if next > end {
            tracing::warn!(
                position = next,
                end,
                "the position lies behind the end of the signals: reading all of them"
            );
            oldest
        } else {
            next
        };
        Ok(LogReader { log: self.clone(), next })
    }

    pub(super) async fn close(self) {
        self.inner.group.close().await;
    }
}

/// A reader of the embedded stream.
#[derive(Debug)]
pub struct LogReader {
    log: SignalLog,
    next: i64,
}

impl LogReader {
    pub(super) async fn next(&mut self, limits: BatchLimits) -> Result<Vec<Received>, SignalsError> {
        let inner = &self.log.inner;
        inner.group.check_open()?;
        let from = self.next;
        let mut end = inner.end.clone();
        match timeout_at(Instant::now() + limits.wait, end.wait_for(|end| *end > from)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_writer_ended)) => return Err(SignalsError::Closed { store: STORE }),
            Err(_elapsed) => return Ok(Vec::new()),
        }
        let records = inner
            .reader
            .read("reading the signals", move |connection| store::read(connection, from, limits))
            .await?;
        // Only here, without an await behind it: a call dropped earlier has read nothing.
        if let Some(last) = records.last() {
            self.next = last.offset.saturating_add(1);
        }
        let received = records.into_iter().map(|record| Received {
            at_ms: record.at_ms,
            mark: (PARTITION, record.offset.saturating_add(1)),
            signal: wire::decode(&record.value),
        });
        Ok(received.collect())
    }

    pub(super) fn marks(&self) -> Marks {
        Marks([(PARTITION, self.next)].into())
    }

    pub(super) async fn lag(&self) -> Result<u64, SignalsError> {
        self.log.inner.group.check_open()?;
        let end = *self.log.inner.end.borrow();
        Ok(end.saturating_sub(self.next).max(0).unsigned_abs())
    }
}
