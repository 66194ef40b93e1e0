//! The embedded stream's file: its tables, the statements on them, and what is dropped. Knows nothing of threads,
//! callers or what a value holds.

use rusqlite::{Connection, Transaction, params};
use tokio::sync::watch;

use crate::queue::{BatchLimits, now_ms};
use crate::signals::{STORE, SignalsError};
use crate::sqlite::{Layout, Ledger, to_u64};

pub(super) const LAYOUT: Layout = Layout {
    store: STORE,
    file: "signals.sqlite",
    lock: "lock",
    // "BsSg"
    application_id: 0x4273_5367,
    version: 1,
    // Most values take 1 to 30 KiB.
    page_bytes: 8 * 1024,
    create: |transaction| {
        transaction.execute_batch(
            "CREATE TABLE stream (
                 only  INTEGER PRIMARY KEY CHECK (only = 1),
                 next  INTEGER NOT NULL,
                 bytes INTEGER NOT NULL,
                 at_ms INTEGER NOT NULL
             ) STRICT;
             CREATE TABLE signals (
                 offset INTEGER PRIMARY KEY,
                 at_ms  INTEGER NOT NULL,
                 value  BLOB    NOT NULL
             ) STRICT;
             INSERT INTO stream VALUES (1, 0, 0, 0);",
        )
    },
};

/// What a transaction drops at most: a log that has grown old at once is emptied by several, none of which is long.
const MOST_DROPPED: usize = 2_000;

/// How far a clock may be set back before it is believed.
const MOST_HELD_MS: i64 = 3_600_000;

/// The one row of `stream`.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// The next offset to be given away.
    pub(super) next: i64,
    /// Bytes of the values that are kept.
    bytes: i64,
    /// When the newest was appended.
    at_ms: i64,
}

/// One stored value.
pub(super) struct Record {
    pub(super) offset: i64,
    pub(super) at_ms: i64,
    pub(super) value: Vec<u8>,
}

pub(super) fn state(connection: &Connection) -> rusqlite::Result<State> {
    connection.query_row("SELECT next, bytes, at_ms FROM stream", [], |row| {
        Ok(State { next: row.get(0)?, bytes: row.get(1)?, at_ms: row.get(2)? })
    })
}

/// Offset of the oldest value; the next one where there is none.
pub(super) fn oldest(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce((SELECT min(offset) FROM signals), next) FROM stream", [], |row| {
        row.get(0)
    })
}

/// The values from `from` on, as many as the limits allow.
pub(super) fn read(connection: &Connection, from: i64, limits: BatchLimits) -> rusqlite::Result<Vec<Record>> {
    let mut statement = connection
        .prepare_cached("SELECT offset, at_ms, value FROM signals WHERE offset >= ?1 ORDER BY offset")?;
    let mut rows = statement.query([from])?;
    let (mut records, mut bytes) = (Vec::new(), 0usize);
    while records.len() < limits.messages.max(1)
        && let Some(row) = rows.next()?
    {
        let value = row.get_ref(2)?.as_blob()?;
        bytes = bytes.saturating_add(value.len());
        if bytes > limits.bytes && !records.is_empty() {
            break;
        }
        records.push(Record { offset: row.get(0)?, at_ms: row.get(1)?, value: value.to_vec() });
    }
    Ok(records)
}

/// Appends and drops.
pub(super) struct Book {
    keep_bytes: i64,
    keep_ms: i64,
    end: watch::Sender<i64>,
}

impl Book {
    pub(super) fn new(keep_bytes: u64, keep_ms: i64, end: watch::Sender<i64>) -> Self {
        Self { keep_bytes: i64::try_from(keep_bytes).unwrap_or(i64::MAX), keep_ms, end }
    }
}

impl Ledger for Book {
    type Work = Vec<Vec<u8>>;
    type State = State;
    type Error = SignalsError;

    const STORE: &'static str = STORE;

    fn weigh(work: &Self::Work) -> usize {
        work.iter().map(Vec::len).sum()
    }

    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        state: &mut State,
        work: &Self::Work,
    ) -> rusqlite::Result<Result<(), SignalsError>> {
        let mut insert =
            transaction.prepare_cached("INSERT INTO signals (offset, at_ms, value) VALUES (?1, ?2, ?3)")?;
        state.at_ms = stamp(state.at_ms, now_ms());
        for value in work {
            insert.execute(params![state.next, state.at_ms, value])?;
            state.next = state.next.saturating_add(1);
            state.bytes = state.bytes.saturating_add(length(value));
        }
        Ok(Ok(()))
    }

    fn finish(&mut self, transaction: &Transaction<'_>, state: &mut State) -> rusqlite::Result<()> {
        drop_old(transaction, state, self.keep_bytes, state.at_ms.saturating_sub(self.keep_ms))?;
        transaction
            .prepare_cached("UPDATE stream SET next = ?1, bytes = ?2, at_ms = ?3")?
            .execute(params![state.next, state.bytes, state.at_ms])?;
        Ok(())
    }

    fn committed(&mut self, state: &State) {
        self.end.send_replace(state.next);
    }
}

/// The time of what is appended now. A clock that is set back a little must not make the detector's ticks run backwards;
/// one that is set back by more was wrong before, and holding on to that would stop the time for good.
fn stamp(newest_ms: i64, now_ms: i64) -> i64 {
    if newest_ms.saturating_sub(now_ms) > MOST_HELD_MS { now_ms } else { newest_ms.max(now_ms) }
}

/// Drops from the front what is too old or too much. Costs one look at the oldest row where there is nothing to drop.
fn drop_old(
    transaction: &Transaction<'_>,
    state: &mut State,
    keep_bytes: i64,
    before_ms: i64,
) -> rusqlite::Result<()> {
    let mut below = None;
    let mut kept = state.bytes;
    {
        let mut oldest =
            transaction.prepare_cached("SELECT offset, at_ms, length(value) FROM signals ORDER BY offset")?;
        let mut rows = oldest.query([])?;
        for _ in 0..MOST_DROPPED {
            let Some(row) = rows.next()? else { break };
            if row.get::<_, i64>(1)? >= before_ms && kept <= keep_bytes {
                break;
            }
            kept = kept.saturating_sub(row.get(2)?);
            below = Some(row.get::<_, i64>(0)?);
        }
    }
    if let Some(last) = below {
        transaction.prepare_cached("DELETE FROM signals WHERE offset <= ?1")?.execute([last])?;
        state.bytes = kept;
    }
    Ok(())
}

fn length(value: &[u8]) -> i64 {
    i64::try_from(to_u64(value.len())).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_backwards_unless_it_was_wrong_before() {
        for (newest, now, stamped) in
            [(0, 5, 5), (5_000, 4_000, 5_000), (3_600_000, 0, 3_600_000), (3_600_001, 0, 0), (i64::MAX, 7, 7)]
        {
            assert_eq!(stamp(newest, now), stamped, "{newest} {now}");
        }
    }
}
