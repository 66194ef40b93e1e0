//! One driver's crashes from every side that its rollup knows: versions, bug checks, buckets, fault sites.

use std::collections::BTreeMap;

use clickhouse::Row;
use clickhouse::query::Query;
use serde::Deserialize;
use uuid::Uuid;

use super::incident_evidence::{BucketRow, BugcheckRow, SiteRow, VersionRow};
use crate::database::{Database, DatabaseError};

/// A machine's clock is believed for so long before the arrival of its crash: as `crashes.happened_at` has it.
const LATEST_MS: i64 = 30 * 86_400_000;

/// Which of a driver's crashes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which<'a> {
    pub(super) tenant: Option<&'a str>,
    pub(super) driver: &'a str,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) by: By,
}

/// What a stretch of time is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Of when they happened, in whole minutes.
    Crash,
    /// Of when they became rows: what a minute holds of one fault site is in where the last of it is.
    Arrival,
}

impl Which<'_> {
    pub(super) fn bind(&self, query: Query) -> Query {
        let (from_ms, stored_ms) = match self.by {
            By::Crash => (self.from_ms, 0),
            By::Arrival => (self.from_ms.saturating_sub(LATEST_MS), self.from_ms),
        };
        query
            .param("driver", self.driver)
            .param("any_tenant", self.tenant.is_none())
            .param("tenant", self.tenant.unwrap_or_default())
            .param("from", from_ms.max(0))
            .param("to", self.to_ms.max(0))
            .param("stored", stored_ms.max(0))
    }
}

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) machines: u64,
    pub(super) crashes: u64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) versions: Vec<VersionRow>,
    pub(super) bugchecks: Vec<BugcheckRow>,
    pub(super) buckets: Vec<BucketRow>,
    pub(super) fault_sites: Vec<SiteRow>,
}

/// A row of one of the lists; which one says `list`.
#[derive(Row, Deserialize)]
struct Line {
    list: u64,
    timestamp: u32,
    size: u32,
    offset: u64,
    bugcheck: u32,
    bugcheck_name: String,
    bucket: String,
    bucket_hash: String,
    machines: u64,
    crashes: u64,
    first_seen_ms: i64,
    last_seen_ms: i64,
}

macro_rules! of_driver {
    () => {
        " FROM driver_minutes
    WHERE driver = {driver:String}
        AND minute >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
        AND minute < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
        AND ({any_tenant:Bool} OR tenant = {tenant:String})
        AND stored >= fromUnixTimestamp64Milli({stored:Int64}, 'UTC')"
    };
}

/// First what is the same in every minute is put together, once; the lists are made of the few sets that are left.
/// `grouping` has a bit for each of its columns that a list does not go by.
const SQL: &str = concat!(
    "SELECT
    grouping(size, offset, bugcheck, bucket) AS list,
    timestamp, size, offset, bugcheck, toString(bugcheck_name) AS bugcheck_name, toString(bucket) AS bucket,
    toString(bucket_hash) AS bucket_hash,
    uniqCombined64Merge(14)(machine_set) AS machines,
    uniqCombined64Merge(17)(crash_set) AS crashes,
    toUnixTimestamp64Milli(min(first)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last)) AS last_seen_ms
FROM (
    SELECT timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash,
        uniqCombined64MergeState(14)(driver_minutes.machines) AS machine_set,
        uniqCombined64MergeState(17)(driver_minutes.crashes) AS crash_set,
        min(first_seen) AS first,
        max(last_seen) AS last",
    of_driver!(),
    "
    GROUP BY timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash
)
GROUP BY GROUPING SETS (
    (timestamp, size), (timestamp, offset), (bugcheck, bugcheck_name), (bucket, bucket_hash), ()
)
ORDER BY list, machines DESC, crashes DESC, timestamp, size, offset, bugcheck, bucket
LIMIT 50 BY list"
);

