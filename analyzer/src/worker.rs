//! The worker loop: deliveries in, rows out. The only I/O of this crate. Reads the next batch and analyses it while the
//! former is being inserted; commits a batch only after its rows are durable. Never decides who is to blame.

mod batch;
pub(crate) mod inflate;
mod intake;
mod keep;
mod metrics;
mod outlet;
mod prepare;
pub(crate) mod retry;
pub(crate) mod row;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use storage::blobs::Blobs;
use storage::database::{Database, DatabaseError};
use storage::queue::{Queue, QueueError};
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use metrics::{Metrics, Stage};
pub use row::with_verdict;

use self::batch::Batch;
use self::intake::Intake;
use self::outlet::{Inserted, Outlet};
use crate::{Limits, Owners};

/// How a worker works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Bounds of one analysis.
    pub limits: Limits,
    /// Who may be blamed.
    pub owners: Arc<Owners>,
    /// Dumps analysed at a time; each takes one blocking thread.
    pub parallelism: usize,
    /// Most rows of one insert. ClickHouse wants few large inserts; 1,000 rows of an outage are half a second of it.
    pub batch_rows: usize,
    /// Most compressed bytes of dumps in one batch: two batches are in memory at a time.
    pub batch_bytes: usize,
    /// Shortest time between two inserts: how long a crash may wait for others to share its insert.
    pub linger: Duration,
    /// How long to wait for a message before looking at the clock again.
    pub idle_wait: Duration,
    /// Dumps kept per bucket and day for people to look at. Counted by this process: after a restart it counts anew.
    pub keep_per_bucket: u32,
    /// Largest report stored in a row; a larger one loses its lists. Real ones take 25 KB; a batch holds a thousand.
    pub report_bytes: usize,
    /// Longest pause between two tries of a store that does not answer.
    pub retry_pause: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            limits: Limits::with_details(),
            owners: Arc::default(),
            parallelism: std::thread::available_parallelism().map_or(2, usize::from),
            batch_rows: 1_000,
            batch_bytes: 64 << 20,
            linger: Duration::from_millis(250),
            idle_wait: Duration::from_millis(500),
            keep_per_bucket: 20,
            report_bytes: 96 << 10,
            retry_pause: Duration::from_secs(5),
        }
    }
}

/// Why a worker stopped although nobody asked it to. What it had not committed comes again.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The queue cannot be used.
    #[error("the analyzer cannot read its queue")]
    Queue(#[source] QueueError),
    /// The database refuses for a reason that does not pass by itself.
    #[error("the analyzer cannot write its rows")]
    Database(#[source] DatabaseError),
}

/// One consumer of the queue and everything behind it.
#[derive(Debug)]
pub struct Worker {
    config: WorkerConfig,
    queue: Queue,
    blobs: Blobs,
    database: Database,
    metrics: Metrics,
}

impl Worker {
    /// Puts a worker together and registers its metrics.
    pub fn new(
        config: WorkerConfig,
        queue: Queue,
        blobs: Blobs,
        database: Database,
        registry: &mut Registry,
    ) -> Self {
        Self { config, queue, blobs, database, metrics: Metrics::register(registry) }
    }

    /// The worker's metrics, for whoever wants to print them.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Works until cancelled, then finishes the batch in hand.
    ///
    /// # Errors
    /// [`WorkerError`] where going on makes no sense; everything that passes by itself is waited for.
    pub async fn run(self, stop: CancellationToken) -> Result<(), WorkerError> {
        let Self { config, queue, blobs, database, metrics } = self;
        info!(queue = queue.id(), "analyzer started");
        let outlet = Outlet::new(&config, database, metrics.clone(), stop.clone());
        let mut intake = Intake::open(config, &queue, blobs, metrics, stop).await?;
        let mut in_hand = Batch::default();
        loop {
            // The next batch is read and analysed while the former is inserted.
            let (inserted, next) = tokio::join!(outlet.insert(&in_hand), intake.next());
            match inserted? {
                Inserted::Durable => intake.commit(&in_hand).await?,
                Inserted::GaveUp => break,
            }
            match next? {
                Some(batch) => in_hand = batch,
                None => break,
            }
        }
        info!("analyzer stopped");
        Ok(())
    }
}
