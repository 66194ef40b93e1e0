//! One bucket, or one fault site of it: how much of it there is, since when, where, and what is like it. Reads the
//! narrow rows of that bucket (`schema/0014_buckets.sql`), never all crashes.

use clickhouse::Row;
use clickhouse::query::Query;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{CrashSummary, Range, SeriesPoint, VersionRow, fill, step_ms};
use crate::database::{Database, DatabaseError};

mod correlations;
mod notes;
mod recurrence;

pub use correlations::{CorrelationRow, Correlations};
pub use notes::NoteRow;
pub use recurrence::Recurrence;

/// Which crashes are meant.
#[derive(Debug, Clone, Copy)]
pub struct BucketFilter<'a> {
    /// Bucket id.
    pub bucket: &'a str,
    /// Of one tenant, or of all.
    pub tenant: Option<&'a str>,
    /// Of one fault site, as [`CrashSummary::fault_site`] has it, or of all.
    pub fault: Option<&'a str>,
}

impl BucketFilter<'_> {
    fn bind(self, query: Query) -> Query {
        query
            .param("bucket", self.bucket)
            .param("any_tenant", self.tenant.is_none())
            .param("tenant", self.tenant.unwrap_or_default())
            .param("any_fault", self.fault.is_none())
            .param("fault", self.fault.unwrap_or_default())
    }
}

/// What a bucket comes to within a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct BucketTotals {
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
}

/// A place inside a driver where crashes of a bucket failed.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FaultSiteRow {
    /// What such crashes share, as 32 hexadecimal digits.
    pub fault: String,
    /// Whose machines.
    pub tenant: String,
    /// Blamed driver or module.
    pub driver: String,
    /// Its PE timestamp.
    pub timestamp: u32,
    /// Offset inside it.
    pub offset: u64,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
    /// First crash within the range.
    pub first_seen_ms: i64,
    /// Last crash within the range.
    pub last_seen_ms: i64,
}

/// Another bucket that blames the same driver; where none is blamed, one of the same bug check.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KinBucket {
    /// Bucket id.
    pub bucket: String,
    /// `FAILURE_ID_HASH`.
    pub bucket_hash: String,
    /// Bug check code.
    pub bugcheck: u32,
    /// Its name.
    pub bugcheck_name: String,
    /// Distinct machines within the range.
    pub machines: u64,
    /// Crashes within the range.
    pub crashes: u64,
    /// Last crash within the range.
    pub last_seen_ms: i64,
}

/// The first and the newest crash of a bucket, whatever the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEnds {
    /// When the first one happened, ms since 1970.
    pub first_ms: i64,
    /// When the newest one happened.
    pub last_ms: i64,
    /// The newest crashes, newest first: the first of them need not have a report.
    pub newest: Vec<Uuid>,
}

#[derive(Row, Deserialize)]
struct End {
    #[serde(with = "clickhouse::serde::uuid")]
    crash_id: Uuid,
    at_ms: i64,
}

/// The crashes of the bucket. The key is compared as it stands in the primary key, so only its own rows are read.
macro_rules! of_bucket {
    ($select:literal, $tail:literal) => {
        concat!(
            "SELECT ",
            $select,
            " FROM bucket_crashes WHERE bucket_key = sipHash64({bucket:String})",
            " AND ({any_tenant:Bool} OR tenant = {tenant:String})",
            " AND ({any_fault:Bool} OR fault_site = toFixedString(unhex({fault:String}), 16))",
            $tail
        )
    };
}

/// Those that happened within a range.
macro_rules! of_bucket_within {
    ($select:literal, $tail:literal) => {
        concat!(
            of_bucket!(
                $select,
                " AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
                  AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
            ),
            $tail
        )
    };
}
pub(crate) use {of_bucket, of_bucket_within};

const TOTALS: &str =
    of_bucket_within!("uniqCombined64(14)(machine_key) AS machines, uniqExact(crash_id) AS crashes", "");

const SERIES: &str = of_bucket_within!(
    "intDiv(toUnixTimestamp64Milli(happened_at), {step:Int64}) * {step:Int64} AS at_ms,
     uniqCombined64(14)(machine_key) AS machines, uniqExact(crash_id) AS crashes",
    " GROUP BY at_ms ORDER BY at_ms"
);

const VERSIONS: &str = of_bucket_within!(
    "driver_timestamp AS timestamp, driver_size AS size,
     toUnixTimestamp64Milli(min(happened_at)) AS first_seen_ms,
     toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms,
     uniqCombined64(14)(machine_key) AS machines, uniqExact(crash_id) AS crashes",
    " GROUP BY timestamp, size ORDER BY machines DESC, crashes DESC, timestamp, size LIMIT 20"
);

const FAULT_SITES: &str = of_bucket_within!(
    "lower(hex(fault_site)) AS fault, tenant, driver, driver_timestamp AS timestamp, fault_offset AS offset,
     uniqCombined64(14)(machine_key) AS machines, uniqExact(crash_id) AS crashes,
     toUnixTimestamp64Milli(min(happened_at)) AS first_seen_ms,
     toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms",
    " GROUP BY fault, tenant, driver, timestamp, offset ORDER BY machines DESC, crashes DESC, fault LIMIT 20"
);

const FIRST: &str = of_bucket!(
    "crash_id, toUnixTimestamp64Milli(happened_at) AS at_ms",
    " ORDER BY bucket_key, happened_at, crash_id LIMIT 1"
);

