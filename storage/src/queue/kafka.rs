//! Kafka as the queue: one topic of uploads keyed by machine, one of dead letters. Owns topics, acknowledgements and
//! committed offsets; never decides what becomes of a message.

mod consumer;
mod dead_letters;
pub(crate) mod producer;
pub(crate) mod settings;
pub(crate) mod topics;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::FutureRecord;
use rdkafka::{Offset, TopicPartitionList};

use super::{DeadLetter, KafkaConfig, Position, QueueError, QueueState};
use crate::message::Message;
pub(super) use consumer::KafkaConsumer;
use producer::{Producer, too_large};
use settings::{MAX_MESSAGE_BYTES, MESSAGE_OVERHEAD, failure};
use topics::Wanted;

/// Dead letters are for people, who need longer than a week: 90 days. Their count outlives them.
const DEAD_LETTERS: &[(&str, &str)] = &[("retention.ms", "7776000000")];
/// How long a question to the brokers (watermarks, offsets, metadata) may take: a page that shows the state waits for it.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// A topic of a Kafka cluster; clones share the connections.
#[derive(Clone)]
pub struct Kafka {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    id: String,
    producer: Producer,
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
        let topic = |name, settings| Wanted { name, partitions: config.partitions, settings };
        let wanted = [topic(&config.topic, &[]), topic(&config.dead_letter_topic, DEAD_LETTERS)];
        topics::create_missing(config, &wanted).await?;
        let config = config.clone();
        blocking("opening the topic", move || {
            let producer = Producer::new(&config)?;
            let asker: BaseConsumer = settings::consumer(&config)
                .create()
                .map_err(|error| QueueError::unusable("making the consumer", error))?;
            let id = format!("kafka:{}/{}", producer.cluster_id()?, config.topic);
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
        self.inner.producer.send(record, bytes).await
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

    pub(super) async fn dead_message(&self, position: Position) -> Result<Option<Message>, QueueError> {
        self.check_open()?;
        let config = self.inner.config.clone();
        blocking("reading a dead letter", move || dead_letters::message(&config, position)).await
    }

    pub(super) async fn close(self) {
        self.inner.closed.store(true, Ordering::Release);
        self.inner.producer.flush().await;
    }

    fn check_open(&self) -> Result<(), QueueError> {
        if self.inner.closed.load(Ordering::Acquire) { Err(QueueError::Closed) } else { Ok(()) }
    }
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
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, QueueError> + Send + 'static,
) -> Result<T, QueueError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| QueueError::unavailable(doing, error))?
}
