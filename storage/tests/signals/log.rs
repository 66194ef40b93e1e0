//! The embedded stream: the suite, and what only a log on a disk promises.

use std::path::Path;
use std::time::Instant;

use storage::signals::{Marks, Signal, Signals, SignalsConfig, SignalsError};
use tempfile::TempDir;

use crate::suite::{CASES, Fixture, beat, one_of_each, open, reader, signals_of, take};

fn config(dir: &Path) -> SignalsConfig {
    SignalsConfig::log(dir.to_owned())
}

fn database(config: &SignalsConfig) -> rusqlite::Connection {
    let SignalsConfig::Log { dir, .. } = config else { unreachable!() };
    rusqlite::Connection::open(dir.join("signals.sqlite")).unwrap()
}

fn write(config: &SignalsConfig, at_ms: i64, value: &[u8]) {
    let connection = database(config);
    connection
        .execute("INSERT INTO signals SELECT next, max(at_ms, ?1), ?2 FROM stream", (at_ms, value))
        .unwrap();
    connection.execute("UPDATE stream SET next = next + 1", ()).unwrap();
}

fn write_foreign(config: &SignalsConfig) {
    write(config, 0, b"not a signal");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_every_promise() {
    for (name, case) in CASES {
        let dir = TempDir::new().unwrap();
        let begin = Instant::now();
        case(Fixture { config: config(dir.path()), write_foreign }).await;
        println!("{name}: {:?}", begin.elapsed());
    }
}

/// What earlier builds wrote must load: a line of JSON each, as it lies inside the value.
#[tokio::test]
async fn stored_signals_of_every_version_still_load() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path());
    open(&config).await.close().await;
    let lines: Vec<&str> = include_str!("v1.jsonl").lines().collect();
    for line in &lines {
        let value = [&[1], zstd::encode_all(line.as_bytes(), 3).unwrap().as_slice()].concat();
        write(&config, 0, &value);
    }
    let signals = open(&config).await;
    let mut all = reader(&signals, &Marks::default()).await;
    assert_eq!(signals_of(&take(&mut all, lines.len()).await), one_of_each());
}

#[tokio::test]
async fn what_is_too_old_or_too_much_is_dropped_and_readers_go_on() {
    let dir = TempDir::new().unwrap();
    let mut config = config(dir.path());
    let signals = open(&config).await;
    signals.append((0..50).map(beat).collect()).await.unwrap();
    let mut early = reader(&signals, &Marks::default()).await;
    let read = take(&mut early, 50).await.len();
    assert_eq!(read, 50);
    let middle = Marks([(0, 10)].into());
    signals.close().await;

    // All but the last ten become a week old.
    database(&config)
        .execute("UPDATE signals SET at_ms = at_ms - 7 * 86400000 WHERE offset < 40", ())
        .unwrap();
    let signals = open(&config).await;
    signals.append(vec![beat(50)]).await.unwrap();
    let mut late = reader(&signals, &middle).await;
    assert_eq!(signals_of(&take(&mut late, 11).await), (40..51).map(beat).collect::<Vec<_>>());
    signals.close().await;

    let SignalsConfig::Log { keep_bytes, .. } = &mut config else { unreachable!() };
    *keep_bytes = 1_000;
    let signals = open(&config).await;
    for number in 51..200 {
        signals.append(vec![beat(number)]).await.unwrap();
    }
    let held: i64 =
        database(&config).query_row("SELECT sum(length(value)) FROM signals", (), |row| row.get(0)).unwrap();
    let counted: i64 = database(&config).query_row("SELECT bytes FROM stream", (), |row| row.get(0)).unwrap();
    assert_eq!(held, counted);
    assert!((900..=1_000).contains(&held), "{held} bytes");
    let mut late = reader(&signals, &Marks::default()).await;
    let kept = late.lag().await.unwrap() as usize;
    assert_eq!(signals_of(&take(&mut late, kept).await).last(), Some(&beat(199)));
}

/// What a machine finds after the power went: the files as they were at that moment.
#[tokio::test]
async fn whatever_was_acknowledged_survives_a_crash() {
    let (dir, after) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let signals = open(&config(dir.path())).await;
    for number in 0..40 {
        signals.append(vec![beat(number)]).await.unwrap();
    }
    for name in ["signals.sqlite", "signals.sqlite-wal"] {
        std::fs::copy(dir.path().join(name), after.path().join(name)).unwrap();
    }
    let survivor = open(&config(after.path())).await;
    let mut all = reader(&survivor, &Marks::default()).await;
    assert_eq!(signals_of(&take(&mut all, 40).await), (0..40).map(beat).collect::<Vec<Signal>>());
}

#[tokio::test]
async fn another_process_is_told_that_the_stream_is_in_use() {
    let dir = TempDir::new().unwrap();
    let _signals = open(&config(dir.path())).await;
    let error = Signals::open(&config(dir.path())).await.unwrap_err();
    assert!(matches!(error, SignalsError::Unusable { .. }) && !error.retryable(), "{error:?}");
    std::fs::write(dir.path().join("other"), "x").unwrap();
    let error = Signals::open(&config(&dir.path().join("other"))).await.unwrap_err();
    assert!(error.retryable(), "{error:?}");
}
