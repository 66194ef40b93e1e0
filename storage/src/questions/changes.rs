//! What was changed on purpose, as we were told.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Range;
use crate::database::{Database, DatabaseError};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct ChangeRow {
    /// Its id.
    #[serde(with = "clickhouse::serde::uuid")]
    pub change_id: Uuid,
    /// Whose fleet.
    pub tenant: String,
    /// When it began, ms since 1970.
    pub at_ms: i64,
    /// What.
    pub what: String,
    /// Its version in the owner's words.
    pub version: String,
    /// PE timestamp of the new image; 0 where unknown.
    pub timestamp: u32,
    /// Which ring; empty for all.
    pub ring: String,
    /// Who makes it.
    pub vendor: String,
}

const SQL: &str = "
SELECT change_id, tenant, toUnixTimestamp64Milli(at) AS at_ms, what, version, timestamp, ring, vendor
FROM changes FINAL
WHERE ({any_tenant:Bool} OR tenant = {tenant:String})
    AND at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
ORDER BY at DESC, change_id
LIMIT {limit:UInt32}";

impl Database {
    /// Changes that began within `range`, newest first; those of one tenant, or of all.
    pub async fn changes(
        &self,
        tenant: Option<&str>,
        range: Range,
        limit: u32,
    ) -> Result<Vec<ChangeRow>, DatabaseError> {
        self.ask(SQL)
            .param("any_tenant", tenant.is_none())
            .param("tenant", tenant.unwrap_or_default())
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list changes"))
    }
}
