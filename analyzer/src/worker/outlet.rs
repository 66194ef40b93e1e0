//! Rows into the database, as often as it takes. Never reads the queue.

use std::time::{Duration, Instant};

use storage::database::Database;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::retry::Retry;
use super::{Metrics, Stage, WorkerConfig, WorkerError};

/// How inserting a batch ended.
pub(super) enum Inserted {
    /// The rows are durable.
    Durable,
    /// Asked to stop while the database did not answer: the batch comes again.
    GaveUp,
}

/// Where rows go.
pub(super) struct Outlet {
    database: Database,
    metrics: Metrics,
    stop: CancellationToken,
    retry_pause: Duration,
}

impl Outlet {
    pub(super) fn new(
        config: &WorkerConfig,
        database: Database,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self { database, metrics, stop, retry_pause: config.retry_pause }
    }

    /// Inserts a batch; the empty one is durable already.
    pub(super) async fn insert(&self, batch: &Batch) -> Result<Inserted, WorkerError> {
        if batch.rows.is_empty() {
            return Ok(Inserted::Durable);
        }
        let started = Instant::now();
        let mut retry = Retry::new("insert", self.retry_pause, &self.metrics, &self.stop);
        loop {
            match self.database.insert_crashes(&batch.rows).await {
                Ok(()) => break,
                Err(error) if !error.retryable() => return Err(WorkerError::Database(error)),
                Err(error) => {
                    if !retry.pause(&error).await {
                        return Ok(Inserted::GaveUp);
                    }
                }
            }
        }
        self.metrics.spent(Stage::Insert, started);
        self.metrics.inserted(batch.rows.iter().map(|row| row.outcome.as_str()));
        Ok(Inserted::Durable)
    }
}
