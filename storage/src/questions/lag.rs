//! How far rows are behind uploads.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// Of the crashes that became rows within a stretch of time: how long that took since the upload was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lag {
    /// Crashes.
    pub crashes: u64,
    /// Half of them within so long, ms.
    pub median_ms: u64,
    /// 99 of 100 within so long, ms.
    pub p99_ms: u64,
    /// The slowest, ms.
    pub max_ms: u64,
}

/// Nothing is stored before it has arrived: that bounds the other end of what is read, but for machines' and servers' clocks.
const SQL: &str = "
SELECT
    count() AS crashes,
    toUInt64(greatest(0, if(crashes = 0, 0, quantileExact(0.5)(behind)))) AS median_ms,
    toUInt64(greatest(0, if(crashes = 0, 0, quantileExact(0.99)(behind)))) AS p99_ms,
    toUInt64(greatest(0, max(behind))) AS max_ms
FROM (
    SELECT toUnixTimestamp64Milli(stored_at) - toUnixTimestamp64Milli(received_at) AS behind
    FROM crashes
    WHERE stored_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    ORDER BY stored_at DESC
    LIMIT 100000
)";

impl Database {
    /// Of crashes stored since then, the newest hundred thousand.
    pub async fn lag(&self, from_ms: i64) -> Result<Lag, DatabaseError> {
        self.ask(SQL)
            .param("from", from_ms)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("measure the lag"))
    }
}
