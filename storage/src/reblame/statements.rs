//! The statements of each rollup: which of its keys say something else than the crashes, how a stretch is made anew and what
//! was there before deleted, and in which hours it has anything. They say what the views of `schema/` say.

use super::rollup::Rollup;

/// What is asked and done of one rollup. All take `from_s` and `to_s`.
pub(super) struct Statements {
    /// Counts the keys that are stale, and says from when to when they lie.
    pub(super) stale: &'static str,
    /// Adds what the crashes say.
    pub(super) add: &'static str,
    /// Deletes `froms` and `tos` from `parts`.
    pub(super) forget: &'static str,
    /// About how many crashes it has in each hour.
    pub(super) hours: &'static str,
}

impl Statements {
    pub(super) fn of(rollup: Rollup) -> Self {
        match rollup {
            Rollup::Arrivals => Self {
                stale: STALE_ARRIVALS,
                add: ADD_ARRIVALS,
                forget: FORGET_ARRIVALS,
                hours: HOURS_OF_ARRIVALS,
            },
            Rollup::Minutes => Self {
                stale: STALE_MINUTES,
                add: ADD_MINUTES,
                forget: FORGET_MINUTES,
                hours: HOURS_OF_MINUTES,
            },
            Rollup::Drivers => Self {
                stale: STALE_DRIVERS,
                add: ADD_DRIVERS,
                forget: FORGET_DRIVERS,
                hours: HOURS_OF_DRIVERS,
            },
            Rollup::Hours => {
                Self { stale: STALE_HOURS, add: ADD_HOURS, forget: FORGET_HOURS, hours: HOURS_OF_HOURS }
            }
        }
    }
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

/// Its counts are of sets that are exact up to some thousands and that come out the same for the same crashes beyond.
const STALE_DRIVERS: &str = stale!(
    "minute",
    "minute, tenant, kind, driver, timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash",
    "SELECT minute, tenant, kind, driver, timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash,
        uniqCombined64Merge(17)(driver_minutes.crashes) AS held_crashes, 0 AS crashes_there, 0 AS held_buckets,
        0 AS buckets_there
    FROM driver_minutes
    WHERE minute >= toDateTime({from_s:Int64}, 'UTC') AND minute < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY minute, tenant, kind, driver, timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash",
    concat!(
        "SELECT toStartOfMinute(toDateTime(happened_at, 'UTC')) AS minute, tenant, kind, driver,
        driver_timestamp AS timestamp, driver_size AS size, fault_offset AS offset, bugcheck, bugcheck_name, bucket,
        bucket_hash, 0, uniqCombined64(17)(crash_id), 0, 0 ",
        happened!(),
        " GROUP BY minute, tenant, kind, driver, timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash"
    )
);

const STALE_HOURS: &str = stale!(
    "hour",
    "hour, tenant, kind, culprit, driver",
    "SELECT hour, tenant, kind, culprit, driver, uniqExactArray(crash_hours.crashes) AS held_crashes,
        0 AS crashes_there, uniqExactArray(crash_hours.buckets) AS held_buckets, 0 AS buckets_there
    FROM crash_hours
    WHERE hour >= toDateTime({from_s:Int64}, 'UTC') AND hour < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY hour, tenant, kind, culprit, driver",
    concat!(
        "SELECT toStartOfHour(toDateTime(happened_at, 'UTC')) AS hour, tenant, kind, culprit, driver, 0, count(), 0,
        uniqExact(bucket) ",
        happened!(),
        " GROUP BY hour, tenant, kind, culprit, driver"
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

/// As `driver_minutes_of_crashes` does it.
const ADD_DRIVERS: &str = concat!(
    "INSERT INTO driver_minutes (driver, minute, tenant, kind, timestamp, size, offset, bugcheck, bugcheck_name, bucket,
    bucket_hash, first_seen, last_seen, stored, crashes, machines, examples)
SELECT
    driver,
    toStartOfMinute(toDateTime(happened_at, 'UTC')) AS minute,
    tenant,
    kind,
    driver_timestamp AS timestamp,
    driver_size AS size,
    fault_offset AS offset,
    bugcheck,
    bugcheck_name,
    bucket,
    bucket_hash,
    min(happened_at),
    max(happened_at),
    max(stored_at),
    uniqCombined64State(17)(crash_id),
    uniqCombined64State(14)((CAST(tenant, 'String'), machine)),
    groupUniqArrayState(20)(crash_id)
",
    happened!(),
    " GROUP BY driver, minute, tenant, kind, timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash"
);

/// As `crash_hours_of_crashes` does it.
const ADD_HOURS: &str = concat!(
    "INSERT INTO crash_hours (hour, tenant, kind, culprit, driver, first_seen, last_seen, crashes, machines, buckets)
SELECT
    toStartOfHour(toDateTime(happened_at, 'UTC')) AS hour,
    tenant,
    kind,
    culprit,
    driver,
    min(happened_at),
    max(happened_at),
    groupUniqArray(crash_id),
    groupUniqArray(sipHash64(tenant, machine)),
    groupUniqArray(sipHash64(bucket))
",
    happened!(),
    " GROUP BY hour, tenant, kind, culprit, driver"
);

/// A deletion rewrites a mask of each part, whatever it finds there: one statement for all stretches of a round.
macro_rules! forget {
    ($table:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $time,
            " >= toDateTime({from_s:Int64}, 'UTC') AND ",
            $time,
            " < toDateTime({to_s:Int64}, 'UTC')
    AND arrayExists((from_s, to_s) -> toInt64(toUnixTimestamp(",
            $time,
            ")) >= from_s AND toInt64(toUnixTimestamp(",
            $time,
            ")) < to_s, {froms:Array(Int64)}, {tos:Array(Int64)})
    AND _part IN {parts:Array(String)}"
        )
    };
}

const FORGET_ARRIVALS: &str = forget!("arrivals", "tick");
const FORGET_MINUTES: &str = forget!("crash_minutes", "minute");
const FORGET_DRIVERS: &str = forget!("driver_minutes", "minute");
const FORGET_HOURS: &str = forget!("crash_hours", "hour");

macro_rules! hours {
    ($table:literal, $time:literal, $crashes:literal) => {
        concat!(
            "SELECT toInt64(toUnixTimestamp(toStartOfHour(",
            $time,
            "))) AS hour_s, toUInt64(sum(",
            $crashes,
            ")) AS crashes
FROM ",
            $table,
            " WHERE ",
            $time,
            " >= toDateTime({from_s:Int64}, 'UTC') AND ",
            $time,
            " < toDateTime({to_s:Int64}, 'UTC')
GROUP BY hour_s
ORDER BY hour_s"
        )
    };
}

const HOURS_OF_ARRIVALS: &str = hours!("arrivals", "tick", "finalizeAggregation(arrivals.crashes)");
const HOURS_OF_MINUTES: &str =
    hours!("crash_minutes", "minute", "finalizeAggregation(crash_minutes.crashes)");
const HOURS_OF_HOURS: &str = hours!("crash_hours", "hour", "length(crash_hours.crashes)");
const HOURS_OF_DRIVERS: &str =
    hours!("driver_minutes", "minute", "finalizeAggregation(driver_minutes.crashes)");
