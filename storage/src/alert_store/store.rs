//! The alert store's file: its tables and the statements on them. Knows nothing of threads or callers.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use uuid::Uuid;

use super::{AlertStoreError, Turn, Uncopied};
use crate::questions::{IncidentEvent, NotificationRow};
use crate::signals::Marks;
use crate::sqlite::{Layout, Ledger};

pub(super) const STORE: &str = "the alert store";

pub(super) const LAYOUT: Layout = Layout {
    store: STORE,
    file: "alerts.db",
    lock: "alerts.lock",
    // "BsAl"
    application_id: 0x4273_416C,
    version: 1,
    // The checkpoint is megabytes, everything else a few hundred bytes.
    page_bytes: 8 * 1024,
    create: |transaction| {
        transaction.execute_batch(
            "CREATE TABLE checkpoint (
                 only  INTEGER PRIMARY KEY CHECK (only = 1),
                 marks TEXT    NOT NULL,
                 state BLOB    NOT NULL
             ) STRICT;
             CREATE TABLE cursors (
                 key   TEXT PRIMARY KEY,
                 value TEXT NOT NULL
             ) STRICT, WITHOUT ROWID;
             CREATE TABLE events (
                 number      INTEGER PRIMARY KEY,
                 incident_id BLOB    NOT NULL,
                 seq         INTEGER NOT NULL,
                 at_ms       INTEGER NOT NULL,
                 kind        TEXT    NOT NULL,
                 tenant      TEXT    NOT NULL,
                 driver      TEXT    NOT NULL,
                 detail      TEXT    NOT NULL,
                 copied      INTEGER NOT NULL DEFAULT 0,
                 UNIQUE (incident_id, seq)
             ) STRICT;
             CREATE TABLE notifications (
                 number          INTEGER PRIMARY KEY,
                 notification_id TEXT    NOT NULL UNIQUE,
                 incident_id     BLOB    NOT NULL,
                 target          TEXT    NOT NULL,
                 payload         TEXT    NOT NULL,
                 state           TEXT    NOT NULL,
                 attempts        INTEGER NOT NULL,
                 last_error      TEXT    NOT NULL,
                 created_at_ms   INTEGER NOT NULL,
                 updated_at_ms   INTEGER NOT NULL,
                 severity        TEXT    NOT NULL,
                 target_kind     TEXT    NOT NULL,
                 copied          INTEGER NOT NULL DEFAULT 0
             ) STRICT;
             CREATE INDEX events_uncopied ON events (number) WHERE copied = 0;
             CREATE INDEX notifications_uncopied ON notifications (number) WHERE copied = 0;
             CREATE INDEX notifications_pending ON notifications (created_at_ms, number) WHERE state = 'pending';",
        )
    },
};

/// People look at incidents of a month in ClickHouse; here they are only what has not got there.
const KEPT_MS: i64 = 30 * 86_400_000;

macro_rules! notification_columns {
    () => {
        "notification_id, incident_id, target, payload, state, attempts, last_error, created_at_ms, updated_at_ms,
            severity, target_kind"
    };
}

const INSERT_NOTIFICATION: &str = concat!(
    "INSERT INTO notifications (",
    notification_columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (notification_id) DO "
);

/// What is written.
pub(super) enum Work {
    Turn(Box<Turn>),
    Notification(Box<NotificationRow>),
    Copied { events: Vec<(Uuid, u32)>, notifications: Vec<(String, i64)> },
    Prune { now_ms: i64 },
}

/// Nothing of the file is kept in memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State;

/// Writes.
pub(super) struct Book;

impl Ledger for Book {
    type Work = Work;
    type State = State;
    type Error = AlertStoreError;

    const STORE: &'static str = STORE;

    fn weigh(work: &Work) -> usize {
        if let Work::Turn(turn) = work {
            turn.checkpoint.as_ref().map_or(0, |(state, _)| state.len())
        } else {
            0
        }
    }

    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        _: &mut State,
        work: &Work,
    ) -> rusqlite::Result<Result<(), AlertStoreError>> {
        match work {
            Work::Turn(turn) => write_turn(transaction, turn),
            Work::Notification(row) => put(transaction, row, Existing::Replaced).map(Ok),
            Work::Copied { events, notifications } => mark_copied(transaction, events, notifications).map(Ok),
            Work::Prune { now_ms } => prune(transaction, now_ms.saturating_sub(KEPT_MS)).map(Ok),
        }
    }

    fn finish(&mut self, _: &Transaction<'_>, _: &mut State) -> rusqlite::Result<()> {
        Ok(())
    }

    fn committed(&mut self, _: &State) {}
}

