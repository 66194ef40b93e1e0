-- What the pages draw: crashes by the minute in which they happened. Sets, never counters.
CREATE TABLE IF NOT EXISTS crash_minutes (
    minute DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    tenant LowCardinality(String),
    kind LowCardinality(String),
    culprit LowCardinality(String),
    driver LowCardinality(String),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    crashes AggregateFunction(uniqExact, UUID),
    machines AggregateFunction(uniqCombined64(14), Tuple(String, String)),
    buckets AggregateFunction(uniqExact, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, tenant, kind, culprit, driver)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crash_minutes_of_crashes TO crash_minutes AS
SELECT
    toStartOfMinute(toDateTime(happened_at, 'UTC')) AS minute,
    tenant,
    kind,
    culprit,
    driver,
    min(happened_at) AS first_seen,
    max(happened_at) AS last_seen,
    uniqExactState(crash_id) AS crashes,
    uniqCombined64State(14)((CAST(tenant, 'String'), machine)) AS machines,
    uniqExactState(CAST(bucket, 'String')) AS buckets
FROM crashes
WHERE outcome = 'analysed'
GROUP BY minute, tenant, kind, culprit, driver;
