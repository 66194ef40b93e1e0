//! What writes to topics: sends a record until it is acknowledged or failed, and replaces a producer that has ended.
//! Never decides what is written where.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};

use super::settings::{self, MAX_MESSAGE_BYTES, MESSAGE_OVERHEAD, failure};
use super::{ASK_TIMEOUT, blocking};
use crate::queue::{KafkaConfig, QueueError};

/// How long an append waits for room in the producer's own buffer. With `settings::DELIVERY_TIMEOUT` it makes the
/// bound after which ingest tells a machine to come again: shorter than any client's patience, longer than the
/// election of a new leader.
const BUFFER_WAIT: Duration = Duration::from_secs(2);

/// The producer of one handle.
pub(crate) struct Producer {
    config: KafkaConfig,
    current: Mutex<FutureProducer>,
}

impl Producer {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self, QueueError> {
        Ok(Self { config: config.clone(), current: Mutex::new(make(config)?) })
    }

    /// Asks a broker; blocks.
    pub(crate) fn cluster_id(&self) -> Result<String, QueueError> {
        self.current().client().fetch_cluster_id(ASK_TIMEOUT).ok_or_else(|| {
            QueueError::unavailable("asking for the cluster's id", "no broker answered in time")
        })
    }

    /// `Ok` means acknowledged by every replica in sync. `bytes` is what to say where the record is too large.
    pub(crate) async fn send<K, P>(
        &self,
        record: FutureRecord<'_, K, P>,
        bytes: usize,
    ) -> Result<(), QueueError>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let sent = self.current().send(record, BUFFER_WAIT).await;
        sent.map(drop).map_err(|(error, _record)| self.error(error, bytes))
    }

    /// Waits for what is under way.
    pub(crate) async fn flush(&self) {
        let producer = self.current();
        let flushed = blocking("flushing the producer", move || {
            producer.flush(ASK_TIMEOUT).map_err(|error| failure("flushing the producer", error))
        });
        if let Err(error) = flushed.await {
            tracing::warn!(cause = ?error, "the producer was not flushed; whoever appended has no answer yet");
        }
    }

    fn current(&self) -> FutureProducer {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sorts a failure, and replaces a producer that a fatal error ended (an idempotent one gives up when the broker
    /// lost what it acknowledged; a new one starts with a new identity).
    fn error(&self, error: KafkaError, bytes: usize) -> QueueError {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            return too_large(bytes);
        }
        let mut producer = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, reason)) = producer.client().fatal_error() {
            tracing::error!(?code, reason, "the producer ended, making a new one");
            match make(&self.config) {
                Ok(fresh) => *producer = fresh,
                Err(error) => return error,
            }
            return QueueError::unavailable("appending to the topic", error);
        }
        failure("appending to the topic", error)
    }
}

fn make(config: &KafkaConfig) -> Result<FutureProducer, QueueError> {
    settings::producer(config).create().map_err(|error| QueueError::unusable("making the producer", error))
}

pub(crate) fn too_large(bytes: usize) -> QueueError {
    let wide = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    QueueError::TooLarge { bytes: wide(bytes), limit: wide(MAX_MESSAGE_BYTES - MESSAGE_OVERHEAD) }
}
