//! A member of the consumer group. Owns what it has fetched and not handed out; commits only what it is told and only
//! for partitions that are still its own.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::FutureRecord;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::time::{Instant, timeout, timeout_at};

use super::settings::{self, failure};
use super::wire::{self, DeadLetterNote};
use super::{ASK_TIMEOUT, Kafka, blocking, dead_letters};
use crate::queue::{BatchLimits, Committed, Delivery, Position, QueueError, now_ms, short_reason};

/// How long a commit may take; it is repeated by whoever asked.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);

/// Counts rebalances: what is known about a partition holds until the next one.
#[derive(Debug, Default)]
struct Rebalances(AtomicU64);

impl ClientContext for Rebalances {}

impl ConsumerContext for Rebalances {
    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.0.fetch_add(1, Ordering::AcqRel);
        tracing::info!(?rebalance, "partitions of the queue were handed around");
    }
}

/// A member of the consumer group of a topic.
pub struct KafkaConsumer {
    queue: Kafka,
    /// None only while being dropped.
    consumer: Option<Arc<StreamConsumer<Rebalances>>>,
    /// Fetched and not handed out yet.
    fetched: VecDeque<Delivery>,
    /// Dead letters known to be written, by partition, since the rebalance counted here.
    set_aside: HashMap<i32, HashSet<Position>>,
    rebalances_seen: u64,
}

impl fmt::Debug for KafkaConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConsumer")
            .field("queue", &self.queue)
            .field("fetched", &self.fetched.len())
            .finish_non_exhaustive()
    }
}

impl KafkaConsumer {
    pub(super) fn join(queue: Kafka) -> Result<Self, QueueError> {
        let config = &queue.inner.config;
        let consumer: StreamConsumer<Rebalances> = settings::consumer(config)
            .create_with_context(Rebalances::default())
            .map_err(|error| QueueError::unusable("making the consumer", error))?;
        consumer.subscribe(&[&config.topic]).map_err(|error| failure("subscribing to the topic", error))?;
        Ok(Self {
            queue,
            consumer: Some(Arc::new(consumer)),
            fetched: VecDeque::new(),
            set_aside: HashMap::new(),
            rebalances_seen: 0,
        })
    }

    pub(in crate::queue) async fn next(&mut self, limits: BatchLimits) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + limits.wait;
        let consumer = self.consumer()?;
        // Whatever is received is put into `fetched` before the next await: a dropped call loses nothing.
        if self.fetched.is_empty() {
            let Ok(received) = timeout_at(deadline, consumer.recv()).await else { return Ok(Vec::new()) };
            let received = received.map_err(|error| failure("reading the topic", error))?;
            self.fetched.push_back(wire::delivery(&received));
        }
        let mut bytes = self.fetched.iter().map(value_len).sum::<usize>();
        while self.fetched.len() < limits.messages
            && bytes < limits.bytes
            && let Some(received) = consumer.recv().now_or_never()
        {
            let received = match received {
                Ok(received) => wire::delivery(&received),
                Err(error) => {
                    // What was fetched goes out first; a lasting error shows again in the next call.
                    tracing::debug!(cause = %error, "reading the topic failed behind some messages");
                    break;
                }
            };
            bytes = bytes.saturating_add(value_len(&received));
            self.fetched.push_back(received);
        }
        self.forget_lost_partitions(&consumer)?;
        Ok(take(&mut self.fetched, limits))
    }

    pub(in crate::queue) async fn commit(&mut self, batch: &[Position]) -> Result<Committed, QueueError> {
        let consumer = self.consumer()?;
        let topic = self.queue.inner.config.topic.clone();
        let mut next: HashMap<i32, i64> = HashMap::new();
        for position in batch {
            let end = next.entry(position.partition).or_default();
            *end = (*end).max(position.offset.saturating_add(1));
        }
        let commit = blocking("committing", move || commit_blocking(&consumer, &topic, &next));
        timeout(COMMIT_TIMEOUT, commit)
            .await
            .map_err(|elapsed| QueueError::unavailable("committing", elapsed))?
    }

    pub(in crate::queue) async fn rewind(&mut self) -> Result<(), QueueError> {
        let consumer = self.consumer()?;
        blocking("going back", move || rewind_blocking(&consumer)).await?;
        self.fetched.clear();
        Ok(())
    }

    pub(in crate::queue) async fn dead_letter(
        &mut self,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), QueueError> {
        let consumer = self.consumer()?;
        self.forget_lost_partitions(&consumer)?;
        let Position { partition, offset } = delivery.position;
        let config = self.queue.inner.config.clone();
        let known = match self.set_aside.entry(partition) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let doing = "reading the dead letters";
                unknown.insert(blocking(doing, move || dead_letters::lately(&config, partition)).await?)
            }
        };
        if known.contains(&delivery.position) {
            return Ok(());
        }
        let queue = self.queue.clone();
        let home = blocking("asking for the partitions", move || {
            dead_letters::home(&queue.inner.asker, &queue.inner.config, partition)
        })
        .await?;
        let note = DeadLetterNote { partition, offset, reason: short_reason(reason), at_ms: now_ms() };
        let note = serde_json::to_vec(&note)
            .map_err(|error| QueueError::unusable("writing the dead letter", error))?;
        // The dump of a message that is none of ours stays where it is: in the topic, at the position noted.
        let (machine, meta, value) = match &delivery.message {
            Ok(message) => {
                (message.meta.machine.as_str(), message.meta.to_json().ok(), message.value.as_ref())
            }
            Err(_) => ("", None, [].as_slice()),
        };
        let record = FutureRecord::to(&self.queue.inner.config.dead_letter_topic)
            .partition(home)
            .key(machine)
            .payload(value)
            .headers(wire::dead_letter_headers(meta.as_deref(), &note));
        self.queue.inner.producer.send(record, value.len()).await?;
        known.insert(delivery.position);
        Ok(())
    }

    fn consumer(&self) -> Result<Arc<StreamConsumer<Rebalances>>, QueueError> {
        self.queue.check_open()?;
        self.consumer.clone().ok_or(QueueError::Closed)
    }

    /// After a rebalance: messages of partitions that are now somebody else's come to them, and what was known about
    /// dead letters may have been added to by others.
    fn forget_lost_partitions(&mut self, consumer: &StreamConsumer<Rebalances>) -> Result<(), QueueError> {
        let rebalances = consumer.context().0.load(Ordering::Acquire);
        if rebalances != self.rebalances_seen {
            let own = own_partitions(consumer)?;
            self.fetched.retain(|delivery| own.contains(&delivery.position.partition));
            self.set_aside.clear();
            self.rebalances_seen = rebalances;
        }
        Ok(())
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        // Leaving the group talks to the brokers and blocks: not on an async thread.
        let consumer = self.consumer.take();
        let left = std::thread::Builder::new().name("queue-leave".to_owned()).spawn(move || drop(consumer));
        if let Err(error) = left {
            tracing::warn!(%error, "left the consumer group without a thread of its own");
        }
    }
}

