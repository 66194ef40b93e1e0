//! What has become of some crashes.

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

#[derive(Row, Deserialize)]
struct Found {
    #[serde(with = "clickhouse::serde::uuid")]
    crash_id: Uuid,
    outcome: String,
}

const SQL: &str = "
SELECT crash_id, argMax(crashes.outcome, revision) AS outcome
FROM crashes
WHERE crash_id IN {ids:Array(UUID)}
GROUP BY crash_id";

impl Database {
    /// `analysed`, `unreadable` or `dead_letter` of each of the crashes that has a row.
    pub async fn outcomes(&self, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>, DatabaseError> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let found: Vec<Found> = self
            .ask(SQL)
            .param("ids", ids)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look what has become of crashes"))?;
        Ok(found.into_iter().map(|one| (one.crash_id, one.outcome)).collect())
    }
}
