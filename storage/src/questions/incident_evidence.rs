//! What the crashes of an incident have in common: what a person wants to see when paged.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

/// One driver's crashes that arrived within a stretch of time, seen from every side. Lists are by machines, the
/// first 50.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
    /// The first of them happened; 0 where there is none.
    pub first_ms: i64,
    /// The last of them happened; 0 where there is none.
    pub last_ms: i64,
    /// Distinct sites, all of them (`sites` lists the first 50).
    pub site_count: u64,
    /// Versions of the driver.
    pub versions: Vec<VersionRow>,
    /// Bug checks.
    pub bugchecks: Vec<BugcheckRow>,
    /// Buckets.
    pub buckets: Vec<BucketRow>,
    /// Fault sites inside the driver.
    pub fault_sites: Vec<SiteRow>,
    /// Sites (offices, shops); empty name where machines named none.
    pub sites: Vec<Share>,
    /// Rollout rings.
    pub rings: Vec<Share>,
    /// OS builds.
    pub builds: Vec<BuildRow>,
    /// System models.
    pub models: Vec<Share>,
    /// Crashes to look at: the newest of each of the 10 commonest buckets.
    pub examples: Vec<Uuid>,
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
    /// The first of them happened.
    pub first_seen_ms: i64,
    /// The last of them happened.
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
    /// The last of them happened.
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

/// How many machines share one value.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Share {
    /// The value.
    pub name: String,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
}

/// One OS build.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct BuildRow {
    /// Build (19041).
    pub build: u32,
    /// Update build revision, 0 where unknown.
    pub ubr: u32,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
}

#[derive(Row, Deserialize)]
struct Totals {
    machines: u64,
    crashes: u64,
    first_ms: i64,
    last_ms: i64,
    site_count: u64,
}

#[derive(Row, Deserialize)]
struct Example {
    #[serde(with = "clickhouse::serde::uuid")]
    example: Uuid,
}

/// One driver's crashes by arrival: what to select, and what follows the conditions.
macro_rules! arrived {
    ($($select:literal)* ; $($tail:literal)*) => {
        concat!(
            "SELECT ",
            $($select,)*
            " FROM crashes",
            " WHERE driver = {driver:String} AND outcome = 'analysed'",
            " AND ({any_tenant:Bool} OR tenant = {tenant:String})",
            " AND stored_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')",
            " AND stored_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')",
            $($tail),*
        )
    };
}

/// The same in groups, the one with the most machines first.
macro_rules! arrived_by {
    ($select:literal, $group:literal) => {
        arrived!(
            $select ", uniqCombined64(14)((tenant, machine)) AS machines, uniqExact(crash_id) AS crashes";
            " GROUP BY " $group " ORDER BY machines DESC, crashes DESC, " $group " LIMIT 50"
        )
    };
}

const TOTALS: &str = arrived!(
    "toUnixTimestamp64Milli(min(happened_at)) AS first_ms,
     toUnixTimestamp64Milli(max(happened_at)) AS last_ms,
     uniqExact((tenant, site)) AS site_count,
     uniqCombined64(14)((tenant, machine)) AS machines, uniqExact(crash_id) AS crashes";
);
const VERSIONS: &str = arrived_by!(
    "driver_timestamp AS timestamp, driver_size AS size,
     toUnixTimestamp64Milli(min(happened_at)) AS first_seen_ms,
     toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms",
    "timestamp, size"
);
const BUGCHECKS: &str = arrived_by!("bugcheck AS code, bugcheck_name AS name", "code, name");
const BUCKETS: &str = arrived_by!(
    "bucket, bucket_hash, toUnixTimestamp64Milli(max(happened_at)) AS last_seen_ms",
    "bucket, bucket_hash"
);
const FAULT_SITES: &str =
    arrived_by!("driver_timestamp AS timestamp, fault_offset AS offset", "timestamp, offset");
const SITES: &str = arrived_by!("site AS name", "name");
const RINGS: &str = arrived_by!("ring AS name", "name");
const BUILDS: &str = arrived_by!("os_build AS build, os_ubr AS ubr", "build, ubr");
const MODELS: &str = arrived_by!("model AS name", "name");
/// The newest crash of each bucket, the commonest buckets first.
const EXAMPLES: &str = arrived!(
    "argMax(crash_id, received_at) AS example";
    " GROUP BY bucket ORDER BY uniqCombined64(14)((tenant, machine)) DESC, bucket LIMIT 10"
);

impl Database {
    /// What one driver's crashes that arrived within a stretch of time have in common: those of one tenant, or of all.
    pub async fn incident_evidence(
        &self,
        tenant: Option<&str>,
        driver: &str,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Evidence, DatabaseError> {
        let failed = DatabaseError::while_("gather an incident's evidence");
        let ask = |sql| {
            let ask = self.ask(sql).param("driver", driver).param("from", from_ms).param("to", to_ms);
            ask.param("any_tenant", tenant.is_none()).param("tenant", tenant.unwrap_or_default())
        };
        let (totals, versions, bugchecks, buckets, fault_sites, sites, rings, builds, models, examples) =
            tokio::try_join!(
                ask(TOTALS).fetch_one::<Totals>(),
                ask(VERSIONS).fetch_all::<VersionRow>(),
                ask(BUGCHECKS).fetch_all::<BugcheckRow>(),
                ask(BUCKETS).fetch_all::<BucketRow>(),
                ask(FAULT_SITES).fetch_all::<SiteRow>(),
                ask(SITES).fetch_all::<Share>(),
                ask(RINGS).fetch_all::<Share>(),
                ask(BUILDS).fetch_all::<BuildRow>(),
                ask(MODELS).fetch_all::<Share>(),
                ask(EXAMPLES).fetch_all::<Example>(),
            )
            .map_err(failed)?;
        Ok(Evidence {
            machines: totals.machines,
            crashes: totals.crashes,
            first_ms: totals.first_ms,
            last_ms: totals.last_ms,
            site_count: totals.site_count,
            versions,
            bugchecks,
            buckets,
            fault_sites,
            sites,
            rings,
            builds,
            models,
            examples: examples.into_iter().map(|row| row.example).collect(),
        })
    }
}
