//! Lists of crashes: of a driver, a machine, a bucket, newest arrivals first.

use clickhouse::Row;
use clickhouse::query::Query;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Range;
use crate::database::{Database, DatabaseError};
use crate::queue::now_ms;

/// Which crashes; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashFilter {
    /// Blamed driver or module.
    pub driver: Option<String>,
    /// PE timestamp of the blamed image.
    pub driver_timestamp: Option<u32>,
    /// Machine.
    pub machine: Option<String>,
    /// Tenant.
    pub tenant: Option<String>,
    /// Bucket id.
    pub bucket: Option<String>,
    /// Bug check code.
    pub bugcheck: Option<u32>,
    /// `kernel`, `live`, `user`.
    pub kind: Option<String>,
    /// `driver`, `module`, `hardware`, ...
    pub culprit: Option<String>,
    /// `analysed`, `unreadable`, `dead_letter`.
    pub outcome: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Ring.
    pub ring: Option<String>,
    /// Arrived at or after this.
    pub from_ms: Option<i64>,
    /// Arrived before this.
    pub to_ms: Option<i64>,
}

/// The last crash of one page; the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When it arrived.
    pub received_at_ms: i64,
    /// Its id.
    pub crash_id: Uuid,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CrashSummary {
    /// Identity.
    #[serde(with = "clickhouse::serde::uuid")]
    pub crash_id: Uuid,
    /// The dump's own time, 0 where it has none.
    pub crashed_at_ms: i64,
    /// When it happened, as far as the machine's clock can be believed.
    pub happened_at_ms: i64,
    /// When it arrived.
    pub received_at_ms: i64,
    /// Tenant.
    pub tenant: String,
    /// Machine.
    pub machine: String,
    /// Ring.
    pub ring: String,
    /// Site.
    pub site: String,
    /// `analysed`, `unreadable`, `dead_letter`.
    pub outcome: String,
    /// Why it could not be (fully) read.
    pub problem: String,
    /// `kernel`, `live`, `user`.
    pub kind: String,
    /// Bug check code.
    pub bugcheck: u32,
    /// Its name.
    pub bugcheck_name: String,
    /// What is blamed.
    pub culprit: String,
    /// Blamed driver or module.
    pub driver: String,
    /// Its PE timestamp.
    pub driver_timestamp: u32,
    /// Offset of the fault inside it.
    pub fault_offset: u64,
    /// What crashes that failed at the same place share, as 32 hexadecimal digits.
    pub fault_site: String,
    /// Bucket id.
    pub bucket: String,
    /// `high`, `medium`, `low`, `none`.
    pub confidence: String,
    /// OS build.
    pub os_build: u32,
    /// OS update build revision.
    pub os_ubr: u32,
    /// System model.
    pub model: String,
    /// Seconds since boot at the crash.
    pub uptime_s: u64,
}

impl CrashSummary {
    /// Where the page after this line begins.
    pub fn cursor(&self) -> Cursor {
        Cursor { received_at_ms: self.received_at_ms, crash_id: self.crash_id }
    }
}

/// Every column of [`CrashSummary`], in its order.
macro_rules! summary_columns {
    () => {
        "crash_id,
    toUnixTimestamp64Milli(crashed_at) AS crashed_at_ms,
    toUnixTimestamp64Milli(happened_at) AS happened_at_ms,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    tenant, machine, ring, site, outcome, problem, kind, bugcheck, bugcheck_name, culprit, driver,
    driver_timestamp, fault_offset, lower(hex(crashes.fault_site)) AS fault_site, bucket, confidence, os_build, os_ubr,
    model, uptime_s"
    };
}
pub(super) use summary_columns;

/// What a filter asks of a row.
macro_rules! fits {
    () => {
        "({driver:Nullable(String)} IS NULL OR driver = {driver:Nullable(String)})
    AND ({driver_timestamp:Nullable(UInt32)} IS NULL OR driver_timestamp = {driver_timestamp:Nullable(UInt32)})
    AND ({machine:Nullable(String)} IS NULL OR machine = {machine:Nullable(String)})
    AND ({tenant:Nullable(String)} IS NULL OR tenant = {tenant:Nullable(String)})
    AND ({bucket:Nullable(String)} IS NULL OR bucket = {bucket:Nullable(String)})
    AND ({bugcheck:Nullable(UInt32)} IS NULL OR bugcheck = {bugcheck:Nullable(UInt32)})
    AND ({kind:Nullable(String)} IS NULL OR kind = {kind:Nullable(String)})
    AND ({culprit:Nullable(String)} IS NULL OR culprit = {culprit:Nullable(String)})
    AND ({outcome:Nullable(String)} IS NULL OR outcome = {outcome:Nullable(String)})
    AND ({site:Nullable(String)} IS NULL OR site = {site:Nullable(String)})
    AND ({ring:Nullable(String)} IS NULL OR ring = {ring:Nullable(String)})
    AND received_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND received_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
    };
}

/// Forms of crashes, whichever of them won: a fiftieth of what it costs to find out first (`FINAL`) for all of the table.
const KEYS: &str = concat!(
    "SELECT toUnixTimestamp64Milli(received_at) AS received_at_ms, crash_id, toUnixTimestamp64Milli(crashed_at) AS crashed_at_ms
FROM crashes
WHERE ",
    fits!(),
    "
    AND (received_at, crash_id) < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'), {before_id:UUID})
ORDER BY received_at DESC, crash_id DESC
LIMIT 1 BY received_at, crash_id
LIMIT {limit:UInt32}"
);

