//! The list of each bucket's crashes (`schema/0014_buckets.sql`): a crash that moved stands in two of them, and is taken out
//! of the one that its best form no longer names. Looks at the list alone, so whatever is inserted meanwhile is safe.

use clickhouse::Row;
use serde::Deserialize;

use crate::database::{Database, DatabaseError, WRITE_SECONDS};
use crate::questions::Range;

/// Entries of crashes that a better form has moved to another bucket.
macro_rules! moved {
    () => {
        "SELECT bucket_key, crash_id
    FROM (
        SELECT bucket_key, crash_id, max(revision) AS newest, max(newest) OVER (PARTITION BY crash_id) AS best
        FROM bucket_crashes
        WHERE happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
        GROUP BY bucket_key, crash_id
    )
    WHERE newest < best"
    };
}

const MOVED: &str = concat!("SELECT count() AS entries FROM (", moved!(), ")");

const FORGET: &str = concat!(
    "DELETE FROM bucket_crashes
WHERE happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND (bucket_key, crash_id) IN (",
    moved!(),
    ")"
);

#[derive(Row, Deserialize)]
struct Moved {
    entries: u64,
}

impl Database {
    /// Makes the lists of buckets say what the crashes of a stretch say.
    pub(super) async fn mend_buckets(&self, within: Range) -> Result<(), DatabaseError> {
        let ask = |sql| {
            let ask = self.ask(sql).with_setting("max_execution_time", WRITE_SECONDS);
            ask.param("from", within.from_ms).param("to", within.to_ms)
        };
        let moved: Moved = ask(MOVED)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("look for crashes that left their bucket"))?;
        if moved.entries == 0 {
            return Ok(());
        }
        // A deletion rewrites a mask of each part, so there is none where nothing moved.
        ask(FORGET)
            .with_setting("lightweight_deletes_sync", "2")
            .execute()
            .await
            .map_err(DatabaseError::while_("take crashes out of the bucket that they left"))
    }
}
