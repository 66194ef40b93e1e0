-- Who did what, from where: acts, sign-ins, downloads. Only added to; a line written twice is one.
CREATE TABLE IF NOT EXISTS audit (
    audit_id UUID,
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    who String CODEC(ZSTD),
    role LowCardinality(String),
    peer String CODEC(ZSTD),
    action LowCardinality(String),
    subject String CODEC(ZSTD),
    detail String CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree
ORDER BY (at, audit_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
