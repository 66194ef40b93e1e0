//! What machines have, those that crash in one way against those that crash in others: rings, sites, models, builds.

use clickhouse::Row;
use clickhouse::query::Query;
use serde::{Deserialize, Serialize};

use super::SAMPLE_ONE_IN;
use crate::database::{Database, DatabaseError};

/// All of the others are counted where at most so many crashes lie in the stretch of time; else one machine in sixteen,
/// which `crash_sample` has side by side.
const ALL_UP_TO: u64 = 100_000;
/// Crashes of the sample among which all of the others are counted.
const ENOUGH: u64 = 20_000;
/// Crashes of the sample that are looked at, the newest: beyond them the page says since when.
const MOST: u32 = 250_000;
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
}

/// How many crashes of the sample lie in a stretch of time, and where those that are looked at begin; 0: all are.
const EXTENT: &str = "
SELECT count() AS crashes, ifNull((
    SELECT toUnixTimestamp64Milli(min(crashed_at)) FROM (
        SELECT crashed_at FROM crash_sample
        WHERE crashed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND crashed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
        ORDER BY crashed_at DESC LIMIT 1 OFFSET {most:UInt32}
    )
), 0) AS since_ms
FROM crash_sample
WHERE crashed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND crashed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')";

#[derive(Row, Deserialize)]
struct Extent {
    crashes: u64,
    since_ms: i64,
}

/// Of a stretch of time. In a table of crashes the time is the first part of the key; a dump without a time (0) is looked
/// for at the key's other end.
const WITHIN: &str = "happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
            AND stored_at >= fromUnixTimestamp64Milli({stored:Int64}, 'UTC')
            AND ({any_tenant:Bool} OR tenant = {tenant:String})";
const ANALYSED: &str = "outcome = 'analysed'
            AND (crashed_at = fromUnixTimestamp64Milli(0, 'UTC')
                OR (crashed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
                    AND crashed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')))";

/// A driver's crashes stand side by side in a table of their own. Else what is not a sample is read with `FINAL`, or a
/// verdict that was changed would count on both sides: nothing in a sample, but all that there is in a small fleet.
fn statement(ours: &Ours, others: &str) -> String {
    let (table, is_ours) = match ours {
        Ours::Driver(_) => ("driver_crashes".to_owned(), "driver = {ours:String}".to_owned()),
        Ours::Bucket(_) => ("crashes FINAL".to_owned(), format!("bucket = {{ours:String}} AND {ANALYSED}")),
        Ours::BugCheck(_) => {
            ("crashes FINAL".to_owned(), format!("bugcheck = {{ours:UInt32}} AND {ANALYSED}"))
        }
    };
    let is_other = match ours {
        Ours::Driver(_) => "driver != {ours:String}",
        Ours::Bucket(_) => "bucket != {ours:String}",
        Ours::BugCheck(_) => "bugcheck != {ours:UInt32}",
    };
    let columns =
        "crash_id, ring, site, model, os_build, os_ubr, sipHash64(CAST(tenant, 'String'), machine) AS who,
            sipHash64(CAST(tenant, 'String'), CAST(site, 'String')) AS place";
    format!(
        "SELECT
    grouping(ring, site, model, os_build) AS list,
    multiIf(list = 7, toString(ring), list = 11, toString(site), list = 13, toString(model),
        list = 14, concat(toString(os_build), '.', toString(os_ubr)), '') AS name,
    uniqExactIf(who, ours) AS machines,
    uniqExactIf(crash_id, ours) AS crashes,
    uniqExactIf(who, NOT ours) AS others,
    uniqExactIf(place, ours) AS sites
FROM (
    SELECT true AS ours, {columns}
    FROM {table}
    WHERE {is_ours} AND {WITHIN}
    UNION ALL
    SELECT false AS ours, {columns}
    FROM {others}
    WHERE {is_other} AND {ANALYSED} AND {WITHIN} AND intDiv(who, {SAMPLE_ONE_IN}) % {{apart:UInt64}} = 0
)
GROUP BY GROUPING SETS ((ring), (site), (model), (os_build, os_ubr), ())
ORDER BY list DESC, machines DESC, crashes DESC, name
LIMIT 50 BY list"
    )
}

const WHOLE: u64 = 0b1111;
const RING: u64 = 0b0111;
const SITE: u64 = 0b1011;
const MODEL: u64 = 0b1101;

impl Facets {
    fn of(lines: Vec<Line>, since_ms: Option<i64>, others_one_in: u64) -> Self {
        let mut facets = Self { since_ms, others_one_in, ..Self::default() };
        for line in lines {
            let facet = match line.list {
                WHOLE => {
                    (facets.machines, facets.others) = (line.machines, line.others);
                    facets.sites = line.sites;
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
        let failed = DatabaseError::while_("hold machines against others");
        let (from_ms, stored_ms) = match window.by_arrival {
            true => (window.from_ms.saturating_sub(UPLOAD_MS), window.from_ms),
            false => (window.from_ms, 0),
        };
        let stretch =
            |query: Query, from_ms: i64| query.param("from", from_ms.max(0)).param("to", window.to_ms.max(0));
        let extent: Extent =
            stretch(self.ask(EXTENT), from_ms).param("most", MOST).fetch_one().await.map_err(&failed)?;
        let is_all = extent.crashes.saturating_mul(SAMPLE_ONE_IN) <= ALL_UP_TO;
        let since_ms = (extent.since_ms > 0).then_some(extent.since_ms);
        let apart = extent.crashes.min(u64::from(MOST)).div_ceil(ENOUGH).max(1);
        // A table by another name: what is derived from a row is derived from `crashes`.
        let (others, one_in) = match is_all {
            true => ("crashes FINAL", 1),
            false => ("crash_sample AS crashes", SAMPLE_ONE_IN * apart),
        };
        let question = stretch(self.ask_built(&statement(ours, others)), since_ms.unwrap_or(from_ms));
        let question = match ours {
            Ours::Driver(name) | Ours::Bucket(name) => question.param("ours", name.as_str()),
            Ours::BugCheck(code) => question.param("ours", *code),
        };
        let lines: Vec<Line> = question
            .param("any_tenant", window.tenant.is_none())
            .param("tenant", window.tenant.unwrap_or_default())
            .param("stored", stored_ms.max(0))
            .param("apart", apart)
            .fetch_all()
            .await
            .map_err(&failed)?;
        Ok(Facets::of(lines, since_ms, one_in))
    }
}
