//! What machines have, those that crash in one way against those that crash in others: rings, sites, models, builds.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// Crashes that are looked at, the newest. Enough to tell a share to a fraction of a percent, and a tenth of a second on two
/// cores; in an outage these are minutes, and the page says since when.
const MOST: u32 = 250_000;
/// Crashes among which all of the others are counted.
const ENOUGH: u32 = 50_000;
/// How long before its row a crash may have happened for an incident: machines upload when they are up again.
const UPLOAD_MS: i64 = 86_400_000;

/// Which crashes are held against all others of the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ours {
    /// Those blamed on a driver; empty for those blamed on no image.
    Driver(String),
    /// Those of a bug check.
    BugCheck(u32),
    /// Those of a bucket.
    Bucket(String),
}

/// What a value is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FacetKind {
    /// Rollout ring.
    Ring,
    /// Office or shop.
    Site,
    /// System model.
    Model,
    /// Windows build with its update revision: `19045.4651`.
    OsBuild,
}

/// A value, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComparedValue {
    /// What it is of.
    pub facet: FacetKind,
    /// The value; empty where machines named none.
    pub name: String,
    /// Distinct machines of ours.
    pub machines: u64,
    /// Crashes of ours.
    pub crashes: u64,
    /// Distinct machines that crashed otherwise.
    pub others: u64,
}

/// Both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Facets {
    /// Only crashes since then were looked at; `None`: all of the stretch of time.
    pub since_ms: Option<i64>,
    /// Distinct machines of ours.
    pub machines: u64,
    /// Distinct machines that crashed otherwise, of those that were counted.
    pub others: u64,
    /// Distinct sites of ours, by tenant.
    pub sites: u64,
    /// The first 50 of each facet by machines of ours, and no value that none of ours has.
    pub values: Vec<ComparedValue>,
    /// Of the others one machine in so many was counted, picked by a hash of its name.
    pub others_one_in: u64,
}

/// Which stretch of time, and of what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) tenant: Option<&'a str>,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    /// Whether it is of arrivals rather than of crashes.
    pub(super) by_arrival: bool,
}

#[derive(Row, Deserialize)]
struct Line {
    list: u64,
    name: String,
    machines: u64,
    crashes: u64,
    others: u64,
    sites: u64,
    since_ms: i64,
    one_in: u64,
}

/// The time is the first part of the key, so that where to begin is found by reading nothing else. A dump without a time
/// (0) is looked for at the key's other end. `FINAL`, or a verdict that was changed would count on both sides. All of ours
/// are counted, and of the others a sample of machines: their shares are what is asked, and one in some is enough for that.
const SQL: &str = "
WITH
    fromUnixTimestamp64Milli({from:Int64}, 'UTC') AS begin,
    fromUnixTimestamp64Milli({to:Int64}, 'UTC') AS end,
    (
        SELECT toUnixTimestamp64Milli(min(crashed_at)) FROM (
            SELECT crashed_at FROM crashes WHERE crashed_at >= begin AND crashed_at < end
            ORDER BY crashed_at DESC LIMIT 1 OFFSET {most:UInt32}
        )
    ) AS cut,
    (
        SELECT greatest(1, intDiv(count(), {enough:UInt32})) FROM crashes
        WHERE crashed_at >= fromUnixTimestamp64Milli(greatest({from:Int64}, cut), 'UTC') AND crashed_at < end
    ) AS apart
SELECT list, name, machines, crashes, others, sites,
    ifNull(toInt64(cut), 0) AS since_ms,
    ifNull(toUInt64(apart), 1) AS one_in
