//! The stream as a Kafka topic beside the queue's. Owns the topic and what a reader has fetched; joins no group and
//! commits no offset.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use rdkafka::consumer::{BaseConsumer, Consumer as _, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::FutureRecord;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, timeout_at};

use super::{BatchLimits, KafkaConfig, Malformed, Marks, Received, STORE, SignalsError, wire};
use crate::queue::kafka::producer::Producer;
use crate::queue::kafka::settings::{self, failure};
use crate::queue::kafka::topics::{self, Wanted};
use crate::queue::kafka::{ASK_TIMEOUT, blocking};
use crate::queue::{QueueError, now_ms};

/// One partition, so that the detector reads one order: a fleet's busiest minute is some MB of signals, of which one
/// partition takes ten times as many a second. A topic of the operator's own with more is read too; then the order holds
/// within each.
const PARTITIONS: i32 = 1;
/// Kept for three days, as in the embedded log. Segments are closed sooner than Kafka's own week, or nothing would ever
/// be dropped from a quiet topic. The broker's clock is the one that all readers go by.
const SETTINGS: &[(&str, &str)] =
    &[("retention.ms", "259200000"), ("segment.ms", "21600000"), ("message.timestamp.type", "LogAppendTime")];

/// A topic of signals; clones share the connections.
#[derive(Clone)]
pub struct SignalTopic {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    topic: String,
    producer: Producer,
    closed: AtomicBool,
}

impl fmt::Debug for SignalTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalTopic").field("topic", &self.inner.topic).finish_non_exhaustive()
    }
}

fn sorted(error: QueueError) -> SignalsError {
    SignalsError::of_queue(STORE, error)
}

impl SignalTopic {
    pub(super) async fn open(config: &KafkaConfig) -> Result<Self, SignalsError> {
        let topic = format!("{}.signals", config.topic);
        let wanted = Wanted { name: &topic, partitions: PARTITIONS, settings: SETTINGS };
        topics::create_missing(config, &[wanted]).await.map_err(sorted)?;
        let config = config.clone();
        let producer = Producer::new(&config).map_err(sorted)?;
        let closed = AtomicBool::new(false);
        Ok(Self { inner: Arc::new(Inner { config, topic, producer, closed }) })
    }

    pub(super) async fn append(&self, values: Vec<Vec<u8>>) -> Result<(), SignalsError> {
        self.check_open()?;
        // All are handed to the producer in their order before the first is waited for: one batch, not one by one.
        let sending = values.iter().map(|value| {
            let record = FutureRecord::<(), [u8]>::to(&self.inner.topic).payload(value.as_slice());
            self.inner.producer.send(record, value.len())
        });
        try_join_all(sending).await.map(drop).map_err(sorted)
    }

    pub(super) async fn reader(&self, from: &Marks) -> Result<TopicReader, SignalsError> {
        self.check_open()?;
        let (this, from) = (self.clone(), from.clone());
        blocking("opening a reader", move || TopicReader::assign(this, &from)).await.map_err(sorted)
    }

    pub(super) async fn close(self) {
        self.inner.closed.store(true, Ordering::Release);
        self.inner.producer.flush().await;
    }

    fn check_open(&self) -> Result<(), SignalsError> {
        if self.inner.closed.load(Ordering::Acquire) {
            Err(SignalsError::Closed { store: STORE })
        } else {
            Ok(())
        }
    }
}

/// A reader of all partitions of a topic.
pub struct TopicReader {
    topic: SignalTopic,
    consumer: Arc<StreamConsumer>,
    /// Fetched and not handed out yet.
    fetched: VecDeque<Fetched>,
    next: BTreeMap<i32, i64>,
}

struct Fetched {
    bytes: usize,
    received: Received,
}

