//! What one driver's crashes have in common: what a person wants to see when paged.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Range;
use super::crashes::CrashSummary;
use super::driver_facts::{By, Which};
use super::facets::{FacetKind, Facets, Ours, Window};
use crate::database::{Database, DatabaseError};

/// Later than anything that happened: the last second that the rollup's minutes can hold, in 2106.
const EVER_MS: i64 = 4_294_967_295_000;

/// Crashes to look at, one of each of so many buckets.
const EXAMPLES: usize = 10;

/// One driver's crashes of a stretch of time, seen from every side. Lists are by machines, the first 50. Sites, rings,
/// builds and models are of no more crashes than `facets` looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// The same sites, rings, builds and models, against the machines that crashed otherwise.
    pub facets: Facets,
}

/// One version of an image, as its PE header names it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

impl Evidence {
    /// Sites, rings, builds and models.
    fn with(mut self, facets: Facets) -> Self {
        self.site_count = facets.sites;
        for value in &facets.values {
            let (machines, crashes) = (value.machines, value.crashes);
            let share = Share { name: value.name.clone(), machines, crashes };
            match value.facet {
                FacetKind::Ring => self.rings.push(share),
                FacetKind::Site => self.sites.push(share),
                FacetKind::Model => self.models.push(share),
                FacetKind::OsBuild => {
                    let (build, ubr) = value.name.split_once('.').unwrap_or((&value.name, ""));
                    let number = |text: &str| text.parse().unwrap_or(0);
                    self.builds.push(BuildRow { build: number(build), ubr: number(ubr), machines, crashes });
                }
            }
        }
        self.facets = facets;
        self
    }
}

impl Database {
    /// What one driver's crashes that arrived within a stretch of time have in common: those of one tenant, or of all.
    pub async fn incident_evidence(
        &self,
        tenant: Option<&str>,
        driver: &str,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Evidence, DatabaseError> {
        self.evidence(Which { tenant, driver, from_ms, to_ms, by: By::Arrival }).await
    }

    /// The same of its crashes that happened within a range, of all tenants.
    pub async fn driver_evidence(&self, driver: &str, range: Range) -> Result<Evidence, DatabaseError> {
        let Range { from_ms, to_ms } = range;
        self.evidence(Which { tenant: None, driver, from_ms, to_ms, by: By::Crash }).await
    }

    /// The newest crashes of a driver that arrived from then on: of all times, or of one tenant's stretch of time.
    pub async fn newest_of_driver(
        &self,
        tenant: Option<&str>,
        driver: &str,
        range: Option<Range>,
        limit: u32,
    ) -> Result<Vec<CrashSummary>, DatabaseError> {
        let Range { from_ms, to_ms } = range.unwrap_or(Range { from_ms: 0, to_ms: EVER_MS });
        let which = Which { tenant, driver, from_ms, to_ms, by: By::Arrival };
        self.crash_lines(&self.driver_newest(which, limit).await?).await
    }

    async fn evidence(&self, which: Which<'_>) -> Result<Evidence, DatabaseError> {
        let Which { tenant, driver, from_ms, to_ms, by } = which;
        let window = Window { tenant, from_ms, to_ms, by_arrival: by == By::Arrival };
        let ours = Ours::Driver(driver.to_owned());
        let (facts, examples, facets) = tokio::try_join!(
            self.driver_facts(which),
            self.driver_examples(which),
            self.facets(&ours, window),
        )?;
        if facts.crashes == 0 {
            return Ok(Evidence::default());
        }
        let commonest = facts.buckets.iter().take(EXAMPLES);
        let examples = commonest.filter_map(|row| examples.get(&row.bucket).copied()).collect();
        let evidence = Evidence {
            machines: facts.machines,
            crashes: facts.crashes,
            first_ms: facts.first_ms,
            last_ms: facts.last_ms,
            versions: facts.versions,
            bugchecks: facts.bugchecks,
            buckets: facts.buckets,
            fault_sites: facts.fault_sites,
            examples,
            ..Evidence::default()
        };
        Ok(evidence.with(facets))
    }
}
