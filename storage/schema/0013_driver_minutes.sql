-- What a driver's page asks: its crashes by minute, version, fault site, bug check and bucket. The driver stands first in
-- the key, because one driver's week is asked for and not one week's drivers. Sets, never counters.
-- `stored` is when the last of them became a row: an incident goes by that, as the detector does.
-- `examples` are a few of the crashes; an id leads to its row by the primary key.
CREATE TABLE IF NOT EXISTS driver_minutes (
    driver LowCardinality(String),
    minute DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    tenant LowCardinality(String),
    kind LowCardinality(String),
    timestamp UInt32,
    size UInt32,
    offset UInt64,
    bugcheck UInt32,
    bugcheck_name LowCardinality(String),
    bucket LowCardinality(String),
    bucket_hash LowCardinality(String),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    stored SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    crashes AggregateFunction(uniqCombined64(17), UUID),
    machines AggregateFunction(uniqCombined64(14), Tuple(String, String)),
    examples AggregateFunction(groupUniqArray(20), UUID)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (driver, minute, tenant, kind, timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS driver_minutes_of_crashes TO driver_minutes AS
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
    min(happened_at) AS first_seen,
    max(happened_at) AS last_seen,
    max(stored_at) AS stored,
    uniqCombined64State(17)(crash_id) AS crashes,
    uniqCombined64State(14)((CAST(tenant, 'String'), machine)) AS machines,
    groupUniqArrayState(20)(crash_id) AS examples
FROM crashes
WHERE outcome = 'analysed'
GROUP BY
    driver, minute, tenant, kind, timestamp, size, offset, bugcheck, bugcheck_name, bucket, bucket_hash;

BACKFILL driver_minutes;
