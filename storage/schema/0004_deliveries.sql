-- The ledger: which offsets of the queue have a durable row. Bitmaps, so that a redelivery changes nothing.
CREATE TABLE IF NOT EXISTS deliveries (
    queue_id LowCardinality(String),
    queue_partition Int32,
    outcome LowCardinality(String),
    block Int64,
    offsets AggregateFunction(groupBitmap, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (queue_id, queue_partition, outcome, block)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- A block is 2^20 offsets. Rows that came from no queue have a negative offset.
CREATE MATERIALIZED VIEW IF NOT EXISTS deliveries_of_crashes TO deliveries AS
SELECT
    queue_id,
    queue_partition,
    outcome,
    intDiv(queue_offset, 1048576) AS block,
    groupBitmapState(toUInt64(queue_offset)) AS offsets
FROM crashes
WHERE queue_offset >= 0
GROUP BY queue_id, queue_partition, outcome, block;
