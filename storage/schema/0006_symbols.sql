-- What a crash shares with others that failed at the same place: one deep analysis speaks for all of them.
-- Computed in the server alone, so that no two builds can disagree; new rows carry it, older ones compute it when asked.
ALTER TABLE crashes ADD COLUMN IF NOT EXISTS fault_site FixedString(16) MATERIALIZED sipHash128Reference(
    tenant, kind, driver, driver_timestamp, driver_size, fault_offset, bucket) CODEC(ZSTD);

-- The dumps that are kept, without what makes a crash's row large: the deep path looks here every two seconds.
CREATE TABLE IF NOT EXISTS kept_dumps (
    crash_id UUID,
    crashed_at DateTime64(3, 'UTC'),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    fault_site FixedString(16),
    tenant LowCardinality(String),
    kind LowCardinality(String),
    driver LowCardinality(String),
    driver_timestamp UInt32,
    driver_size UInt32,
    fault_offset UInt64,
    bucket LowCardinality(String),
    bucket_key UInt64 MATERIALIZED sipHash64(tenant, kind, bucket),
    blob String CODEC(ZSTD),
    raw_len UInt64,
    revision UInt64,
    INDEX received_minmax received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(received_at)
ORDER BY crash_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS kept_dumps_of_crashes TO kept_dumps AS
SELECT
    crash_id, crashed_at, received_at, fault_site, tenant, kind, driver, driver_timestamp, driver_size, fault_offset,
    bucket, blob, raw_len, revision
FROM crashes
WHERE blob != '' AND outcome = 'analysed';

-- What was kept before this table was there. A dump that the view has taken already becomes one row with it.
INSERT INTO kept_dumps (
    crash_id, crashed_at, received_at, fault_site, tenant, kind, driver, driver_timestamp, driver_size, fault_offset,
    bucket, blob, raw_len, revision)
SELECT
    crash_id, crashed_at, received_at, fault_site, tenant, kind, driver, driver_timestamp, driver_size, fault_offset,
    bucket, blob, raw_len, revision
FROM crashes
WHERE blob != '' AND outcome = 'analysed';

-- Analyses with symbols, the newest of each crash. `missing` has the canonical ids of files that were wanted and not
-- found, `missing_kinds` beside it what they are. `analysed_at` is when the analysis began: a file that arrives while
-- it runs counts as later.
CREATE TABLE IF NOT EXISTS deep_analyses (
    fault_site FixedString(16) MATERIALIZED sipHash128Reference(
        tenant, kind, driver, driver_timestamp, driver_size, fault_offset, bucket),
    crash_id UUID,
    crashed_at DateTime64(3, 'UTC'),
    analysed_at DateTime64(3, 'UTC'),
    tenant LowCardinality(String),
    kind LowCardinality(String),
    driver LowCardinality(String),
    driver_timestamp UInt32,
    driver_size UInt32,
    fault_offset UInt64,
    bucket LowCardinality(String),
    bucket_key UInt64 MATERIALIZED sipHash64(tenant, kind, bucket),
    analyzer_version UInt32,
    deep_bucket LowCardinality(String),
    deep_bucket_hash LowCardinality(String),
    deep_confidence LowCardinality(String),
    report String CODEC(ZSTD),
    missing Array(LowCardinality(String)) CODEC(ZSTD),
    missing_kinds Array(LowCardinality(String)) CODEC(ZSTD),
    -- The same ids as numbers: a hundred thousand lists are compared with what has arrived, every two seconds.
    missing_hashes Array(UInt64) MATERIALIZED arrayMap(id -> sipHash64(tenant, id), missing),
    retry_at Int64
)
ENGINE = ReplacingMergeTree(analysed_at)
ORDER BY (fault_site, crash_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Symbol files that people pushed, as they arrived. A `.sym` file and its PDB share one id.
CREATE TABLE IF NOT EXISTS symbol_files (
    tenant LowCardinality(String),
    id String,
    kind LowCardinality(String),
    file_name String,
    bytes UInt64,
    arrived_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(arrived_at)
ORDER BY (tenant, id, kind)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
