-- The crashes of each driver side by side, with what its page holds against other crashes. As `bucket_crashes`: one row per
-- crash and driver, and a crash whose verdict changed stands in both until `reblame` mends it.
CREATE TABLE IF NOT EXISTS driver_crashes (
    driver LowCardinality(String),
    happened_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    crash_id UUID,
    stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    tenant LowCardinality(String),
    machine String CODEC(ZSTD),
    ring LowCardinality(String),
    site LowCardinality(String),
    model LowCardinality(String),
    os_build UInt32 CODEC(ZSTD),
    os_ubr UInt32 CODEC(ZSTD),
    driver_timestamp UInt32 CODEC(ZSTD),
    revision UInt64 CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(happened_at)
ORDER BY (driver, happened_at, crash_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS driver_crashes_of_crashes TO driver_crashes AS
SELECT
    driver, happened_at, crash_id, stored_at, tenant, machine, ring, site, model, os_build, os_ubr, driver_timestamp,
    revision
FROM crashes
WHERE outcome = 'analysed';

BACKFILL driver_crashes;

-- The crashes of each machine side by side, with what tells whether its hardware is sound. Forms of one crash are one row.
CREATE TABLE IF NOT EXISTS machine_crashes (
    machine_key UInt64,
    happened_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    crash_id UUID,
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    tenant LowCardinality(String),
    machine String CODEC(ZSTD),
    outcome LowCardinality(String),
    kind LowCardinality(String),
    culprit LowCardinality(String),
    bugcheck UInt32 CODEC(ZSTD),
    bugcheck_name LowCardinality(String),
    parameters Array(UInt64) CODEC(ZSTD),
    driver LowCardinality(String),
    fault_offset UInt64 CODEC(ZSTD),
    fault_site FixedString(16) CODEC(ZSTD),
    bucket LowCardinality(String),
    hardware_sign LowCardinality(String),
    revision UInt64 CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(happened_at)
ORDER BY (machine_key, happened_at, crash_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS machine_crashes_of_crashes TO machine_crashes AS
SELECT
    sipHash64(CAST(tenant, 'String'), machine) AS machine_key, happened_at, crash_id, received_at, tenant, machine, outcome,
    kind, culprit, bugcheck, bugcheck_name, parameters, driver, fault_offset, fault_site, bucket, hardware_sign, revision
FROM crashes
WHERE machine != '';

BACKFILL machine_crashes;
