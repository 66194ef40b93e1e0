-- How each target of notifications is doing, as the alerts role said last.
CREATE TABLE IF NOT EXISTS targets (
    name String,
    kind LowCardinality(String),
    health LowCardinality(String),
    pending UInt64,
    last_delivered_ms Nullable(Int64),
    failing_since_ms Nullable(Int64),
    last_error String,
    tested_at_ms Nullable(Int64),
    tested_by String,
    test_outcome String,
    updated_at_ms Int64
)
ENGINE = ReplacingMergeTree(updated_at_ms)
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
