-- When each bucket of each culprit was seen first and last: what is new is asked of this, not of all crashes.
CREATE TABLE IF NOT EXISTS sightings (
    tenant LowCardinality(String),
    kind LowCardinality(String),
    culprit LowCardinality(String),
    driver LowCardinality(String),
    bucket LowCardinality(String),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, kind, culprit, driver, bucket)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS sightings_of_crashes TO sightings AS
SELECT tenant, kind, culprit, driver, bucket, min(happened_at) AS first_seen, max(happened_at) AS last_seen
FROM crashes
WHERE outcome = 'analysed'
GROUP BY tenant, kind, culprit, driver, bucket;

-- What was there before this table was.
INSERT INTO sightings (tenant, kind, culprit, driver, bucket, first_seen, last_seen)
SELECT tenant, kind, culprit, driver, bucket, min(happened_at), max(happened_at)
FROM crashes
WHERE outcome = 'analysed'
GROUP BY tenant, kind, culprit, driver, bucket;
