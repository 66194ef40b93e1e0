//! Two arms of a rollout: the machines with a new build of a driver, and those with the builds before it, over the same
//! hours. Inventories say who has what; without them, what was loaded when machines crashed for other reasons.

use clickhouse::Row;
use clickhouse::query::Query;
use serde::{Deserialize, Serialize};

use super::builds::BuildSeen;
use crate::database::{Database, DatabaseError};

/// A rollout is judged within its first weeks; what came earlier is the past of both arms.
const WINDOW_MS: i64 = 30 * 86_400_000;
/// A machine that was not heard of for longer is taken for switched off since.
const ALIVE_MS: i64 = 7 * 86_400_000;
/// Builds of one arm that are looked for, the newest ones: the list travels in the address of a request.
const MOST_BUILDS: usize = 50;

/// How a build is named by whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildName<'n> {
    /// By its PE timestamp.
    Timestamp(u32),
    /// By its version, as inventories or a change say it.
    Version(&'n str),
}

/// Where it is known from who has which build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExposureSource {
    /// Inventories: all machines that send one.
    Inventory,
    /// What was loaded when machines crashed for other reasons: a sample, the same for both arms.
    Crashes,
}

/// The machines of one arm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmCounts {
    /// Machines that had one of its builds.
    pub machines: u64,
    /// For how long, together.
    pub machine_hours: f64,
    /// Machines that crashed in the driver with one of them. From crashes alone they may be more than `machines`.
    pub crashed: u64,
}

/// Both arms since the new build was first seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutCounts {
    /// When the new build was first seen in the tenant's fleet, in whatever ring, ms since 1970.
    pub first_seen_ms: i64,
    /// Its PE timestamps. Empty: known by its version only, and no crash can be told to be its.
    pub timestamps: Vec<u32>,
    /// Builds before it that were in use since.
    pub old_builds: Vec<BuildSeen>,
    /// Where the machines are known from.
    pub source: ExposureSource,
    /// Machines with the new build.
    pub new: ArmCounts,
    /// Machines with those before it.
    pub old: ArmCounts,
}

#[derive(Row, Deserialize)]
struct Arms {
    new_machines: u64,
    new_hours: f64,
    old_machines: u64,
    old_hours: f64,
}

#[derive(Row, Deserialize)]
struct Crashed {
    new_crashed: u64,
    old_crashed: u64,
}

/// Sums up who had which build from when to when. What a machine had of the old ones ends where the new one begins, and
/// begins again where it went back. What it has now it has until now.
macro_rules! arms {
    ($sightings:expr) => {
        concat!(
            "
SELECT
    countIf(new_last > 0) AS new_machines,
    sum(new_ms) / 3600000 AS new_hours,
    countIf(old_last > 0 AND old_ms > 0) AS old_machines,
    sum(old_ms) / 3600000 AS old_hours
FROM (
    SELECT
        maxIf(last_ms, is_new) AS new_last,
        maxIf(last_ms, NOT is_new) AS old_last,
        minIf(first_ms, is_new) AS new_first,
        minIf(first_ms, NOT is_new) AS old_first,
        greatest(new_last, old_last) AS heard,
        if(heard >= {now:Int64} - {alive:Int64}, {now:Int64}, heard) AS end_ms,
        if(new_last > 0,
            greatest(0, if(new_last >= old_last, end_ms, new_last) - greatest(new_first, {from:Int64})), 0) AS new_ms,
        if(old_last > 0, greatest(0, end_ms - greatest(old_first, {from:Int64}) - new_ms), 0) AS old_ms
    FROM (", $sightings, ")
    GROUP BY machine
)"
        )
    };
}

