//! Incidents, kept as the events that happened to them.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

/// Something that happened to an incident. Kinds `opened`, `acknowledged`, `resolved`, `reopened` and `merged` decide its
/// state; all others (`grew`, `attributed`, `commented`, ...) leave it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// What it is about, in words: a driver's name where it is about a driver.
    pub driver: String,
    /// JSON object: `machines`, `severity`, `tell`, `by`, `words`, and `incident`, which is all that was known then. Rows from
    /// before that was kept have `machines`, `crashes` and, in the first one, `reason`.
    pub detail: String,
}

/// An incident as its events leave it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IncidentSummary {
    /// Which incident.
    #[serde(with = "clickhouse::serde::uuid")]
    pub incident_id: Uuid,
    /// Tenant.
    pub tenant: String,
    /// What it is about, in words: a driver's name where it is about a driver.
    pub driver: String,
    /// `open`, `acknowledged`, `resolved`, `merged`.
    pub state: String,
    /// When its first event was.
    pub opened_at_ms: i64,
    /// When it was over or became part of another, where that is so.
    pub resolved_at_ms: Option<i64>,
    /// The most machines that any event named.
    pub machines: u64,
    /// The most crashes that any event named.
    pub crashes: u64,
    /// Detail of the newest event that is no `notified`, where it is of the old form; else empty.
    pub detail: String,
    /// `sev1`, `sev2`; empty where its events are of the old form, as are all fields from here on.
    pub severity: String,
    /// What is counted: `driver`, `bug_check`, `os_build`, `bucket`, `unattributed`, `everything`, `silence`.
    pub subject: String,
    /// Machines that could be affected, where known.
    pub exposed: Option<u64>,
    /// Distinct sites.
    pub sites: u64,
    /// What the machines share, in one sentence.
    pub sentence: String,
    /// Who works on it.
    pub acknowledged_by: String,
    /// Nobody is told until then.
    pub muted_until_ms: Option<i64>,
    /// First machine beyond the usual; a minute before it opened, where its events are of the old form.
    pub since_ms: i64,
}

impl IncidentSummary {
    /// Whether it is over, by itself or as part of another.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "resolved" | "merged")
    }

    /// Whether it counts crashes blamed on the driver that it is named after.
    #[must_use]
    pub fn is_of_driver(&self) -> bool {
        matches!(self.subject.as_str(), "" | "driver")
    }
}

/// Which incidents, by where they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Any.
    #[default]
    All,
    /// Those that are not over.
    Open,
    /// Resolved, or part of another.
    Over,
}

/// Which incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Where they stand.
    pub state: IncidentState,
    /// What they are about, in words; `None`: anything.
    pub driver: Option<String>,
}

/// The last incident of one page; the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentCursor {
    /// When it opened.
    pub opened_at_ms: i64,
    /// Its id.
    pub incident_id: Uuid,
}

impl IncidentSummary {
    /// Where the page after this line begins.
    #[must_use]
    pub fn cursor(&self) -> IncidentCursor {
        IncidentCursor { opened_at_ms: self.opened_at_ms, incident_id: self.incident_id }
    }
}

/// Details are large: they are read only of incidents that were chosen by their other columns.
const SUMMARIES: &str = "
WITH chosen AS (
    SELECT
        incident_id,
        argMin((tenant, driver, at_ms), seq) AS opened,
        argMaxIf((kind, at_ms), seq, kind IN ('opened', 'acknowledged', 'resolved', 'reopened', 'merged')) AS turn
    FROM incident_events FINAL
    GROUP BY incident_id
    HAVING ({open:Bool} OR turn.1 IN ('resolved', 'merged')) AND ({over:Bool} OR turn.1 NOT IN ('resolved', 'merged'))
        AND ({any_driver:Bool} OR opened.2 = {driver:String})
        AND (toUnixTimestamp64Milli(opened.3) < {before_ms:Int64}
            OR (toUnixTimestamp64Milli(opened.3) = {before_ms:Int64} AND incident_id > {before_id:UUID}))
    ORDER BY opened.3 DESC, incident_id
    LIMIT {limit:UInt32}
)
SELECT
    incident_id,
    opened.1 AS tenant,
    opened.2 AS driver,
    if(turn.1 IN ('acknowledged', 'resolved', 'merged'), turn.1, 'open') AS state,
    opened.3 AS opened_at_ms,
    if(turn.1 IN ('resolved', 'merged'), turn.2, NULL) AS resolved_at_ms,
    machines,
    crashes,
    if(JSONHas(newest, 'incident'), '', newest) AS detail,
    JSONExtractString(newest, 'severity') AS severity,
    JSONExtractString(newest, 'incident', 'subject', 'kind') AS subject,
    JSONExtract(newest, 'incident', 'exposed', 'Nullable(UInt64)') AS exposed,
    JSONExtractUInt(newest, 'incident', 'sites') AS sites,
    JSONExtractString(newest, 'incident', 'attribution', 'sentence') AS sentence,
    JSONExtractString(newest, 'incident', 'acknowledged_by') AS acknowledged_by,
    JSONExtract(newest, 'incident', 'muted_until_ms', 'Nullable(Int64)') AS muted_until_ms,
    if(JSONExtractInt(newest, 'incident', 'onset_ms') > 0,
        JSONExtractInt(newest, 'incident', 'onset_ms'), toUnixTimestamp64Milli(opened.3) - 60000) AS since_ms
FROM chosen
INNER JOIN (
    SELECT
        incident_id,
        max(JSONExtractUInt(detail, 'machines')) AS machines,
        max(JSONExtractUInt(detail, 'crashes')) AS crashes,
        argMaxIf(detail, seq, kind != 'notified') AS newest
    FROM incident_events FINAL
    WHERE incident_id IN (SELECT incident_id FROM chosen)
    GROUP BY incident_id
) AS details USING (incident_id)
ORDER BY opened_at_ms DESC, incident_id";

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
        let state = if open_only { IncidentState::Open } else { IncidentState::All };
        self.some_incidents(&IncidentFilter { state, driver: None }, limit, None).await
    }

    /// Incidents like `filter`, newest first, after `before`.
    pub async fn some_incidents(
        &self,
        filter: &IncidentFilter,
        limit: u32,
        before: Option<IncidentCursor>,
    ) -> Result<Vec<IncidentSummary>, DatabaseError> {
        let before = before.unwrap_or(IncidentCursor { opened_at_ms: i64::MAX, incident_id: Uuid::nil() });
        self.ask(SUMMARIES)
            .param("open", filter.state != IncidentState::Over)
            .param("over", filter.state != IncidentState::Open)
            .param("any_driver", filter.driver.is_none())
            .param("driver", filter.driver.as_deref().unwrap_or_default())
            .param("before_ms", before.opened_at_ms)
            .param("before_id", before.incident_id.to_string())
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
