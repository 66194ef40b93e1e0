//! One delivery to one row: fetch, inflate, analyse, each failure told apart. The rim where panics of the `minidump`
//! crates are caught. Never touches the queue or the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use storage::blobs::Blobs;
use storage::message::{Content, Message};
use storage::queue::{Delivery, Position};
use storage::rows::{CrashRow, Outcome};
use storage::signals::CrashSignal;
use tokio_util::sync::CancellationToken;

use super::inflate::{InflateError, inflate};
use super::retry::Retry;
use super::row::{self, Origin};
use super::{Metrics, Stage, WorkerConfig, signal, third_party};
use crate::{Analysis, Limits, Owners, Unreadable, analyze};

/// Largest compressed dump that is fetched from the blob store: what inflates to an acceptable dump and does not
/// compress at all, with zstd's overhead.
const COMPRESSED_SLACK: u64 = 1 << 20;

/// A delivery that is ready for the database.
pub(super) struct Prepared {
    pub(super) row: CrashRow,
    /// What the detector is to know of it, where that is anything.
    pub(super) signal: Option<CrashSignal>,
    /// Why it is to be set aside, where it is.
    pub(super) dead: Option<String>,
    /// The compressed dump, to be kept where it is wanted; empty where there is none.
    pub(super) compressed: Bytes,
    /// Key of the spooled blob that is not needed any more once the row is durable.
    pub(super) spooled: Option<String>,
}

/// Makes rows of deliveries; clones are cheap.
#[derive(Clone)]
pub(super) struct Preparer {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    owners: Arc<Owners>,
    report_bytes: usize,
    retry_pause: Duration,
    queue_id: String,
    blobs: Blobs,
    metrics: Metrics,
    stop: CancellationToken,
}

/// What became of the bytes.
enum Read {
    Analysed(Box<Analysis>),
    Unreadable(Unreadable),
    Dead(String),
}

impl Preparer {
    pub(super) fn new(
        config: &WorkerConfig,
        queue_id: &str,
        blobs: Blobs,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits: config.limits,
                owners: Arc::clone(&config.owners),
                report_bytes: config.report_bytes,
                retry_pause: config.retry_pause,
                queue_id: queue_id.to_owned(),
                blobs,
                metrics,
                stop,
            }),
        }
    }

    /// Prepares one delivery; `None` when asked to stop while the blob store did not answer.
    pub(super) fn prepare(&self, delivery: Delivery) -> impl Future<Output = Option<Prepared>> + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let position = delivery.position;
            let message = match delivery.message {
                Ok(message) => message,
                Err(malformed) => {
                    let reason = format!("the message cannot be read: {}", malformed.reason);
                    return Some(shared.malformed(position, reason));
                }
            };
            match shared.fetch(&message).await? {
                Ok(compressed) => shared.analyse_blocking(position, message, compressed).await,
                Err(reason) => Some(shared.dead(position, &message, reason)),
            }
        }
    }
}

impl Shared {
    fn malformed(&self, position: Position, reason: String) -> Prepared {
        let row = row::malformed(&Origin { queue_id: &self.queue_id, position }, &reason);
        Prepared { row, signal: None, dead: Some(reason), compressed: Bytes::new(), spooled: None }
    }

    fn dead(&self, position: Position, message: &Message, reason: String) -> Prepared {
        let origin = Origin { queue_id: &self.queue_id, position };
        let row = row::failed(&origin, &message.meta, Outcome::DeadLetter, &reason);
        // A spooled blob stays: it is the only copy of what somebody may want to look at.
        Prepared { row, signal: None, dead: Some(reason), compressed: Bytes::new(), spooled: None }
    }

    /// The compressed dump, or why it cannot be had; `None` when asked to stop.
    async fn fetch(&self, message: &Message) -> Option<Result<Bytes, String>> {
        let key = match &message.meta.content {
            Content::Inline => return Some(Ok(message.value.clone())),
            Content::Blob(key) => key,
        };
        let started = Instant::now();
        let limit = self.limits.dump_bytes.saturating_add(COMPRESSED_SLACK);
        let mut retry = Retry::new("fetch", self.retry_pause, &self.metrics, &self.stop);
        let fetched = loop {
            match self.blobs.get(key, limit).await {
                Ok(bytes) => break Ok(bytes),
                Err(error) if !error.retryable() => break Err(error.to_string()),
                Err(error) => {
                    if !retry.pause(&error).await {
                        return None;
                    }
                }
            }
        };
        self.metrics.spent(Stage::Fetch, started);
        Some(fetched)
    }

    async fn analyse_blocking(
        self: Arc<Self>,
        position: Position,
        message: Message,
        compressed: Bytes,
    ) -> Option<Prepared> {
        let shared = Arc::clone(&self);
        let meta = message.meta.clone();
        let job = tokio::task::spawn_blocking(move || shared.analyse(position, &message, compressed));
        match job.await {
            Ok(prepared) => Some(prepared),
            // Everything that panics on a dump's bytes is caught inside; this is the runtime going down.
            Err(error) if error.is_cancelled() => None,
            Err(error) => {
                let message = Message { meta, value: Bytes::new() };
                Some(self.dead(position, &message, format!("the analysis failed: {error}")))
            }
        }
    }

    fn analyse(&self, position: Position, message: &Message, compressed: Bytes) -> Prepared {
        let origin = Origin { queue_id: &self.queue_id, position };
        let spooled = match &message.meta.content {
            Content::Inline => None,
            Content::Blob(key) => Some(key.clone()),
        };
        match self.read(message, &compressed) {
            Read::Analysed(analysis) => {
                let mut row = row::analysed(&origin, &message.meta, &analysis, self.report_bytes);
                third_party::list(&mut row, &self.owners);
                let signal = signal::of(&row, &message.meta);
                Prepared { row, signal, dead: None, compressed, spooled }
            }
            Read::Unreadable(unreadable) => {
                let problem = format!("{}: {}", unreadable.code, unreadable.problem);
                let row = row::failed(&origin, &message.meta, Outcome::Unreadable, &problem);
                Prepared { row, signal: None, dead: None, compressed, spooled }
            }
            Read::Dead(reason) => self.dead(position, message, reason),
        }
    }

    fn read(&self, message: &Message, compressed: &[u8]) -> Read {
        let started = Instant::now();
        let inflated = inflate(compressed, message.meta.raw_len, self.limits.dump_bytes);
        self.metrics.spent(Stage::Inflate, started);
        let bytes = match inflated {
            Ok(bytes) => bytes,
            Err(error @ InflateError::TooLarge(_)) => {
                return Read::Unreadable(Unreadable::new("too_large", error));
            }
            Err(error @ InflateError::Damaged(_)) => return Read::Dead(error.to_string()),
        };
        self.metrics.inflated(bytes.len());
        let started = Instant::now();
        // The one place that catches panics. `dump` has none; the `minidump` crates may, on bytes that nobody has
        // tried yet, and one dump must not stop the queue. Nothing outlives the call but its result.
        let result = catch_unwind(AssertUnwindSafe(|| analyze(&bytes, None, &self.owners, &self.limits)));
        self.metrics.spent(Stage::Analyse, started);
        match result {
            Ok(Ok(analysis)) => Read::Analysed(Box::new(analysis)),
            Ok(Err(unreadable)) => Read::Unreadable(unreadable),
            Err(_) => Read::Dead("the analysis of this dump panicked".to_owned()),
        }
    }
}
