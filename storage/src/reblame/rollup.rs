//! One hour of one rollup: where it says something else than the crashes, and how it is made anew without a gap.
//! What the rollups hold is the business of `schema/0002_arrivals.sql` and `schema/0003_crash_minutes.sql`.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};
use crate::questions::Range;

/// The last hour that a `DateTime` holds, 2106.
pub(super) const FAR_MS: i64 = 4_294_965_600_000;
/// An hour at a time: the worst one known has some 6 million crashes, and a set of their ids takes 100 to 200 MB.
const HOUR_S: i64 = 3_600;
/// A statement that writes may take this long.
const WRITE_SECONDS: &str = "600";
/// A round fails only where a merge took a part between two statements: twice in a row is rare, ten times is a fault.
const MOST_ROUNDS: u32 = 10;

/// Which rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rollup {
    /// By when a crash became a row: the detector's.
    Arrivals,
    /// By when it happened: the pages'.
    Minutes,
}

/// The rows of a rollup that say something else than the crashes.
#[derive(Debug, Clone, Copy, Row, Serialize, Deserialize)]
pub(super) struct Stale {
    rows: u64,
    from_s: i64,
    to_s: i64,
}

/// The crashes of an hour as the arrivals count them.
macro_rules! arrived {
    () => {
        "FROM crashes FINAL
    WHERE outcome = 'analysed'
        AND stored_at >= fromUnixTimestamp64Milli({from_s:Int64} * 1000, 'UTC')
        AND stored_at < fromUnixTimestamp64Milli({to_s:Int64} * 1000, 'UTC')"
    };
}

/// The crashes of an hour as the minutes count them.
macro_rules! happened {
    () => {
        "FROM crashes FINAL
    WHERE outcome = 'analysed'
        AND happened_at >= fromUnixTimestamp64Milli({from_s:Int64} * 1000, 'UTC')
        AND happened_at < fromUnixTimestamp64Milli({to_s:Int64} * 1000, 'UTC')
        AND received_at >= fromUnixTimestamp64Milli({from_s:Int64} * 1000 - 300000, 'UTC')"
    };
}

/// The keys where the two sides differ. A rollup only ever holds too much, so as many are the same ones.
macro_rules! stale {
    ($time:literal, $key:literal, $held:literal, $there:expr) => {
        concat!(
            "SELECT count() AS rows, ifNull(min(toInt64(toUnixTimestamp(",
            $time,
            "))), 0) AS from_s, ifNull(max(toInt64(toUnixTimestamp(",
            $time,
            "))), 0) AS to_s
FROM (
    SELECT ",
            $key,
            " FROM (",
            $held,
            " UNION ALL ",
            $there,
            ")
    GROUP BY ",
            $key,
            "
    HAVING sum(held_crashes) != sum(crashes_there) OR sum(held_buckets) != sum(buckets_there)
)"
        )
    };
}

const STALE_ARRIVALS: &str = stale!(
    "tick",
    "tick, tenant, kind, driver",
    "SELECT tick, tenant, kind, driver, uniqExactMerge(arrivals.crashes) AS held_crashes, 0 AS crashes_there,
        0 AS held_buckets, 0 AS buckets_there
    FROM arrivals
    WHERE tick >= toDateTime({from_s:Int64}, 'UTC') AND tick < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY tick, tenant, kind, driver",
    concat!(
        "SELECT toStartOfInterval(toDateTime(stored_at, 'UTC'), INTERVAL 10 SECOND) AS tick, tenant, kind, driver, 0, count(),
        0, 0 ",
        arrived!(),
        " GROUP BY tick, tenant, kind, driver"
    )
);

const STALE_MINUTES: &str = stale!(
    "minute",
    "minute, tenant, kind, culprit, driver",
    "SELECT minute, tenant, kind, culprit, driver, uniqExactMerge(crash_minutes.crashes) AS held_crashes,
        0 AS crashes_there, uniqExactMerge(crash_minutes.buckets) AS held_buckets, 0 AS buckets_there
    FROM crash_minutes
    WHERE minute >= toDateTime({from_s:Int64}, 'UTC') AND minute < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY minute, tenant, kind, culprit, driver",
    concat!(
        "SELECT toStartOfMinute(toDateTime(happened_at, 'UTC')) AS minute, tenant, kind, culprit, driver, 0, count(), 0,
        uniqExact(bucket) ",
        happened!(),
        " GROUP BY minute, tenant, kind, culprit, driver"
    )
);

/// As `arrivals_of_crashes` does it.
const ADD_ARRIVALS: &str = concat!(
    "INSERT INTO arrivals (tick, tenant, kind, driver, crashes, machines, sites)
SELECT
    toStartOfInterval(toDateTime(stored_at, 'UTC'), INTERVAL 10 SECOND) AS tick,
    tenant,
    kind,
    driver,
    uniqExactState(crash_id),
    uniqCombined64State(14)((CAST(tenant, 'String'), machine)),
    uniqExactState((CAST(tenant, 'String'), if(site = '', concat('machine ', machine), concat('site ', site))))
",
    arrived!(),
    " GROUP BY tick, tenant, kind, driver"
);

/// As `crash_minutes_of_crashes` does it.
const ADD_MINUTES: &str = concat!(
    "INSERT INTO crash_minutes (minute, tenant, kind, culprit, driver, first_seen, last_seen, crashes, machines, buckets)
SELECT
    toStartOfMinute(toDateTime(happened_at, 'UTC')) AS minute,
    tenant,
    kind,
    culprit,
    driver,
    min(happened_at),
    max(happened_at),
    uniqExactState(crash_id),
    uniqCombined64State(14)((CAST(tenant, 'String'), machine)),
    uniqExactState(CAST(bucket, 'String'))
",
    happened!(),
    " GROUP BY minute, tenant, kind, culprit, driver"
);

