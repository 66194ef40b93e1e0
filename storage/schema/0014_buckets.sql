-- The crashes of each bucket, side by side and narrow: what the page of a bucket asks reads these, never the table of all
-- crashes. One row per crash and bucket; a crash whose verdict changed stands in both until `reblame` mends it.
CREATE TABLE IF NOT EXISTS bucket_crashes (
    bucket_key UInt64,
    happened_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    crash_id UUID,
    crashed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    machine_key UInt64,
    tenant LowCardinality(String),
    fault_site FixedString(16) CODEC(ZSTD),
    driver LowCardinality(String),
    driver_timestamp UInt32 CODEC(ZSTD),
    driver_size UInt32 CODEC(ZSTD),
    fault_offset UInt64 CODEC(ZSTD),
    revision UInt64 CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(happened_at)
ORDER BY (bucket_key, happened_at, crash_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS bucket_crashes_of_crashes TO bucket_crashes AS
SELECT
    sipHash64(CAST(bucket, 'String')) AS bucket_key, happened_at, crash_id, crashed_at,
    sipHash64(CAST(tenant, 'String'), machine) AS machine_key, tenant, fault_site, driver, driver_timestamp, driver_size,
    fault_offset, revision
FROM crashes
WHERE outcome = 'analysed';

-- Which buckets there ever were, by the driver that they blame. One that a changed verdict emptied stays in it.
CREATE TABLE IF NOT EXISTS buckets (
    driver LowCardinality(String),
    bucket_key UInt64,
    tenant LowCardinality(String),
    kind LowCardinality(String),
    bugcheck UInt32,
    bugcheck_name SimpleAggregateFunction(anyLast, LowCardinality(String)),
    bucket SimpleAggregateFunction(anyLast, String),
    bucket_hash SimpleAggregateFunction(anyLast, String),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (driver, bucket_key, tenant, kind, bugcheck)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS buckets_of_crashes TO buckets AS
SELECT
    driver, sipHash64(CAST(crashes.bucket, 'String')) AS bucket_key, tenant, kind, bugcheck,
    anyLast(crashes.bugcheck_name) AS bugcheck_name, anyLast(CAST(crashes.bucket, 'String')) AS bucket,
    anyLast(CAST(crashes.bucket_hash, 'String')) AS bucket_hash, min(happened_at) AS first_seen,
    max(happened_at) AS last_seen
FROM crashes
WHERE outcome = 'analysed'
GROUP BY driver, bucket_key, tenant, kind, bugcheck;

BACKFILL bucket_crashes;

BACKFILL buckets;

-- What people know of a bucket. Nothing is changed or taken back: the newest link stands.
CREATE TABLE IF NOT EXISTS bucket_notes (
    note_id UUID,
    tenant LowCardinality(String),
    bucket_key UInt64 MATERIALIZED sipHash64(bucket),
    bucket String,
    at DateTime64(3, 'UTC'),
    who String,
    note String CODEC(ZSTD),
    link String
)
ENGINE = ReplacingMergeTree
ORDER BY (bucket_key, at, note_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
