//! When each bucket was seen first and last, made to say what the crashes say. It has no time to be cut by and is small,
//! so it is compared and made anew as a whole. What it holds is the business of `schema/0010_scale.sql`.

use super::rollup::{MOST_ROUNDS, NO_REST, WRITE_SECONDS};
use crate::database::{Database, DatabaseError};

/// As `sightings_of_crashes` does it, of the best form of each crash.
macro_rules! seen {
    () => {
        "SELECT tenant, kind, culprit, driver, bucket, min(happened_at) AS first, max(happened_at) AS last
    FROM crashes FINAL
    WHERE outcome = 'analysed'
    GROUP BY tenant, kind, culprit, driver, bucket"
    };
}

/// Keys that one side alone has, or both with other times.
const STALE: &str = concat!(
    "SELECT count() FROM (
    SELECT tenant, kind, culprit, driver, bucket
    FROM (
        SELECT tenant, kind, culprit, driver, bucket, min(first_seen) AS first, max(last_seen) AS last
        FROM sightings
        GROUP BY tenant, kind, culprit, driver, bucket
        UNION ALL ",
    seen!(),
    "
    )
    GROUP BY tenant, kind, culprit, driver, bucket
    HAVING count() != 2 OR min(first) != max(first) OR min(last) != max(last)
)"
);

const PARTS: &str = "SELECT name FROM system.parts
WHERE database = currentDatabase() AND table = 'sightings' AND active";

const ADD: &str = concat!(
    "INSERT INTO sightings (tenant, kind, culprit, driver, bucket, first_seen, last_seen)\n",
    seen!()
);

/// Only what was there before: what is inserted meanwhile is in other parts.
const FORGET: &str = "DELETE FROM sightings WHERE _part IN {parts:Array(String)}";

impl Database {
    /// Makes the sightings anew where they say something else than the crashes.
    pub(super) async fn mend_sightings(&self) -> Result<u64, DatabaseError> {
        let mut mended = 0;
        for _ in 0..MOST_ROUNDS {
            let stale: u64 = self
                .ask(STALE)
                .with_setting("max_execution_time", WRITE_SECONDS)
                .fetch_one()
                .await
                .map_err(DatabaseError::while_("compare the sightings with the crashes"))?;
            if stale == 0 {
                return Ok(mended);
            }
            mended = mended.max(stale);
            let parts: Vec<String> = self
                .ask(PARTS)
                .fetch_all()
                .await
                .map_err(DatabaseError::while_("look where the sightings are stored"))?;
            self.ask(ADD)
                .with_setting("max_execution_time", WRITE_SECONDS)
                .execute()
                .await
                .map_err(DatabaseError::while_("make the sightings anew"))?;
            self.ask(FORGET)
                .with_setting("max_execution_time", WRITE_SECONDS)
                .with_setting("lightweight_deletes_sync", "2")
                .param("parts", parts)
                .execute()
                .await
                .map_err(DatabaseError::while_("delete sightings of before"))?;
        }
        Err(DatabaseError::Invalid(NO_REST))
    }
}
