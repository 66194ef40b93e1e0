//! Kafka as the queue: one topic of uploads keyed by machine, one of dead letters. Owns topics, acknowledgements and
//! committed offsets; never decides what becomes of a message.

mod consumer;
mod dead_letters;
mod settings;
mod topics;
mod wire;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::{DeadLetter, KafkaConfig, QueueError, QueueState};
use crate::message::Message;
pub(super) use consumer::KafkaConsumer;
use settings::{MAX_MESSAGE_BYTES, MESSAGE_OVERHEAD, failure};

/// How long an append waits for room in the producer's own buffer. With `settings::DELIVERY_TIMEOUT` it makes the
/// bound after which ingest tells a machine to come again: shorter than any client's patience, longer than the
/// election of a new leader.
const BUFFER_WAIT: Duration = Duration::from_secs(2);
/// How long a question to the brokers (watermarks, offsets, metadata) may take: a page that shows the state waits for it.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// A topic of a Kafka cluster; clones share the connections.
#[derive(Clone)]
pub struct Kafka {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    id: String,
    producer: Mutex<FutureProducer>,
    /// Asks for watermarks and committed offsets; is no member of the group.
    asker: BaseConsumer,
    closed: AtomicBool,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("id", &self.inner.id).finish_non_exhaustive()
    }
}

impl Kafka {
    pub(super) async fn open(config: &KafkaConfig) -> Result<Self, QueueError> {
        topics::create_missing(config).await?;
        let config = config.clone();
        blocking("opening the topic", move || {
            let producer: FutureProducer = settings::producer(&config)
                .create()
                .map_err(|error| QueueError::unusable("making the producer", error))?;
            let asker: BaseConsumer = settings::consumer(&config)
                .create()
                .map_err(|error| QueueError::unusable("making the consumer", error))?;
            let cluster = producer.client().fetch_cluster_id(ASK_TIMEOUT).ok_or_else(|| {
                QueueError::unavailable("asking for the cluster's id", "no broker answered in time")
            })?;
            let id = format!("kafka:{cluster}/{}", config.topic);
            let producer = Mutex::new(producer);
            let inner = Inner { config, id, producer, asker, closed: AtomicBool::new(false) };
            Ok(Self { inner: Arc::new(inner) })
        })
        .await
    }

    pub(super) fn id(&self) -> &str {
        &self.inner.id
    }

    pub(super) async fn append(&self, message: Message) -> Result<(), QueueError> {
        self.check_open()?;
        let meta = message
            .meta
            .to_json()
            .map_err(|error| QueueError::unusable("writing the message's header", error))?;
        let bytes = meta.len().saturating_add(message.value.len()).saturating_add(message.meta.machine.len());
        if bytes.saturating_add(MESSAGE_OVERHEAD) > MAX_MESSAGE_BYTES {
            return Err(too_large(bytes));
        }
        let record = FutureRecord::to(&self.inner.config.topic)
            .key(message.meta.machine.as_bytes())
            .payload(message.value.as_ref())
            .headers(wire::meta_header(&meta));
        let sent = self.producer().send(record, BUFFER_WAIT).await;
        sent.map(drop).map_err(|(error, _message)| self.append_error(error, bytes))
    }

    pub(super) async fn consumer(&self) -> Result<KafkaConsumer, QueueError> {
        self.check_open()?;
        KafkaConsumer::join(self.clone())
    }

    pub(super) async fn state(&self) -> Result<QueueState, QueueError> {
        self.check_open()?;
        let this = self.clone();
        blocking("asking for the queue's state", move || this.state_blocking()).await
    }

    fn state_blocking(&self) -> Result<QueueState, QueueError> {
        let Inner { config, asker, .. } = &*self.inner;
        let mut wanted = TopicPartitionList::new();
        let (mut accepted, mut dead_lettered, mut committed) = (0u64, 0u64, 0u64);
        for partition in topics::partitions(asker, &config.topic)? {
            wanted.add_partition(&config.topic, partition);
            accepted = accepted.saturating_add(high_watermark(asker, &config.topic, partition)?);
        }
        for partition in topics::partitions(asker, &config.dead_letter_topic)? {
            dead_lettered =
                dead_lettered.saturating_add(high_watermark(asker, &config.dead_letter_topic, partition)?);
        }
        let offsets = asker
            .committed_offsets(wanted, ASK_TIMEOUT)
            .map_err(|error| failure("asking for the committed offsets", error))?;
        for element in offsets.elements() {
            // A partition of which nothing was committed yet has no offset.
            if let Offset::Offset(offset) = element.offset() {
                committed = committed.saturating_add(offset.unsigned_abs());
            }
        }
        Ok(QueueState { accepted, committed, dead_lettered })
    }

    pub(super) async fn dead_letters(&self, newest: usize) -> Result<Vec<DeadLetter>, QueueError> {
        self.check_open()?;
        let config = self.inner.config.clone();
        blocking("reading the dead letters", move || dead_letters::newest(&config, newest)).await
    }

    pub(super) async fn close(self) {
        self.inner.closed.store(true, Ordering::Release);
        let producer = self.producer();
        let flushed = blocking("flushing the producer", move || {
            producer.flush(ASK_TIMEOUT).map_err(|error| failure("flushing the producer", error))
        })
        .await;
        if let Err(error) = flushed {
            tracing::warn!(cause = ?error, "the producer was not flushed; whoever appended has no answer yet");
        }
    }

    fn producer(&self) -> FutureProducer {
        self.inner.producer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check_open(&self) -> Result<(), QueueError> {
        if self.inner.closed.load(Ordering::Acquire) { Err(QueueError::Closed) } else { Ok(()) }
    }

    /// Sorts an append's failure, and replaces a producer that a fatal error ended (an idempotent one gives up when
    /// the broker lost what it acknowledged; a new one starts with a new identity).
    fn append_error(&self, error: KafkaError, bytes: usize) -> QueueError {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            return too_large(bytes);
        }
        let mut producer = self.inner.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, reason)) = producer.client().fatal_error() {
            tracing::error!(?code, reason, "the producer ended, making a new one");
            match settings::producer(&self.inner.config).create() {
                Ok(fresh) => *producer = fresh,
                Err(error) => return QueueError::unusable("making the producer", error),
            }
            return QueueError::unavailable("appending to the topic", error);
        }
        failure("appending to the topic", error)
    }
}

fn too_large(bytes: usize) -> QueueError {
    let wide = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    QueueError::TooLarge { bytes: wide(bytes), limit: wide(MAX_MESSAGE_BYTES - MESSAGE_OVERHEAD) }
}

/// Messages ever written to a partition: neither of our topics is compacted or written in transactions, so offsets
/// are dense, and what retention removes is counted still.
fn high_watermark(asker: &BaseConsumer, topic: &str, partition: i32) -> Result<u64, QueueError> {
    let (_low, high) = asker
        .fetch_watermarks(topic, partition, ASK_TIMEOUT)
        .map_err(|error| failure("asking for the watermarks", error))?;
    Ok(high.unsigned_abs())
}

/// librdkafka's questions block: they are asked off the async threads.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, QueueError> + Send + 'static,
) -> Result<T, QueueError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| QueueError::unavailable(doing, error))?
}
