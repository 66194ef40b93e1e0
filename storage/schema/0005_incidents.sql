-- What happened to an incident, in order. An event written twice is one event.
CREATE TABLE IF NOT EXISTS incident_events (
    incident_id UUID,
    seq UInt32,
    at_ms DateTime64(3, 'UTC'),
    kind LowCardinality(String),
    tenant LowCardinality(String),
    driver LowCardinality(String),
    detail String CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree
ORDER BY (incident_id, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The outbox: the newest state of each notification.
CREATE TABLE IF NOT EXISTS notifications (
    notification_id String,
    incident_id UUID,
    target String,
    payload String CODEC(ZSTD),
    state LowCardinality(String),
    attempts UInt32,
    last_error String,
    created_at_ms DateTime64(3, 'UTC'),
    updated_at_ms DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at_ms)
ORDER BY notification_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
