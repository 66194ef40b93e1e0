-- Modules on the stack, each once: what the report lists frame by frame. Rows from before have none.
ALTER TABLE crashes ADD COLUMN IF NOT EXISTS stack_modules Array(LowCardinality(String)) AFTER third_party_sizes;

-- All crashes of one machine in sixteen, without what makes a row large: what a search that finds very many counts facets
-- of, and tells by how many it will find. Its columns are those of `crashes` now: a column that comes later comes here, too.
CREATE TABLE IF NOT EXISTS crash_sample AS crashes
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(received_at)
ORDER BY (crashed_at, crash_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crash_sample_of_crashes TO crash_sample AS
SELECT * EXCEPT (report, facts)
FROM crashes
WHERE sipHash64(tenant, machine) % 16 = 0;

BACKFILL crash_sample;
