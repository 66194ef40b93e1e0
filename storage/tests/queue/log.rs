//! The embedded log: the suite, and what only a log on a disk promises.

use std::path::Path;
use std::time::{Duration, Instant};

use storage::queue::{LogConfig, Queue, QueueConfig, QueueError};
use tempfile::TempDir;

use crate::suite::{CASES, Fixture, LIMITS, message, open, positions, sequences, state, take};

const MIB: u64 = 1024 * 1024;

fn config(dir: &Path, max_bytes: u64) -> QueueConfig {
    QueueConfig::Log(LogConfig { dir: dir.to_owned(), max_bytes })
}

fn database(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join("queue.sqlite")).unwrap()
}

fn write_foreign(config: &QueueConfig) {
    let QueueConfig::Log(config) = config else { unreachable!() };
    database(&config.dir)
        .execute_batch(
            "INSERT INTO messages SELECT next, 4, CAST('{\"version\": true}' AS BLOB), x'00' FROM log;
             UPDATE log SET next = next + 1",
        )
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_every_promise() {
    for (name, case) in CASES {
        let dir = TempDir::new().unwrap();
        let begin = Instant::now();
        case(Fixture { config: config(dir.path(), 256 * MIB), write_foreign }).await;
        println!("{name}: {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_full_log_refuses_until_something_is_committed() {
    let dir = TempDir::new().unwrap();
    let queue = open(&config(dir.path(), MIB)).await;
    let mut fitted = 0;
    let error = loop {
        match queue.append(message("pc-1", fitted, vec![0; 200 * 1024])).await {
            Ok(()) => fitted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(fitted, 5);
    assert!(error.is_full() && error.retryable(), "{error:?}");
    // A small one still fits, and a refused one does not count.
    queue.append(message("pc-1", 9, "small")).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(6, 0, 0));
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 6).await;
    consumer.commit(&positions(&batch)).await.unwrap();
    queue.append(message("pc-1", 10, vec![0; 200 * 1024])).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(7, 6, 0));
}

#[tokio::test]
async fn the_file_does_not_grow_with_what_went_through_it() {
    let dir = TempDir::new().unwrap();
    let queue = open(&config(dir.path(), 64 * MIB)).await;
    let mut consumer = queue.consumer().await.unwrap();
    let size = || std::fs::metadata(dir.path().join("queue.sqlite")).unwrap().len();
    let mut sizes = Vec::new();
    for round in 0..20 {
        for i in 0..20 {
            queue.append(message("pc-1", round * 20 + i, vec![round as u8; 150 * 1024])).await.unwrap();
        }
        let batch = take(&mut consumer, 20).await;
        consumer.commit(&positions(&batch)).await.unwrap();
        sizes.push(size());
    }
    // 60 MB went through; a round holds 3 MB.
    assert!(*sizes.last().unwrap() < 8 * MIB, "{sizes:?}");
}

/// What a machine finds after the power went: the files as they were at that moment.
#[tokio::test]
async fn whatever_was_acknowledged_survives_a_crash() {
    let (dir, after) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let queue = open(&config(dir.path(), 64 * MIB)).await;
    for i in 0..40 {
        queue.append(message("pc-1", i, vec![3; 10_000])).await.unwrap();
    }
    let mut consumer = queue.consumer().await.unwrap();
    let batch = take(&mut consumer, 40).await;
    consumer.dead_letter(&batch[3], "poison").await.unwrap();
    consumer.commit(&positions(&batch[..10])).await.unwrap();
    for name in ["queue.sqlite", "queue.sqlite-wal"] {
        std::fs::copy(dir.path().join(name), after.path().join(name)).unwrap();
    }
    let survivor = open(&config(after.path(), 64 * MIB)).await;
    assert_eq!(survivor.id(), queue.id());
    assert_eq!(survivor.state().await.unwrap(), state(40, 10, 1));
    let mut consumer = survivor.consumer().await.unwrap();
    assert_eq!(sequences(&take(&mut consumer, 30).await), (10..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn dead_letters_never_fill_the_log() {
    let dir = TempDir::new().unwrap();
    let queue = open(&config(dir.path(), MIB)).await;
    let mut consumer = queue.consumer().await.unwrap();
    for i in 0..30 {
        queue.append(message("pc-1", i, vec![0; 60 * 1024])).await.unwrap();
        let batch = take(&mut consumer, 1).await;
        consumer.dead_letter(&batch[0], "poison").await.unwrap();
        consumer.commit(&positions(&batch)).await.unwrap();
    }
    assert_eq!(queue.state().await.unwrap(), state(30, 30, 30));
    assert_eq!(queue.dead_letters(100).await.unwrap().len(), 30);
    drop(consumer);
    queue.close().await;
    let kept: i64 = database(dir.path())
        .query_row("SELECT sum(length(value)) FROM dead_letters", [], |row| row.get(0))
        .unwrap();
    assert!(kept > 0 && kept <= 105_000, "{kept} bytes of dead letters kept");
}

#[tokio::test]
async fn another_process_is_told_that_the_log_is_in_use() {
    let dir = TempDir::new().unwrap();
    let queue = open(&config(dir.path(), MIB)).await;
    let error = Queue::open(&config(dir.path(), MIB)).await.unwrap_err();
    assert!(matches!(error, QueueError::Unusable { .. }) && !error.retryable(), "{error:?}");
    queue.append(message("pc-1", 0, "dump")).await.unwrap();
}

#[tokio::test]
async fn a_foreign_or_damaged_file_is_refused_and_left_alone() {
    for content in [b"not a database".as_slice(), &[0x55; 65536]] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("queue.sqlite");
        std::fs::write(&path, content).unwrap();
        let error = Queue::open(&config(dir.path(), MIB)).await.unwrap_err();
        assert!(!error.retryable(), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    let dir = TempDir::new().unwrap();
    database(dir.path()).execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(!Queue::open(&config(dir.path(), MIB)).await.unwrap_err().retryable());
}

#[tokio::test]
async fn a_failing_disk_is_worth_another_try() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let error = Queue::open(&config(&dir.path().join("file/log"), MIB)).await.unwrap_err();
    assert!(error.retryable(), "{error:?}");

    // Somebody holds the file's write lock: the append fails, and works again once it is free.
    let queue = open(&config(dir.path(), MIB)).await;
    queue.append(message("pc-1", 0, "dump")).await.unwrap();
    let intruder = database(dir.path());
    intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begin = Instant::now();
    let error = queue.append(message("pc-1", 1, "dump")).await.unwrap_err();
    assert!(error.retryable() && !error.is_full(), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    intruder.execute_batch("ROLLBACK").unwrap();
    queue.append(message("pc-1", 2, "dump")).await.unwrap();
    assert_eq!(queue.state().await.unwrap(), state(2, 0, 0));
    let mut consumer = queue.consumer().await.unwrap();
    assert_eq!(sequences(&take(&mut consumer, 2).await), [0, 2]);
    assert!(consumer.next(LIMITS).await.unwrap().is_empty());
}
