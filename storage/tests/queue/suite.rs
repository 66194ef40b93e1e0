//! The promises both queues make. Each case gets an empty queue.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use storage::message::{Content, META_VERSION, Message, Meta};
use storage::queue::{BatchLimits, Consumer, Delivery, Position, Queue, QueueConfig, QueueError, QueueState};
use uuid::Uuid;

/// What a case needs of a queue's test setup.
pub(crate) struct Fixture {
    pub(crate) config: QueueConfig,
    /// Writes a message that is none of ours. Called while the queue is closed.
    pub(crate) write_foreign: fn(&QueueConfig),
}

type Case = fn(Fixture) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// Every case with its name.
        pub(crate) const CASES: &[(&str, Case)] = &[$((stringify!($name), |fixture| Box::pin($name(fixture)))),*];
    };
}

cases![
    what_is_appended_comes_once_and_is_counted,
    what_was_not_committed_comes_again,
    a_dead_letter_counts_once_per_position,
    a_foreign_message_is_delivered_as_malformed,
    the_order_of_a_machine_is_kept,
    concurrent_appends_are_all_there_once,
    large_values_come_back_whole_and_batches_are_bounded,
    what_cannot_fit_is_refused_for_good,
    a_cancelled_next_loses_nothing,
    a_rewound_consumer_goes_on_behind_its_last_commit,
    a_closed_queue_says_so,
    a_second_consumer_goes_on_where_the_first_left,
];

/// Long enough for a group of consumers to settle on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const LIMITS: BatchLimits =
    BatchLimits { messages: 100, bytes: 8 * 1024 * 1024, wait: Duration::from_millis(200) };

pub(crate) fn message(machine: &str, sequence: usize, value: impl Into<Bytes>) -> Message {
    let value = value.into();
    let meta = Meta {
        version: META_VERSION,
        crash_id: Uuid::from_u128(sequence as u128),
        tenant: "acme".to_owned(),
        machine: machine.to_owned(),
        ring: "broad".to_owned(),
        site: String::new(),
        network: String::new(),
        tags: BTreeMap::from([("sequence".to_owned(), sequence.to_string())]),
        received_at_ms: 1_721_361_600_000,
        raw_len: value.len() as u64,
        content: Content::Inline,
    };
    Message { meta, value }
}

pub(crate) async fn open(config: &QueueConfig) -> Queue {
    Queue::open(config).await.unwrap()
}

/// Takes messages until there are `count`, all of them at most once.
pub(crate) async fn take(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let deadline = Instant::now() + PATIENCE;
    let mut taken: Vec<Delivery> = Vec::new();
    while taken.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} messages came", taken.len());
        taken.extend(consumer.next(LIMITS).await.unwrap());
    }
    let distinct: BTreeSet<Position> = taken.iter().map(|delivery| delivery.position).collect();
    assert_eq!(distinct.len(), taken.len(), "a message came twice");
    assert_eq!(taken.len(), count);
    taken
}

pub(crate) fn positions(batch: &[Delivery]) -> Vec<Position> {
    batch.iter().map(|delivery| delivery.position).collect()
}

pub(crate) fn sequences(batch: &[Delivery]) -> Vec<usize> {
    let mut sequences: Vec<usize> = batch
        .iter()
        .map(|delivery| delivery.message.as_ref().unwrap().meta.crash_id.as_u128() as usize)
        .collect();
    sequences.sort_unstable();
    sequences
}

pub(crate) fn state(accepted: u64, committed: u64, dead_lettered: u64) -> QueueState {
    QueueState { accepted, committed, dead_lettered }
}

