-- What the detector reads: whose crashes became rows in each 10 seconds. Sets, never counters: a row inserted twice adds nothing.
CREATE TABLE IF NOT EXISTS arrivals (
    tick DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    tenant LowCardinality(String),
    kind LowCardinality(String),
    driver LowCardinality(String),
    crashes AggregateFunction(uniqExact, UUID),
    machines AggregateFunction(uniqCombined64(14), Tuple(String, String)),
    sites AggregateFunction(uniqExact, Tuple(String, String))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(tick)
ORDER BY (tick, tenant, kind, driver)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- driver is empty for a crash that is blamed on no image. A machine that names no site is a site of its own.
CREATE MATERIALIZED VIEW IF NOT EXISTS arrivals_of_crashes TO arrivals AS
SELECT
    toStartOfInterval(toDateTime(stored_at, 'UTC'), INTERVAL 10 SECOND) AS tick,
    tenant,
    kind,
    driver,
    uniqExactState(crash_id) AS crashes,
    uniqCombined64State(14)((CAST(tenant, 'String'), machine)) AS machines,
    uniqExactState((CAST(tenant, 'String'), if(site = '', concat('machine ', machine), concat('site ', site)))) AS sites
FROM crashes
WHERE outcome = 'analysed'
GROUP BY tick, tenant, kind, driver;
