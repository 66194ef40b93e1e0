//! The deep path: kept dumps, analysed again with symbols. Asks the database what is due, works on a few at a time, and
//! writes one row an analysis, which speaks for every crash of its fault site. Shares nothing with the fast path but the
//! database: a dead symbol server can slow nobody but this.

mod job;
mod metrics;
mod private;
mod rounds;
mod sources;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt, stream};
use prometheus_client::registry::Registry;
use storage::blobs::Blobs;
use storage::database::Database;
use storage::questions::{DeepJob, DeepMarks};
use storage::rows::DeepRow;
use symbols::Library;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::private::PrivateSymbols;
pub use self::rounds::with_symbols;

use self::metrics::Metrics;
use crate::worker::retry::chain;
use crate::{ANALYZER_VERSION, Limits, Owners};

/// How the deep path works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeepConfig {
    /// Bounds of one analysis.
    pub limits: Limits,
    /// Who may be blamed.
    pub owners: Arc<Owners>,
    /// Dumps analysed at a time: mostly they wait for servers.
    pub parallelism: usize,
    /// How often to ask what is due.
    pub poll: Duration,
    /// Crashes of a bucket that are analysed, beside one for each fault site.
    pub per_bucket: u32,
    /// Longest that one dump may take, with all its downloads. What came until then is cached, so the next try goes on.
    pub job_timeout: Duration,
    /// When to try again where a server did not answer.
    pub retry_after: Duration,
    /// Largest report stored in a row.
    pub report_bytes: usize,
}

impl Default for DeepConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            owners: Arc::default(),
            parallelism: 4,
            poll: Duration::from_secs(2),
            per_bucket: 3,
            job_timeout: Duration::from_secs(300),
            retry_after: Duration::from_secs(600),
            report_bytes: 256 << 10,
        }
    }
}

/// When nothing was due, and what there was then. Looking for what is due takes tens of milliseconds of the database, which
/// has the rows of an outage to write; seeing that nothing has changed takes one.
#[derive(Debug, Default)]
struct Idle {
    /// Pushed files at the last look.
    files: u64,
    seen: Option<(DeepMarks, Instant)>,
}

/// Some dumps become due by time alone.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

impl Idle {
    fn still(&self, marks: DeepMarks) -> bool {
        self.seen.is_some_and(|(seen, at)| seen == marks && at.elapsed() < LONGEST_IDLE)
    }
}

/// The worker of the deep path.
#[derive(Debug)]
pub struct DeepWorker {
    config: DeepConfig,
    blobs: Blobs,
    database: Database,
    library: Arc<Library>,
    metrics: Metrics,
}

impl DeepWorker {
    /// Puts a worker together and registers its metrics.
    pub fn new(
        config: DeepConfig,
        blobs: Blobs,
        database: Database,
        library: Arc<Library>,
        registry: &mut Registry,
    ) -> Self {
        Self { config, blobs, database, library, metrics: Metrics::register(registry) }
    }

    /// Works until cancelled. Nothing that fails here stops it: what is not done stays due.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(self.work(&stop), sources::tell(&self.database, &self.library, &stop));
    }

    async fn work(&self, stop: &CancellationToken) {
        info!("deep analysis started");
        let mut idle = Idle::default();
        while !stop.is_cancelled() {
            let worked = tokio::select! {
                () = stop.cancelled() => break,
                worked = self.turn(&mut idle) => worked,
            };
            // After work there is probably more of it.
            if worked == 0 {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(self.config.poll) => {}
                }
            }
        }
        info!("deep analysis stopped");
    }

    /// Analyses what is due; how many rows came of it.
    async fn turn(&self, idle: &mut Idle) -> usize {
        // Read before the jobs: what comes meanwhile shows the next time.
        let marks = match self.database.deep_marks().await {
            Ok(marks) if idle.still(marks) => return 0,
            Ok(marks) => marks,
            Err(error) => {
                warn!(error = %chain(&error), "cannot ask whether dumps are due");
                return 0;
            }
        };
        if marks.files != idle.files {
            // One of them may take the place of another that is loaded.
            self.library.forget_pushed();
        }
        let DeepConfig { parallelism, per_bucket, .. } = self.config;
        let limit = u32::try_from(parallelism.saturating_mul(4)).unwrap_or(u32::MAX);
        let jobs = match self.database.deep_jobs(now_ms(), ANALYZER_VERSION, per_bucket, limit).await {
            Ok(jobs) => jobs,
            Err(error) => {
                warn!(error = %chain(&error), "cannot ask which dumps are due");
                return 0;
            }
        };
        self.metrics.due(jobs.len());
        *idle = Idle { files: marks.files, seen: jobs.is_empty().then(|| (marks, Instant::now())) };
        let fresh = jobs.iter().filter(|job| job.reason != "due_again").count();
        let mut rows = stream::iter(jobs).map(|job| self.row(job)).buffer_unordered(parallelism.max(1));
        let mut written = 0_usize;
        // One by one: a page shows the first while the last still waits for a server.
        while let Some(row) = rows.next().await {
            match self.database.insert_deep(&[row]).await {
                Ok(()) => written = written.saturating_add(1),
                Err(error) => warn!(error = %chain(&error), "cannot write a deep analysis, it stays due"),
            }
        }
        // What was due again may be so at once: clocks of two machines differ, or a file that arrived is of no use.
        written.min(fresh)
    }

    async fn row(&self, job: DeepJob) -> DeepRow {
        let begun = now_ms();
        let started = Instant::now();
        let (row, outcome) = self.analyse(job, begun).await;
        self.metrics.done(outcome, started.elapsed());
        row
    }
}

fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}

fn unix_ms(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
