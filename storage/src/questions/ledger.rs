//! What became of a queue's deliveries: the side of the ledger that ClickHouse knows.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// Deliveries with a durable row, by how they ended. A delivery that was tried twice with different ends counts once,
/// as the best of them, so the sum of the first three is the number of distinct deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct LedgerCounts {
    /// Read and blamed.
    pub analysed: u64,
    /// Accepted, but no dump that can be read.
    pub unreadable: u64,
    /// Given up on.
    pub dead_lettered: u64,
}

const SQL: &str = "
SELECT
    sum(bitmapCardinality(analysed_offsets)) AS analysed,
    sum(bitmapAndnotCardinality(unreadable_offsets, analysed_offsets)) AS unreadable,
    sum(bitmapAndnotCardinality(dead_offsets, bitmapOr(analysed_offsets, unreadable_offsets))) AS dead_lettered
FROM (
    SELECT
        groupBitmapMergeStateIf(offsets, outcome = 'analysed') AS analysed_offsets,
        groupBitmapMergeStateIf(offsets, outcome = 'unreadable') AS unreadable_offsets,
        groupBitmapMergeStateIf(offsets, outcome = 'dead_letter') AS dead_offsets
    FROM deliveries
    WHERE queue_id = {queue_id:String}
    GROUP BY queue_partition, block
)";

const DISTINCT_SQL: &str = "SELECT uniqCombined64(17)(crash_id) FROM crashes WHERE queue_id = {queue_id:String} AND outcome = 'analysed'";

impl Database {
    /// The ledger of one queue.
    pub async fn ledger(&self, queue_id: &str) -> Result<LedgerCounts, DatabaseError> {
        self.ask(SQL)
            .param("queue_id", queue_id)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("read the ledger"))
    }

    /// Distinct crashes among the analysed deliveries of a queue: fewer where machines sent one crash twice. Of millions they
    /// are told to a fraction of a percent. It reads every crash of the queue.
    pub async fn distinct_crashes(&self, queue_id: &str) -> Result<u64, DatabaseError> {
        self.ask(DISTINCT_SQL)
            .param("queue_id", queue_id)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("count a queue's crashes"))
    }
}
