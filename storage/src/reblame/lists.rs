//! The lists of each bucket's and each driver's crashes (`schema/0014_buckets.sql`, `schema/0017_crash_lists.sql`): a crash
//! that moved stands in two of them, and is taken out of the one that its best form no longer names. Looks at the lists
//! alone, so whatever is inserted meanwhile is safe.

use crate::database::{Database, DatabaseError, WRITE_SECONDS};
use crate::questions::Range;

/// Tables of lists, and what each of their lists is of.
const LISTS: [(&str, &str); 2] = [("bucket_crashes", "bucket_key"), ("driver_crashes", "driver")];

const WITHIN: &str = "happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')";

/// Entries of crashes that a better form has moved to another list.
fn moved(table: &str, key: &str) -> String {
    format!(
        "SELECT {key}, crash_id
FROM (
    SELECT {key}, crash_id, max(revision) AS newest, max(newest) OVER (PARTITION BY crash_id) AS best
    FROM {table}
    WHERE {WITHIN}
    GROUP BY {key}, crash_id
)
WHERE newest < best"
    )
}

impl Database {
    /// Makes the lists say what the crashes of a stretch say.
    pub(super) async fn mend_lists(&self, within: Range) -> Result<(), DatabaseError> {
        for (table, key) in LISTS {
            self.mend_list(table, key, within).await?;
        }
        Ok(())
    }

    async fn mend_list(&self, table: &str, key: &str, within: Range) -> Result<(), DatabaseError> {
        let moved = moved(table, key);
        let ask = |sql: String| {
            let ask = self.ask_built(&sql).with_setting("max_execution_time", WRITE_SECONDS);
            ask.param("from", within.from_ms).param("to", within.to_ms)
        };
        let left: u64 = ask(format!("SELECT count() FROM ({moved})"))
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("look for crashes that left their list"))?;
        if left == 0 {
            return Ok(());
        }
        // A deletion rewrites a mask of each part, so there is none where nothing moved.
        ask(format!("DELETE FROM {table} WHERE {WITHIN} AND ({key}, crash_id) IN ({moved})"))
            .with_setting("lightweight_deletes_sync", "2")
            .execute()
            .await
            .map_err(DatabaseError::while_("take crashes out of the list that they left"))
    }
}
