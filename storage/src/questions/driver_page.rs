//! What one driver's crashes look like: versions, buckets, fault sites, bug checks.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Range;
use crate::database::{Database, DatabaseError};

/// Everything on a driver's page but its series and its list of crashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverPage {
    /// By version of the image.
    pub versions: Vec<VersionRow>,
    /// By bucket.
    pub buckets: Vec<BucketRow>,
    /// By fault site.
    pub sites: Vec<SiteRow>,
    /// By bug check.
    pub bugchecks: Vec<BugcheckRow>,
}

/// One version of an image, as its PE header names it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct VersionRow {
    /// PE timestamp.
    pub timestamp: u32,
    /// PE size.
    pub size: u32,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
    /// First crash within the range.
    pub first_seen_ms: i64,
    /// Last crash within the range.
    pub last_seen_ms: i64,
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct BucketRow {
    /// Bucket id.
    pub bucket: String,
    /// Its hash.
    pub bucket_hash: String,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
    /// Last crash within the range.
    pub last_seen_ms: i64,
}

/// One fault site: an instruction of one version of the image.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct SiteRow {
    /// PE timestamp.
    pub timestamp: u32,
    /// Offset inside the image.
    pub offset: u64,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
}

/// One bug check or exception.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct BugcheckRow {
    /// Code; 0 for user-mode.
    pub code: u32,
    /// Name.
    pub name: String,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
}

/// One driver's crashes by the time they happened. The second time condition spares whole partitions.
macro_rules! of_driver {
    ($select:literal, $group:literal) => {
        concat!(
            "SELECT ",
            $select,
            ", uniqCombined64(14)((tenant, machine)) AS machines, uniqExact(crash_id) AS crashes",
            " FROM crashes",
            " WHERE driver = {driver:String} AND outcome = 'analysed'",
            " AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')",
            " AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')",
            " AND received_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') - INTERVAL 5 MINUTE",
            " AND received_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC') + INTERVAL 30 DAY",
            " GROUP BY ",
            $group,
            " ORDER BY machines DESC, crashes DESC, ",
            $group,
            " LIMIT 100"
        )
    };
}

const VERSIONS: &str = of_driver!(
    "driver_timestamp AS timestamp, driver_size AS size,
     toUnixTimestamp64Milli(min(happened_at)) AS first_seen_ms,
     toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms",
    "timestamp, size"
);
const BUCKETS: &str = of_driver!(
    "bucket, bucket_hash, toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms",
    "bucket, bucket_hash"
);
const SITES: &str = of_driver!("driver_timestamp AS timestamp, fault_offset AS offset", "timestamp, offset");
const BUGCHECKS: &str = of_driver!("bugcheck AS code, bugcheck_name AS name", "code, name");

impl Database {
    /// One driver or module: each list by machines, the first 100.
    pub async fn driver_page(&self, driver: &str, range: Range) -> Result<DriverPage, DatabaseError> {
        let failed = DatabaseError::while_("read a driver's page");
        let ask =
            |sql| self.ask(sql).param("driver", driver).param("from", range.from_ms).param("to", range.to_ms);
        let (versions, buckets, sites, bugchecks) = tokio::try_join!(
            ask(VERSIONS).fetch_all::<VersionRow>(),
            ask(BUCKETS).fetch_all::<BucketRow>(),
            ask(SITES).fetch_all::<SiteRow>(),
            ask(BUGCHECKS).fetch_all::<BugcheckRow>(),
        )
        .map_err(failed)?;
        Ok(DriverPage { versions, buckets, sites, bugchecks })
    }
}
