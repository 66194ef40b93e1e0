-- How loud a notification is, and what kind of target it goes to.
ALTER TABLE notifications ADD COLUMN IF NOT EXISTS severity LowCardinality(String);
ALTER TABLE notifications ADD COLUMN IF NOT EXISTS target_kind LowCardinality(String);

-- What people did to incidents. The order in which the detector takes them is that in which they were written, by the
-- server's clock: people's own may differ. An act written twice is one act.
CREATE TABLE IF NOT EXISTS incident_acts (
    act_id UUID,
    incident_id UUID,
    at_ms DateTime64(3, 'UTC'),
    by String,
    kind LowCardinality(String),
    detail String CODEC(ZSTD),
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY act_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Loaded images that are not Windows' own: a tenth of `drivers`, and what machines are told apart by.
ALTER TABLE crashes ADD COLUMN IF NOT EXISTS third_party Array(LowCardinality(String)) AFTER driver_sizes;
ALTER TABLE crashes ADD COLUMN IF NOT EXISTS third_party_timestamps Array(UInt32) CODEC(ZSTD) AFTER third_party;
ALTER TABLE crashes ADD COLUMN IF NOT EXISTS third_party_sizes Array(UInt32) CODEC(ZSTD) AFTER third_party_timestamps;

-- What each machine is and runs, as it said last: in full, so what it no longer names is gone. The hash before the name
-- makes the first so many machines a random sample that is the same each time.
CREATE TABLE IF NOT EXISTS inventory (
    tenant LowCardinality(String),
    machine String,
    machine_hash UInt64 MATERIALIZED sipHash64(machine),
    seen_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    site LowCardinality(String),
    ring LowCardinality(String),
    model LowCardinality(String),
    os_build UInt32,
    drivers Array(LowCardinality(String)) CODEC(ZSTD),
    driver_timestamps Array(UInt32) CODEC(ZSTD),
    driver_sizes Array(UInt32) CODEC(ZSTD),
    driver_versions Array(LowCardinality(String)) CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree(seen_at)
ORDER BY (tenant, machine_hash, machine)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Which machine had which build of which driver, from when to when: hours of a rollout are counted from it.
CREATE TABLE IF NOT EXISTS inventory_builds (
    tenant LowCardinality(String),
    driver LowCardinality(String),
    machine_hash UInt64,
    machine String,
    timestamp UInt32,
    size UInt32,
    version LowCardinality(String),
    ring SimpleAggregateFunction(anyLast, LowCardinality(String)),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, driver, machine_hash, machine, timestamp, size, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS inventory_builds_of_inventory TO inventory_builds AS
SELECT
    tenant, driver, machine_hash, machine, timestamp, size, version,
    anyLast(ring) AS ring, min(seen_at) AS first_seen, max(seen_at) AS last_seen
FROM inventory
ARRAY JOIN drivers AS driver, driver_timestamps AS timestamp, driver_sizes AS size, driver_versions AS version
GROUP BY tenant, driver, machine_hash, machine, timestamp, size, version;

-- Every build of every driver that was ever seen, in inventories or loaded when a machine crashed.
CREATE TABLE IF NOT EXISTS builds (
    tenant LowCardinality(String),
    driver LowCardinality(String),
    timestamp UInt32,
    size UInt32,
    version LowCardinality(String),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, driver, timestamp, size, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS builds_of_inventory TO builds AS
SELECT tenant, driver, timestamp, size, version, min(seen_at) AS first_seen, max(seen_at) AS last_seen
FROM inventory
ARRAY JOIN drivers AS driver, driver_timestamps AS timestamp, driver_sizes AS size, driver_versions AS version
GROUP BY tenant, driver, timestamp, size, version;

CREATE MATERIALIZED VIEW IF NOT EXISTS builds_of_crashes TO builds AS
SELECT
    tenant, loaded AS driver, timestamp, size, '' AS version,
    min(happened_at) AS first_seen, max(happened_at) AS last_seen
FROM crashes
ARRAY JOIN third_party AS loaded, third_party_timestamps AS timestamp, third_party_sizes AS size
GROUP BY tenant, loaded, timestamp, size;

-- Machines that gave a sign of life, day by day. Sets, never counters. What is put into `beats` itself is not kept.
CREATE TABLE IF NOT EXISTS fleet_beats (
    tenant LowCardinality(String),
    day Date,
    machines AggregateFunction(uniqCombined64(14), String)
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS beats (tenant LowCardinality(String), machine String, at DateTime64(3, 'UTC')) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS fleet_beats_of_beats TO fleet_beats AS
SELECT tenant, toDate(at, 'UTC') AS day, uniqCombined64State(14)(machine) AS machines
FROM beats
GROUP BY tenant, day;

-- What was changed on purpose, as we were told. A change told twice is one.
CREATE TABLE IF NOT EXISTS changes (
    change_id UUID,
    tenant LowCardinality(String),
    at DateTime64(3, 'UTC'),
    what String,
    version String,
    timestamp UInt32,
    ring LowCardinality(String),
    vendor LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, at, change_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
