-- How many distinct crashes came of a queue's deliveries: counted anew, twenty million of them take a gigabyte.
CREATE TABLE IF NOT EXISTS queue_crashes (
    queue_id LowCardinality(String),
    crashes AggregateFunction(uniqCombined64(17), UUID)
)
ENGINE = AggregatingMergeTree
ORDER BY queue_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS queue_crashes_of_crashes TO queue_crashes AS
SELECT queue_id, uniqCombined64State(17)(crash_id) AS crashes
FROM crashes
WHERE outcome = 'analysed'
GROUP BY queue_id;

BACKFILL queue_crashes;
