//! The targets of notifications, as the alerts role said last how they are doing.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// A target that was not heard of for so long before the newest one is configured no more.
const GONE_MS: i64 = 300_000;

/// One target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetRow {
    /// Name in the configuration.
    pub name: String,
    /// `webhook`, `pagerduty`, `slack`, `teams`, `alertmanager`.
    pub kind: String,
    /// `working`, `failing`, `dead`.
    pub health: String,
    /// Notifications that wait for it.
    pub pending: u64,
    /// When it last took one, ms since 1970; unknown after a restart of the alerts role.
    pub last_delivered_ms: Option<i64>,
    /// Since when it fails, ms since 1970.
    pub failing_since_ms: Option<i64>,
    /// Why the last attempt failed; empty where it did not.
    pub last_error: String,
    /// When somebody tried it last.
    pub tested_at_ms: Option<i64>,
    /// Who.
    pub tested_by: String,
    /// What came of it, in words.
    pub test_outcome: String,
    /// When this was said: the newest counts.
    pub updated_at_ms: i64,
}

const SQL: &str = "
SELECT name, kind, health, pending, last_delivered_ms, failing_since_ms, last_error, tested_at_ms, tested_by,
    test_outcome, updated_at_ms
FROM targets FINAL
WHERE updated_at_ms > (SELECT max(updated_at_ms) FROM targets) - {gone:Int64}
ORDER BY name";

impl Database {
    /// Says how targets are doing.
    pub async fn put_targets(&self, rows: &[TargetRow]) -> Result<(), DatabaseError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.insert("targets", rows).await
    }

    /// Those that are configured, by name.
    pub async fn targets(&self) -> Result<Vec<TargetRow>, DatabaseError> {
        self.ask(SQL)
            .param("gone", GONE_MS)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("ask how targets are doing"))
    }
}
