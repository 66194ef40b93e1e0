//! Kafka: the suite, and what only a cluster can do to us.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use storage::queue::{BatchLimits, Consumer, KafkaConfig, Queue, QueueConfig};
use uuid::Uuid;

use crate::broker::Broker;
use crate::suite::{CASES, Fixture, LIMITS, message, open, positions, sequences, state, take};

/// A configuration with topics and a group of its own.
fn config(broker: &Broker, partitions: i32) -> KafkaConfig {
    let name = format!("bluescope-test-{}", Uuid::new_v4());
    KafkaConfig {
        brokers: broker.address().to_owned(),
        dead_letter_topic: format!("{name}-dead"),
        group: format!("{name}-analyzers"),
        topic: name,
        partitions,
        replication: 1,
        options: BTreeMap::new(),
    }
}

fn write_foreign(config: &QueueConfig) {
    let QueueConfig::Kafka(config) = config else { unreachable!() };
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    producer.send(BaseRecord::to(&config.topic).key("k").payload("not a dump")).unwrap();
    producer.flush(Duration::from_secs(20)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_every_promise() {
    let Some(broker) = Broker::find() else { return };
    for (name, case) in CASES {
        let begin = Instant::now();
        case(Fixture { config: QueueConfig::Kafka(config(&broker, 3)), write_foreign }).await;
        println!("{name}: {:?}", begin.elapsed());
    }
    analyzers_share_the_partitions(&broker).await;
    topics_of_others_are_taken_as_they_are(&broker).await;
}

/// A second analyzer joins and leaves: nothing is lost, and what was committed does not come again.
async fn analyzers_share_the_partitions(broker: &Broker) {
    let queue = open(&QueueConfig::Kafka(config(broker, 4))).await;
    let mut first = queue.consumer().await.unwrap();
    let mut second = queue.consumer().await.unwrap();
    let mut seen: BTreeMap<usize, u32> = BTreeMap::new();
    let (mut by_first, mut by_second) = (0usize, 0usize);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut sent = 0;
    // Until both have had some: the group takes a moment to settle.
    while by_first == 0 || by_second == 0 || seen.len() < sent {
        assert!(Instant::now() < deadline, "{by_first} + {by_second} of {sent}");
        if by_first == 0 || by_second == 0 {
            for _ in 0..10 {
                queue.append(message(&format!("pc-{sent}"), sent, "dump")).await.unwrap();
                sent += 1;
            }
        }
        by_first += drain(&mut first, &mut seen).await;
        by_second += drain(&mut second, &mut seen).await;
    }
    drop(second);
    for _ in 0..40 {
        queue.append(message(&format!("pc-{sent}"), sent, "dump")).await.unwrap();
        sent += 1;
    }
    while seen.len() < sent {
        assert!(Instant::now() < deadline, "{} of {sent} after the second left", seen.len());
        drain(&mut first, &mut seen).await;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), (0..sent).collect::<Vec<_>>());
    let sent = u64::try_from(sent).unwrap();
    assert_eq!(queue.state().await.unwrap(), state(sent, sent, 0));
}

async fn drain(consumer: &mut Consumer, seen: &mut BTreeMap<usize, u32>) -> usize {
    let limits = BatchLimits { wait: Duration::from_millis(50), ..LIMITS };
    let batch = consumer.next(limits).await.unwrap();
    for sequence in sequences(&batch) {
        *seen.entry(sequence).or_default() += 1;
    }
    consumer.commit(&positions(&batch)).await.unwrap();
    batch.len()
}

/// An operator made the topic with a smaller limit of his own: it stays, and what does not fit is said to be too large.
async fn topics_of_others_are_taken_as_they_are(broker: &Broker) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let config = config(broker, 5);
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let theirs =
        NewTopic::new(&config.topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "50000");
    for result in admin.create_topics(&[theirs], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    let queue = open(&QueueConfig::Kafka(config)).await;
    let error = queue.append(message("pc-1", 0, vec![1; 100_000])).await.unwrap_err();
    assert!(error.is_too_large() && !error.retryable(), "{error:?}");
    for i in 0..20 {
        queue.append(message(&format!("pc-{i}"), i, "dump")).await.unwrap();
    }
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 20).await;
    assert_eq!(batch.iter().map(|d| d.position.partition).collect::<BTreeSet<_>>(), BTreeSet::from([0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_and_comes_back_loses_nothing() {
    let Some(broker) = Broker::start() else { return };
    let queue = open(&QueueConfig::Kafka(config(&broker, 3))).await;
    let mut consumer = queue.consumer().await.unwrap();
    let mut acknowledged = BTreeSet::new();
    for i in 0..20 {
        queue.append(message(&format!("pc-{i}"), i, vec![1; 10_000])).await.unwrap();
        acknowledged.insert(i);
    }
    let batch = take(&mut consumer, 20).await;
    consumer.commit(&positions(&batch[..5])).await.unwrap();

    broker.stop();
    let begin = Instant::now();
    let error = queue.append(message("pc-1", 1000, "dump")).await.unwrap_err();
    println!("append without a broker failed after {:?}", begin.elapsed());
    assert!(error.retryable() && !error.is_full(), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
    assert!(queue.state().await.unwrap_err().retryable());
    println!("then state after {:?}", begin.elapsed());
    assert!(Queue::open(&QueueConfig::Kafka(config(&broker, 1))).await.unwrap_err().retryable());

    println!("then open after {:?}", begin.elapsed());
    broker.start_again();
    println!("started again after {:?}", begin.elapsed());
    let deadline = Instant::now() + Duration::from_secs(60);
    for i in 20..40 {
        while let Err(error) = queue.append(message(&format!("pc-{i}"), i, vec![1; 10_000])).await {
            assert!(error.retryable() && Instant::now() < deadline, "{error:?}");
        }
        acknowledged.insert(i);
    }
    println!("appended again after {:?}", begin.elapsed());
    drop(consumer);
    let mut consumer = queue.consumer().await.unwrap();
    let mut received: BTreeSet<usize> = sequences(&batch[..5]).into_iter().collect();
    while !received.is_superset(&acknowledged) {
        assert!(Instant::now() < deadline, "{received:?}");
        match consumer.next(LIMITS).await {
            Ok(batch) => received.extend(sequences(&batch)),
            Err(error) => assert!(error.retryable(), "{error:?}"),
        }
    }
    println!("received again after {:?}", begin.elapsed());
}
