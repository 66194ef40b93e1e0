//! One crash in the forms in which it arrived, where its dump is kept, and the wish that it be analysed again.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::crash::milliseconds;
use crate::database::{Database, DatabaseError};
use crate::rows::CrashRow;

/// Uploads of one crash before a merge.
pub(super) const MOST_FORMS: u32 = 20;

/// One form of a crash: the kernel's small dump, then a shrunk or full copy, or the same by newer rules. What is merged
/// away is no longer told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CrashForm {
    /// The highest one is shown.
    pub revision: u64,
    /// When it arrived, ms since 1970.
    pub received_at_ms: i64,
    /// When it became a row.
    pub stored_at_ms: i64,
    /// `analysed`, `unreadable`, `dead_letter`.
    pub outcome: String,
    /// Inflated size of the dump.
    pub raw_len: u64,
    /// Version of the analyzer that read it.
    pub analyzer_version: u32,
    /// Blamed driver or module.
    pub driver: String,
    /// Bucket id.
    pub bucket: String,
    /// Whether its dump was kept.
    pub kept: bool,
}

impl From<&CrashRow> for CrashForm {
    fn from(row: &CrashRow) -> Self {
        Self {
            revision: row.revision,
            received_at_ms: row.received_at,
            stored_at_ms: row.stored_at,
            outcome: row.outcome.clone(),
            raw_len: row.raw_len,
            analyzer_version: row.analyzer_version,
            driver: row.driver.clone(),
            bucket: row.bucket.clone(),
            kept: !row.blob.is_empty(),
        }
    }
}

/// A dump that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct KeptDump {
    /// Its key among the blobs.
    pub blob: String,
    /// Its inflated length.
    pub raw_len: u64,
}

/// A form that came later and was not kept takes the key out of the crash's row, not out of this table.
const KEPT: &str = "
SELECT blob, raw_len
FROM kept_dumps
PREWHERE crash_id = {crash_id:UUID}
ORDER BY revision DESC
LIMIT 1";

/// The analysis as it is, due at once. One that began a millisecond later takes its place.
const DEEP_AGAIN: &str = "
INSERT INTO deep_analyses (
    crash_id, crashed_at, analysed_at, tenant, kind, driver, driver_timestamp, driver_size, fault_offset, bucket,
    analyzer_version, deep_bucket, deep_bucket_hash, deep_confidence, report, missing, missing_kinds, retry_at)
SELECT
    crash_id, crashed_at, analysed_at + toIntervalMillisecond(1), tenant, kind, driver, driver_timestamp, driver_size,
    fault_offset, bucket, analyzer_version, deep_bucket, deep_bucket_hash, deep_confidence, report, missing,
    missing_kinds, {now:Int64}
FROM deep_analyses FINAL
WHERE crash_id = {crash_id:UUID} AND fault_site IN (
    SELECT fault_site FROM crashes
    WHERE crashed_at = fromUnixTimestamp64Milli({crashed_at:Int64}, 'UTC') AND crash_id = {crash_id:UUID})";

impl Database {
    /// A crash in its best form, with its report, and the forms that are still told apart, that one first.
    pub async fn crash_and_forms(
        &self,
        crash_id: Uuid,
    ) -> Result<Option<(CrashRow, Vec<CrashForm>)>, DatabaseError> {
        let rows = self.forms_of(crash_id, MOST_FORMS).await?;
        let forms = rows.iter().map(CrashForm::from).collect();
        Ok(rows.into_iter().next().map(|best| (best, forms)))
    }

    /// Where the dump of a crash is kept, if it is.
    pub async fn kept_dump(&self, crash_id: Uuid) -> Result<Option<KeptDump>, DatabaseError> {
        self.ask(KEPT)
            .param("crash_id", crash_id.to_string())
            .fetch_optional()
            .await
            .map_err(DatabaseError::while_("look for a kept dump"))
    }

    /// Makes a crash's own analysis with symbols due now; nothing where it has none.
    pub async fn deep_again(&self, crash_id: Uuid, now_ms: i64) -> Result<(), DatabaseError> {
        self.ask(DEEP_AGAIN)
            .with_setting("async_insert", "0")
            .param("crashed_at", milliseconds(crash_id))
            .param("crash_id", crash_id.to_string())
            .param("now", now_ms)
            .execute()
            .await
            .map_err(DatabaseError::while_("ask for an analysis with symbols"))
    }
}
