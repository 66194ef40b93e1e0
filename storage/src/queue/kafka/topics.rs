//! Creates the topics that are missing and tells their partitions. Never changes a topic that exists.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;
use tokio::time::{Duration, Instant};

use super::settings::{self, MAX_MESSAGE_BYTES, failure};
use super::{ASK_TIMEOUT, blocking};
use crate::queue::{KafkaConfig, QueueError};

/// How often a topic that was just created is asked for.
const CREATED_POLL: Duration = Duration::from_millis(100);

/// A topic that has to be there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'w> {
    pub(crate) name: &'w str,
    /// Where it is created here.
    pub(crate) partitions: i32,
    /// Its settings beyond the usual, where it is created here.
    pub(crate) settings: &'static [(&'static str, &'static str)],
}

/// Creates topics where they are missing, and returns once they have leaders.
pub(crate) async fn create_missing(config: &KafkaConfig, wanted: &[Wanted<'_>]) -> Result<(), QueueError> {
    let asker: BaseConsumer = settings::consumer(config)
        .create()
        .map_err(|error| QueueError::unusable("making the consumer", error))?;
    let asker = std::sync::Arc::new(asker);
    let mut missing = Vec::new();
    for topic in wanted {
        if !is_ready(&asker, topic.name).await? {
            missing.push(*topic);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    create(config, &missing).await?;
    let deadline = Instant::now() + ASK_TIMEOUT;
    for Wanted { name, .. } in missing {
        while !is_ready(&asker, name).await? {
            if Instant::now() > deadline {
                let reason = format!("topic {name} has no leader yet");
                return Err(QueueError::unavailable("creating the topics", reason));
            }
            tokio::time::sleep(CREATED_POLL).await;
        }
    }
    Ok(())
}

async fn create(config: &KafkaConfig, missing: &[Wanted<'_>]) -> Result<(), QueueError> {
    let admin: AdminClient<DefaultClientContext> = settings::client(config)
        .create()
        .map_err(|error| QueueError::unusable("making the admin client", error))?;
    let largest = MAX_MESSAGE_BYTES.to_string();
    let topics: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|wanted| {
            let mut topic =
                NewTopic::new(wanted.name, wanted.partitions, TopicReplication::Fixed(config.replication))
                    .set("max.message.bytes", &largest);
            if config.replication >= 2 {
                // `acks=all` with one replica left in sync would be an acknowledgement by one disk.
                topic = topic.set("min.insync.replicas", "2");
            }
            wanted.settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(ASK_TIMEOUT)).request_timeout(Some(ASK_TIMEOUT));
    let results = admin
        .create_topics(&topics, &options)
        .await
        .map_err(|error| failure("creating the topics", error))?;
    for result in results {
        match result {
            Ok(topic) => tracing::info!(topic, "topic created"),
            // Another process was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                tracing::error!(topic, ?code, "topic not created");
                let error = rdkafka::error::KafkaError::AdminOp(code);
                return Err(failure("creating the topics", error));
            }
        }
    }
    Ok(())
}

/// Whether the topic exists and each partition has a leader.
async fn is_ready(asker: &std::sync::Arc<BaseConsumer>, topic: &str) -> Result<bool, QueueError> {
    let (asker, topic) = (std::sync::Arc::clone(asker), topic.to_owned());
    blocking("asking for the topics", move || {
        let metadata = asker
            .fetch_metadata(Some(&topic), ASK_TIMEOUT)
            .map_err(|error| failure("asking for the topics", error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(false);
        };
        match found.error() {
            None => Ok(!found.partitions().is_empty()
                && found.partitions().iter().all(|partition| partition.leader() >= 0)),
            Some(
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
                | RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            ) => Ok(false),
            Some(code) => {
                Err(failure("asking for the topics", rdkafka::error::KafkaError::MetadataFetch(code.into())))
            }
        }
    })
    .await
}

/// The numbers of a topic's partitions.
pub(crate) fn partitions(asker: &BaseConsumer, topic: &str) -> Result<Vec<i32>, QueueError> {
    let metadata = asker
        .fetch_metadata(Some(topic), ASK_TIMEOUT)
        .map_err(|error| failure("asking for the partitions", error))?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .filter(|found| found.name() == topic)
        .flat_map(|found| found.partitions().iter().map(|partition| partition.id()))
        .collect();
    if partitions.is_empty() {
        let reason = format!("topic {topic} has no partitions");
        return Err(QueueError::unavailable("asking for the partitions", reason));
    }
    Ok(partitions)
}