FROM (
    SELECT
        grouping(ring, site, model, os_build) AS list,
        multiIf(list = 7, toString(ring), list = 11, toString(site), list = 13, toString(model),
            list = 14, concat(toString(os_build), '.', toString(os_ubr)), '') AS name,
        uniqExactIf(who, ours) AS machines,
        uniqExactIf(crash_id, ours) AS crashes,
        uniqExactIf(who, NOT ours) AS others,
        uniqExactIf(place, ours) AS sites
    FROM (
        SELECT
            crash_id, ring, site, model, os_build, os_ubr,
            sipHash64(tenant, machine) AS who,
            sipHash64(tenant, site) AS place,
            ({driver:Nullable(String)} IS NULL OR driver = {driver:Nullable(String)})
                AND ({bucket:Nullable(String)} IS NULL OR bucket = {bucket:Nullable(String)})
                AND ({bugcheck:Nullable(UInt32)} IS NULL OR bugcheck = {bugcheck:Nullable(UInt32)}) AS is_ours,
            ifNull(is_ours, false) AS ours
        FROM crashes FINAL
        WHERE outcome = 'analysed'
            AND (crashed_at = fromUnixTimestamp64Milli(0, 'UTC')
                OR (crashed_at >= fromUnixTimestamp64Milli(greatest({from:Int64}, cut), 'UTC') AND crashed_at < end))
            AND happened_at >= fromUnixTimestamp64Milli(greatest({from:Int64}, cut), 'UTC') AND happened_at < end
            AND stored_at >= fromUnixTimestamp64Milli({stored:Int64}, 'UTC')
            AND ({any_tenant:Bool} OR tenant = {tenant:String})
            AND (ours OR who % apart = 0)
    )
    GROUP BY GROUPING SETS ((ring), (site), (model), (os_build, os_ubr), ())
)
ORDER BY list DESC, machines DESC, crashes DESC, name
LIMIT 50 BY list";

const WHOLE: u64 = 0b1111;
const RING: u64 = 0b0111;
const SITE: u64 = 0b1011;
const MODEL: u64 = 0b1101;

impl Facets {
    fn of(lines: Vec<Line>) -> Self {
        let mut facets = Self::default();
        for line in lines {
            let facet = match line.list {
                WHOLE => {
                    (facets.machines, facets.others) = (line.machines, line.others);
                    (facets.sites, facets.others_one_in) = (line.sites, line.one_in);
                    facets.since_ms = (line.since_ms > 0).then_some(line.since_ms);
                    continue;
                }
                RING => FacetKind::Ring,
                SITE => FacetKind::Site,
                MODEL => FacetKind::Model,
                _ => FacetKind::OsBuild,
            };
            if line.machines > 0 {
                facets.values.push(ComparedValue {
                    facet,
                    name: line.name,
                    machines: line.machines,
                    crashes: line.crashes,
                    others: line.others,
                });
            }
        }
        facets
    }
}

impl Database {
    /// What the machines of an incident have and others have not: of the crashes that arrived within a stretch of time,
    /// those of one tenant or of all.
    pub async fn incident_facets(
        &self,
        tenant: Option<&str>,
        ours: &Ours,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Facets, DatabaseError> {
        self.facets(ours, Window { tenant, from_ms, to_ms, by_arrival: true }).await
    }

    pub(super) async fn facets(&self, ours: &Ours, window: Window<'_>) -> Result<Facets, DatabaseError> {
        let (mut driver, mut bucket, mut bugcheck) = (None, None, None);
        match ours {
            Ours::Driver(name) => driver = Some(name.as_str()),
            Ours::Bucket(id) => bucket = Some(id.as_str()),
            Ours::BugCheck(code) => bugcheck = Some(*code),
        }
        let (from_ms, stored_ms) = match window.by_arrival {
            true => (window.from_ms.saturating_sub(UPLOAD_MS), window.from_ms),
            false => (window.from_ms, 0),
        };
        let lines: Vec<Line> = self
            .ask(SQL)
            .param("driver", driver)
            .param("bucket", bucket)
            .param("bugcheck", bugcheck)
            .param("any_tenant", window.tenant.is_none())
            .param("tenant", window.tenant.unwrap_or_default())
            .param("from", from_ms.max(0))
            .param("to", window.to_ms.max(0))
            .param("stored", stored_ms.max(0))
            .param("most", MOST)
            .param("enough", ENOUGH)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("hold an incident's machines against others"))?;
        Ok(Facets::of(lines))
    }
}