macro_rules! is_one_of {
    ($list:literal) => {
        concat!(
            "((timestamp > 0 AND has({",
            $list,
            ":Array(UInt32)}, timestamp))
            OR (timestamp = 0 AND has({",
            $list,
            "_versions:Array(String)}, version)))"
        )
    };
}

const BY_INVENTORY: &str = arms!(concat!(
    "
        SELECT machine, toUnixTimestamp64Milli(first_seen) AS first_ms, toUnixTimestamp64Milli(last_seen) AS last_ms, ",
    is_one_of!("new"),
    " AS is_new
        FROM inventory_builds
        WHERE tenant = {tenant:String} AND driver = {driver:String} AND ({any_ring:Bool} OR ring = {ring:String})
            AND (is_new OR ",
    is_one_of!("old"),
    ")"
));

const BY_CRASHES: &str = arms!(concat!(
    "
        SELECT machine, toUnixTimestamp64Milli(happened_at) AS first_ms, first_ms AS last_ms,
            third_party_timestamps[indexOf(third_party, {driver:String})] AS timestamp, '' AS version, ",
    is_one_of!("new"),
    " AS is_new
        FROM crashes
        WHERE tenant = {tenant:String} AND driver != {driver:String} AND outcome = 'analysed'
            AND ({any_ring:Bool} OR ring = {ring:String})
            AND has(third_party, {driver:String})
            AND happened_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
            AND (is_new OR ",
    is_one_of!("old"),
    ")"
));

const CRASHED: &str = "
SELECT
    uniqExactIf(machine, has({new:Array(UInt32)}, driver_timestamp)) AS new_crashed,
    uniqExactIf(machine, has({old:Array(UInt32)}, driver_timestamp)) AS old_crashed
FROM crashes
WHERE tenant = {tenant:String} AND driver = {driver:String} AND kind = 'kernel' AND outcome = 'analysed'
    AND ({any_ring:Bool} OR ring = {ring:String})
    AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')";

const CHANGED_TO: &str = "
SELECT DISTINCT timestamp
FROM changes
WHERE tenant = {tenant:String} AND lower(what) = {driver:String} AND version = {version:String} AND timestamp > 0";

/// The builds of both arms, as the questions take them.
struct Asked<'a> {
    tenant: &'a str,
    driver: &'a str,
    ring: Option<&'a str>,
    now_ms: i64,
    from_ms: i64,
    new: Vec<BuildSeen>,
    old: Vec<BuildSeen>,
}

impl Asked<'_> {
    fn bind(&self, query: Query) -> Query {
        let versions = |builds: &[BuildSeen]| -> Vec<String> {
            builds.iter().filter(|build| build.timestamp == 0).map(|build| build.version.clone()).collect()
        };
        query
            .param("tenant", self.tenant)
            .param("driver", self.driver)
            .param("any_ring", self.ring.is_none())
            .param("ring", self.ring.unwrap_or_default())
            .param("now", self.now_ms)
            .param("from", self.from_ms)
            .param("since", self.from_ms.saturating_sub(WINDOW_MS).max(0))
            .param("alive", ALIVE_MS)
            .param("new", timestamps(&self.new))
            .param("old", timestamps(&self.old))
            .param("new_versions", versions(&self.new))
            .param("old_versions", versions(&self.old))
    }
}

fn timestamps(builds: &[BuildSeen]) -> Vec<u32> {
    builds.iter().map(|build| build.timestamp).filter(|timestamp| *timestamp > 0).collect()
}

impl Database {
    /// What is known of a rollout up to `now_ms`, in one ring or in all; none where nobody has seen the build. Hours older
    /// than 30 days do not count.
    pub async fn rollout_counts(
        &self,
        tenant: &str,
        driver: &str,
        build: BuildName<'_>,
        ring: Option<&str>,
        now_ms: i64,
    ) -> Result<Option<RolloutCounts>, DatabaseError> {
        let named = match build {
            BuildName::Timestamp(timestamp) => vec![timestamp],
            BuildName::Version(version) => self.changed_to(tenant, driver, version).await?,
        };
        let is_new = |seen: &BuildSeen| match build {
            BuildName::Version(version) if seen.version == version => true,
            _ => seen.timestamp > 0 && named.contains(&seen.timestamp),
        };
        let builds = self.builds(tenant, driver).await?;
        let (mut new, mut old): (Vec<_>, Vec<_>) = builds.into_iter().partition(is_new);
        let Some(first_seen_ms) = new.iter().map(|build| build.first_seen_ms).min() else { return Ok(None) };
        // What came later is another rollout.
        old.retain(|build| build.first_seen_ms < first_seen_ms);
        new.truncate(MOST_BUILDS);
        old.truncate(MOST_BUILDS);
        let from_ms = first_seen_ms.max(now_ms.saturating_sub(WINDOW_MS));
        let asked = Asked { tenant, driver, ring, now_ms, from_ms, new, old };
        let (source, arms) = self.arms(&asked).await?;
        let crashed: Crashed = asked
            .bind(self.ask(CRASHED))
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("count a rollout's crashes"))?;
        Ok(Some(RolloutCounts {
            first_seen_ms,
            timestamps: timestamps(&asked.new),
            old_builds: asked.old,
            source,
            new: ArmCounts {
                machines: arms.new_machines,
                machine_hours: arms.new_hours,
                crashed: crashed.new_crashed,
            },
            old: ArmCounts {
                machines: arms.old_machines,
                machine_hours: arms.old_hours,
                crashed: crashed.old_crashed,
            },
        }))
    }

    /// By inventories where any names the new build, else by crashes.
    async fn arms(&self, asked: &Asked<'_>) -> Result<(ExposureSource, Arms), DatabaseError> {
        let failed = DatabaseError::while_("count a rollout's machines");
        let ask = |sql| asked.bind(self.ask(sql)).fetch_one::<Arms>();
        let arms = ask(BY_INVENTORY).await.map_err(&failed)?;
        if arms.new_machines > 0 {
            return Ok((ExposureSource::Inventory, arms));
        }
        let arms = ask(BY_CRASHES).await.map_err(&failed)?;
        Ok((ExposureSource::Crashes, arms))
    }

    /// The time stamps that changes name with a version.
    async fn changed_to(&self, tenant: &str, driver: &str, version: &str) -> Result<Vec<u32>, DatabaseError> {
        self.ask(CHANGED_TO)
            .param("tenant", tenant)
            .param("driver", driver)
            .param("version", version)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for a version among the changes"))
    }
}
