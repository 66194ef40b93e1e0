//! The log's SQLite file: its tables and the statements on them. Owns the layout on disk; knows nothing of threads,
//! callers or commits.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::STORE;
use crate::message::{Content, Malformed, Message, Meta};
use crate::queue::{BatchLimits, DeadLetter, Delivery, Position};
use crate::sqlite::Layout;

const TABLES: &str = "
    CREATE TABLE log (
        only          INTEGER PRIMARY KEY CHECK (only = 1),
        id            TEXT    NOT NULL,
        next          INTEGER NOT NULL,
        position      INTEGER NOT NULL,
        live_bytes    INTEGER NOT NULL,
        dead_lettered INTEGER NOT NULL,
        dead_bytes    INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        offset INTEGER PRIMARY KEY,
        bytes  INTEGER NOT NULL,
        meta   BLOB    NOT NULL,
        value  BLOB    NOT NULL
    ) STRICT;
    CREATE TABLE dead_letters (
        offset INTEGER PRIMARY KEY,
        at_ms  INTEGER NOT NULL,
        reason TEXT    NOT NULL,
        meta   BLOB    NOT NULL,
        value  BLOB
    ) STRICT;
";

/// The one row of `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counters {
    /// Random identity of this log.
    pub(super) id: String,
    /// The next offset to be given away.
    pub(super) next: i64,
    /// Everything below is committed.
    pub(super) position: i64,
    /// Bytes of the messages that wait.
    pub(super) live_bytes: i64,
    /// Dead letters ever.
    pub(super) dead_lettered: i64,
    /// Bytes of dead letters whose value is still kept.
    pub(super) dead_bytes: i64,
}

/// The file.
pub(super) const LAYOUT: Layout = Layout {
    store: STORE,
    file: "queue.sqlite",
    lock: "lock",
    // "BsLg"
    application_id: 0x4273_4C67,
    version: 1,
    // Dumps take tens to hundreds of KiB: with pages of 16 KiB one has a dozen overflow pages and not a hundred, and a
    // commit that only moves the position still writes little.
    page_bytes: 16 * 1024,
    create: |transaction| {
        transaction.execute_batch(TABLES)?;
        let id = Uuid::new_v4().to_string();
        transaction.execute("INSERT INTO log VALUES (1, ?1, 0, 0, 0, 0, 0)", params![id])?;
        Ok(())
    },
};

pub(super) fn counters(connection: &Connection) -> rusqlite::Result<Counters> {
    connection
        .prepare_cached("SELECT id, next, position, live_bytes, dead_lettered, dead_bytes FROM log")?
        .query_row([], |row| {
            Ok(Counters {
                id: row.get(0)?,
                next: row.get(1)?,
                position: row.get(2)?,
                live_bytes: row.get(3)?,
                dead_lettered: row.get(4)?,
                dead_bytes: row.get(5)?,
            })
        })
}

pub(super) fn write_counters(transaction: &Transaction<'_>, counters: &Counters) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE log SET next = ?1, position = ?2, live_bytes = ?3, dead_lettered = ?4, dead_bytes = ?5",
        )?
        .execute(params![
            counters.next,
            counters.position,
            counters.live_bytes,
            counters.dead_lettered,
            counters.dead_bytes
        ])?;
    Ok(())
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    offset: i64,
    bytes: i64,
    meta: &[u8],
    value: &[u8],
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO messages (offset, bytes, meta, value) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![offset, bytes, meta, value])?;
    Ok(())
}

/// Deletes every message below `position`; returns the bytes that this frees. Their pages are used again.
pub(super) fn delete_below(transaction: &Transaction<'_>, position: i64) -> rusqlite::Result<i64> {
    let freed: i64 = transaction
        .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM messages WHERE offset < ?1")?
        .query_row([position], |row| row.get(0))?;
    transaction.prepare_cached("DELETE FROM messages WHERE offset < ?1")?.execute([position])?;
    Ok(freed)
}

