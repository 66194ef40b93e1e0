-- One row per crash. Two forms of one crash (the kernel's small dump, then a shrunk or full copy) have the same key,
-- and the higher revision stays. The time is part of the crash id, so a lookup by id uses the primary key.
-- An acknowledged insert has been fsynced; a merged part need not be, since its sources stay for 8 minutes.
CREATE TABLE IF NOT EXISTS crashes (
    crash_id UUID,
    crashed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    -- When the row was written: later than its arrival where the analyzer is behind. The detector goes by it, or a
    -- backlog would look like silence.
    stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    -- Machines' clocks lie: outside of 30 days before and 5 minutes after its arrival a time is not believed.
    happened_at DateTime64(3, 'UTC') MATERIALIZED if(
        crashed_at BETWEEN received_at - INTERVAL 30 DAY AND received_at + INTERVAL 5 MINUTE,
        crashed_at, received_at) CODEC(Delta, ZSTD),
    tenant LowCardinality(String),
    machine String,
    ring LowCardinality(String),
    site LowCardinality(String),
    tags Map(LowCardinality(String), String),
    outcome LowCardinality(String),
    problem String,
    kind LowCardinality(String),
    bugcheck UInt32,
    bugcheck_name LowCardinality(String),
    parameters Array(UInt64),
    exception_code UInt32,
    culprit LowCardinality(String),
    driver LowCardinality(String),
    driver_timestamp UInt32,
    driver_size UInt32,
    fault_offset UInt64,
    bucket LowCardinality(String),
    bucket_hash LowCardinality(String),
    confidence LowCardinality(String),
    rule LowCardinality(String),
    process LowCardinality(String),
    os_build UInt32,
    os_ubr UInt32,
    arch LowCardinality(String),
    cpu LowCardinality(String),
    vendor LowCardinality(String),
    model LowCardinality(String),
    bios LowCardinality(String),
    uptime_s UInt64,
    drivers Array(LowCardinality(String)),
    driver_timestamps Array(UInt32) CODEC(ZSTD),
    driver_sizes Array(UInt32) CODEC(ZSTD),
    report String CODEC(ZSTD),
    analyzer_version UInt32,
    raw_len UInt64,
    blob String,
    revision UInt64,
    queue_id LowCardinality(String),
    queue_partition Int32,
    queue_offset Int64 CODEC(Delta, ZSTD),
    INDEX crash_id_bloom crash_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX machine_bloom machine TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX driver_set driver TYPE set(100) GRANULARITY 1,
    INDEX received_minmax received_at TYPE minmax GRANULARITY 1,
    INDEX stored_minmax stored_at TYPE minmax GRANULARITY 1,
    INDEX happened_minmax happened_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(received_at)
ORDER BY (crashed_at, crash_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
