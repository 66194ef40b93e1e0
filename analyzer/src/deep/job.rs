//! One kept dump to the row of its deep analysis. A dump that cannot be analysed gets a row too, or it would stay due for
//! ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use storage::questions::DeepJob;
use storage::rows::DeepRow;
use symbols::SymbolSet;
use tracing::warn;

use super::{DeepWorker, now_ms, with_symbols};
use crate::analysis::SymbolReport;
use crate::worker::inflate::inflate;
use crate::worker::retry::chain;
use crate::worker::row;
use crate::{ANALYZER_VERSION, Analysis, analyze};

impl DeepWorker {
    /// The row of a dump, and what to count it as.
    pub(super) async fn analyse(&self, job: DeepJob, begun: i64) -> (DeepRow, &'static str) {
        // Only a dump that was analysed before has something to lose.
        let former = match job.reason.as_str() {
            "due_again" => self.former(&job).await,
            _ => None,
        };
        match self.deep(&job).await {
            Ok(analysis) => self.analysed(job, begun, &analysis, former),
            Err(failed) => {
                let (reason, again) = match failed {
                    Failed::Later(reason) => (reason, true),
                    Failed::ForGood(reason) => (reason, false),
                };
                warn!(crash = %job.crash_id, again, reason, "deep analysis failed");
                let retry_at = if again { self.soon(&job) } else { 0 };
                let row = former.unwrap_or_else(|| empty(job, begun));
                let row = DeepRow { analysed_at: begun, analyzer_version: ANALYZER_VERSION, retry_at, ..row };
                (row, "failed")
            }
        }
    }

    async fn former(&self, job: &DeepJob) -> Option<DeepRow> {
        let asked = self.database.deep_before(job).await;
        asked
            .inspect_err(|error| warn!(error = %chain(error), "cannot read the former deep analysis"))
            .ok()?
    }

    /// When a server that did not answer may do so: the older the crash, the less often it is tried, so that a server that
    /// is gone for good does not have all sites analysed for ever.
    fn soon(&self, job: &DeepJob) -> i64 {
        let least = millis(self.config.retry_after);
        let now = now_ms();
        now.saturating_add((age(job, now) / 2).clamp(least, least.max(millis(LONGEST_UNREACHABLE))))
    }

    /// When a file that no source had may be there: PDBs are published hours after their images. Doubles each time.
    fn late(job: &DeepJob) -> i64 {
        let now = now_ms();
        now.saturating_add(age(job, now).clamp(millis(LEAST_UNPUBLISHED), millis(LONGEST_UNPUBLISHED)))
    }

    async fn deep(&self, job: &DeepJob) -> Result<Analysis, Failed> {
        let limit = self.config.limits.dump_bytes;
        let compressed = self.blobs.get(&job.blob, limit).await.map_err(|error| {
            let reason = error.to_string();
            if error.retryable() { Failed::Later(reason) } else { Failed::ForGood(reason) }
        })?;
        let raw_len = job.raw_len;
        let inflated = tokio::task::spawn_blocking(move || inflate(&compressed, raw_len, limit)).await;
        let bytes = match inflated {
            Ok(Ok(bytes)) => Arc::new(bytes),
            Ok(Err(error)) => return Err(Failed::ForGood(error.to_string())),
            Err(error) => return Err(Failed::Later(error.to_string())),
        };
        let limits = self.config.limits;
        let owners = Arc::clone(&self.config.owners);
        let deadline = tokio::time::Instant::now().checked_add(self.config.job_timeout);
        with_symbols(&self.library, &job.tenant, deadline, |set: Arc<SymbolSet>| {
            let (bytes, owners) = (Arc::clone(&bytes), Arc::clone(&owners));
            async move {
                // As in the worker: the crates that read user dumps and symbol files may panic on what nobody tried yet.
                let analyse = move || analyze(&bytes, Some(&set), &owners, &limits);
                let run = move || catch_unwind(AssertUnwindSafe(analyse));
                match tokio::task::spawn_blocking(run).await {
                    Ok(Ok(Ok(analysis))) => Ok(analysis),
                    Ok(Ok(Err(unreadable))) => Err(Failed::ForGood(unreadable.to_string())),
                    Ok(Err(_panic)) => Err(Failed::ForGood("the analysis panicked".to_owned())),
                    Err(error) => Err(Failed::Later(error.to_string())),
                }
            }
        })
        .await
    }

