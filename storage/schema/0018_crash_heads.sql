-- What the page of a crash and a line of a list show. Of `crashes` each of 47 columns of one row is read from files of its
-- own, in pieces of thousands of rows; here they are one text, in pieces of a hundred rows. Without what is of no use to a
-- reader, and without the lists of drivers, which the report has. Report and facts are on the disk twice for it.
CREATE TABLE IF NOT EXISTS crash_heads (
    crashed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    crash_id UUID,
    happened_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    revision UInt64 CODEC(ZSTD),
    fault_site FixedString(16) CODEC(ZSTD),
    head String CODEC(ZSTD(3)),
    report String CODEC(ZSTD(3)),
    facts String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(received_at)
ORDER BY (crashed_at, crash_id)
SETTINGS index_granularity = 256, index_granularity_bytes = 1048576, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crash_heads_of_crashes TO crash_heads AS
SELECT
    crashed_at, crash_id, happened_at, received_at, stored_at, revision, fault_site,
    formatRow('JSONEachRow',
        tenant, machine, ring, site, arrayZip(mapKeys(tags), mapValues(tags)) AS tag_pairs, outcome, problem, kind,
        bugcheck, bugcheck_name, exception_code, culprit, driver, driver_timestamp, driver_size, fault_offset, bucket,
        bucket_hash, confidence, rule, process, os_build, os_ubr, arch, cpu, vendor, model, bios, uptime_s,
        hardware_sign, analyzer_version, raw_len, blob) AS head,
    report, facts
FROM crashes
WHERE true;

BACKFILL crash_heads;
