//! The stored facts of crashes beside what was said of them, page by page: what changed rules are replayed on.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Range;
use crate::database::{Database, DatabaseError};

/// A page looks at narrow columns of all that is left of the range, and reads facts of its own rows only.
const PAGE_SECONDS: &str = "120";

/// Which crashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayFilter {
    /// When they happened.
    pub range: Range,
    /// Whose; `None`: all tenants'.
    pub tenant: Option<String>,
    /// Blamed on this driver or module now; `None`: whoever is.
    pub driver: Option<String>,
}

/// The last crash of a page, by the table's key; the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayCursor {
    /// The dump's own time, ms since 1970.
    pub crashed_at: i64,
    /// Its id.
    pub crash_id: Uuid,
}

/// The facts of a crash, and what is said of it now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct ReplayRow {
    /// Identity.
    #[serde(with = "clickhouse::serde::uuid")]
    pub crash_id: Uuid,
    /// The dump's own time, ms since 1970.
    pub crashed_at: i64,
    /// When it happened, as far as the machine's clock can be believed.
    pub happened_at: i64,
    /// Tenant.
    pub tenant: String,
    /// Machine.
    pub machine: String,
    /// What is blamed.
    pub culprit: String,
    /// Blamed driver or module.
    pub driver: String,
    /// Its PE timestamp.
    pub driver_timestamp: u32,
    /// Its PE size.
    pub driver_size: u32,
    /// Offset of the fault inside it.
    pub fault_offset: u64,
    /// Bucket id.
    pub bucket: String,
    /// Its hash.
    pub bucket_hash: String,
    /// `high`, `medium`, `low`, `none`.
    pub confidence: String,
    /// The rule that decided.
    pub rule: String,
    /// What the crash says of the hardware.
    pub hardware_sign: String,
    /// Which analyzer said all that.
    pub analyzer_version: u32,
    /// What it was decided on, as JSON; empty in rows from before it was kept.
    pub facts: String,
}

impl ReplayRow {
    /// Where the page after this row begins.
    pub fn cursor(&self) -> ReplayCursor {
        ReplayCursor { crashed_at: self.crashed_at, crash_id: self.crash_id }
    }
}

/// Analysed crashes of the range. `received_at` follows from `happened_at` and lets partitions be skipped.
macro_rules! meant {
    () => {
        "outcome = 'analysed'
            AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
            AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
            AND received_at >= fromUnixTimestamp64Milli({from:Int64} - 300000, 'UTC')"
    };
}

macro_rules! filtered {
    () => {
        "({tenant:Nullable(String)} IS NULL OR tenant = {tenant:Nullable(String)})
        AND ({driver:Nullable(String)} IS NULL OR driver = {driver:Nullable(String)})"
    };
}

/// The filter stands outside of `LIMIT BY`: a form of the crash that lost may name another driver than the one that
/// won. Rows come in the order of the key, so a page stops reading when it is full.
const PAGE: &str = concat!(
    "SELECT
    crash_id, crashed_at, happened_at, tenant, machine, culprit, driver, driver_timestamp, driver_size, fault_offset,
    bucket, bucket_hash, confidence, rule, hardware_sign, analyzer_version, facts
FROM crashes
WHERE crashed_at >= fromUnixTimestamp64Milli({after:Int64}, 'UTC') AND (crashed_at, crash_id, revision) IN (
    SELECT crashed_at, crash_id, revision
    FROM (
        SELECT crashed_at, crash_id, revision, tenant, driver
        FROM crashes
        WHERE crashed_at >= fromUnixTimestamp64Milli({after:Int64}, 'UTC')
            AND (crashed_at, crash_id) > (fromUnixTimestamp64Milli({after:Int64}, 'UTC'), {after_id:UUID})
            AND ",
    meant!(),
    "
        ORDER BY crashed_at, crash_id, revision DESC
        LIMIT 1 BY crashed_at, crash_id
    )
    WHERE ",
    filtered!(),
    "
    LIMIT {limit:UInt32}
)
ORDER BY crashed_at, crash_id
LIMIT 1 BY crashed_at, crash_id"
);

const COUNT: &str = concat!("SELECT uniq(crash_id) FROM crashes WHERE ", meant!(), " AND ", filtered!());

impl Database {
    /// About how many rows all pages together have: for a progress bar.
    pub async fn replay_count(&self, filter: &ReplayFilter) -> Result<u64, DatabaseError> {
        self.ask(COUNT)
            .param("from", filter.range.from_ms.max(0))
            .param("to", filter.range.to_ms.max(0))
            .param("tenant", &filter.tenant)
            .param("driver", &filter.driver)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("count crashes to judge again"))
    }

    /// The next crashes with their facts, each once, in its best form; an empty page is the end.
    pub async fn replay_page(
        &self,
        filter: &ReplayFilter,
        after: Option<ReplayCursor>,
        limit: u32,
    ) -> Result<Vec<ReplayRow>, DatabaseError> {
        // A crash without a time has 0 for one, and no crash has the smallest id.
        let after = after.unwrap_or(ReplayCursor { crashed_at: 0, crash_id: Uuid::nil() });
        self.ask(PAGE)
            .with_setting("max_execution_time", PAGE_SECONDS)
            .param("from", filter.range.from_ms.max(0))
            .param("to", filter.range.to_ms.max(0))
            .param("tenant", &filter.tenant)
            .param("driver", &filter.driver)
            .param("after", after.crashed_at)
            .param("after_id", after.crash_id.to_string())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read facts of crashes"))
    }
}
