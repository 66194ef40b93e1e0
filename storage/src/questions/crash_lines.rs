//! Lines of a list of crashes whose ids are known already.

use uuid::Uuid;

use super::crash::milliseconds;
use super::crashes::CrashSummary;
use crate::database::{Database, DatabaseError};

/// By the primary key: an id carries the first part of it. Before a merge the best of several forms is picked here.
const SQL: &str = "
SELECT
    crash_id,
    toUnixTimestamp64Milli(crashed_at) AS crashed_at_ms,
    toUnixTimestamp64Milli(happened_at) AS happened_at_ms,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    tenant, machine, ring, site, outcome, problem, kind, bugcheck, bugcheck_name, culprit, driver,
    driver_timestamp, fault_offset, lower(hex(crashes.fault_site)) AS fault_site, bucket, confidence, os_build, os_ubr,
    model, uptime_s
FROM (
    SELECT crash_id, crashed_at, happened_at, received_at, tenant, machine, ring, site, outcome, problem, kind, bugcheck,
        bugcheck_name, culprit, driver, driver_timestamp, fault_offset, fault_site, bucket, confidence, os_build, os_ubr,
        model, uptime_s, revision
    FROM crashes
    WHERE crashed_at IN (SELECT fromUnixTimestamp64Milli(arrayJoin({times:Array(Int64)}), 'UTC'))
        AND crash_id IN (SELECT arrayJoin({ids:Array(UUID)}))
    ORDER BY crash_id, revision DESC
    LIMIT 1 BY crash_id
) AS crashes
ORDER BY received_at DESC, crash_id DESC";

impl Database {
    /// These crashes, newest arrival first, each once, in its best form. One that is gone is left out. The list travels in
    /// the address of a request: some hundreds, not thousands.
    pub(super) async fn crash_lines(&self, ids: &[Uuid]) -> Result<Vec<CrashSummary>, DatabaseError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let times: Vec<i64> = ids.iter().copied().map(milliseconds).collect();
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        self.ask(SQL)
            .param("times", times)
            .param("ids", ids)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read lines of crashes"))
    }
}
