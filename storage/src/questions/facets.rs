//! What machines have, those that crash in one way against those that crash in others: rings, sites, models, builds.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// Crashes that are looked at, the newest. Enough to tell a share to a fraction of a percent, and a tenth of a second on two
/// cores; in an outage these are minutes, and the page says since when.
const MOST: u32 = 400_000;
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
pub struct FacetValue {
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
pub struct Facets {
    /// Only crashes since then were looked at; `None`: all of the stretch of time.
    pub since_ms: Option<i64>,
    /// Distinct machines of ours.
    pub machines: u64,
    /// Distinct machines that crashed otherwise.
    pub others: u64,
    /// Distinct sites of ours, by tenant.
    pub sites: u64,
    /// The first 50 of each facet by machines of ours, and no value that none of ours has.
    pub values: Vec<FacetValue>,
    /// How many values of a facet were compared, by [`FacetKind`]'s order: rings, sites, models, builds.
    pub compared: [u64; 4],
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
    facet: u8,
    name: String,
    machines: u64,
    crashes: u64,
    others: u64,
    sites: u64,
    compared: u64,
    since_ms: i64,
}

/// The time is the first part of the key, so that where to begin is found by reading nothing else. A dump without a time
/// (0) is looked for at the key's other end. `FINAL`, or a verdict that was changed would count on both sides.
const SQL: &str = "
WITH
    fromUnixTimestamp64Milli({from:Int64}, 'UTC') AS begin,
    fromUnixTimestamp64Milli({to:Int64}, 'UTC') AS end,
    (
        SELECT toUnixTimestamp64Milli(min(crashed_at)) FROM (
            SELECT crashed_at FROM crashes WHERE crashed_at >= begin AND crashed_at < end
            ORDER BY crashed_at DESC LIMIT 1 OFFSET {most:UInt32}
        )
    ) AS cut
SELECT facet, name, machines, crashes, others, sites,
    count() OVER (PARTITION BY facet) AS compared, if(cut > 0, cut, 0) AS since_ms
FROM (
    SELECT
        pair.1 AS facet,
        pair.2 AS name,
        uniqExactIf(who, ours) AS machines,
        uniqExactIf(crash_id, ours) AS crashes,
        uniqExactIf(who, NOT ours) AS others,
        uniqExactIf(place, ours AND pair.1 = 0) AS sites
    FROM (
        SELECT
            crash_id,
            sipHash64(tenant, machine) AS who,
            sipHash64(tenant, site) AS place,
            ({driver:Nullable(String)} IS NULL OR driver = {driver:Nullable(String)})
                AND ({bucket:Nullable(String)} IS NULL OR bucket = {bucket:Nullable(String)})
                AND ({bugcheck:Nullable(UInt32)} IS NULL OR bugcheck = {bugcheck:Nullable(UInt32)}) AS ours,
            arrayJoin([
                (0, ''), (1, toString(ring)), (2, toString(site)), (3, toString(model)),
                (4, concat(toString(os_build), '.', toString(os_ubr)))
            ]) AS pair
        FROM crashes FINAL
        WHERE outcome = 'analysed'
            AND (crashed_at = fromUnixTimestamp64Milli(0, 'UTC')
                OR (crashed_at >= fromUnixTimestamp64Milli(greatest({from:Int64}, cut), 'UTC') AND crashed_at < end))
            AND happened_at >= fromUnixTimestamp64Milli(greatest({from:Int64}, cut), 'UTC') AND happened_at < end
            AND stored_at >= fromUnixTimestamp64Milli({stored:Int64}, 'UTC')
            AND ({any_tenant:Bool} OR tenant = {tenant:String})
    )
    GROUP BY facet, name
)
ORDER BY facet, machines DESC, crashes DESC, name
LIMIT 50 BY facet";

impl Facets {
    fn of(lines: Vec<Line>) -> Self {
        let mut facets = Self::default();
        for line in lines {
            let facet = match line.facet {
                0 => {
                    (facets.machines, facets.others) = (line.machines, line.others);
                    facets.sites = line.sites;
                    facets.since_ms = (line.since_ms > 0).then_some(line.since_ms);
                    continue;
                }
                1 => FacetKind::Ring,
                2 => FacetKind::Site,
                3 => FacetKind::Model,
                _ => FacetKind::OsBuild,
            };
            if let Some(compared) = facets.compared.get_mut(usize::from(line.facet) - 1) {
                *compared = line.compared;
            }
            if line.machines > 0 {
                facets.values.push(FacetValue {
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
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("hold an incident's machines against others"))?;
        Ok(Facets::of(lines))
    }
}