/// Those of these forms that won, where the one that won fits.
const ROWS: &str = concat!(
    "SELECT ",
    summary_columns!(),
    "
FROM crashes FINAL
WHERE crashed_at IN (SELECT fromUnixTimestamp64Milli(arrayJoin({times:Array(Int64)}), 'UTC'))
    AND crash_id IN (SELECT arrayJoin({ids:Array(UUID)}))
    AND (toUnixTimestamp64Milli(received_at), crash_id) IN (
        SELECT arrayJoin(arrayZip({arrivals:Array(Int64)}, {ids:Array(UUID)})) AS form)
    AND ",
    fits!(),
    "
ORDER BY received_at DESC, crash_id DESC"
);

#[derive(Row, Deserialize)]
struct Key {
    received_at_ms: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    crash_id: Uuid,
    crashed_at_ms: i64,
}

/// Forms that are looked at together: their keys travel in the address of a request.
const MOST_KEYS: u32 = 500;
/// Most lists are of what is new: so much is looked at before everything is.
const NEW_MS: i64 = 7 * 86_400_000;

const OF_MACHINE: &str = "
SELECT crash_id
FROM machine_crashes
WHERE machine_key = sipHash64({tenant:String}, {machine:String}) AND tenant = {tenant:String} AND machine = {machine:String}
ORDER BY received_at DESC, crash_id DESC
LIMIT 1 BY crash_id
LIMIT {limit:UInt32}";

#[derive(Row, Deserialize)]
struct Id {
    #[serde(with = "clickhouse::serde::uuid")]
    crash_id: Uuid,
}

/// The last instant that a `DateTime64(3)` can hold: 2299-12-31.
const END_OF_TIME_MS: i64 = 10_413_791_999_999;

impl Database {
    /// Crashes by arrival, newest first; each crash once, in its best form.
    pub async fn crashes(
        &self,
        filter: &CrashFilter,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<Vec<CrashSummary>, DatabaseError> {
        let mut before = before.unwrap_or(Cursor { received_at_ms: END_OF_TIME_MS, crash_id: Uuid::max() });
        let everything =
            Range { from_ms: filter.from_ms.unwrap_or(0), to_ms: filter.to_ms.unwrap_or(END_OF_TIME_MS) };
        let end_ms = before.received_at_ms.min(everything.to_ms).min(now_ms());
        let mut span = Range { from_ms: end_ms.saturating_sub(NEW_MS).max(everything.from_ms), ..everything };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut crashes = Vec::new();
        loop {
            let left = u32::try_from(wanted.saturating_sub(crashes.len())).unwrap_or(u32::MAX).min(MOST_KEYS);
            let keys = self.crash_keys(filter, span, left, before).await?;
            if let Some(last) = keys.last() {
                before = Cursor { received_at_ms: last.received_at_ms, crash_id: last.crash_id };
                crashes.extend(self.crash_rows(filter, span, &keys).await?);
            }
            match keys.len() < left as usize {
                _ if crashes.len() >= wanted => return Ok(crashes),
                true if span == everything => return Ok(crashes),
                true => span = everything,
                false => {}
            }
        }
    }

    async fn crash_keys(
        &self,
        filter: &CrashFilter,
        span: Range,
        limit: u32,
        before: Cursor,
    ) -> Result<Vec<Key>, DatabaseError> {
        fitting(self.ask(KEYS), filter, span)
            .param("before_ms", before.received_at_ms)
            .param("before_id", before.crash_id.to_string())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for crashes"))
    }

    async fn crash_rows(
        &self,
        filter: &CrashFilter,
        span: Range,
        keys: &[Key],
    ) -> Result<Vec<CrashSummary>, DatabaseError> {
        fitting(self.ask(ROWS), filter, span)
            .param("times", keys.iter().map(|key| key.crashed_at_ms).collect::<Vec<_>>())
            .param("ids", keys.iter().map(|key| key.crash_id.to_string()).collect::<Vec<_>>())
            .param("arrivals", keys.iter().map(|key| key.received_at_ms).collect::<Vec<_>>())
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list crashes"))
    }

    /// The newest crashes of one machine.
    pub async fn machine_crashes(
        &self,
        tenant: &str,
        machine: &str,
        limit: u32,
    ) -> Result<Vec<CrashSummary>, DatabaseError> {
        let ids: Vec<Id> = self
            .ask(OF_MACHINE)
            .param("tenant", tenant)
            .param("machine", machine)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list a machine's crashes"))?;
        let ids: Vec<Uuid> = ids.into_iter().map(|id| id.crash_id).collect();
        self.crash_lines(&ids).await
    }
}

fn fitting(question: Query, filter: &CrashFilter, span: Range) -> Query {
    question
        .param("driver", &filter.driver)
        .param("driver_timestamp", filter.driver_timestamp)
        .param("machine", &filter.machine)
        .param("tenant", &filter.tenant)
        .param("bucket", &filter.bucket)
        .param("bugcheck", filter.bugcheck)
        .param("kind", &filter.kind)
        .param("culprit", &filter.culprit)
        .param("outcome", &filter.outcome)
        .param("site", &filter.site)
        .param("ring", &filter.ring)
        .param("from", span.from_ms)
        .param("to", span.to_ms)
}