async fn what_is_appended_comes_once_and_is_counted(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    let id = queue.id().to_owned();
    assert_eq!(queue.state().await.unwrap(), state(0, 0, 0));
    let sent: Vec<Message> = (0..3).map(|i| message("pc-1", i, format!("dump {i}"))).collect();
    for message in &sent {
        queue.append(message.clone()).await.unwrap();
    }
    assert_eq!(queue.state().await.unwrap(), state(3, 0, 0));

    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 3).await;
    let received: Vec<Message> = batch.iter().map(|delivery| delivery.message.clone().unwrap()).collect();
    assert_eq!(received, sent);
    consumer.commit(&positions(&batch)).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(3, 3, 0));
    assert!(consumer.next(LIMITS).await.unwrap().is_empty());
    consumer.commit(&[]).await.unwrap();
    drop(consumer);
    queue.close().await;

    let queue = open(&fixture.config).await;
    assert_eq!(queue.id(), id);
    assert_eq!(queue.state().await.unwrap(), state(3, 3, 0));
    queue.append(message("pc-1", 7, "dump 7")).await.unwrap();
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 1).await;
    assert_eq!(sequences(&batch), [7]);
    assert_eq!(queue.state().await.unwrap(), state(4, 3, 0));
}

async fn what_was_not_committed_comes_again(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    for i in 0..5 {
        queue.append(message("pc-1", i, "dump")).await.unwrap();
    }
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 5).await;
    consumer.commit(&positions(&batch[..2])).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(5, 2, 0));
    drop(consumer);

    let mut consumer = queue.consumer().await.unwrap();
    assert_eq!(sequences(&take(&mut consumer, 3).await), [2, 3, 4]);
    drop(consumer);
    queue.close().await;

    let queue = open(&fixture.config).await;
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 3).await;
    assert_eq!(sequences(&batch), [2, 3, 4]);
    consumer.commit(&positions(&batch)).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(5, 5, 0));
}

async fn a_dead_letter_counts_once_per_position(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    for i in 0..3 {
        queue.append(message("pc-1", i, "dump")).await.unwrap();
    }
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 3).await;
    for _ in 0..2 {
        consumer.dead_letter(&batch[1], "the analyzer fell over it three times").await.unwrap();
    }
    assert_eq!(queue.state().await.unwrap(), state(3, 0, 1));
    drop(consumer);
    queue.close().await;

    // The analyzer died before it committed: the same message again, and again a dead letter.
    let queue = open(&fixture.config).await;
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 3).await;
    consumer.dead_letter(&batch[1], "the analyzer fell over it again").await.unwrap();
    consumer.dead_letter(&batch[2], &"long ".repeat(1000)).await.unwrap();
    consumer.commit(&positions(&batch)).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(3, 3, 2));

    let letters = queue.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].position, batch[2].position);
    assert!(letters[0].reason.len() <= 1000);
    assert_eq!(letters[1].position, batch[1].position);
    assert_eq!(letters[1].reason, "the analyzer fell over it three times");
    assert_eq!(letters[1].meta, Some(batch[1].message.as_ref().unwrap().meta.clone()));
    assert!(letters[1].at_ms > 1_700_000_000_000);
    assert_eq!(queue.dead_letters(1).await.unwrap(), letters[..1]);

    // Somebody wants one of them to be tried again.
    let again = queue.dead_message(batch[1].position).await.unwrap().unwrap();
    assert_eq!(Some(&again), batch[1].message.as_ref().ok());
    assert_eq!(queue.dead_message(batch[0].position).await.unwrap(), None);
    queue.append(again).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(4, 3, 2));
}

async fn a_foreign_message_is_delivered_as_malformed(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    queue.append(message("pc-1", 0, "dump")).await.unwrap();
    queue.close().await;
    (fixture.write_foreign)(&fixture.config);
    let queue = open(&fixture.config).await;
    queue.append(message("pc-1", 1, "dump")).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(3, 0, 0));

    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 3).await;
    let foreign: Vec<&Delivery> = batch.iter().filter(|delivery| delivery.message.is_err()).collect();
    assert_eq!(foreign.len(), 1);
    assert!(foreign[0].message.as_ref().unwrap_err().reason.contains("header"), "{foreign:?}");
    consumer.dead_letter(foreign[0], "no header").await.unwrap();
    consumer.commit(&positions(&batch)).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(3, 3, 1));
    let letters = queue.dead_letters(10).await.unwrap();
    assert_eq!((letters.len(), letters[0].meta.clone()), (1, None));
    assert_eq!(queue.dead_message(letters[0].position).await.unwrap(), None);
}