impl fmt::Debug for TopicReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicReader")
            .field("topic", &self.topic)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl TopicReader {
    fn assign(topic: SignalTopic, from: &Marks) -> Result<Self, QueueError> {
        let Inner { config, topic: name, .. } = &*topic.inner;
        let consumer: StreamConsumer = settings::consumer(config)
            .create()
            .map_err(|error| QueueError::unusable("making the consumer", error))?;
        let asker: BaseConsumer = settings::consumer(config)
            .create()
            .map_err(|error| QueueError::unusable("making the consumer", error))?;
        let mut assigned = TopicPartitionList::new();
        let mut next = BTreeMap::new();
        for partition in topics::partitions(&asker, name)? {
            let (low, high) = asker
                .fetch_watermarks(name, partition, ASK_TIMEOUT)
                .map_err(|error| failure("asking for the watermarks", error))?;
            let start = start(from.0.get(&partition).copied(), low, high);
            assigned
                .add_partition_offset(name, partition, Offset::Offset(start))
                .map_err(|error| failure("assigning a partition", error))?;
            next.insert(partition, start);
        }
        consumer.assign(&assigned).map_err(|error| failure("assigning the partitions", error))?;
        Ok(Self { consumer: Arc::new(consumer), fetched: VecDeque::new(), next, topic })
    }

    pub(super) async fn next(&mut self, limits: BatchLimits) -> Result<Vec<Received>, SignalsError> {
        self.topic.check_open()?;
        let deadline = Instant::now() + limits.wait;
        // Whatever is received is put into `fetched` before the next await: a dropped call loses nothing.
        if self.fetched.is_empty() {
            let Ok(message) = timeout_at(deadline, self.consumer.recv()).await else { return Ok(Vec::new()) };
            let message = message.map_err(|error| sorted(failure("reading the topic", error)))?;
            self.fetched.push_back(fetched(&message));
        }
        let mut bytes: usize = self.fetched.iter().map(|fetched| fetched.bytes).sum();
        while self.fetched.len() < limits.messages
            && bytes < limits.bytes
            && let Some(Ok(message)) = self.consumer.recv().now_or_never()
        {
            let message = fetched(&message);
            bytes = bytes.saturating_add(message.bytes);
            self.fetched.push_back(message);
        }
        Ok(self.take(limits))
    }

    /// As much from the front as the limits allow, one at least.
    fn take(&mut self, limits: BatchLimits) -> Vec<Received> {
        let (mut batch, mut bytes) = (Vec::new(), 0usize);
        while batch.len() < limits.messages.max(1)
            && let Some(front) = self.fetched.front()
        {
            bytes = bytes.saturating_add(front.bytes);
            if bytes > limits.bytes && !batch.is_empty() {
                break;
            }
            if let Some(Fetched { received, .. }) = self.fetched.pop_front() {
                self.next.insert(received.mark.0, received.mark.1);
                batch.push(received);
            }
        }
        batch
    }

    pub(super) fn marks(&self) -> Marks {
        Marks(self.next.clone())
    }

    pub(super) async fn lag(&self) -> Result<u64, SignalsError> {
        self.topic.check_open()?;
        let (consumer, topic, next) =
            (Arc::clone(&self.consumer), self.topic.inner.topic.clone(), self.next.clone());
        let behind = blocking("asking for the watermarks", move || {
            let mut behind = 0u64;
            for (partition, next) in next {
                let (_low, high) = consumer
                    .fetch_watermarks(&topic, partition, ASK_TIMEOUT)
                    .map_err(|error| failure("asking for the watermarks", error))?;
                behind = behind.saturating_add(high.saturating_sub(next).max(0).unsigned_abs());
            }
            Ok(behind)
        });
        behind.await.map_err(sorted)
    }
}

/// Where to begin in a partition that holds `low..high`.
fn start(mark: Option<i64>, low: i64, high: i64) -> i64 {
    match mark {
        None => low,
        Some(mark) if mark < low => {
            tracing::warn!(missed = low.saturating_sub(mark), "signals were dropped before they were read");
            low
        }
        // A position of another topic of that name: that one is gone, and so is what it stood for.
        Some(mark) if mark > high => {
            tracing::warn!(
                position = mark,
                high,
                "the position lies behind the end of the signals: reading all of them"
            );
            low
        }
        Some(mark) => mark,
    }
}

fn fetched(message: &BorrowedMessage<'_>) -> Fetched {
    let signal = match message.payload() {
        Some(value) => wire::decode(value),
        None => Err(Malformed { reason: "the value is empty".to_owned() }),
    };
    let received = Received {
        at_ms: message.timestamp().to_millis().unwrap_or_else(now_ms),
        mark: (message.partition(), message.offset().saturating_add(1)),
        signal,
    };
    Fetched { bytes: message.payload_len(), received }
}
