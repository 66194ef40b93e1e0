//! ClickHouse goes away and comes back: the detector is told of every crash meanwhile, and afterwards every delivery has
//! its row, nothing is lost and nothing is told twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bluescope_analyzer::WorkerConfig;
use embedded::{Engine, EngineConfig};
use secrecy::SecretString;
use storage::database::{Database, DatabaseConfig};
use storage::rows::Outcome;
use storage::signals::{BatchLimits, CrashSignal, Marks, Signal};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{Bench, PATIENCE, crash, id_of, library, message};

/// What the worker has told the detector so far, once it is so much.
pub(crate) async fn published(bench: &Bench, least: usize) -> Vec<CrashSignal> {
    let mut reader = bench.signals.reader(&Marks::default()).await.unwrap();
    let limits = BatchLimits { messages: 100, bytes: 1 << 20, wait: Duration::from_millis(50) };
    let started = Instant::now();
    let mut crashes = Vec::new();
    while crashes.len() < least {
        assert!(started.elapsed() < PATIENCE, "{} of {least} were told", crashes.len());
        for received in reader.next(limits).await.unwrap() {
            let signal = received.signal.unwrap();
            assert!(matches!(signal, Signal::Crashes(_)), "{signal:?}");
            if let Signal::Crashes(some) = signal {
                crashes.extend(some);
            }
        }
    }
    crashes
}

/// Passes connections on while it is open, and cuts them all when it is shut.
struct Gate {
    address: String,
    open: watch::Sender<bool>,
}

impl Gate {
    async fn before(url: &str) -> Self {
        let target = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (open, is_open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut is_open) = (target.clone(), is_open.clone());
                tokio::spawn(async move {
                    let passed = async {
                        let mut far = TcpStream::connect(&target).await?;
                        copy_bidirectional(&mut near, &mut far).await
                    };
                    tokio::select! {
                        _ = is_open.wait_for(|open| !open) => {}
                        _ = passed => {}
                    }
                });
            }
        });
        Self { address, open }
    }
}

pub(crate) async fn the_detector_goes_on_while_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(EngineConfig { dir: folder.path().join("clickhouse"), library: library() })
        .await
        .unwrap();
    let gate = Gate::before(engine.url()).await;
    let config = DatabaseConfig::Server {
        url: gate.address.clone(),
        user: engine.user().to_owned(),
        password: SecretString::from(engine.password().to_owned()),
        database: "away".to_owned(),
    };
    let bench = Bench::around(folder, Database::open(&config).await.unwrap()).await;
    let running = bench.start(WorkerConfig {
        batch_rows: 3,
        patience: Duration::from_millis(100),
        retry_pause: Duration::from_millis(100),
        idle_wait: Duration::from_millis(50),
        linger: Duration::ZERO,
        keep_per_bucket: 1_000,
        ..WorkerConfig::default()
    });
    let append = async |numbers: std::ops::Range<u64>| {
        for number in numbers {
            bench.queue.append(message(&crash(number).to_bytes())).await.unwrap();
        }
    };
    append(0..4).await;
    bench.until_committed(4).await;

    gate.open.send_replace(false);
    append(4..20).await;
    let mut damaged = message(&crash(100).to_bytes());
    damaged.value = damaged.value.slice(..damaged.value.len() / 2);
    bench.queue.append(damaged).await.unwrap();
    append(20..30).await;
    assert_eq!(published(&bench, 30).await.len(), 30);
    // It has come to the queue's end, and goes on when there is more.
    append(30..35).await;
    assert_eq!(published(&bench, 35).await.len(), 35);
    assert_eq!(bench.queue.state().await.unwrap().committed, 4, "nothing is committed without its row");
    assert_eq!(running.metrics.deliveries(Outcome::DeadLetter), 0);
    assert!(running.metrics.deliveries_ahead() >= 20, "{}", running.metrics.deliveries_ahead());

    gate.open.send_replace(true);
    bench.until_committed(36).await;
    append(35..38).await;
    bench.until_committed(39).await;
    let ledger = bench.database.ledger(bench.queue.id()).await.unwrap();
    assert_eq!((ledger.analysed, ledger.dead_lettered), (38, 1));
    assert_eq!(bench.database.distinct_crashes(bench.queue.id()).await.unwrap(), 38);
    let state = bench.queue.state().await.unwrap();
    assert_eq!((state.accepted, state.committed, state.dead_lettered), (39, 39, 1));
    for number in 0..38 {
        let row = bench.row(id_of(&crash(number).to_bytes())).await;
        assert!(!row.blob.is_empty(), "crash {number} was kept in its turn, not when it was read ahead");
    }
    let mut told: BTreeMap<Uuid, u32> = BTreeMap::new();
    for crash in published(&bench, 38).await {
        *told.entry(crash.crash_id).or_default() += 1;
    }
    assert_eq!(told.len(), 38);
    assert!(told.values().all(|times| *times == 1), "{told:?}");
    running.stop().await;
    engine.stop().await;
}