async fn the_order_of_a_machine_is_kept(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    let machines = (0..5).map(|machine| {
        let queue = queue.clone();
        async move {
            for i in 0..20 {
                queue.append(message(&format!("pc-{machine}"), i, "dump")).await.unwrap();
            }
        }
    });
    futures_util::future::join_all(machines).await;
    let mut consumer = queue.consumer().await.unwrap();
    let mut by_machine: BTreeMap<String, Vec<u128>> = BTreeMap::new();
    for delivery in take(&mut consumer, 100).await {
        let meta = delivery.message.unwrap().meta;
        by_machine.entry(meta.machine).or_default().push(meta.crash_id.as_u128());
    }
    assert_eq!(by_machine.len(), 5);
    for (machine, order) in by_machine {
        assert_eq!(order, (0..20).collect::<Vec<u128>>(), "{machine}");
    }
}

async fn concurrent_appends_are_all_there_once(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    let appends = (0..300).map(|i| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.append(message(&format!("pc-{i}"), i, vec![7; 4096])).await })
    });
    for appended in futures_util::future::join_all(appends).await {
        appended.unwrap().unwrap();
    }
    assert_eq!(queue.state().await.unwrap(), state(300, 0, 0));
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 300).await;
    assert_eq!(sequences(&batch), (0..300).collect::<Vec<_>>());
    consumer.commit(&positions(&batch)).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(300, 300, 0));
}

async fn large_values_come_back_whole_and_batches_are_bounded(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    let values: Vec<Bytes> = (0..6u8)
        .map(|i| {
            let mut value = vec![0; 1024 * 1024];
            blake3::Hasher::new().update(&[i]).finalize_xof().fill(&mut value);
            Bytes::from(value)
        })
        .collect();
    for (i, value) in values.iter().enumerate() {
        queue.append(message("pc-1", i, value.clone())).await.unwrap();
    }
    let mut consumer = queue.consumer().await.unwrap();
    let limits = BatchLimits { messages: 100, bytes: 2_500_000, wait: Duration::from_millis(200) };
    let deadline = Instant::now() + PATIENCE;
    let mut received = Vec::new();
    while received.len() < values.len() {
        assert!(Instant::now() < deadline);
        let batch = consumer.next(limits).await.unwrap();
        assert!(batch.len() <= 2, "{} MiB in one batch", batch.len());
        received.extend(batch.into_iter().map(|delivery| delivery.message.unwrap().value));
    }
    assert_eq!(received, values);
    // A message larger than the limit still comes, alone.
    drop(consumer);
    let mut consumer = queue.consumer().await.unwrap();
    let small = BatchLimits { bytes: 10, messages: 100, wait: Duration::from_secs(30) };
    assert_eq!(consumer.next(small).await.unwrap().len(), 1);
}

async fn what_cannot_fit_is_refused_for_good(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    let error = queue.append(message("pc-1", 0, vec![0; 65 * 1024 * 1024])).await.unwrap_err();
    assert!(matches!(error, QueueError::TooLarge { bytes, limit } if bytes > limit), "{error:?}");
    assert!(error.is_too_large() && !error.retryable() && !error.is_full());
    assert_eq!(queue.state().await.unwrap(), state(0, 0, 0));
}

