//! The queue between ingest and the analyzers: one small enum over the embedded log and Kafka.
//! Owns durability of accepted uploads and the consumer's position; never looks inside a dump.

mod error;
pub(crate) mod kafka;
mod log;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use error::QueueError;

pub use crate::message::Malformed;
use crate::message::{Message, Meta};

/// Where a delivery stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Kafka partition; 0 in the embedded log.
    pub partition: i32,
    /// Offset inside the partition.
    pub offset: i64,
}

/// One message handed to a consumer, possibly again after a crash.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where it stands.
    pub position: Position,
    /// The message, or why it is none.
    pub message: Result<Message, Malformed>,
}

/// How much one call of `Consumer::next` may return.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Most messages.
    pub messages: usize,
    /// Stop before this many bytes of values are exceeded (at least one message is always returned).
    pub bytes: usize,
    /// How long to wait for the first message.
    pub wait: Duration,
}

/// How far a commit went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Everything: none of it comes again.
    All,
    /// Not everything: a partition went to another consumer, and what it holds comes again to that one.
    NotAll,
}

/// Where the queue stands: the ledger's right-hand side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Messages ever made durable.
    pub accepted: u64,
    /// Messages whose rows are durable (committed by the consumer group).
    pub committed: u64,
    /// Messages in the dead-letter topic.
    pub dead_lettered: u64,
}

/// A message that was set aside because no row could be made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it stood in the queue.
    pub position: Position,
    /// Its header, where it could be read.
    pub meta: Option<Meta>,
    /// Why it was set aside.
    pub reason: String,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// The embedded log: a folder of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Folder of the log; created when missing. One process at a time.
    pub dir: PathBuf,
    /// Most bytes of waiting messages; beyond, appends fail with [`QueueError::Full`].
    pub max_bytes: u64,
}

/// A topic of a Kafka cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// Topic of the uploads; created when missing.
    pub topic: String,
    /// Topic of what could not be turned into a row; created when missing, with as many partitions.
    pub dead_letter_topic: String,
    /// Consumer group of the analyzers.
    pub group: String,
    /// Partitions of a topic created here.
    pub partitions: i32,
    /// Replicas of a topic created here.
    pub replication: i32,
    /// Handed to librdkafka as they are: TLS, SASL.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("dead_letter_topic", &self.dead_letter_topic)
            .field("group", &self.group)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            // Values hold passwords.
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Which queue, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueConfig {
    /// The embedded log.
    Log(LogConfig),
    /// Kafka.
    Kafka(KafkaConfig),
}

/// A handle on the queue; clones share it.
#[derive(Debug, Clone)]
pub enum Queue {
    /// The embedded log.
    Log(log::Log),
    /// Kafka.
    Kafka(kafka::Kafka),
}

impl Queue {
    /// Opens the queue, creating what is missing.
    pub async fn open(config: &QueueConfig) -> Result<Self, QueueError> {
        match config {
            QueueConfig::Log(config) => log::Log::open(config).await.map(Self::Log),
            QueueConfig::Kafka(config) => kafka::Kafka::open(config).await.map(Self::Kafka),
        }
    }

    /// The identity of this queue for the ledger: positions mean something only together with it.
    pub fn id(&self) -> &str {
        match self {
            Self::Log(log) => log.id(),
            Self::Kafka(kafka) => kafka.id(),
        }
    }

    /// Appends a message; `Ok` means durable. Concurrent callers share one fsync or one producer's batches.
    ///
    /// An error does not prove that nothing was written (an acknowledgement may have been lost): whoever repeats
    /// the call counts on the crash id, under which both copies are one crash.
    pub async fn append(&self, message: Message) -> Result<(), QueueError> {
        match self {
            Self::Log(log) => log.append(message).await,
            Self::Kafka(kafka) => kafka.append(message).await,
        }
    }

    /// A member of the consumer group. It starts behind the last committed message; what it was given and did not
    /// commit comes again, to it or to another, after it is gone.
    pub async fn consumer(&self) -> Result<Consumer, QueueError> {
        match self {
            Self::Log(log) => log.consumer().await.map(Consumer::Log),
            Self::Kafka(kafka) => kafka.consumer().await.map(|consumer| Consumer::Kafka(Box::new(consumer))),
        }
    }

    /// Where the queue stands.
    pub async fn state(&self) -> Result<QueueState, QueueError> {
        match self {
            Self::Log(log) => log.state().await,
            Self::Kafka(kafka) => kafka.state().await,
        }
    }

    /// The newest dead letters, newest first.
    pub async fn dead_letters(&self, newest: usize) -> Result<Vec<DeadLetter>, QueueError> {
        match self {
            Self::Log(log) => log.dead_letters(newest).await,
            Self::Kafka(kafka) => kafka.dead_letters(newest).await,
        }
    }

    /// The upload of a dead letter, to be queued once more: `None` where it is not kept any longer or was no upload of ours.
    pub async fn dead_message(&self, position: Position) -> Result<Option<Message>, QueueError> {
        match self {
            Self::Log(log) => log.dead_message(position).await,
            Self::Kafka(kafka) => kafka.dead_message(position).await,
        }
    }

    /// Finishes what is under way and lets go of the files or connections. Every other handle fails from then on.
    pub async fn close(self) {
        match self {
            Self::Log(log) => log.close().await,
            Self::Kafka(kafka) => kafka.close().await,
        }
    }
}

/// A member of the consumer group.
#[derive(Debug)]
pub enum Consumer {
    /// Of the embedded log.
    Log(log::LogConsumer),
    /// Of a Kafka topic.
    Kafka(Box<kafka::KafkaConsumer>),
}

impl Consumer {
    /// The next messages in order; empty after `limits.wait` without one. Cancel-safe: a dropped call loses nothing.
    pub async fn next(&mut self, limits: BatchLimits) -> Result<Vec<Delivery>, QueueError> {
        match self {
            Self::Log(consumer) => consumer.next(limits).await,
            Self::Kafka(consumer) => consumer.next(limits).await,
        }
    }

    /// Says that everything up to the end of `batch`, as returned by `next`, has its rows: it never comes again.
    /// Batches are committed in the order in which they came.
    pub async fn commit(&mut self, batch: &[Position]) -> Result<Committed, QueueError> {
        match self {
            Self::Log(consumer) => consumer.commit(batch).await.map(|()| Committed::All),
            Self::Kafka(consumer) => consumer.commit(batch).await,
        }
    }

    /// Goes back to the last committed message: what was given out since and not committed comes again.
    pub async fn rewind(&mut self) -> Result<(), QueueError> {
        match self {
            Self::Log(consumer) => consumer.rewind().await,
            Self::Kafka(consumer) => consumer.rewind().await,
        }
    }

    /// Sets a delivery aside for good, durably and once per position; it is to be committed like the others.
    pub async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), QueueError> {
        match self {
            Self::Log(consumer) => consumer.dead_letter(delivery, reason).await,
            Self::Kafka(consumer) => consumer.dead_letter(delivery, reason).await,
        }
    }
}

/// Cuts a reason to what a header or a column should hold, at a character's border.
fn short_reason(reason: &str) -> String {
    const LONGEST: usize = 1000;
    reason.chars().take(LONGEST).collect()
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
