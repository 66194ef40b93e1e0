//! What the alerts role must not lose: the detector's state with the positions that it covers, what happened to
//! incidents, and the outbox. One SQLite file, so that all of it becomes durable together; one process at a time.
//! Never decides anything and never sends anything.
//!
//! This is what makes a page come exactly once: the state that knows an incident, the event and the notifications are
//! one transaction, and whatever a replay makes again has the same ids, which are not written twice.

mod store;

use std::path::Path;

use uuid::Uuid;

use self::store::{Book, LAYOUT, STORE, Work};
use crate::questions::{IncidentEvent, NotificationRow};
use crate::queue::now_ms;
use crate::signals::Marks;
use crate::sqlite::{Group, Reader};
use crate::store_error::StoreError;

/// Why the store did not do what it was asked.
pub type AlertStoreError = StoreError;

/// What one turn of the detector came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// The detector's state and how far it has read; none where this turn writes none.
    pub checkpoint: Option<(Vec<u8>, Marks)>,
    /// What happened to incidents. One that is there already (same incident and number) stays as it is.
    pub events: Vec<IncidentEvent>,
    /// What people are to be told. One that is there already (same id) stays as it is: a replay never sends twice.
    pub notifications: Vec<NotificationRow>,
    /// Positions that the state covers besides, by name: see [`AlertStore::cursor`].
    pub cursors: Vec<(String, String)>,
}

/// Rows that wait for their copy in ClickHouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uncopied {
    /// Events, in the order in which they were committed.
    pub events: Vec<IncidentEvent>,
    /// Notifications in their newest state.
    pub notifications: Vec<NotificationRow>,
}

impl Uncopied {
    /// Whether everything has been copied.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.notifications.is_empty()
    }
}

/// The store; clones share it.
#[derive(Debug, Clone)]
pub struct AlertStore {
    group: Group<Book>,
    reader: Reader,
}

impl AlertStore {
    /// Opens `alerts.db` in this folder, creating what is missing.
    pub async fn open(dir: &Path) -> Result<Self, AlertStoreError> {
        let dir = dir.to_owned();
        let open = move || {
            let opened = LAYOUT.open(&dir)?;
            let group = Group::start("alert-store", opened.writer, opened.lock, Book, store::State)?;
            Ok(Self { group, reader: opened.reader })
        };
        tokio::task::spawn_blocking(open)
            .await
            .map_err(|error| StoreError::unavailable(STORE, "opening the file", error))?
    }

    /// Writes a turn as one: when `Ok`, state, positions, events and outbox are durable together; else nothing is.
    pub async fn commit(&self, turn: Turn) -> Result<(), AlertStoreError> {
        self.group.write(Work::Turn(Box::new(turn))).await
    }

    /// The newest state and how far it has read.
    pub async fn checkpoint(&self) -> Result<Option<(Vec<u8>, Marks)>, AlertStoreError> {
        self.read("reading the checkpoint", store::checkpoint).await
    }

    /// What is still to be sent, oldest first.
    pub async fn pending(&self) -> Result<Vec<NotificationRow>, AlertStoreError> {
        self.read("reading the outbox", store::pending).await
    }

    /// Writes a notification's state, as after an attempt. The newest `updated_at_ms` wins.
    pub async fn put_notification(&self, row: &NotificationRow) -> Result<(), AlertStoreError> {
        self.group.write(Work::Notification(Box::new(row.clone()))).await
    }

    /// Rows whose newest state has no copy in ClickHouse yet: at most `limit` of each kind, oldest first.
    pub async fn uncopied(&self, limit: u32) -> Result<Uncopied, AlertStoreError> {
        self.read("looking for what is to be copied", move |connection| store::uncopied(connection, limit))
            .await
    }

    /// Says that these rows, as [`Self::uncopied`] gave them, have their copy. One that has changed since is copied again.
    pub async fn copied(&self, rows: &Uncopied) -> Result<(), AlertStoreError> {
        let events: Vec<(Uuid, u32)> =
            rows.events.iter().map(|event| (event.incident_id, event.seq)).collect();
        let notifications: Vec<(String, i64)> =
            rows.notifications.iter().map(|row| (row.notification_id.clone(), row.updated_at_ms)).collect();
        self.group.write(Work::Copied { events, notifications }).await
    }

    /// A position kept under a name, such as how far the acts of people have been read.
    pub async fn cursor(&self, key: &str) -> Result<Option<String>, AlertStoreError> {
        let key = key.to_owned();
        self.read("reading a position", move |connection| store::cursor(connection, &key)).await
    }

    /// Keeps a position that no checkpoint covers; those that one covers belong into its [`Turn`].
    pub async fn set_cursor(&self, key: &str, value: &str) -> Result<(), AlertStoreError> {
        let cursors = vec![(key.to_owned(), value.to_owned())];
        self.commit(Turn { cursors, ..Turn::default() }).await
    }

    /// Drops what was copied and needs nobody any more, 30 days after its last change. To be called now and then.
    pub async fn prune(&self) -> Result<(), AlertStoreError> {
        self.group.write(Work::Prune { now_ms: now_ms() }).await
    }

    /// Finishes what is under way and lets go of the file. Every other handle fails from then on.
    pub async fn close(self) {
        self.group.close().await;
    }

    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, AlertStoreError> {
        self.group.check_open()?;
        self.reader.read(doing, work).await
    }
}
