//! librdkafka's settings, each with its reason, and how its errors sort into ours. Talks to nobody.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::queue::{KafkaConfig, QueueError};

/// Largest message. Values end near 900 KiB by ingest's default; twice that leaves room for a raised inline limit and
/// for tags, and is what our topics are created with.
pub(crate) const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
/// What Kafka's framing adds to key, header and value, generously.
pub(crate) const MESSAGE_OVERHEAD: usize = 1024;
/// After this a message that no broker acknowledged fails, so that ingest can answer 503 while the client still
/// listens. See `super::BUFFER_WAIT`.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);
/// Messages that wait for a broker, together: bounds memory when the brokers are slow.
const PRODUCER_BUFFER_KIB: usize = 64 * 1024;
/// Messages fetched ahead, together.
const CONSUMER_BUFFER_KIB: usize = 32 * 1024;

fn common(config: &KafkaConfig) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", "bluescope")
        .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string())
        // A mistyped topic must fail, not come into being with one partition.
        .set("allow.auto.create.topics", "false")
        // A broker that comes back is found within a second, not within ten.
        .set("reconnect.backoff.max.ms", "1000")
        // No request outlives the bounds above.
        .set("socket.timeout.ms", "10000")
        .set("socket.keepalive.enable", "true");
    settings
}

/// The operator's own settings go last: they may override anything but what durability rests on.
fn with_options(mut settings: ClientConfig, config: &KafkaConfig) -> ClientConfig {
    for (key, value) in &config.options {
        settings.set(key, value);
    }
    settings
}

pub(crate) fn client(config: &KafkaConfig) -> ClientConfig {
    with_options(common(config), config)
}

pub(crate) fn producer(config: &KafkaConfig) -> ClientConfig {
    let mut settings = client(config);
    settings
        .set("queue.buffering.max.kbytes", PRODUCER_BUFFER_KIB.to_string())
        .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
        // Values are compressed already.
        .set("compression.type", "none")
        // The same machine goes to the same partition whichever client writes.
        .set("partitioner", "murmur2_random")
        // An acknowledged message is on every replica in sync, once.
        .set("acks", "all")
        .set("enable.idempotence", "true");
    settings
}

pub(crate) fn consumer(config: &KafkaConfig) -> ClientConfig {
    let mut settings = client(config);
    settings
        .set("group.id", &config.group)
        // A new group starts with what is there.
        .set("auto.offset.reset", "earliest")
        // A new analyzer takes some partitions over without stopping the others.
        .set("partition.assignment.strategy", "cooperative-sticky")
        // An analyzer that was killed is missed after 10 s, not after 45: until then its partitions stand still.
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "3000")
        // The longest there is: while ClickHouse is away a batch is inserted again and again and nobody polls, and an
        // analyzer that left the group for that would have its batch analysed by another, which waits just the same.
        .set("max.poll.interval.ms", "86400000")
        .set("queued.max.messages.kbytes", CONSUMER_BUFFER_KIB.to_string())
        // Room in the buffer is used at once, not a second later.
        .set("fetch.queue.backoff.ms", "20")
        // Offsets are committed after the rows are durable, by us alone.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false");
    settings
}

/// Our error for one of librdkafka's: rights and settings need somebody, everything else may pass.
pub(crate) fn failure(doing: &'static str, error: KafkaError) -> QueueError {
    use RDKafkaErrorCode as Code;
    let needs_somebody = matches!(
        error.rdkafka_error_code(),
        Some(
            Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::UnsupportedSASLMechanism
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::InvalidTopic
                | Code::InvalidReplicationFactor
                | Code::InvalidPartitions
                | Code::PolicyViolation
                | Code::UnsupportedVersion
        )
    );
    if needs_somebody || matches!(error, KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)) {
        QueueError::unusable(doing, error)
    } else {
        QueueError::unavailable(doing, error)
    }
}