/// Copies a message among the dead letters; `false` when it is there already. The message may be gone only when it
/// was committed before, which is the caller's mistake and counts as there.
pub(super) fn insert_dead_letter(
    transaction: &Transaction<'_>,
    offset: i64,
    reason: &str,
    at_ms: i64,
) -> rusqlite::Result<Option<i64>> {
    let inserted = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO dead_letters (offset, at_ms, reason, meta, value)
             SELECT offset, ?2, ?3, meta, value FROM messages WHERE offset = ?1",
        )?
        .execute(params![offset, at_ms, reason])?;
    if inserted == 0 {
        return Ok(None);
    }
    transaction
        .prepare_cached("SELECT length(value) FROM dead_letters WHERE offset = ?1")?
        .query_row([offset], |row| row.get(0))
        .map(Some)
}

/// Forgets the dump of the oldest dead letter that still has one; returns its bytes. Header and reason stay.
pub(super) fn drop_oldest_dead_value(transaction: &Transaction<'_>) -> rusqlite::Result<Option<i64>> {
    let oldest: Option<(i64, i64)> = transaction
        .prepare_cached(
            "SELECT offset, length(value) FROM dead_letters WHERE value IS NOT NULL ORDER BY offset LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((offset, bytes)) = oldest else { return Ok(None) };
    transaction
        .prepare_cached("UPDATE dead_letters SET value = NULL WHERE offset = ?1")?
        .execute([offset])?;
    Ok(Some(bytes))
}

/// The messages from `from` on, as many as the limits allow.
pub(super) fn read_batch(
    connection: &Connection,
    from: i64,
    limits: BatchLimits,
) -> rusqlite::Result<Vec<Delivery>> {
    let mut statement = connection
        .prepare_cached("SELECT offset, meta, value FROM messages WHERE offset >= ?1 ORDER BY offset")?;
    let mut rows = statement.query([from])?;
    let (mut batch, mut bytes) = (Vec::new(), 0usize);
    while batch.len() < limits.messages.max(1)
        && let Some(row) = rows.next()?
    {
        let value = row.get_ref(2)?.as_blob()?;
        bytes = bytes.saturating_add(value.len());
        if bytes > limits.bytes && !batch.is_empty() {
            break;
        }
        let message = Meta::from_json(row.get_ref(1)?.as_blob()?)
            .and_then(|meta| message(meta, Bytes::copy_from_slice(value)));
        batch.push(Delivery { position: Position { partition: 0, offset: row.get(0)? }, message });
    }
    Ok(batch)
}

fn message(meta: Meta, value: Bytes) -> Result<Message, Malformed> {
    if matches!(meta.content, Content::Inline) && value.is_empty() {
        return Err(Malformed {
            reason: "the header promises a dump in the message, which is empty".to_owned(),
        });
    }
    Ok(Message { meta, value })
}

pub(super) fn dead_letters(connection: &Connection, newest: usize) -> rusqlite::Result<Vec<DeadLetter>> {
    let limit = i64::try_from(newest).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT offset, at_ms, reason, meta FROM dead_letters ORDER BY offset DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([limit], |row| {
        Ok(DeadLetter {
            position: Position { partition: 0, offset: row.get(0)? },
            at_ms: row.get(1)?,
            reason: row.get(2)?,
            meta: Meta::from_json(row.get_ref(3)?.as_blob()?).ok(),
        })
    })?;
    rows.collect()
}

pub(super) fn dead_message(connection: &Connection, offset: i64) -> rusqlite::Result<Option<Message>> {
    let kept = connection
        .prepare_cached("SELECT meta, value FROM dead_letters WHERE offset = ?1 AND value IS NOT NULL")?
        .query_row([offset], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    // A header that cannot be read is why some of them are here.
    Ok(kept.and_then(|(meta, value)| message(Meta::from_json(&meta).ok()?, Bytes::from(value)).ok()))
}
