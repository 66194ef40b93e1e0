//! What is known with symbols: of a crash, by its own analysis or one of its fault site; of a list, by name.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::crash::milliseconds;
use crate::database::{Database, DatabaseError};
use crate::questions::DeepJob;
use crate::rows::DeepRow;

/// The best analysis of a fault site. There are a few of each, and their reports lie side by side: read once, for the order
/// and for the answer.
macro_rules! best_of {
    ($site:literal) => {
        concat!(
            "
SELECT crash_id, analysed_at, analyzer_version, deep_bucket, deep_bucket_hash, deep_confidence, report, missing, missing_kinds
FROM deep_analyses
PREWHERE fault_site ",
            $site,
            "
ORDER BY report != '' DESC, crash_id = {crash_id:UUID} DESC, analysed_at DESC
LIMIT 1"
        )
    };
}

/// The site is asked of the crash's own row: names out of dumps may be longer than a question's parameters should be.
const OF_CRASH: &str = best_of!(
    "IN (
    SELECT fault_site FROM crashes
    WHERE crashed_at = fromUnixTimestamp64Milli({crashed_at:Int64}, 'UTC') AND crash_id = {crash_id:UUID}
    ORDER BY revision DESC LIMIT 1)"
);

const AT_SITE: &str = best_of!("= toFixedString(unhex({site:String}), 16)");

/// What an analysis with symbols came to.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct DeepShown {
    /// Whose dump it was.
    #[serde(with = "clickhouse::serde::uuid")]
    pub crash_id: Uuid,
    /// When it began, ms since 1970.
    pub analysed_at: i64,
    /// Version of the analyzer's rules.
    pub analyzer_version: u32,
    /// Bucket id with symbols.
    pub deep_bucket: String,
    /// Its hash.
    pub deep_bucket_hash: String,
    /// `high`, `medium`, `low`, `none`.
    pub deep_confidence: String,
    /// The whole analysis as JSON; empty where it failed.
    pub report: String,
    /// Ids of files that were wanted and not found.
    pub missing: Vec<String>,
    /// Beside each of them `image` or `pdb`.
    pub missing_kinds: Vec<String>,
}

/// What a fault site is called with symbols.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct DeepBucket {
    /// The site, as [`crate::questions::CrashSummary::fault_site`] has it.
    pub fault_site: String,
    /// Bucket id with symbols.
    pub deep_bucket: String,
}

/// What a driver's fault site is called with symbols.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeepSite {
    /// PE timestamp of the driver.
    pub timestamp: u32,
    /// Offset inside it.
    pub offset: u64,
    /// Bucket id without symbols.
    pub bucket: String,
    /// Bucket id with symbols.
    pub deep_bucket: String,
}

const BUCKETS: &str = "
SELECT site AS fault_site, name AS deep_bucket
FROM (
    SELECT lower(hex(fault_site)) AS site, argMax(deep_bucket, analysed_at) AS name, any(bucket) AS plain
    FROM deep_analyses
    WHERE deep_bucket != '' AND fault_site IN (SELECT toFixedString(unhex(arrayJoin({sites:Array(String)})), 16))
    GROUP BY fault_site
)
WHERE name != plain";

const SITES: &str = "
SELECT timestamp, offset, bucket, name AS deep_bucket
FROM (
    SELECT driver_timestamp AS timestamp, fault_offset AS offset, bucket, argMax(deep_bucket, analysed_at) AS name,
        max(analysed_at) AS newest
    FROM deep_analyses
    WHERE deep_bucket != '' AND driver = {driver:String}
    GROUP BY timestamp, offset, bucket
)
WHERE name != bucket
ORDER BY newest DESC
LIMIT 1000";

/// By the site's fields: whoever asks has no hash of them.
const BEFORE: &str = "
SELECT crash_id, crashed_at, analysed_at, tenant, kind, driver, driver_timestamp, driver_size, fault_offset, bucket,
    analyzer_version, deep_bucket, deep_bucket_hash, deep_confidence, report, missing, missing_kinds, retry_at
FROM deep_analyses
WHERE crash_id = {crash_id:UUID} AND tenant = {tenant:String} AND kind = {kind:String} AND driver = {driver:String}
    AND driver_timestamp = {driver_timestamp:UInt32} AND driver_size = {driver_size:UInt32}
    AND fault_offset = {fault_offset:UInt64} AND bucket = {bucket:String}
ORDER BY report != '' DESC, analysed_at DESC
LIMIT 1";

impl Database {
    /// What an earlier analysis of the same dump came to: a later one that fails must not take its place.
    pub async fn deep_before(&self, job: &DeepJob) -> Result<Option<DeepRow>, DatabaseError> {
        self.ask(BEFORE)
            .param("crash_id", job.crash_id.to_string())
            .param("tenant", job.tenant.as_str())
            .param("kind", job.kind.as_str())
            .param("driver", job.driver.as_str())
            .param("driver_timestamp", job.driver_timestamp)
            .param("driver_size", job.driver_size)
            .param("fault_offset", job.fault_offset)
            .param("bucket", job.bucket.as_str())
            .fetch_optional()
            .await
            .map_err(DatabaseError::while_("read an earlier analysis with symbols"))
    }

    /// The analysis with symbols of a crash; where it has none of its own, the newest of its fault site. One that failed,
    /// and so has no report, stands behind all others.
    pub async fn deep_of(&self, crash_id: Uuid) -> Result<Option<DeepShown>, DatabaseError> {
        self.ask(OF_CRASH)
            .param("crashed_at", milliseconds(crash_id))
            .param("crash_id", crash_id.to_string())
            .fetch_optional()
            .await
            .map_err(DatabaseError::while_("read an analysis with symbols"))
    }

    /// The same where its fault site is known, as [`crate::questions::CrashShown::fault_site`] has it.
    pub async fn deep_at(
        &self,
        fault_site: &str,
        crash_id: Uuid,
    ) -> Result<Option<DeepShown>, DatabaseError> {
        self.ask(AT_SITE)
            .param("site", fault_site)
            .param("crash_id", crash_id.to_string())
            .fetch_optional()
            .await
            .map_err(DatabaseError::while_("read an analysis with symbols"))
    }

    /// Buckets with symbols of these fault sites; a site without one is left out.
    pub async fn deep_buckets(&self, sites: &[&str]) -> Result<Vec<DeepBucket>, DatabaseError> {
        if sites.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(BUCKETS)
            .param("sites", sites)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read names of fault sites"))
    }

    /// Buckets with symbols of all fault sites of a driver, the newest 1,000.
    pub async fn deep_sites(&self, driver: &str) -> Result<Vec<DeepSite>, DatabaseError> {
        self.ask(SITES)
            .param("driver", driver)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read names of a driver's fault sites"))
    }
}
