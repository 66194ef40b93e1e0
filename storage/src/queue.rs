//! The queue between ingest and the analyzers: one small enum over the embedded log and Kafka.
//! Owns durability of accepted uploads and the consumer's position; never looks inside a dump.

use std::time::Duration;

use crate::message::Message;

/// Where a delivery stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Kafka partition; 0 in the embedded log.
    pub partition: i32,
    /// Offset inside the partition.
    pub offset: i64,
}

/// A message whose header could not be read: somebody else wrote into the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Why, in words.
    pub reason: String,
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
    /// Stop after this many bytes of values (at least one message is always returned).
    pub bytes: usize,
    /// How long to wait for the first message.
    pub wait: Duration,
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
