//! The audit log: who did what, from where; newest first.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

/// The last instant that a `DateTime64(3)` can hold: 2299-12-31.
const END_OF_TIME_MS: i64 = 10_413_791_999_999;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRow {
    /// Its id: a line written twice is one.
    #[serde(with = "clickhouse::serde::uuid")]
    pub audit_id: Uuid,
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Who, as they signed in or said.
    pub who: String,
    /// `viewer`, `responder`, `admin`; empty where nobody was let in.
    pub role: String,
    /// The address that the request came from.
    pub peer: String,
    /// What was done: `sign_in`, `acknowledge`, `download`, ...
    pub action: String,
    /// To what: an incident, a crash, a target.
    pub subject: String,
    /// More about it, in words.
    pub detail: String,
}

impl AuditRow {
    /// Where the page after this line begins.
    pub fn cursor(&self) -> AuditCursor {
        AuditCursor { at_ms: self.at_ms, audit_id: self.audit_id }
    }
}

/// Which lines; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this person.
    pub who: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
}

/// The last line of one page; the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCursor {
    /// When it was.
    pub at_ms: i64,
    /// Its id.
    pub audit_id: Uuid,
}

/// A line as it is written.
#[derive(Row, Serialize, Deserialize)]
struct Written {
    #[serde(with = "clickhouse::serde::uuid")]
    audit_id: Uuid,
    at: i64,
    who: String,
    role: String,
    peer: String,
    action: String,
    subject: String,
    detail: String,
}

const SQL: &str = "
SELECT audit_id, toUnixTimestamp64Milli(at) AS at_ms, who, role, peer, action, subject, detail
FROM audit FINAL
WHERE ({who:Nullable(String)} IS NULL OR who = {who:Nullable(String)})
    AND ({action:Nullable(String)} IS NULL OR action = {action:Nullable(String)})
    AND (at, audit_id) < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'), {before_id:UUID})
ORDER BY at DESC, audit_id DESC
LIMIT {limit:UInt32}";

impl Database {
    /// Writes a line; durable when `Ok`.
    pub async fn put_audit(&self, row: &AuditRow) -> Result<(), DatabaseError> {
        let row = Written {
            audit_id: row.audit_id,
            at: row.at_ms,
            who: row.who.clone(),
            role: row.role.clone(),
            peer: row.peer.clone(),
            action: row.action.clone(),
            subject: row.subject.clone(),
            detail: row.detail.clone(),
        };
        self.insert("audit", std::slice::from_ref(&row)).await
    }

    /// What was done, newest first.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: u32,
        before: Option<AuditCursor>,
    ) -> Result<Vec<AuditRow>, DatabaseError> {
        let before = before.unwrap_or(AuditCursor { at_ms: END_OF_TIME_MS, audit_id: Uuid::max() });
        self.ask(SQL)
            .param("who", &filter.who)
            .param("action", &filter.action)
            // An instant beyond what the column holds would wrap around.
            .param("before_ms", before.at_ms.clamp(0, END_OF_TIME_MS))
            .param("before_id", before.audit_id.to_string())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read the audit log"))
    }
}
