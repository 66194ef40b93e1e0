//! What the detector knew of each incident that is open, at its newest step.

use crate::database::{Database, DatabaseError};

/// The newest incidents of one tenant that are not over. Rows from before incidents were kept whole have nothing to give.
const SQL: &str = "
SELECT JSONExtractRaw(argMax(detail, seq), 'incident') AS incident
FROM incident_events FINAL
WHERE tenant = {tenant:String}
GROUP BY incident_id
HAVING argMaxIf(kind, seq, kind IN ('opened', 'acknowledged', 'resolved', 'reopened', 'merged'))
    NOT IN ('resolved', 'merged') AND incident != ''
ORDER BY min(at_ms) DESC, incident_id
LIMIT {limit:UInt32}";

impl Database {
    /// Each as the JSON object that its step's detail has under `incident`, newest first.
    pub async fn open_incidents(&self, tenant: &str, limit: u32) -> Result<Vec<String>, DatabaseError> {
        self.ask(SQL)
            .param("tenant", tenant)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for open incidents"))
    }
}
