//! One kept dump to the row of its deep analysis. A dump that cannot be analysed gets a row too, or it would stay due for
//! ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use storage::questions::DeepJob;
use storage::rows::DeepRow;
use symbols::SymbolSet;
use tracing::warn;

use super::{DeepWorker, now_ms, with_symbols};
use crate::analysis::SymbolReport;
use crate::worker::inflate::inflate;
use crate::worker::row;
use crate::{ANALYZER_VERSION, Analysis, analyze};

impl DeepWorker {
    pub(super) async fn analyse(&self, job: DeepJob, begun: i64) -> (DeepRow, &'static str) {
        let timeout = self.config.job_timeout;
        let outcome = match tokio::time::timeout(timeout, self.deep(&job)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(Failed::Later(format!("not done within {timeout:?}"))),
        };
        match outcome {
            Ok(analysis) => self.analysed(job, begun, &analysis),
            Err(failed) => {
                let (reason, again) = match failed {
                    Failed::Later(reason) => (reason, true),
                    Failed::ForGood(reason) => (reason, false),
                };
                warn!(crash = %job.crash_id, again, reason, "deep analysis failed");
                let retry_at = if again { self.retry_at() } else { 0 };
                (DeepRow { retry_at, ..empty(job, begun) }, "failed")
            }
        }
    }

    fn retry_at(&self) -> i64 {
        now_ms().saturating_add(i64::try_from(self.config.retry_after.as_millis()).unwrap_or(i64::MAX))
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
        with_symbols(&self.library, &job.tenant, |set: Arc<SymbolSet>| {
            let bytes = Arc::clone(&bytes);
            async move {
                // As in the worker: the crates that read user dumps and symbol files may panic on what nobody tried yet.
                let run = move || catch_unwind(AssertUnwindSafe(|| analyze(&bytes, Some(&set), &limits)));
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

    fn analysed(&self, job: DeepJob, begun: i64, analysis: &Analysis) -> (DeepRow, &'static str) {
        let lacking = lacking(&analysis.symbols);
        let unreachable = lacking.iter().any(|file| file.status == "unreachable");
        let outcome = if lacking.is_empty() { "complete" } else { "symbols_missing" };
        let row = DeepRow {
            deep_bucket: analysis.verdict.bucket.clone(),
            deep_bucket_hash: analysis.verdict.bucket_hash.clone(),
            deep_confidence: analysis.verdict.confidence.clone(),
            report: row::report(analysis, self.config.report_bytes),
            missing_kinds: lacking.iter().map(|file| file.kind.to_owned()).collect(),
            missing: lacking.into_iter().map(|file| file.id).collect(),
            retry_at: if unreachable { self.retry_at() } else { 0 },
            ..empty(job, begun)
        };
        (row, outcome)
    }
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
        deep_bucket: String::new(),
        deep_bucket_hash: String::new(),
        deep_confidence: String::new(),
        report: String::new(),
        missing: Vec::new(),
        missing_kinds: Vec::new(),
        retry_at: 0,
    }
}