    fn analysed(
        &self,
        job: DeepJob,
        begun: i64,
        analysis: &Analysis,
        former: Option<DeepRow>,
    ) -> (DeepRow, &'static str) {
        let lacking = lacking(&analysis.symbols);
        let unanswered =
            lacking.iter().any(|file| matches!(file.status.as_str(), "unreachable" | "not asked"));
        let outcome = if lacking.is_empty() { "complete" } else { "symbols_missing" };
        let retry_at = match () {
            () if unanswered => self.soon(&job),
            () if !lacking.is_empty() && self.library.has_remote_sources() => Self::late(&job),
            () => 0,
        };
        let row = DeepRow {
            deep_bucket: analysis.verdict.bucket.clone(),
            deep_bucket_hash: analysis.verdict.bucket_hash.clone(),
            deep_confidence: analysis.verdict.confidence.clone(),
            report: row::report(analysis, self.config.report_bytes),
            missing_kinds: lacking.iter().map(|file| file.kind.to_owned()).collect(),
            missing: lacking.into_iter().map(|file| file.id).collect(),
            retry_at,
            ..empty(job, begun)
        };
        // A server that is away takes nothing from what was known already.
        let better = former.filter(|former| unanswered && named(&former.report) > frames_named(analysis));
        let row = match better {
            Some(former) => DeepRow {
                deep_bucket: former.deep_bucket,
                deep_bucket_hash: former.deep_bucket_hash,
                deep_confidence: former.deep_confidence,
                report: former.report,
                ..row
            },
            None => row,
        };
        (row, outcome)
    }
}

/// Longest pause between two tries of a server that does not answer, and between two looks for a file that was not there.
const LONGEST_UNREACHABLE: Duration = Duration::from_secs(6 * 60 * 60);
const LEAST_UNPUBLISHED: Duration = Duration::from_secs(6 * 60 * 60);
const LONGEST_UNPUBLISHED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn age(job: &DeepJob, now: i64) -> i64 {
    now.saturating_sub(job.received_at).max(0)
}

fn frames_named(analysis: &Analysis) -> usize {
    analysis.stack.iter().filter(|frame| frame.function.is_some()).count()
}

/// The same of a report as a row has it; one of another version that cannot be read has none.
fn named(report: &str) -> usize {
    serde_json::from_str(report).map_or(0, |analysis: Analysis| frames_named(&analysis))
}

/// Why there is no analysis.
enum Failed {
    /// It may go better another time.
    Later(String),
    /// The dump itself is gone or damaged.
    ForGood(String),
}

struct Lacking {
    id: String,
    kind: &'static str,
    status: String,
}

/// Files that were wanted and not there.
fn lacking(reports: &[SymbolReport]) -> Vec<Lacking> {
    let mut files = Vec::new();
    for report in reports {
        for (id, kind, status) in
            [(&report.image_id, "image", &report.image), (&report.names_id, "pdb", &report.names)]
        {
            if let Some(id) = id
                && matches!(status.as_str(), "not found" | "unreachable" | "damaged" | "not asked")
            {
                files.push(Lacking { id: id.clone(), kind, status: status.clone() });
            }
        }
    }
    files
}

fn empty(job: DeepJob, begun: i64) -> DeepRow {
    DeepRow {
        crash_id: job.crash_id,
        crashed_at: job.crashed_at,
        analysed_at: begun,
        tenant: job.tenant,
        kind: job.kind,
        driver: job.driver,
        driver_timestamp: job.driver_timestamp,
        driver_size: job.driver_size,
        fault_offset: job.fault_offset,
        bucket: job.bucket,
        analyzer_version: ANALYZER_VERSION,
        ..DeepRow::default()
    }
}
