//! The queue's side of the worker: reads deliveries, has them analysed in parallel and published for the detector, sets
//! the hopeless aside, keeps a few dumps, commits. Never writes a row.

use std::time::Instant;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use storage::blobs::{self, Blobs};
use storage::queue::{BatchLimits, Committed, Consumer, Delivery, Queue};
use storage::signals::Signals;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::batch::Batch;
use super::keep::Keeper;
use super::prepare::{Prepared, Preparer};
use super::publish::Publisher;
use super::retry::{Retry, chain};
use super::row;
use super::{Metrics, Stage, WorkerConfig, WorkerError};

/// What a batch is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// For its rows and for the detector.
    InTurn,
    /// For the detector alone, while rows cannot be written: it is read again in its turn, and only then set aside or kept.
    Ahead,
}

/// The queue's side.
pub(super) struct Intake {
    consumer: Consumer,
    blobs: Blobs,
    preparer: Preparer,
    publisher: Publisher,
    keeper: Keeper,
    metrics: Metrics,
    stop: CancellationToken,
    config: WorkerConfig,
    last_read: Option<Instant>,
}

impl Intake {
    pub(super) async fn open(
        config: WorkerConfig,
        queue: &Queue,
        blobs: Blobs,
        signals: Signals,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Result<Self, WorkerError> {
        let consumer = queue.consumer().await.map_err(WorkerError::Queue)?;
        let preparer = Preparer::new(&config, queue.id(), blobs.clone(), metrics.clone(), stop.clone());
        let publisher = Publisher::new(&config, signals, metrics.clone(), stop.clone());
        let keeper = Keeper::new(config.keep_per_bucket);
        Ok(Self { consumer, blobs, preparer, publisher, keeper, metrics, stop, config, last_read: None })
    }

    /// The next batch, analysed and published; empty when nothing came for a while; `None` when asked to stop.
    pub(super) async fn next(&mut self, reading: Reading) -> Result<Option<Batch>, WorkerError> {
        let Some(deliveries) = self.read().await? else { return Ok(None) };
        let preparer = self.preparer.clone();
        let mut prepared = stream::iter(deliveries)
            .map(|delivery| {
                let preparing = preparer.prepare(delivery.clone());
                async move { (delivery, preparing.await) }
            })
            .buffered(self.config.parallelism.max(1));
        let mut batch = Batch::default();
        // One by one: of the dumps themselves only as many are in memory as are analysed at a time.
        while let Some((delivery, prepared)) = prepared.next().await {
            // Asked to stop while a store did not answer: the whole batch comes again.
            let Some(prepared) = prepared else { return Ok(None) };
            let Prepared { signal, .. } = &prepared;
            batch.signals.extend(signal.clone().map(|signal| (delivery.position, signal)));
            batch.positions.push(delivery.position);
            if reading == Reading::InTurn && !self.add(&mut batch, &delivery, prepared).await? {
                return Ok(None);
            }
        }
        if !self.publisher.publish(&mut batch, reading).await? {
            return Ok(None);
        }
        if reading == Reading::Ahead {
            self.metrics.read_ahead(batch.positions.len());
        }
        Ok(Some(batch))
    }

    /// Deliveries, or `None` when asked to stop.
    async fn read(&mut self) -> Result<Option<Vec<Delivery>>, WorkerError> {
        // Under a trickle, inserts are at least `linger` apart; the first crash after a quiet time waits for nobody.
        if let Some(rest) = self.last_read.and_then(|at| self.config.linger.checked_sub(at.elapsed())) {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(rest) => {}
            }
        }
        let started = Instant::now();
        let limits = BatchLimits {
            messages: self.config.batch_rows,
            bytes: self.config.batch_bytes,
            wait: self.config.idle_wait,
        };
        let mut retry = Retry::new("read", self.config.retry_pause, &self.metrics, &self.stop);
        let deliveries = loop {
            let read = tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                read = self.consumer.next(limits) => read,
            };
            match read {
                Ok(deliveries) => break deliveries,
                Err(error) if !error.retryable() => return Err(WorkerError::Queue(error)),
                Err(error) => {
                    if !retry.pause(&error).await {
                        return Ok(None);
                    }
                }
            }
        };
        if !deliveries.is_empty() {
            self.metrics.spent(Stage::Fetch, started);
            let bytes: usize = deliveries.iter().map(value_len).sum();
            let full = deliveries.len() >= self.config.batch_rows || bytes >= self.config.batch_bytes / 2;
            self.last_read = (!full).then(Instant::now);
        }
        Ok(Some(deliveries))
    }

    /// Adds one delivery to the batch, doing what must be done before its row says so; false when asked to stop
    /// before that was done.
    async fn add(
        &mut self,
        batch: &mut Batch,
        delivery: &Delivery,
        prepared: Prepared,
    ) -> Result<bool, WorkerError> {
        let Prepared { mut row, dead, compressed, spooled, .. } = prepared;
        row.stored_at = now_ms();
        if let Some(reason) = dead {
            let mut retry = Retry::new("dead letter", self.config.retry_pause, &self.metrics, &self.stop);
            while let Err(error) = self.consumer.dead_letter(delivery, &reason).await {
                if !error.retryable() {
                    return Err(WorkerError::Queue(error));
                }
                if !retry.pause(&error).await {
                    return Ok(false);
                }
            }
            warn!(position = ?delivery.position, reason, "delivery set aside");
        } else if self.keeper.wants(&row.bucket, row::site(&row), row.received_at)
            && let Some(key) = self.keep(row.crash_id, compressed).await
        {
            row::keep(&mut row, key);
        }
        batch.rows.push(row);
        batch.spooled.extend(spooled);
        Ok(true)
    }

    /// Keeps a dump; its key, or nothing where the store fails: a full disk must not stop the counting.
    async fn keep(&self, crash_id: uuid::Uuid, compressed: Bytes) -> Option<String> {
        let key = blobs::kept_key(crash_id);
        match self.blobs.put(&key, compressed).await {
            Ok(()) => {
                self.metrics.kept();
                Some(key)
            }
            Err(error) => {
                self.metrics.keep_failed();
                warn!(key, error = %chain(&error), "dump could not be kept");
                None
            }
        }
    }

    /// Goes back to what is not committed, after having read ahead; false when asked to stop before.
    pub(super) async fn rewind(&mut self) -> Result<bool, WorkerError> {
        let mut retry = Retry::new("rewind", self.config.retry_pause, &self.metrics, &self.stop);
        while let Err(error) = self.consumer.rewind().await {
            if !error.retryable() {
                return Err(WorkerError::Queue(error));
            }
            if !retry.pause(&error).await {
                return Ok(false);
            }
        }
        self.last_read = None;
        Ok(true)
    }

    /// Commits a batch whose rows are durable, then deletes what was only spooled.
    pub(super) async fn commit(&mut self, batch: &Batch) -> Result<(), WorkerError> {
        if batch.positions.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let mut retry = Retry::new("commit", self.config.retry_pause, &self.metrics, &self.stop);
        let committed = loop {
            match self.consumer.commit(&batch.positions).await {
                Ok(committed) => break committed,
                Err(error) if !error.retryable() => return Err(WorkerError::Queue(error)),
                Err(error) => {
                    if !retry.pause(&error).await {
                        break Committed::NotAll;
                    }
                }
            }
        };
        // What was not committed comes again, to the same rows; its blobs must still be there then.
        let spooled = if committed == Committed::All { batch.spooled.as_slice() } else { &[] };
        for key in spooled {
            if let Err(error) = self.blobs.delete(key).await {
                warn!(key, error = %chain(&error), "spooled dump could not be deleted");
            }
        }
        self.metrics.spent(Stage::Commit, started);
        Ok(())
    }
}

/// The clock: the analysis itself has none.
fn now_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

fn value_len(delivery: &Delivery) -> usize {
    delivery.message.as_ref().map_or(0, |message| message.value.len())
}
