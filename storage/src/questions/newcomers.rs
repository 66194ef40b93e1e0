//! What crashed for the first time ever: drivers and buckets nobody has seen before a stretch of time.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Range;
use crate::database::{Database, DatabaseError};

/// A driver or module whose first crash is within the range.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct NewDriver {
    /// Base name, lower case.
    pub driver: String,
    /// `kernel`, `live`, `user`.
    pub kind: String,
    /// Its first crash of all.
    pub first_seen_ms: i64,
    /// Its last crash within the range.
    pub last_seen_ms: i64,
    /// Distinct machines within the range.
    pub machines: u64,
    /// Crashes within the range.
    pub crashes: u64,
}

/// A bucket whose first crash is within the range.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct NewBucket {
    /// Bucket id.
    pub bucket: String,
    /// Its hash.
    pub bucket_hash: String,
    /// `kernel`, `live`, `user`.
    pub kind: String,
    /// Blamed driver or module of its newest crash; empty where none is.
    pub driver: String,
    /// Its first crash of all.
    pub first_seen_ms: i64,
    /// Its last crash within the range.
    pub last_seen_ms: i64,
    /// Distinct machines within the range.
    pub machines: u64,
    /// Crashes within the range.
    pub crashes: u64,
}

const DRIVERS: &str = "
WITH fresh AS (
    SELECT driver, kind
    FROM sightings
    WHERE driver != ''
    GROUP BY driver, kind
    HAVING min(first_seen) >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
        AND min(first_seen) < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
)
SELECT
    driver,
    kind,
    toUnixTimestamp64Milli(min(first_seen)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last_seen)) AS last_seen_ms,
    uniqCombined64Merge(14)(machines) AS machines,
    uniqExactMerge(crashes) AS crashes
FROM crash_minutes
WHERE minute >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
    AND minute < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND driver IN (SELECT driver FROM fresh)
    AND (driver, kind) IN (SELECT driver, kind FROM fresh)
GROUP BY driver, kind
ORDER BY machines DESC, crashes DESC, driver, kind
LIMIT {limit:UInt32}";

/// `received_at` follows from `happened_at` and lets partitions be skipped.
const BUCKETS: &str = "
WITH fresh AS (
    SELECT bucket, kind
    FROM sightings
    WHERE bucket != ''
    GROUP BY bucket, kind
    HAVING min(first_seen) >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
        AND min(first_seen) < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
)
SELECT
    bucket,
    any(crashes.bucket_hash) AS bucket_hash,
    kind,
    argMax(crashes.driver, received_at) AS driver,
    toUnixTimestamp64Milli(min(happened_at)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms,
    uniqCombined64(14)((tenant, machine)) AS machines,
    uniqExact(crash_id) AS crashes
FROM crashes
WHERE outcome = 'analysed'
    AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND received_at >= fromUnixTimestamp64Milli({from:Int64} - 300000, 'UTC')
    AND bucket IN (SELECT bucket FROM fresh)
    AND (bucket, kind) IN (SELECT bucket, kind FROM fresh)
GROUP BY bucket, kind
ORDER BY machines DESC, crashes DESC, bucket, kind
LIMIT {limit:UInt32}";

impl Database {
    /// Drivers and modules whose first crash of all tenants happened within the range, those with the most machines
    /// first. In a database that is younger than the range, that is every one.
    pub async fn new_drivers(&self, range: Range, limit: u32) -> Result<Vec<NewDriver>, DatabaseError> {
        self.ask(DRIVERS)
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for new drivers"))
    }

    /// Buckets whose first crash of all tenants happened within the range, those with the most machines first.
    pub async fn new_buckets(&self, range: Range, limit: u32) -> Result<Vec<NewBucket>, DatabaseError> {
        self.ask(BUCKETS)
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for new buckets"))
    }
}
