//! What the log's writer does in each transaction. Owns the counters; never reads messages for consumers.

use bytes::Bytes;
use rusqlite::Transaction;
use tokio::sync::watch;

use super::STORE;
use super::store::{self, Counters};
use crate::queue::{QueueError, now_ms};
use crate::sqlite::Ledger;

/// Dead letters keep their dumps up to this part of `max_bytes`; beyond, the oldest keep header and reason only.
/// They must never fill the log, since nobody commits them away.
const DEAD_LETTER_PART: i64 = 10;

/// What a caller wants written.
#[derive(Debug)]
pub(super) enum Work {
    Append { meta: Vec<u8>, value: Bytes },
    Commit { position: i64 },
    DeadLetter { offset: i64, reason: String },
}

/// The log's tables and its limit.
pub(super) struct Book {
    max_bytes: i64,
    end: watch::Sender<i64>,
}

impl Book {
    pub(super) fn new(max_bytes: u64, end: watch::Sender<i64>) -> Self {
        Self { max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX), end }
    }
}

impl Ledger for Book {
    type Work = Work;
    type State = Counters;
    type Error = QueueError;

    const STORE: &'static str = STORE;

    fn weigh(work: &Work) -> usize {
        if let Work::Append { value, .. } = work { value.len() } else { 0 }
    }

    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        counters: &mut Counters,
        work: &Work,
    ) -> rusqlite::Result<Result<(), QueueError>> {
        match work {
            Work::Append { meta, value } => append(transaction, counters, self.max_bytes, meta, value),
            Work::Commit { position } => commit(transaction, counters, *position).map(Ok),
            Work::DeadLetter { offset, reason } => {
                dead_letter(transaction, counters, self.max_bytes, *offset, reason).map(Ok)
            }
        }
    }

    fn finish(&mut self, transaction: &Transaction<'_>, counters: &mut Counters) -> rusqlite::Result<()> {
        store::write_counters(transaction, counters)
    }

    fn committed(&mut self, counters: &Counters) {
        self.end.send_replace(counters.next);
    }
}

fn append(
    transaction: &Transaction<'_>,
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

fn commit(transaction: &Transaction<'_>, counters: &mut Counters, position: i64) -> rusqlite::Result<()> {
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
    transaction: &Transaction<'_>,
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