/// A crash that was written twice may be there twice until a merge.
const NEWEST: &str = of_bucket!(
    "crash_id, toUnixTimestamp64Milli(happened_at) AS at_ms",
    " ORDER BY bucket_key DESC, happened_at DESC, crash_id DESC LIMIT 1 BY crash_id LIMIT {limit:UInt32}"
);

const KIN: &str = "
SELECT
    known.bucket AS bucket,
    known.bucket_hash AS bucket_hash,
    known.bugcheck AS bugcheck,
    known.bugcheck_name AS bugcheck_name,
    uniqCombined64(14)(machine_key) AS machines,
    uniqExact(crash_id) AS crashes,
    toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms
FROM bucket_crashes
INNER JOIN (
    SELECT bucket_key, anyLast(buckets.bucket) AS bucket, anyLast(buckets.bucket_hash) AS bucket_hash,
        anyLast(buckets.bugcheck) AS bugcheck, toString(anyLast(buckets.bugcheck_name)) AS bugcheck_name
    FROM buckets
    WHERE driver = {driver:String} AND (driver != '' OR buckets.bugcheck = {bugcheck:UInt32})
    GROUP BY bucket_key
    ORDER BY max(last_seen) DESC
    LIMIT 200
) AS known USING (bucket_key)
WHERE bucket_key IN (
        SELECT bucket_key
        FROM buckets
        WHERE driver = {driver:String} AND (driver != '' OR buckets.bugcheck = {bugcheck:UInt32})
            AND buckets.bucket != {bucket:String}
        GROUP BY bucket_key
        ORDER BY max(last_seen) DESC
        LIMIT 200
    )
    AND ({any_tenant:Bool} OR tenant = {tenant:String})
    AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY bucket, bucket_hash, bugcheck, bugcheck_name
ORDER BY machines DESC, crashes DESC, bucket
LIMIT {limit:UInt32}";

/// Crashes of which the first with a report is shown.
const MOST_NEWEST: u32 = 32;

impl Database {
    /// Since when there is a bucket, and its newest crashes; `None` where there was never one.
    pub async fn bucket_ends(&self, filter: BucketFilter<'_>) -> Result<Option<BucketEnds>, DatabaseError> {
        let failed = DatabaseError::while_("look for a bucket");
        let (first, newest) = tokio::try_join!(
            filter.bind(self.ask(FIRST)).fetch_optional::<End>(),
            filter.bind(self.ask(NEWEST)).param("limit", MOST_NEWEST).fetch_all::<End>(),
        )
        .map_err(failed)?;
        let Some((first, last)) = first.zip(newest.first()) else { return Ok(None) };
        Ok(Some(BucketEnds {
            first_ms: first.at_ms,
            last_ms: last.at_ms,
            newest: newest.iter().map(|end| end.crash_id).collect(),
        }))
    }

    /// How much of a bucket happened within a range.
    pub async fn bucket_totals(
        &self,
        filter: BucketFilter<'_>,
        range: Range,
    ) -> Result<BucketTotals, DatabaseError> {
        let asked = self.within(TOTALS, filter, range).fetch_one().await;
        asked.map_err(DatabaseError::while_("count a bucket's crashes"))
    }

    /// The same over time.
    pub async fn bucket_series(
        &self,
        filter: BucketFilter<'_>,
        range: Range,
        step_s: u32,
    ) -> Result<Vec<SeriesPoint>, DatabaseError> {
        let step = step_ms(range, step_s)?;
        let found: Vec<SeriesPoint> = self
            .within(SERIES, filter, range)
            .param("step", step)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count a bucket's crashes over time"))?;
        Ok(fill(&found, range, step))
    }

    /// Builds of the driver that a bucket's crashes have, most machines first.
    pub async fn bucket_versions(
        &self,
        filter: BucketFilter<'_>,
        range: Range,
    ) -> Result<Vec<VersionRow>, DatabaseError> {
        let asked = self.within(VERSIONS, filter, range).fetch_all().await;
        asked.map_err(DatabaseError::while_("count a bucket's versions"))
    }

    /// Places at which a bucket's crashes failed, most machines first.
    pub async fn bucket_sites(
        &self,
        filter: BucketFilter<'_>,
        range: Range,
    ) -> Result<Vec<FaultSiteRow>, DatabaseError> {
        let asked = self.within(FAULT_SITES, filter, range).fetch_all().await;
        asked.map_err(DatabaseError::while_("count a bucket's fault sites"))
    }

    /// Other buckets of a driver within a range, most machines first; of those that were seen last, 200 are looked at.
    pub async fn kin_buckets(
        &self,
        filter: BucketFilter<'_>,
        driver: &str,
        bugcheck: u32,
        range: Range,
        limit: u32,
    ) -> Result<Vec<KinBucket>, DatabaseError> {
        self.within(KIN, filter, range)
            .param("driver", driver)
            .param("bugcheck", bugcheck)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for similar buckets"))
    }

    /// The newest crashes of a bucket as lines of a list.
    pub async fn bucket_crashes(&self, ends: &BucketEnds) -> Result<Vec<CrashSummary>, DatabaseError> {
        self.crash_lines(&ends.newest).await
    }

    fn within(&self, sql: &'static str, filter: BucketFilter<'_>, range: Range) -> Query {
        filter.bind(self.ask(sql)).param("from", range.from_ms).param("to", range.to_ms)
    }
}