const FORGET_ARRIVALS: &str = "DELETE FROM arrivals
WHERE tick >= toDateTime({from_s:Int64}, 'UTC') AND tick < toDateTime({to_s:Int64}, 'UTC') AND _part IN {parts:Array(String)}";

const FORGET_MINUTES: &str = "DELETE FROM crash_minutes
WHERE minute >= toDateTime({from_s:Int64}, 'UTC') AND minute < toDateTime({to_s:Int64}, 'UTC')
    AND _part IN {parts:Array(String)}";

/// A part knows between which times its rows lie, as the tables' partitions go by them.
const PARTS: &str = "SELECT name FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active
    AND max_time >= toDateTime({from_s:Int64}, 'UTC') AND min_time < toDateTime({to_s:Int64}, 'UTC')";

const HOURS_OF_ARRIVALS: &str = "SELECT DISTINCT toInt64(toUnixTimestamp(toStartOfHour(tick))) AS hour
FROM arrivals
WHERE tick >= toDateTime({from_s:Int64}, 'UTC') AND tick < toDateTime({to_s:Int64}, 'UTC')
ORDER BY hour";

const HOURS_OF_MINUTES: &str = "SELECT DISTINCT toInt64(toUnixTimestamp(toStartOfHour(minute))) AS hour
FROM crash_minutes
WHERE minute >= toDateTime({from_s:Int64}, 'UTC') AND minute < toDateTime({to_s:Int64}, 'UTC')
ORDER BY hour";

impl Rollup {
    fn table(self) -> &'static str {
        match self {
            Self::Arrivals => "arrivals",
            Self::Minutes => "crash_minutes",
        }
    }

    /// Seconds that one of its rows stands for.
    fn step_s(self) -> i64 {
        match self {
            Self::Arrivals => 10,
            Self::Minutes => 60,
        }
    }
}

/// The picks of a rollup's statements.
fn sql(rollup: Rollup, arrivals: &'static str, minutes: &'static str) -> &'static str {
    match rollup {
        Rollup::Arrivals => arrivals,
        Rollup::Minutes => minutes,
    }
}

impl Database {
    /// The whole hours of a range in which a rollup has anything.
    pub(super) async fn rollup_hours(
        &self,
        rollup: Rollup,
        range: Range,
    ) -> Result<Vec<Range>, DatabaseError> {
        let from_s = range.from_ms.clamp(0, FAR_MS).div_euclid(1000 * HOUR_S).saturating_mul(HOUR_S);
        let to_s = range.to_ms.clamp(0, FAR_MS).saturating_add(999).div_euclid(1000);
        let hours: Vec<i64> = self
            .ask(sql(rollup, HOURS_OF_ARRIVALS, HOURS_OF_MINUTES))
            .param("from_s", from_s)
            .param("to_s", to_s)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for the hours of a rollup"))?;
        let hour = |start: i64| Range { from_ms: start * 1000, to_ms: (start + HOUR_S) * 1000 };
        Ok(hours.into_iter().map(hour).collect())
    }

    /// Where a rollup says something else than the crashes, if anywhere in a stretch.
    pub(super) async fn stale(&self, rollup: Rollup, within: Range) -> Result<Option<Stale>, DatabaseError> {
        let stale: Stale = self
            .ask(sql(rollup, STALE_ARRIVALS, STALE_MINUTES))
            .with_setting("max_execution_time", WRITE_SECONDS)
            .param("from_s", within.from_ms / 1000)
            .param("to_s", within.to_ms / 1000)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("compare a rollup with the crashes"))?;
        Ok((stale.rows > 0).then(|| Stale { to_s: stale.to_s.saturating_add(rollup.step_s()), ..stale }))
    }

    /// Makes what is stale in a stretch anew; says how many rows that were.
    pub(super) async fn mend(&self, rollup: Rollup, within: Range) -> Result<u64, DatabaseError> {
        let mut mended = 0;
        for _ in 0..MOST_ROUNDS {
            let Some(stale) = self.stale(rollup, within).await? else { return Ok(mended) };
            mended = stale.rows.max(mended);
            let parts = self.parts(rollup, stale).await?;
            self.write(sql(rollup, ADD_ARRIVALS, ADD_MINUTES), stale, None).await?;
            self.write(sql(rollup, FORGET_ARRIVALS, FORGET_MINUTES), stale, Some(&parts)).await?;
        }
        match self.stale(rollup, within).await? {
            None => Ok(mended),
            Some(_) => Err(DatabaseError::Invalid(
                "the rollups do not come to rest, as if something else were rewriting them: run it again",
            )),
        }
    }

    async fn parts(&self, rollup: Rollup, stale: Stale) -> Result<Vec<String>, DatabaseError> {
        self.ask(PARTS)
            .param("table", rollup.table())
            .param("from_s", stale.from_s)
            .param("to_s", stale.to_s)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look where a rollup is stored"))
    }

    async fn write(
        &self,
        sql: &'static str,
        stale: Stale,
        parts: Option<&[String]>,
    ) -> Result<(), DatabaseError> {
        let query = self
            .ask(sql)
            .with_setting("max_execution_time", WRITE_SECONDS)
            // Waits until the rows are gone on every replica.
            .with_setting("lightweight_deletes_sync", "2")
            .param("from_s", stale.from_s)
            .param("to_s", stale.to_s);
        let query = match parts {
            Some(parts) => query.param("parts", parts),
            None => query,
        };
        query.execute().await.map_err(DatabaseError::while_("make a rollup anew"))
    }
}
