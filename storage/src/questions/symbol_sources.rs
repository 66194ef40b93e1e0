//! The sources of symbols, as the analyzers said last how they are doing.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// A source that was not heard of for so long before the newest one is configured no more.
const GONE_MS: i64 = 300_000;

/// One source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SymbolSourceRow {
    /// Where it is, without credentials.
    pub source: String,
    /// `asked`; `left alone` after failures in a row; `tried again` where one request finds out whether it is back.
    pub state: String,
    /// When it answered last, if only that it has no such file, ms since 1970; unknown after a restart of the analyzer.
    pub answered_at_ms: Option<i64>,
    /// When it failed last, ms since 1970.
    pub failed_at_ms: Option<i64>,
    /// What it failed with then.
    pub last_error: String,
    /// When this was said: the newest counts.
    pub updated_at_ms: i64,
}

const SQL: &str = "
SELECT source, state, answered_at_ms, failed_at_ms, last_error, updated_at_ms
FROM symbol_sources FINAL
WHERE updated_at_ms > (SELECT max(updated_at_ms) FROM symbol_sources) - {gone:Int64}
ORDER BY source";

impl Database {
    /// Says how sources of symbols are doing.
    pub async fn put_symbol_sources(&self, rows: &[SymbolSourceRow]) -> Result<(), DatabaseError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.insert("symbol_sources", rows).await
    }

    /// Those that are configured, by name.
    pub async fn symbol_sources(&self) -> Result<Vec<SymbolSourceRow>, DatabaseError> {
        self.ask(SQL)
            .param("gone", GONE_MS)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("ask how sources of symbols are doing"))
    }
}
