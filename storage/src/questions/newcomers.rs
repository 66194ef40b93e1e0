//! What crashed for the first time ever: drivers and buckets nobody has seen before a stretch of time.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Range;
use super::grain::Grain;
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

/// Drivers that nobody saw before.
const DRIVERS: &str = "
SELECT
    driver,
    kind,
    toUnixTimestamp64Milli(min(first_seen)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last_seen)) AS last_seen_ms,
    $machines AS machines,
    $crashes AS crashes
FROM $rollup
WHERE $time >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
    AND $time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND (driver, kind) IN (
        SELECT driver, kind
        FROM sightings
        WHERE driver IN (
            SELECT driver FROM sightings
            WHERE driver != '' AND first_seen >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
        )
        GROUP BY driver, kind
        HAVING min(first_seen) >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND min(first_seen) < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    )
GROUP BY driver, kind
ORDER BY machines DESC, crashes DESC, driver, kind
LIMIT {limit:UInt32}";

/// Names that are new are few, mostly: those that no row of long ago speaks of are looked at alone, once, as a scalar. What
/// they did is read where crashes lie by their bucket.
const BUCKETS: &str = "
WITH (
    SELECT groupArray((bucket_key, toString(bucket), toString(kind), toString(driver), first))
    FROM (
        SELECT
            bucket,
            sipHash64(CAST(bucket, 'String')) AS bucket_key,
            argMax(sightings.kind, last_seen) AS kind,
            argMax(sightings.driver, last_seen) AS driver,
            min(sightings.first_seen) AS first
        FROM sightings
        WHERE bucket IN (
            SELECT bucket FROM sightings
            WHERE bucket != '' AND first_seen >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
        )
        GROUP BY bucket
        HAVING first >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND first < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    )
) AS fresh
SELECT
    name.2 AS bucket,
    known.bucket_hash AS bucket_hash,
    name.3 AS kind,
    name.4 AS driver,
    toUnixTimestamp64Milli(name.5) AS first_seen_ms,
    toUnixTimestamp64Milli(counted.last) AS last_seen_ms,
    counted.machines AS machines,
    counted.crashes AS crashes
FROM (
    SELECT
        bucket_key,
        max(happened_at) AS last,
        uniqCombined64(14)(machine_key) AS machines,
        uniqExact(crash_id) AS crashes
    FROM bucket_crashes
    WHERE bucket_key IN (SELECT arrayJoin(fresh).1)
        AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
        AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    GROUP BY bucket_key
    ORDER BY machines DESC, crashes DESC, bucket_key
    LIMIT {limit:UInt32}
) AS counted
INNER JOIN (SELECT arrayJoin(fresh) AS name, name.1 AS bucket_key) AS named ON named.bucket_key = counted.bucket_key
ANY LEFT JOIN (
    SELECT bucket_key, bucket_hash FROM buckets WHERE bucket_key IN (SELECT arrayJoin(fresh).1)
) AS known ON known.bucket_key = counted.bucket_key
ORDER BY machines DESC, crashes DESC, bucket
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
        self.ask_built(&Grain::of(range).say(DRIVERS))
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
