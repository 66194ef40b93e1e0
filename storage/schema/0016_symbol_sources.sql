-- How each source of symbols is doing, as the analyzers said last: one that fails leaves crashes without names.
CREATE TABLE IF NOT EXISTS symbol_sources (
    source String,
    state LowCardinality(String),
    answered_at_ms Nullable(Int64),
    failed_at_ms Nullable(Int64),
    last_error String,
    updated_at_ms Int64
)
ENGINE = ReplacingMergeTree(updated_at_ms)
ORDER BY source
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