const WHOLE: u64 = 0b1111;
const BUCKET: u64 = 0b1110;
const BUGCHECK: u64 = 0b1101;
const OFFSET: u64 = 0b1011;
const SIZE: u64 = 0b0111;

/// The newest crash of each bucket. An id begins with the dump's time, so ids sort as text by it. Only rows of the last
/// minutes are read whole: a driver's week has some hundred thousand.
const EXAMPLES: &str = concat!(
    "SELECT toString(bucket) AS bucket,
    arrayReverseSort(id -> toString(id), groupUniqArrayMerge(20)(driver_minutes.examples))[1] AS example",
    of_driver!(),
    "
    AND (minute, bucket) IN (SELECT max(minute), bucket",
    of_driver!(),
    " GROUP BY bucket)
GROUP BY bucket
LIMIT 1000"
);

/// In the order of the key, backwards: this reads little more than it gives, however long the driver's past.
const NEWEST: &str = concat!(
    "SELECT example
FROM (
    SELECT minute, arrayJoin(finalizeAggregation(some)) AS example
    FROM (
        SELECT minute, driver_minutes.examples AS some",
    of_driver!(),
    "
        ORDER BY minute DESC
        LIMIT {limit:UInt32}
    )
    ORDER BY minute DESC, toString(example) DESC
    LIMIT 1 BY example
)
LIMIT {limit:UInt32}"
);

#[derive(Row, Deserialize)]
struct BucketExample {
    bucket: String,
    #[serde(with = "clickhouse::serde::uuid")]
    example: Uuid,
}

#[derive(Row, Deserialize)]
struct Example {
    #[serde(with = "clickhouse::serde::uuid")]
    example: Uuid,
}

impl Facts {
    fn of(lines: Vec<Line>) -> Self {
        let mut facts = Self::default();
        for line in lines {
            let Line { timestamp, machines, crashes, first_seen_ms, last_seen_ms, .. } = line;
            match line.list {
                WHOLE if crashes > 0 => {
                    (facts.machines, facts.crashes) = (machines, crashes);
                    (facts.first_ms, facts.last_ms) = (first_seen_ms, last_seen_ms);
                }
                SIZE => facts.versions.push(VersionRow {
                    timestamp,
                    size: line.size,
                    machines,
                    crashes,
                    first_seen_ms,
                    last_seen_ms,
                }),
                OFFSET => {
                    facts.fault_sites.push(SiteRow { timestamp, offset: line.offset, machines, crashes });
                }
                BUGCHECK => facts.bugchecks.push(BugcheckRow {
                    code: line.bugcheck,
                    name: line.bugcheck_name,
                    machines,
                    crashes,
                }),
                BUCKET => facts.buckets.push(BucketRow {
                    bucket: line.bucket,
                    bucket_hash: line.bucket_hash,
                    machines,
                    crashes,
                    last_seen_ms,
                }),
                _ => {}
            }
        }
        facts
    }
}

impl Database {
    pub(super) async fn driver_facts(&self, which: Which<'_>) -> Result<Facts, DatabaseError> {
        let lines: Vec<Line> = which
            .bind(self.ask(SQL))
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("gather a driver's facts"))?;
        Ok(Facts::of(lines))
    }

    /// The newest crash of each bucket.
    pub(super) async fn driver_examples(
        &self,
        which: Which<'_>,
    ) -> Result<BTreeMap<String, Uuid>, DatabaseError> {
        let found: Vec<BucketExample> = which
            .bind(self.ask(EXAMPLES))
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for examples of a driver's crashes"))?;
        Ok(found.into_iter().map(|row| (row.bucket, row.example)).collect())
    }

    /// The newest crashes of a driver, up to 20 of each minute and fault site.
    pub(super) async fn driver_newest(
        &self,
        which: Which<'_>,
        limit: u32,
    ) -> Result<Vec<Uuid>, DatabaseError> {
        let found: Vec<Example> = which
            .bind(self.ask(NEWEST))
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for a driver's newest crashes"))?;
        Ok(found.into_iter().map(|row| row.example).collect())
    }
}
