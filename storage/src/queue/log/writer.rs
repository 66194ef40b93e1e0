//! The log's writer thread: everything that waits goes into one transaction, and its one fsync answers them all.
//! Owns the counters; never reads messages for consumers.

use std::fs::File;

use bytes::Bytes;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};

use super::store::{self, Counters};
use crate::queue::{QueueError, now_ms};

/// Most commands of one transaction.
const BATCH_COMMANDS: usize = 512;
/// A transaction takes no more messages beyond this: the first caller must not wait for the hundredth megabyte.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Dead letters keep their dumps up to this part of `max_bytes`; beyond, the oldest keep header and reason only.
/// They must never fill the log, since nobody commits them away.
const DEAD_LETTER_PART: i64 = 10;

pub(super) type Reply = oneshot::Sender<Result<(), QueueError>>;

/// What a caller wants written.
#[derive(Debug)]
pub(super) enum Work {
    Append { meta: Vec<u8>, value: Bytes },
    Commit { position: i64 },
    DeadLetter { offset: i64, reason: String },
}

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Command {
    Write(Work, Reply),
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    connection: Connection,
    counters: Counters,
    max_bytes: i64,
    end: watch::Sender<i64>,
    _lock: File,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        counters: Counters,
        max_bytes: u64,
        end: watch::Sender<i64>,
        lock: File,
    ) -> Self {
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        Self { connection, counters, max_bytes, end, _lock: lock }
    }

    /// Works until closed or until the last handle is gone.
    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        let mut closing = None;
        while closing.is_none()
            && let Some(first) = waiting.blocking_recv()
        {
            let (batch, close) = gather(first, &mut waiting);
            if !batch.is_empty() {
                self.write(batch);
            }
            closing = close;
        }
        waiting.close();
        if let Err(error) = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
            tracing::warn!(%error, "the log's write-ahead log was not folded back, the next start does it");
        }
        // The connection and the lock first: whoever awaits the close may open the log again at once.
        drop(self);
        if let Some(reply) = closing
            && reply.send(()).is_err()
        {
            tracing::debug!("nobody waited for the log to close");
        }
    }

    fn write(&mut self, batch: Vec<(Work, Reply)>) {
        let mut counters = self.counters.clone();
        let written = self.transact(&batch, &mut counters);
        let answers = match written {
            Ok(answers) => {
                self.counters = counters;
                self.end.send_replace(self.counters.next);
                answers
            }
            Err(error) => {
                let error = store::error("writing to the log", error);
                tracing::error!(cause = ?error, calls = batch.len(), "the log was not written");
                vec![Err(error); batch.len()]
            }
        };
        for ((_, reply), answer) in batch.into_iter().zip(answers) {
            // A caller that went away was cancelled; what it appended stays, as after a lost acknowledgement.
            drop(reply.send(answer));
        }
    }

    /// One transaction and its answers; when it fails, nothing of it is there.
    fn transact(
        &mut self,
        batch: &[(Work, Reply)],
        counters: &mut Counters,
    ) -> rusqlite::Result<Vec<Result<(), QueueError>>> {
        let max_bytes = self.max_bytes;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(batch.len());
        for (work, _) in batch {
            answers.push(match work {
                Work::Append { meta, value } => append(&transaction, counters, max_bytes, meta, value)?,
                Work::Commit { position } => Ok(commit(&transaction, counters, *position)?),
                Work::DeadLetter { offset, reason } => {
                    Ok(dead_letter(&transaction, counters, max_bytes, *offset, reason)?)
                }
            });
        }
        store::write_counters(&transaction, counters)?;
        transaction.commit()?;
        Ok(answers)
    }
}

/// Takes what waits beside the first command, up to the limits of a transaction. A close ends the batch.
fn gather(
    first: Command,
    waiting: &mut mpsc::Receiver<Command>,
) -> (Vec<(Work, Reply)>, Option<oneshot::Sender<()>>) {
    let (mut batch, mut bytes, mut next) = (Vec::new(), 0usize, Some(first));
    while let Some(command) = next {
        match command {
            Command::Close(reply) => return (batch, Some(reply)),
            Command::Write(work, reply) => {
                if let Work::Append { value, .. } = &work {
                    bytes = bytes.saturating_add(value.len());
                }
                batch.push((work, reply));
            }
        }
        next =
            if batch.len() < BATCH_COMMANDS && bytes < BATCH_BYTES { waiting.try_recv().ok() } else { None };
    }
    (batch, None)
}

fn append(
    transaction: &rusqlite::Transaction<'_>,
    counters: &mut Counters,
    max_bytes: i64,
    meta: &[u8],
    value: &[u8],
) -> rusqlite::Result<Result<(), QueueError>> {
    let bytes = i64::try_from(meta.len().saturating_add(value.len())).unwrap_or(i64::MAX);
    let held = counters.live_bytes.saturating_add(bytes);
    if held > max_bytes {
        return Ok(Err(QueueError::Full { max_bytes: max_bytes.unsigned_abs() }));
    }
    store::insert(transaction, counters.next, bytes, meta, value)?;
    counters.next = counters.next.saturating_add(1);
    counters.live_bytes = held;
    Ok(Ok(()))
}

fn commit(
    transaction: &rusqlite::Transaction<'_>,
    counters: &mut Counters,
    position: i64,
) -> rusqlite::Result<()> {
    // Never backwards, and never past what was accepted.
    let position = position.min(counters.next);
    if position > counters.position {
        let freed = store::delete_below(transaction, position)?;
        counters.live_bytes = counters.live_bytes.saturating_sub(freed);
        counters.position = position;
    }
    Ok(())
}

fn dead_letter(
    transaction: &rusqlite::Transaction<'_>,
    counters: &mut Counters,
    max_bytes: i64,
    offset: i64,
    reason: &str,
) -> rusqlite::Result<()> {
    let Some(bytes) = store::insert_dead_letter(transaction, offset, reason, now_ms())? else {
        return Ok(());
    };
    counters.dead_lettered = counters.dead_lettered.saturating_add(1);
    counters.dead_bytes = counters.dead_bytes.saturating_add(bytes);
    while counters.dead_bytes > max_bytes / DEAD_LETTER_PART {
        let Some(freed) = store::drop_oldest_dead_value(transaction)? else { break };
        counters.dead_bytes = counters.dead_bytes.saturating_sub(freed);
    }
    Ok(())
}