fn write_turn(transaction: &Transaction<'_>, turn: &Turn) -> rusqlite::Result<Result<(), AlertStoreError>> {
    if let Some((state, marks)) = &turn.checkpoint {
        // Numbers only: this cannot fail, and if it does, no other caller's write must.
        let marks = match serde_json::to_string(marks) {
            Ok(marks) => marks,
            Err(error) => return Ok(Err(AlertStoreError::unusable(STORE, "writing the positions", error))),
        };
        transaction
            .prepare_cached("INSERT OR REPLACE INTO checkpoint (only, marks, state) VALUES (1, ?1, ?2)")?
            .execute(params![marks, state])?;
    }
    for (key, value) in &turn.cursors {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO cursors (key, value) VALUES (?1, ?2)")?
            .execute(params![key, value])?;
    }
    for event in &turn.events {
        transaction
            .prepare_cached(
                "INSERT INTO events (incident_id, seq, at_ms, kind, tenant, driver, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (incident_id, seq) DO NOTHING",
            )?
            .execute(params![
                event.incident_id.as_bytes(),
                event.seq,
                event.at_ms,
                event.kind,
                event.tenant,
                event.driver,
                event.detail
            ])?;
    }
    for row in &turn.notifications {
        put(transaction, row, Existing::Kept)?;
    }
    Ok(Ok(()))
}

/// What becomes of a notification that is there already.
#[derive(Clone, Copy)]
enum Existing {
    Kept,
    Replaced,
}

fn put(transaction: &Transaction<'_>, row: &NotificationRow, existing: Existing) -> rusqlite::Result<()> {
    const KEEP: &str = "NOTHING";
    const REPLACE: &str = "UPDATE SET state = excluded.state, attempts = excluded.attempts,
        last_error = excluded.last_error, payload = excluded.payload, updated_at_ms = excluded.updated_at_ms, copied = 0
        WHERE excluded.updated_at_ms >= notifications.updated_at_ms";
    let otherwise = match existing {
        Existing::Kept => KEEP,
        Existing::Replaced => REPLACE,
    };
    transaction.prepare_cached(&[INSERT_NOTIFICATION, otherwise].concat())?.execute(params![
        row.notification_id,
        row.incident_id.as_bytes(),
        row.target,
        row.payload,
        row.state,
        row.attempts,
        row.last_error,
        row.created_at_ms,
        row.updated_at_ms,
        row.severity,
        row.target_kind
    ])?;
    Ok(())
}

fn mark_copied(
    transaction: &Transaction<'_>,
    events: &[(Uuid, u32)],
    notifications: &[(String, i64)],
) -> rusqlite::Result<()> {
    for (incident, seq) in events {
        transaction
            .prepare_cached("UPDATE events SET copied = 1 WHERE incident_id = ?1 AND seq = ?2")?
            .execute(params![incident.as_bytes(), seq])?;
    }
    for (id, updated_at_ms) in notifications {
        transaction
            .prepare_cached(
                "UPDATE notifications SET copied = 1 WHERE notification_id = ?1 AND updated_at_ms = ?2",
            )?
            .execute(params![id, updated_at_ms])?;
    }
    Ok(())
}

fn prune(transaction: &Transaction<'_>, before_ms: i64) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM events WHERE copied = 1 AND at_ms < ?1", [before_ms])?;
    transaction.execute(
        "DELETE FROM notifications WHERE copied = 1 AND state != 'pending' AND updated_at_ms < ?1",
        [before_ms],
    )?;
    Ok(())
}

pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<Option<(Vec<u8>, Marks)>> {
    let stored = connection.query_row("SELECT marks, state FROM checkpoint", [], |row| {
        let marks: String = row.get(0)?;
        let marks = serde_json::from_str(&marks).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
        })?;
        Ok((row.get(1)?, marks))
    });
    stored.optional()
}

pub(super) fn pending(connection: &Connection) -> rusqlite::Result<Vec<NotificationRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        notification_columns!(),
        " FROM notifications WHERE state = 'pending' ORDER BY created_at_ms, number"
    );
    connection.prepare_cached(SQL)?.query_map([], notification)?.collect()
}

pub(super) fn uncopied(connection: &Connection, limit: u32) -> rusqlite::Result<Uncopied> {
    const NOTIFICATIONS: &str = concat!(
        "SELECT ",
        notification_columns!(),
        " FROM notifications WHERE copied = 0 ORDER BY number LIMIT ?1"
    );
    let events = connection
        .prepare_cached(
            "SELECT incident_id, seq, at_ms, kind, tenant, driver, detail FROM events
             WHERE copied = 0 ORDER BY number LIMIT ?1",
        )?
        .query_map([limit], event)?
        .collect::<rusqlite::Result<_>>()?;
    let notifications = connection
        .prepare_cached(NOTIFICATIONS)?
        .query_map([limit], notification)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Uncopied { events, notifications })
}

pub(super) fn cursor(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT value FROM cursors WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

fn event(row: &Row<'_>) -> rusqlite::Result<IncidentEvent> {
    Ok(IncidentEvent {
        incident_id: Uuid::from_bytes(row.get(0)?),
        seq: row.get(1)?,
        at_ms: row.get(2)?,
        kind: row.get(3)?,
        tenant: row.get(4)?,
        driver: row.get(5)?,
        detail: row.get(6)?,
    })
}

fn notification(row: &Row<'_>) -> rusqlite::Result<NotificationRow> {
    Ok(NotificationRow {
        notification_id: row.get(0)?,
        incident_id: Uuid::from_bytes(row.get(1)?),
        target: row.get(2)?,
        payload: row.get(3)?,
        state: row.get(4)?,
        attempts: row.get(5)?,
        last_error: row.get(6)?,
        created_at_ms: row.get(7)?,
        updated_at_ms: row.get(8)?,
        severity: row.get(9)?,
        target_kind: row.get(10)?,
    })
}
