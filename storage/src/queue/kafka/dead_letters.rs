//! Reads the end of the dead-letter topic, for people and to write no dead letter twice. Never commits an offset.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::settings::{self, failure};
use super::{ASK_TIMEOUT, topics, wire};
use crate::message::Message;
use crate::queue::{DeadLetter, KafkaConfig, Position, QueueError};

/// How far back a partition is searched for a dead letter that an earlier consumer may have written before it died.
/// Only messages that were not committed come again, and those are the last batch or two.
const SEARCHED_BACK: i64 = 256;
/// One wait for records.
const POLL: Duration = Duration::from_millis(100);

/// How far back a dead letter is looked for that people want to have queued again: they see the newest ones.
const KEPT_BACK: i64 = 10_000;

/// The newest dead letters of all partitions, newest first.
pub(super) fn newest(config: &KafkaConfig, count: usize) -> Result<Vec<DeadLetter>, QueueError> {
    let reader = reader(config)?;
    let per_partition = i64::try_from(count).unwrap_or(i64::MAX);
    let partitions = topics::partitions(&reader, &config.dead_letter_topic)?;
    let mut found =
        read_back(&reader, &config.dead_letter_topic, &partitions, per_partition, wire::dead_letter)?;
    found.sort_by_key(|letter| std::cmp::Reverse((letter.at_ms, letter.position)));
    found.truncate(count);
    Ok(found)
}

/// The positions lately set aside in the partition of the dead-letter topic that belongs to `partition`.
pub(super) fn lately(config: &KafkaConfig, partition: i32) -> Result<HashSet<Position>, QueueError> {
    let reader = reader(config)?;
    let home = home(&reader, config, partition)?;
    let letters = read_back(&reader, &config.dead_letter_topic, &[home], SEARCHED_BACK, wire::dead_letter)?;
    Ok(letters.into_iter().map(|letter| letter.position).collect())
}

/// The upload that was set aside from `position`, where it is among the newest and can be read.
pub(super) fn message(config: &KafkaConfig, position: Position) -> Result<Option<Message>, QueueError> {
    let reader = reader(config)?;
    let home = home(&reader, config, position.partition)?;
    let of_position = |record: &BorrowedMessage<'_>| {
        let letter = wire::dead_letter(record)?;
        (letter.position == position).then(|| wire::read(record).ok()).flatten()
    };
    Ok(read_back(&reader, &config.dead_letter_topic, &[home], KEPT_BACK, of_position)?.pop())
}

/// Which partition of the dead-letter topic takes the dead letters of `partition`: always the same one, so that a
/// search for an earlier copy looks at one place.
pub(super) fn home(asker: &BaseConsumer, config: &KafkaConfig, partition: i32) -> Result<i32, QueueError> {
    let partitions = topics::partitions(asker, &config.dead_letter_topic)?;
    let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX).max(1);
    Ok(partition.rem_euclid(count))
}

fn reader(config: &KafkaConfig) -> Result<BaseConsumer, QueueError> {
    settings::consumer(config).create().map_err(|error| QueueError::unusable("making the consumer", error))
}

/// Reads up to `back` records from the end of each partition, and keeps what `take` makes of them.
fn read_back<T>(
    reader: &BaseConsumer,
    topic: &str,
    partitions: &[i32],
    back: i64,
    take: impl Fn(&BorrowedMessage<'_>) -> Option<T>,
) -> Result<Vec<T>, QueueError> {
    let doing = "reading the dead letters";
    let mut from = TopicPartitionList::new();
    // Where each partition ends: what is written meanwhile is left for the next time.
    let mut ends = BTreeMap::new();
    for &partition in partitions {
        let (low, high) = reader
            .fetch_watermarks(topic, partition, ASK_TIMEOUT)
            .map_err(|error| failure("asking for the watermarks", error))?;
        let start = high.saturating_sub(back).max(low);
        if start < high {
            from.add_partition_offset(topic, partition, Offset::Offset(start))
                .map_err(|error| failure(doing, error))?;
            ends.insert(partition, high);
        }
    }
    reader.assign(&from).map_err(|error| failure(doing, error))?;
    let mut deadline = Instant::now() + ASK_TIMEOUT;
    let mut letters = Vec::new();
    while !ends.is_empty() {
        if Instant::now() > deadline {
            return Err(QueueError::unavailable(doing, "the brokers did not send them in time"));
        }
        let Some(record) = reader.poll(POLL) else { continue };
        let record = record.map_err(|error| failure(doing, error))?;
        // They carry whole dumps: over a slow line it is progress that counts.
        deadline = Instant::now() + ASK_TIMEOUT;
        let Some(&end) = ends.get(&record.partition()) else { continue };
        if record.offset().saturating_add(1) >= end {
            ends.remove(&record.partition());
        }
        letters.extend(take(&record));
    }
    Ok(letters)
}
