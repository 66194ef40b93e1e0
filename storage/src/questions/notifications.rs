//! The outbox of notifications: the newest state of each.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

/// One notification to one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotificationRow {
    /// Its id, which the receiver sees too.
    pub notification_id: String,
    /// Which incident it is about.
    #[serde(with = "clickhouse::serde::uuid")]
    pub incident_id: Uuid,
    /// Name of the target in the configuration.
    pub target: String,
    /// The body as sent.
    pub payload: String,
    /// `pending`, `delivered`, `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last try failed; empty where none did.
    pub last_error: String,
    /// When it was put into the outbox.
    pub created_at_ms: i64,
    /// When this state was written: the newest wins.
    pub updated_at_ms: i64,
    /// `sev1`, `sev2`; empty where it is about no incident.
    pub severity: String,
    /// Kind of the target: `webhook`, `pagerduty`, `slack`, ...
    pub target_kind: String,
}

const PENDING: &str = "
SELECT notification_id, incident_id, target, payload, state, attempts, last_error, created_at_ms, updated_at_ms,
    severity, target_kind
FROM notifications FINAL
WHERE state = 'pending'
ORDER BY created_at_ms, notification_id";

const OF_INCIDENT: &str = "
SELECT notification_id, incident_id, target, payload, state, attempts, last_error, created_at_ms, updated_at_ms,
    severity, target_kind
FROM notifications FINAL
WHERE incident_id = {incident_id:UUID}
ORDER BY created_at_ms, notification_id";

impl Database {
    /// Writes a notification's state; durable when `Ok`. The newest `updated_at_ms` wins.
    pub async fn put_notification(&self, notification: &NotificationRow) -> Result<(), DatabaseError> {
        self.insert("notifications", std::slice::from_ref(notification)).await
    }

    /// What is still to be delivered, oldest first.
    pub async fn pending_notifications(&self) -> Result<Vec<NotificationRow>, DatabaseError> {
        self.ask(PENDING).fetch_all().await.map_err(DatabaseError::while_("read the outbox"))
    }

    /// Everything that was or is to be sent about one incident.
    pub async fn notifications(&self, incident_id: Uuid) -> Result<Vec<NotificationRow>, DatabaseError> {
        self.ask(OF_INCIDENT)
            .param("incident_id", incident_id.to_string())
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read an incident's notifications"))
    }
}
