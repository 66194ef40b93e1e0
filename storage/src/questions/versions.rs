//! Which versions are at work: of ClickHouse, and of the analyzers that wrote rows of late.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// Versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Versions {
    /// Of the server, or of the engine inside this process.
    pub clickhouse: String,
    /// Of the rules by which rows were written, oldest first: more than one while analyzers are being updated.
    pub analyzers: Vec<u32>,
}

const SQL: &str = "
SELECT
    version() AS clickhouse,
    arraySort(groupUniqArray(analyzer_version)) AS analyzers
FROM crashes
WHERE stored_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')";

impl Database {
    /// Of ClickHouse, and of the rows that were stored since then.
    pub async fn versions(&self, from_ms: i64) -> Result<Versions, DatabaseError> {
        self.ask(SQL)
            .param("from", from_ms)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("ask for versions"))
    }
}
