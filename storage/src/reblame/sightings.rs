//! When each bucket was seen first and last, made to say what the crashes say. It has no time to be cut by and is small,
//! so it is compared and made anew as a whole.

use super::rollup::{MOST_ROUNDS, NO_REST};
use super::statements::differ;
use crate::database::views::View;
use crate::database::{Database, DatabaseError, WRITE_SECONDS};

const PARTS: &str = "SELECT name FROM system.parts
WHERE database = currentDatabase() AND table = 'sightings' AND active";

/// Only what was there before: what is inserted meanwhile is in other parts.
const FORGET: &str = "DELETE FROM sightings WHERE _part IN {parts:Array(String)}";

impl Database {
    /// Makes the sightings anew where they say something else than the crashes.
    pub(super) async fn mend_sightings(&self) -> Result<u64, DatabaseError> {
        let view = View::into_table("sightings")?;
        // Of the best form of each crash.
        let (keys, crashes) = (view.keys(), view.select("crashes FINAL", "true"));
        let times = "(min(first_seen), max(last_seen))";
        let stale =
            format!("SELECT count() FROM ({})", differ(keys, times, "SELECT * FROM sightings", &crashes));
        let add = view.insert("crashes FINAL", "true");
        let mut mended = 0;
        for _ in 0..MOST_ROUNDS {
            let stale: u64 = self
                .ask_built(&stale)
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
            self.ask_built(&add)
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
