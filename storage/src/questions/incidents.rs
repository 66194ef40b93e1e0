//! Incidents, kept as the events that happened to them.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

/// Something that happened to an incident. Kinds `opened`, `acknowledged` and `resolved` decide its state; all others
/// (`grew`, `notified`, ...) leave it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct IncidentEvent {
    /// Which incident.
    #[serde(with = "clickhouse::serde::uuid")]
    pub incident_id: Uuid,
    /// Number of the event within the incident; writing one number twice leaves one event.
    pub seq: u32,
    /// When.
    pub at_ms: i64,
    /// What.
    pub kind: String,
    /// Tenant.
    pub tenant: String,
    /// Driver.
    pub driver: String,
    /// JSON object. Numbers under `machines` and `crashes` feed the summary.
    pub detail: String,
}

/// An incident as its events leave it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct IncidentSummary {
    /// Which incident.
    #[serde(with = "clickhouse::serde::uuid")]
    pub incident_id: Uuid,
    /// Tenant.
    pub tenant: String,
    /// Driver.
    pub driver: String,
    /// `open`, `acknowledged`, `resolved`.
    pub state: String,
    /// When its first event was.
    pub opened_at_ms: i64,
    /// When it was resolved, where it is.
    pub resolved_at_ms: Option<i64>,
    /// The most machines that any event named.
    pub machines: u64,
    /// The most crashes that any event named.
    pub crashes: u64,
    /// Detail of the newest event that is no `notified`.
    pub detail: String,
}

const SUMMARIES: &str = "
SELECT
    incident_id,
    opened.1 AS tenant,
    opened.2 AS driver,
    multiIf(turn = 'resolved', 'resolved', turn = 'acknowledged', 'acknowledged', 'open') AS state,
    opened.3 AS opened_at_ms,
    if(turn = 'resolved', turned_at, NULL) AS resolved_at_ms,
    machines,
    crashes,
    newest AS detail
FROM (
    SELECT
        incident_id,
        argMin((tenant, driver, at_ms), seq) AS opened,
        argMaxIf(kind, seq, kind IN ('opened', 'acknowledged', 'resolved')) AS turn,
        argMaxIf(at_ms, seq, kind IN ('opened', 'acknowledged', 'resolved')) AS turned_at,
        max(JSONExtractUInt(detail, 'machines')) AS machines,
        max(JSONExtractUInt(detail, 'crashes')) AS crashes,
        argMaxIf(detail, seq, kind != 'notified') AS newest
    FROM incident_events FINAL
    GROUP BY incident_id
)
WHERE NOT {open_only:Bool} OR turn != 'resolved'
ORDER BY opened_at_ms DESC, incident_id
LIMIT {limit:UInt32}";

const EVENTS: &str = "
SELECT incident_id, seq, at_ms, kind, tenant, driver, detail
FROM incident_events FINAL
WHERE incident_id = {incident_id:UUID}
ORDER BY seq";

impl Database {
    /// Records an event; durable when `Ok`, idempotent by (incident, number).
    pub async fn put_incident_event(&self, event: &IncidentEvent) -> Result<(), DatabaseError> {
        self.insert("incident_events", std::slice::from_ref(event)).await
    }

    /// Incidents, newest first.
    pub async fn incidents(
        &self,
        open_only: bool,
        limit: u32,
    ) -> Result<Vec<IncidentSummary>, DatabaseError> {
        self.ask(SUMMARIES)
            .param("open_only", open_only)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list incidents"))
    }

    /// All events of one incident, in order.
    pub async fn incident_events(&self, incident_id: Uuid) -> Result<Vec<IncidentEvent>, DatabaseError> {
        self.ask(EVENTS)
            .param("incident_id", incident_id.to_string())
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read an incident"))
    }
}
