//! Lists of crashes: of a driver, a machine, a bucket, newest arrivals first.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

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

const SQL: &str = concat!(
    "SELECT ",
    summary_columns!(),
    "
FROM crashes FINAL
WHERE ({driver:Nullable(String)} IS NULL OR driver = {driver:Nullable(String)})
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
    AND received_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND (received_at, crash_id) < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'), {before_id:UUID})
ORDER BY received_at DESC, crash_id DESC
LIMIT {limit:UInt32}"
);

/// One machine's: an index finds them, and then the best form of each is read.
const OF_MACHINE: &str = concat!(
    "SELECT ",
    summary_columns!(),
    "
FROM crashes FINAL
WHERE (crashed_at, crash_id) IN (
    SELECT crashed_at, crash_id
    FROM crashes
    WHERE machine = {machine:String} AND tenant = {tenant:String}
    ORDER BY received_at DESC
    LIMIT 1 BY crash_id
    LIMIT {limit:UInt32})
ORDER BY received_at DESC, crash_id DESC"
);

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
        let before = before.unwrap_or(Cursor { received_at_ms: END_OF_TIME_MS, crash_id: Uuid::max() });
        self.ask(SQL)
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
            .param("from", filter.from_ms.unwrap_or(0))
            .param("to", filter.to_ms.unwrap_or(END_OF_TIME_MS))
            .param("before_ms", before.received_at_ms)
            .param("before_id", before.crash_id.to_string())
            .param("limit", limit)
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
        self.ask(OF_MACHINE)
            .param("tenant", tenant)
            .param("machine", machine)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list a machine's crashes"))
    }
}
