//! The stored facts of crashes beside what was said of them, page by page: what changed rules are replayed on.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Range;
use crate::database::{Database, DatabaseError};

/// Where the range is a small part of a large table, a page passes over much before it finds its rows.
const PAGE_SECONDS: &str = "120";
/// The last instant that a `DateTime64(3)` can hold: 2299-12-31.
const LAST_MS: i64 = 10_413_791_999_999;

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

/// The last crash of a page, by the table's key; the next page begins after it. The default is where the first one begins:
/// a crash without a time has 0 for one, and none has the smallest id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// One page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayPage {
    /// In the order of the table's key.
    pub rows: Vec<ReplayRow>,
    /// Where the next one begins; `None` after the last one.
    pub next: Option<ReplayCursor>,
}

#[derive(Row, Deserialize)]
struct Key {
    crashed_at: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    crash_id: Uuid,
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

/// After the last crash of the page before.
macro_rules! after {
    () => {
        "crashed_at >= fromUnixTimestamp64Milli({after:Int64}, 'UTC')
            AND (crashed_at, crash_id) > (fromUnixTimestamp64Milli({after:Int64}, 'UTC'), {after_id:UUID})"
    };
}

/// Where the next page ends. In the order of the key and in small blocks this reads a few rows of each part and stops;
/// with `LIMIT BY` in it, or in blocks of the usual size, it would read all that is left of the table for each page.
const END: &str = concat!(
    "SELECT crashed_at, crash_id FROM crashes WHERE ",
    after!(),
    " AND ",
    meant!(),
    " ORDER BY crashed_at, crash_id LIMIT 1 OFFSET {limit:UInt32}
SETTINGS max_block_size = 1024"
);

/// The filter stands outside of `LIMIT BY`: a form of the crash that lost may name another driver than the one that won.
const PAGE: &str = concat!(
    "SELECT
    crash_id, crashed_at, happened_at, tenant, machine, culprit, driver, driver_timestamp, driver_size, fault_offset,
    bucket, bucket_hash, confidence, rule, hardware_sign, analyzer_version, facts
FROM (
    SELECT
        crash_id, crashed_at, happened_at, tenant, machine, culprit, driver, driver_timestamp, driver_size,
        fault_offset, bucket, bucket_hash, confidence, rule, hardware_sign, analyzer_version, facts
    FROM crashes
    WHERE ",
    after!(),
    "
        AND crashed_at <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')
        AND (crashed_at, crash_id) <= (fromUnixTimestamp64Milli({last:Int64}, 'UTC'), {last_id:UUID})
        AND ",
    meant!(),
    "
    ORDER BY crashed_at, crash_id, revision DESC
    LIMIT 1 BY crashed_at, crash_id
)
WHERE ({tenant:Nullable(String)} IS NULL OR tenant = {tenant:Nullable(String)})
    AND ({driver:Nullable(String)} IS NULL OR driver = {driver:Nullable(String)})
ORDER BY crashed_at, crash_id"
);

/// About as many as there are rows: forms of a crash that lost count too where they are the only ones that fit.
const COUNT: &str = concat!(
    "SELECT uniq(crash_id) FROM crashes WHERE ",
    meant!(),
    " AND ({tenant:Nullable(String)} IS NULL OR tenant = {tenant:Nullable(String)})
    AND ({driver:Nullable(String)} IS NULL OR driver = {driver:Nullable(String)})"
);

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

    /// The next crashes with their facts, each once, in its best form. It looks at `keys` rows of the table or a few more:
    /// a page may have fewer crashes, even none, and not be the last.
    pub async fn replay_page(
        &self,
        filter: &ReplayFilter,
        after: ReplayCursor,
        keys: u32,
    ) -> Result<ReplayPage, DatabaseError> {
        let ask = |sql| {
            self.ask(sql)
                .with_setting("max_execution_time", PAGE_SECONDS)
                .param("from", filter.range.from_ms.max(0))
                .param("to", filter.range.to_ms.max(0))
                .param("after", after.crashed_at)
                .param("after_id", after.crash_id.to_string())
        };
        let failed = DatabaseError::while_("read facts of crashes");
        let end: Option<Key> =
            ask(END).param("limit", keys.saturating_sub(1)).fetch_optional().await.map_err(&failed)?;
        let next = end.map(|key| ReplayCursor { crashed_at: key.crashed_at, crash_id: key.crash_id });
        let last = next.unwrap_or(ReplayCursor { crashed_at: LAST_MS, crash_id: Uuid::max() });
        let rows = ask(PAGE)
            .param("last", last.crashed_at)
            .param("last_id", last.crash_id.to_string())
            .param("tenant", &filter.tenant)
            .param("driver", &filter.driver)
            .fetch_all()
            .await
            .map_err(&failed)?;
        Ok(ReplayPage { rows, next })
    }
}
