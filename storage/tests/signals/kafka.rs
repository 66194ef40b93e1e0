//! Kafka: the suite, and what only a cluster can do to us.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use storage::signals::{KafkaConfig, Marks, Signal, SignalsConfig};
use uuid::Uuid;

use crate::broker::Broker;
use crate::suite::{CASES, Fixture, LIMITS, beat, open, reader, signals_of, take};

/// A configuration with topics of its own.
fn config(broker: &Broker) -> KafkaConfig {
    let name = format!("bluescope-test-{}", Uuid::new_v4());
    KafkaConfig {
        brokers: broker.address().to_owned(),
        dead_letter_topic: format!("{name}-dead"),
        group: format!("{name}-analyzers"),
        topic: name,
        partitions: 3,
        replication: 1,
        options: BTreeMap::new(),
    }
}

fn write_foreign(config: &SignalsConfig) {
    let SignalsConfig::Kafka(config) = config else { unreachable!() };
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let topic = format!("{}.signals", config.topic);
    producer.send(BaseRecord::to(&topic).key("k").payload("not a signal")).unwrap();
    producer.flush(Duration::from_secs(20)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_every_promise() {
    let Some(broker) = Broker::find() else { return };
    for (name, case) in CASES {
        let begin = Instant::now();
        case(Fixture { config: SignalsConfig::Kafka(config(&broker)), write_foreign }).await;
        println!("{name}: {:?}", begin.elapsed());
    }
    all_partitions_of_an_operators_topic_are_read(&broker).await;
}

async fn all_partitions_of_an_operators_topic_are_read(broker: &Broker) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let config = config(broker);
    let topic = format!("{}.signals", config.topic);
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let theirs = NewTopic::new(&topic, 3, TopicReplication::Fixed(1));
    for result in admin.create_topics(&[theirs], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    for partition in 0..3 {
        producer.send(BaseRecord::<str, str>::to(&topic).partition(partition).payload("x")).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
    let signals = open(&SignalsConfig::Kafka(config)).await;
    let mut all = reader(&signals, &Marks::default()).await;
    let taken = take(&mut all, 3).await;
    let marks: BTreeSet<(i32, i64)> = taken.iter().map(|received| received.mark).collect();
    assert_eq!(marks, BTreeSet::from([(0, 1), (1, 1), (2, 1)]));
    assert_eq!(all.marks(), Marks([(0, 1), (1, 1), (2, 1)].into()));
    // One that has read a single partition goes on in the others from their beginning.
    let mut rest = reader(&signals, &Marks([(1, 1)].into())).await;
    let marks: BTreeSet<i32> = take(&mut rest, 2).await.iter().map(|received| received.mark.0).collect();
    assert_eq!(marks, BTreeSet::from([0, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_and_comes_back_loses_nothing() {
    let Some(broker) = Broker::start() else { return };
    let signals = open(&SignalsConfig::Kafka(config(&broker))).await;
    let mut all = reader(&signals, &Marks::default()).await;
    signals.append((0..20).map(beat).collect()).await.unwrap();
    let mut seen: Vec<Signal> = signals_of(&take(&mut all, 20).await);

    broker.stop();
    let begin = Instant::now();
    let error = signals.append(vec![beat(99)]).await.unwrap_err();
    println!("append without a broker failed after {:?}", begin.elapsed());
    assert!(error.retryable() && begin.elapsed() < Duration::from_secs(12), "{error:?}");
    broker.start_again();

    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = signals.append((20..40).map(beat).collect()).await {
        assert!(error.retryable() && Instant::now() < deadline, "{error:?}");
    }
    let wanted: Vec<Signal> = (0..40).map(beat).collect();
    while !wanted.iter().all(|signal| seen.contains(signal)) {
        assert!(Instant::now() < deadline, "{} came", seen.len());
        match all.next(LIMITS).await {
            Ok(batch) => seen.extend(signals_of(&batch)),
            Err(error) => assert!(error.retryable(), "{error:?}"),
        }
    }
    println!("all there after {:?}", begin.elapsed());
}
