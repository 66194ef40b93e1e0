//! What crashed for the first time ever: drivers and buckets nobody has seen before a stretch of time.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Range;
use crate::database::{Database, DatabaseError};

/// A driver or module whose first crash is within the range.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// Drivers that nobody saw before, among the rows of a rollup.
macro_rules! new_drivers {
    ($machines:literal, $crashes:literal, $rows:literal) => {
        concat!(
            "
SELECT
    driver,
    kind,
    toUnixTimestamp64Milli(min(first_seen)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last_seen)) AS last_seen_ms,
    ",
            $machines,
            " AS machines,
    ",
            $crashes,
            " AS crashes
FROM ",
            $rows,
            "
    AND (driver, kind) IN (
        SELECT driver, kind
        FROM sightings
        WHERE driver != ''
        GROUP BY driver, kind
        HAVING min(first_seen) >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND min(first_seen) < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    )
GROUP BY driver, kind
ORDER BY machines DESC, crashes DESC, driver, kind
LIMIT {limit:UInt32}"
        )
    };
}

const DRIVERS_BY_MINUTES: &str = new_drivers!(
    "uniqCombined64Merge(14)(crash_minutes.machines)",
    "uniqExactMerge(crash_minutes.crashes)",
    "crash_minutes
WHERE minute >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
    AND minute < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
);

const DRIVERS_BY_HOURS: &str = new_drivers!(
    "uniqCombined64Array(14)(crash_hours.machines)",
    "uniqExactArray(crash_hours.crashes)",
    "crash_hours
WHERE hour >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND hour < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
);

/// In their best form, or a bucket that was only the first word of a crash would be new.
/// `received_at` follows from `happened_at` and lets partitions be skipped.
const BUCKETS: &str = "
SELECT
    bucket,
    any(crashes.bucket_hash) AS bucket_hash,
    kind,
    argMax(crashes.driver, received_at) AS driver,
    toUnixTimestamp64Milli(min(happened_at)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms,
    uniqCombined64(14)((tenant, machine)) AS machines,
    uniqExact(crash_id) AS crashes
FROM crashes FINAL
WHERE outcome = 'analysed'
    AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND received_at >= fromUnixTimestamp64Milli({from:Int64} - 300000, 'UTC')
    AND (bucket, kind) IN (
        SELECT bucket, kind
        FROM sightings
        WHERE bucket != ''
        GROUP BY bucket, kind
        HAVING min(first_seen) >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND min(first_seen) < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    )
GROUP BY bucket, kind
ORDER BY machines DESC, crashes DESC, bucket, kind
LIMIT {limit:UInt32}";

const FIRST: &str = "
SELECT driver, toUnixTimestamp64Milli(min(first_seen)) AS first_seen_ms
FROM sightings
WHERE driver IN {drivers:Array(String)}
GROUP BY driver";

#[derive(Row, Deserialize)]
struct First {
    driver: String,
    first_seen_ms: i64,
}

impl Database {
    /// When each of `drivers` crashed for the first time ever; those that never did are missing.
    pub async fn drivers_first_seen(&self, drivers: &[String]) -> Result<Vec<(String, i64)>, DatabaseError> {
        let found: Vec<First> = self
            .ask(FIRST)
            .param("drivers", drivers)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look when drivers were new"))?;
        Ok(found.into_iter().map(|one| (one.driver, one.first_seen_ms)).collect())
    }

    /// Drivers and modules whose first crash of all tenants happened within the range, those with the most machines
    /// first. In a database that is younger than the range, that is every one.
    pub async fn new_drivers(&self, range: Range, limit: u32) -> Result<Vec<NewDriver>, DatabaseError> {
        self.ask(if range.is_whole_hours() { DRIVERS_BY_HOURS } else { DRIVERS_BY_MINUTES })
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