async fn a_cancelled_next_loses_nothing(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    for i in 0..50 {
        queue.append(message(&format!("pc-{i}"), i, vec![1; 20_000])).await.unwrap();
    }
    let mut consumer = queue.consumer().await.unwrap();
    let limits = BatchLimits { messages: 3, bytes: 50_000, wait: Duration::from_secs(5) };
    let deadline = Instant::now() + PATIENCE;
    let (mut taken, mut cancelled) = (Vec::new(), 0u32);
    while taken.len() < 50 {
        assert!(Instant::now() < deadline, "only {} of 50 came, {cancelled} cancelled", taken.len());
        // Dropped after every number of polls, from none to as many as it takes.
        tokio::select! {
            biased;
            () = turns(cancelled % 32) => cancelled += 1,
            batch = consumer.next(limits) => taken.extend(batch.unwrap()),
        }
    }
    assert_eq!(sequences(&taken), (0..50).collect::<Vec<_>>());
    assert!(cancelled > 0);
}

/// Lets others run so many times; the later ones a little longer each.
async fn turns(count: u32) {
    for turn in 0..count {
        match turn {
            0..16 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn a_rewound_consumer_goes_on_behind_its_last_commit(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    let mut consumer = queue.consumer().await.unwrap();
    // One that has nothing yet has nothing to go back over.
    consumer.rewind().await.unwrap();
    for i in 0..5 {
        queue.append(message("pc-1", i, "dump")).await.unwrap();
    }
    let mut batch = take(&mut consumer, 5).await;
    // Nothing was committed: everything comes again.
    consumer.rewind().await.unwrap();
    batch.extend(take(&mut consumer, 5).await);
    assert_eq!(sequences(&batch[5..]), [0, 1, 2, 3, 4]);
    consumer.commit(&positions(&batch[..2])).await.unwrap();
    for i in 5..8 {
        queue.append(message("pc-1", i, "dump")).await.unwrap();
    }
    // Read ahead, some of it not handed out yet.
    let deadline = Instant::now() + PATIENCE;
    while consumer.next(BatchLimits { messages: 1, ..LIMITS }).await.unwrap().is_empty() {
        assert!(Instant::now() < deadline, "nothing came");
    }
    for _ in 0..2 {
        consumer.rewind().await.unwrap();
        let again = take(&mut consumer, 6).await;
        assert_eq!(sequences(&again), [2, 3, 4, 5, 6, 7]);
    }
    consumer.rewind().await.unwrap();
    let again = take(&mut consumer, 6).await;
    consumer.commit(&positions(&again)).await.unwrap();
    consumer.rewind().await.unwrap();
    assert!(consumer.next(LIMITS).await.unwrap().is_empty());
    assert_eq!(queue.state().await.unwrap(), state(8, 8, 0));
}

async fn a_closed_queue_says_so(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    let mut consumer = queue.consumer().await.unwrap();
    queue.append(message("pc-1", 0, "dump")).await.unwrap();
    queue.clone().close().await;
    let closed = |error: QueueError| matches!(error, QueueError::Closed) && !error.retryable();
    assert!(closed(queue.append(message("pc-1", 1, "dump")).await.unwrap_err()));
    assert!(closed(queue.state().await.unwrap_err()));
    assert!(closed(consumer.next(LIMITS).await.unwrap_err()));
    assert!(closed(consumer.commit(&[Position { partition: 0, offset: 0 }]).await.unwrap_err()));
}

async fn a_second_consumer_goes_on_where_the_first_left(fixture: Fixture) {
    let queue = open(&fixture.config).await;
    for i in 0..10 {
        queue.append(message(&format!("pc-{i}"), i, "dump")).await.unwrap();
    }
    let mut first = queue.consumer().await.unwrap();
    let batch = take(&mut first, 10).await;
    let mut second = queue.consumer().await.unwrap();
    first.commit(&positions(&batch)).await.unwrap();
    for i in 10..20 {
        queue.append(message(&format!("pc-{i}"), i, "dump")).await.unwrap();
    }
    drop(first);
    let batch = take(&mut second, 10).await;
    assert_eq!(sequences(&batch), (10..20).collect::<Vec<_>>());
    second.commit(&positions(&batch)).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(20, 20, 0));
}
