//! The worker with the real embedded queue and the real embedded ClickHouse: every delivery becomes one durable row,
//! whatever it holds and however often it comes.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "worker/away.rs"]
mod away;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bluescope_analyzer::{Metrics, Worker, WorkerConfig, WorkerError};
use bytes::Bytes;
use dump::synth::SmallDump;
use prometheus_client::registry::Registry;
use storage::blobs::{Blobs, kept_key, spool_key};
use storage::database::{Database, DatabaseConfig};
use storage::message::{Content, META_VERSION, Message, Meta};
use storage::queue::{LogConfig, Queue, QueueConfig};
use storage::rows::{CrashRow, Outcome};
use storage::signals::{Signals, SignalsConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
const RECEIVED: i64 = 1_721_362_140_000;

/// Everything a worker needs, in a folder that goes away.
struct Bench {
    folder: tempfile::TempDir,
    queue: Queue,
    blobs: Blobs,
    database: Database,
    signals: Signals,
}

impl Bench {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir: PathBuf = folder.path().join("clickhouse");
        let database = Database::open(&DatabaseConfig::Embedded { dir, library: library() }).await.unwrap();
        Self::around(folder, database).await
    }

    async fn around(folder: tempfile::TempDir, database: Database) -> Self {
        let queue = open_queue(folder.path()).await;
        let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
        let signals = Signals::open(&SignalsConfig::log(folder.path().join("signals"))).await.unwrap();
        Self { folder, queue, blobs, database, signals }
    }

    fn start(&self, config: WorkerConfig) -> Running {
        let mut registry = Registry::default();
        let (queue, blobs, database) = (self.queue.clone(), self.blobs.clone(), self.database.clone());
        let worker = Worker::new(config, queue, blobs, database, self.signals.clone(), &mut registry);
        let metrics = worker.metrics();
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Running { metrics, stop, task }
    }

    async fn until_committed(&self, messages: u64) {
        let started = Instant::now();
        loop {
            let state = self.queue.state().await.unwrap();
            if state.committed >= messages {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "committed {} of {messages}", state.committed);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn row(&self, crash_id: Uuid) -> CrashRow {
        self.database.crash(crash_id).await.unwrap().unwrap()
    }
}

fn library() -> Option<PathBuf> {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.deps/libchdb/libchdb.so");
    library.exists().then_some(library)
}

async fn open_queue(folder: &Path) -> Queue {
    let config = LogConfig { dir: folder.join("queue"), max_bytes: 1 << 30 };
    Queue::open(&QueueConfig::Log(config)).await.unwrap()
}

struct Running {
    metrics: Metrics,
    stop: CancellationToken,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

fn crash(number: u64) -> SmallDump {
    let example = SmallDump::example();
    SmallDump { system_time: example.system_time + number * 10_000_000, ..example }
}

fn id_of(bytes: &[u8]) -> Uuid {
    let len = u64::try_from(bytes.len()).unwrap();
    let head = &bytes[..bytes.len().min(dump::HEAD_LEN)];
    Uuid::from_bytes(dump::identify(head, blake3::hash(bytes).as_bytes(), len).unwrap().id.0)
}

fn meta(crash_id: Uuid, raw_len: usize) -> Meta {
    Meta {
        version: META_VERSION,
        crash_id,
        tenant: "acme".to_owned(),
        machine: "till-0001".to_owned(),
        ring: "broad".to_owned(),
        site: "Bonn".to_owned(),
        network: String::new(),
        tags: BTreeMap::from([("image".to_owned(), "2024-07".to_owned())]),
        received_at_ms: RECEIVED,
        raw_len: u64::try_from(raw_len).unwrap(),
        content: Content::Inline,
    }
}

fn message(bytes: &[u8]) -> Message {
    let value = Bytes::from(zstd::encode_all(bytes, 3).unwrap());
    Message { meta: meta(id_of(bytes), bytes.len()), value }
}

/// One test, because a process has one embedded engine: parts run one after the other on the same tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_delivery_becomes_one_row() {
    let bench = Bench::open().await;
    analysed_twice_counts_once(&bench).await;
    poison_stands_next_to_good(&bench).await;
    spooled_dumps_are_fetched_and_deleted(&bench).await;
    ledger_balances(&bench).await;
    the_detector_is_told_once_a_delivery(&bench).await;
    a_database_that_is_gone_stops_nothing(bench).await;
    away::the_detector_goes_on_while_the_database_is_away().await;
}

async fn analysed_twice_counts_once(bench: &Bench) {
    let bytes = crash(1).to_bytes();
    let running = bench.start(WorkerConfig::default());
    for _ in 0..3 {
        bench.queue.append(message(&bytes)).await.unwrap();
    }
    bench.until_committed(3).await;
    let row = bench.row(id_of(&bytes)).await;
    assert_eq!(
        (row.outcome.as_str(), row.driver.as_str(), row.kind.as_str()),
        ("analysed", "rtwlane.sys", "kernel")
    );
    assert_eq!((row.tenant.as_str(), row.machine.as_str(), row.site.as_str()), ("acme", "till-0001", "Bonn"));
    assert_eq!((row.bugcheck, row.confidence.as_str(), row.fault_offset), (0xd1, "high", 0x3_21c4));
    assert_eq!(row.bucket, "AV_rtwlane!unknown_function");
    assert_eq!(row.parameters[1], 2);
    assert_eq!(row.revision >> 40, u64::from(bluescope_analyzer::ANALYZER_VERSION));
    assert_eq!(row.crashed_at, 1_710_146_486_123 + 1000);
    assert_eq!(row.problem, "");
    assert!(row.drivers.contains(&"ntfs.sys".to_owned()));
    let report: bluescope_analyzer::Analysis = serde_json::from_str(&row.report).unwrap();
    assert_eq!(report.verdict.name, "rtwlane.sys");
    let ledger = bench.database.ledger(bench.queue.id()).await.unwrap();
    let crashes = bench.database.distinct_crashes(bench.queue.id()).await.unwrap();
    assert_eq!((ledger.analysed, crashes), (3, 1));
    let kept = bench.blobs.get(&kept_key(row.crash_id), 1 << 20).await.unwrap();
    assert_eq!(zstd::decode_all(&kept[..]).unwrap(), bytes);
    assert_eq!(row.blob, kept_key(row.crash_id));
    assert_eq!(running.metrics.deliveries(Outcome::Analysed), 3);
    running.stop().await;
}

async fn poison_stands_next_to_good(bench: &Bench) {
    let good = crash(2).to_bytes();
    let mut damaged = message(&crash(3).to_bytes());
    damaged.value = damaged.value.slice(..damaged.value.len() / 2);
    let garbage = b"this was never a dump".to_vec();
    let unreadable = Message {
        meta: meta(Uuid::from_u128(7), garbage.len()),
        value: Bytes::from(zstd::encode_all(&garbage[..], 3).unwrap()),
    };
    let mut stranger = message(&crash(4).to_bytes());
    stranger.meta.crash_id = Uuid::from_u128(8);
    let mut lost = message(&crash(5).to_bytes());
    lost.meta.content = Content::Blob(spool_key(lost.meta.crash_id));
    lost.value = Bytes::new();
    for message in [message(&good), damaged.clone(), unreadable, stranger, lost.clone()] {
        bench.queue.append(message).await.unwrap();
    }
    let running = bench.start(WorkerConfig { keep_per_bucket: 0, ..WorkerConfig::default() });
    bench.until_committed(8).await;
    assert_eq!(bench.row(id_of(&good)).await.outcome, "analysed");
    let row = bench.row(damaged.meta.crash_id).await;
    assert_eq!(row.outcome, "dead_letter");
    assert!(row.problem.contains("damaged"), "{}", row.problem);
    let row = bench.row(Uuid::from_u128(7)).await;
    assert_eq!((row.outcome.as_str(), row.kind.as_str()), ("unreadable", ""));
    assert!(row.problem.starts_with("not_a_dump: "), "{}", row.problem);
    let row = bench.row(Uuid::from_u128(8)).await;
    assert_eq!(row.outcome, "analysed");
    assert!(row.problem.contains("identifies itself as crash"), "{}", row.problem);
    assert_eq!(row.blob, "");
    let row = bench.row(lost.meta.crash_id).await;
    assert_eq!(row.outcome, "dead_letter");
    assert!(row.problem.contains("no blob"), "{}", row.problem);
    assert_eq!(bench.queue.dead_letters(10).await.unwrap().len(), 2);
    running.stop().await;
}

async fn spooled_dumps_are_fetched_and_deleted(bench: &Bench) {
    let bytes = crash(6).to_bytes();
    let mut spooled = message(&bytes);
    let key = spool_key(spooled.meta.crash_id);
    bench.blobs.put(&key, std::mem::take(&mut spooled.value)).await.unwrap();
    spooled.meta.content = Content::Blob(key.clone());
    bench.queue.append(spooled).await.unwrap();
    let running = bench.start(WorkerConfig { keep_per_bucket: 0, ..WorkerConfig::default() });
    bench.until_committed(9).await;
    assert_eq!(bench.row(id_of(&bytes)).await.driver, "rtwlane.sys");
    running.stop().await;
    assert!(bench.blobs.get(&key, 1 << 20).await.unwrap_err().is_not_found());
}

async fn ledger_balances(bench: &Bench) {
    let state = bench.queue.state().await.unwrap();
    let ledger = bench.database.ledger(bench.queue.id()).await.unwrap();
    assert_eq!((state.accepted, state.committed), (9, 9));
    assert_eq!((ledger.analysed, ledger.unreadable, ledger.dead_lettered), (6, 1, 2));
}

/// Every analysed delivery so far: three of one crash, a good one, one with another identity, a spooled one.
async fn the_detector_is_told_once_a_delivery(bench: &Bench) {
    let crashes = away::published(bench, 6).await;
    let ids = [crash(1), crash(1), crash(1), crash(2)].map(|crash| id_of(&crash.to_bytes()));
    let told: Vec<Uuid> = crashes.iter().map(|crash| crash.crash_id).collect();
    assert_eq!(told[..4], ids);
    assert_eq!(told[4], Uuid::from_u128(8));
    let first = &crashes[0];
    assert_eq!((first.tenant.as_str(), first.machine.as_str()), ("acme", "till-0001"));
    assert_eq!((first.driver.as_str(), first.bugcheck, first.fault_offset), ("rtwlane.sys", 0xd1, 0x3_21c4));
    assert_eq!((first.site.as_str(), first.ring.as_str(), first.kind.as_str()), ("Bonn", "broad", "kernel"));
    assert_eq!((first.arrived_at_ms, first.crashed_at_ms), (RECEIVED, 1_710_146_486_123 + 1000));
    assert_eq!((first.bucket.as_str(), first.confidence.as_str()), ("AV_rtwlane!unknown_function", "high"));
    let names: Vec<&str> = first.modules.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names[0], "rtwlane.sys", "{names:?}");
    assert_eq!((first.modules[0].1, first.modules[0].2), (first.timestamp, first.size));
    assert!(!names.contains(&"ntfs.sys") && !names.contains(&"ntoskrnl.exe"), "{names:?}");
}

/// Rows wait in the queue while the database is gone, and come when it is back.
async fn a_database_that_is_gone_stops_nothing(bench: Bench) {
    let dir = bench.folder.path().join("clickhouse");
    let config = DatabaseConfig::Embedded { dir, library: library() };
    bench.database.clone().close().await;
    let bytes = crash(9).to_bytes();
    bench.queue.append(message(&bytes)).await.unwrap();
    let running = bench.start(WorkerConfig {
        retry_pause: Duration::from_millis(200),
        // It is told to stop while it reads ahead.
        patience: Duration::from_millis(20),
        ..WorkerConfig::default()
    });
    let started = Instant::now();
    while running.metrics.retries("insert") < 2 {
        assert!(started.elapsed() < PATIENCE, "the insert was not retried");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.stop().await;
    assert_eq!(bench.queue.state().await.unwrap().committed, 9, "nothing was committed without its row");
    let bench = Bench { database: Database::open(&config).await.unwrap(), ..bench };
    let running = bench.start(WorkerConfig::default());
    bench.until_committed(10).await;
    assert_eq!(bench.row(id_of(&bytes)).await.driver, "rtwlane.sys");
    running.stop().await;
    bench.database.close().await;
}
