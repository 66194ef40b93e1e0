//! The worker loop: deliveries in, rows out, and verdicts to the detector. The only I/O of this crate. Reads the next
//! batch, analyses and publishes it while the former is being inserted; commits a batch only after both are durable.
//! While ClickHouse does not answer, it goes on for the detector alone. Never decides who is to blame.

mod batch;
pub(crate) mod inflate;
mod intake;
mod keep;
mod metrics;
mod outlet;
mod prepare;
mod publish;
pub(crate) mod retry;
pub(crate) mod row;
mod signal;
mod third_party;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use storage::blobs::Blobs;
use storage::database::{Database, DatabaseError};
use storage::queue::{Queue, QueueError};
use storage::signals::{Signals, SignalsError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use metrics::{Metrics, Stage};
pub use row::with_verdict;

use self::batch::Batch;
use self::intake::{Intake, Reading};
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
    /// How long an insert may take before the worker goes on for the detector alone.
    pub patience: Duration,
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
            // A thousand rows take half a second. Longer, and an outage would be noticed later than it has to be.
            patience: Duration::from_secs(2),
        }
    }
}

/// Why a worker stopped although nobody asked it to. What it had not committed comes again.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The queue cannot be used.
    #[error("the analyzer cannot read its queue")]
    Queue(#[source] QueueError),
    /// The detector's stream cannot be used.
    #[error("the analyzer cannot tell the detector")]
    Signals(#[source] SignalsError),
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
    signals: Signals,
    metrics: Metrics,
}

impl Worker {
    /// Puts a worker together and registers its metrics.
    pub fn new(
        config: WorkerConfig,
        queue: Queue,
        blobs: Blobs,
        database: Database,
        signals: Signals,
        registry: &mut Registry,
    ) -> Self {
        Self { config, queue, blobs, database, signals, metrics: Metrics::register(registry) }
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
        let Self { config, queue, blobs, database, signals, metrics } = self;
        info!(queue = queue.id(), "analyzer started");
        let patience = config.patience;
        let outlet = Outlet::new(&config, database, metrics.clone(), stop.clone());
        let intake = Intake::open(config, &queue, blobs, signals, metrics, stop).await?;
        let mut turns = Turns { outlet, intake, patience, ahead: false };
        let mut in_hand = Batch::default();
        while let Some(next) = turns.turn(&in_hand).await? {
            in_hand = next;
        }
        info!("analyzer stopped");
        Ok(())
    }
}

/// Both sides of the worker, turn by turn.
struct Turns {
    outlet: Outlet,
    intake: Intake,
    patience: Duration,
    /// Whether deliveries have been read behind the next batch that must come again.
    ahead: bool,
}

impl Turns {
    /// The batch in hand into the database, and the next one from the queue meanwhile; none when asked to stop.
    async fn turn(&mut self, in_hand: &Batch) -> Result<Option<Batch>, WorkerError> {
        // What was read in turn is written first; then the reader goes back to where that ends.
        if self.ahead && in_hand.positions.is_empty() {
            if !self.intake.rewind().await? {
                return Ok(None);
            }
            self.ahead = false;
        }
        let mut inserting = pin!(self.outlet.insert(in_hand));
        let in_time = timeout(self.patience, &mut inserting);
        let (inserted, next) = if self.ahead {
            (in_time.await, Ok(Some(Batch::default())))
        } else {
            // The next batch is read, analysed and published while the former is inserted.
            tokio::join!(in_time, self.intake.next(Reading::InTurn))
        };
        let inserted = match (inserted, &next) {
            (Ok(inserted), _) => inserted?,
            (Err(_elapsed), Ok(Some(_))) => {
                self.ahead = true;
                read_ahead(inserting, &mut self.intake).await?
            }
            // Asked to stop, which ends the insert too.
            (Err(_elapsed), Ok(None)) => inserting.await?,
            (Err(_elapsed), Err(_)) => return next,
        };
        match inserted {
            Inserted::Durable => self.intake.commit(in_hand).await?,
            Inserted::GaveUp => return Ok(None),
        }
        next
    }
}

/// Goes on for the detector while an insert takes too long: reads, analyses, publishes, keeps nothing and commits nothing.
/// Never more than one batch is in memory; at the queue's end it waits for more.
async fn read_ahead(
    mut inserting: Pin<&mut impl Future<Output = Result<Inserted, WorkerError>>>,
    intake: &mut Intake,
) -> Result<Inserted, WorkerError> {
    warn!("the database does not answer: going on for the detector alone");
    loop {
        let read = tokio::select! {
            biased;
            inserted = &mut inserting => return inserted,
            read = intake.next(Reading::Ahead) => read?,
        };
        if read.is_none() {
            // Asked to stop, which ends the insert too.
            return inserting.await;
        }
    }
}