fn commit_blocking(
    consumer: &StreamConsumer<Rebalances>,
    topic: &str,
    next: &HashMap<i32, i64>,
) -> Result<Committed, QueueError> {
    let own = own_partitions(consumer)?;
    let mut went = Committed::All;
    let mut offsets = TopicPartitionList::new();
    for (&partition, &offset) in next {
        if own.contains(&partition) {
            offsets
                .add_partition_offset(topic, partition, Offset::Offset(offset))
                .map_err(|error| failure("committing", error))?;
        } else {
            tracing::info!(partition, offset, "not committed: the partition went to another consumer");
            went = Committed::NotAll;
        }
    }
    if offsets.count() == 0 {
        return Ok(went);
    }
    use RDKafkaErrorCode as Code;
    match consumer.commit(&offsets, CommitMode::Sync) {
        Ok(()) => Ok(went),
        // The group moved on under us. The rows are durable, the messages come again to whoever has the partition now,
        // and counting twice changes nothing; asking again would never help, since joining again takes a call of `next`.
        Err(KafkaError::ConsumerCommit(
            code @ (Code::RebalanceInProgress
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::AssignmentLost),
        )) => {
            tracing::info!(?code, "not committed: the consumer group moved on");
            Ok(Committed::NotAll)
        }
        Err(error) => Err(failure("committing", error)),
    }
}

/// Every partition that is ours to the offset that the group has committed; to its beginning where there is none.
fn rewind_blocking(consumer: &StreamConsumer<Rebalances>) -> Result<(), QueueError> {
    let doing = "going back";
    let assigned = consumer.assignment().map_err(|error| failure("asking for the assignment", error))?;
    if assigned.count() == 0 {
        return Ok(());
    }
    let committed =
        consumer.committed_offsets(assigned, ASK_TIMEOUT).map_err(|error| failure(doing, error))?;
    let mut wanted = TopicPartitionList::new();
    for element in committed.elements() {
        let offset =
            if let Offset::Offset(_) = element.offset() { element.offset() } else { Offset::Beginning };
        wanted
            .add_partition_offset(element.topic(), element.partition(), offset)
            .map_err(|error| failure(doing, error))?;
    }
    let went = consumer.seek_partitions(wanted, ASK_TIMEOUT).map_err(|error| failure(doing, error))?;
    let own = own_partitions(consumer)?;
    for element in went.elements() {
        // A partition that went to another consumer meanwhile begins there where the group is.
        if own.contains(&element.partition()) {
            element.error().map_err(|error| failure(doing, error))?;
        }
    }
    Ok(())
}

fn own_partitions(consumer: &StreamConsumer<Rebalances>) -> Result<HashSet<i32>, QueueError> {
    let assignment = consumer.assignment().map_err(|error| failure("asking for the assignment", error))?;
    Ok(assignment.elements().iter().map(|element| element.partition()).collect())
}

fn value_len(delivery: &Delivery) -> usize {
    delivery.message.as_ref().map_or(0, |message| message.value.len())
}

/// As much from the front as the limits allow, one at least.
fn take(fetched: &mut VecDeque<Delivery>, limits: BatchLimits) -> Vec<Delivery> {
    let (mut batch, mut bytes) = (Vec::new(), 0usize);
    while batch.len() < limits.messages.max(1)
        && let Some(front) = fetched.front()
    {
        bytes = bytes.saturating_add(value_len(front));
        if bytes > limits.bytes && !batch.is_empty() {
            break;
        }
        batch.extend(fetched.pop_front());
    }
    batch
}
