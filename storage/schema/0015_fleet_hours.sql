-- How many machines crash in each hour: what is to be expected of a minute is told from the same hours of the weeks before.
CREATE TABLE IF NOT EXISTS fleet_hours (
    hour DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    machines AggregateFunction(uniqCombined64(14), Tuple(String, String))
)
ENGINE = AggregatingMergeTree
ORDER BY hour
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS fleet_hours_of_crashes TO fleet_hours AS
SELECT
    toStartOfHour(toDateTime(happened_at, 'UTC')) AS hour,
    uniqCombined64State(14)((CAST(tenant, 'String'), machine)) AS machines
FROM crashes
WHERE outcome = 'analysed'
GROUP BY hour;

BACKFILL fleet_hours;
