//! Verdicts to the detector's stream, as often as it takes. Owns what has been published ahead of the rows; never reads
//! the queue.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use storage::queue::Position;
use storage::signals::{Signal, Signals};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::intake::Reading;
use super::retry::Retry;
use super::{Metrics, Stage, WorkerConfig, WorkerError};

/// Where verdicts go.
pub(super) struct Publisher {
    signals: Signals,
    metrics: Metrics,
    stop: CancellationToken,
    retry_pause: Duration,
    /// By partition, the offset behind what was published ahead of its rows, until it has come again: a machine that the
    /// detector has counted must not come to it once more, hours later, as a fresh one.
    ahead: HashMap<i32, i64>,
}

impl Publisher {
    pub(super) fn new(
        config: &WorkerConfig,
        signals: Signals,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self { signals, metrics, stop, retry_pause: config.retry_pause, ahead: HashMap::new() }
    }

    /// Publishes a batch's verdicts; durable when true, asked to stop before that when false. They are no longer in the
    /// batch then.
    pub(super) async fn publish(&mut self, batch: &mut Batch, reading: Reading) -> Result<bool, WorkerError> {
        let fresh =
            std::mem::take(&mut batch.signals).into_iter().filter(|(position, _)| self.is_fresh(*position));
        let crashes: Vec<_> = fresh.map(|(_, crash)| crash).collect();
        if !crashes.is_empty() {
            let started = Instant::now();
            let count = crashes.len();
            let signals = vec![Signal::Crashes(crashes)];
            let mut retry = Retry::new("publish", self.retry_pause, &self.metrics, &self.stop);
            while let Err(error) = self.signals.append(signals.clone()).await {
                if !error.retryable() {
                    return Err(WorkerError::Signals(error));
                }
                if !retry.pause(&error).await {
                    return Ok(false);
                }
            }
            self.metrics.spent(Stage::Publish, started);
            self.metrics.published(count);
        }
        self.note(&batch.positions, reading);
        Ok(true)
    }

    fn is_fresh(&self, position: Position) -> bool {
        self.ahead.get(&position.partition).is_none_or(|ahead| position.offset >= *ahead)
    }

    fn note(&mut self, positions: &[Position], reading: Reading) {
        for position in positions {
            let behind = position.offset.saturating_add(1);
            match reading {
                Reading::Ahead => {
                    let ahead = self.ahead.entry(position.partition).or_insert(behind);
                    *ahead = behind.max(*ahead);
                }
                Reading::InTurn => {
                    if self.ahead.get(&position.partition).is_some_and(|ahead| behind >= *ahead) {
                        self.ahead.remove(&position.partition);
                    }
                }
            }
        }
    }
}
