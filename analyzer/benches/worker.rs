//! Throughput of the worker: crashes of an office fleet through the embedded queue and the embedded ClickHouse, with
//! the time of each stage. Prints; asserts nothing. `WORKER_BENCH_CRASHES` sets how many.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bluescope_analyzer::{Stage, Worker, WorkerConfig};
use bytes::Bytes;
use dump::synth::SmallDump;
use prometheus_client::registry::Registry;
use storage::blobs::Blobs;
use storage::database::{Database, DatabaseConfig};
use storage::message::{Content, META_VERSION, Message, Meta};
use storage::queue::{LogConfig, Queue, QueueConfig};
use storage::signals::{Signals, SignalsConfig};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Different dumps; each is sent again and again under other identities.
const FORMS: u64 = 16;

fn message(form: &SmallDump, number: u64) -> Message {
    let bytes = SmallDump { system_time: form.system_time + number, ..form.clone() }.to_bytes();
    let id = dump::identify(&bytes, &[0; 32], u64::try_from(bytes.len()).unwrap()).unwrap().id;
    let meta = Meta {
        version: META_VERSION,
        crash_id: Uuid::from_bytes(id.0),
        tenant: String::new(),
        machine: format!("pc-{number:06}"),
        ring: String::new(),
        site: String::new(),
        network: String::new(),
        tags: BTreeMap::new(),
        received_at_ms: 1_721_362_140_000,
        raw_len: u64::try_from(bytes.len()).unwrap(),
        content: Content::Inline,
    };
    Message { meta, value: Bytes::from(zstd::encode_all(&bytes[..], 3).unwrap()) }
}

async fn run(crashes: u64) {
    let folder = tempfile::tempdir().unwrap();
    let log = LogConfig { dir: folder.path().join("queue"), max_bytes: 8 << 30 };
    let queue = Queue::open(&QueueConfig::Log(log)).await.unwrap();
    let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.deps/libchdb/libchdb.so");
    let config = DatabaseConfig::Embedded {
        dir: folder.path().join("clickhouse"),
        library: library.exists().then_some(library),
    };
    let database = Database::open(&config).await.unwrap();
    let form = SmallDump::example();
    let forms: Vec<Message> = (0..FORMS).map(|number| message(&form, number * 10_000_000)).collect();
    let bytes: usize = forms.iter().map(|message| message.value.len()).sum();
    for number in 0..crashes {
        let mut message = forms[usize::try_from(number % FORMS).unwrap()].clone();
        // Another crash of the same bytes: the identity of the message is what is counted.
        let id = message.meta.crash_id.as_u128() ^ (u128::from(number) << 8);
        message.meta.crash_id = Uuid::from_u128(id);
        message.meta.machine = format!("pc-{number:06}");
        queue.append(message).await.unwrap();
    }
    println!("{crashes} crashes queued, {} bytes each compressed", bytes / forms.len());
    let mut registry = Registry::default();
    let signals = Signals::open(&SignalsConfig::log(folder.path().join("signals"))).await.unwrap();
    let config = WorkerConfig::default();
    let worker = Worker::new(config, queue.clone(), blobs, database.clone(), signals, &mut registry);
    let metrics = worker.metrics();
    let stop = CancellationToken::new();
    let started = Instant::now();
    let task = tokio::spawn(worker.run(stop.clone()));
    while queue.state().await.unwrap().committed < crashes {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let elapsed = started.elapsed();
    stop.cancel();
    task.await.unwrap().unwrap();
    let rate = f64::from(u32::try_from(crashes).unwrap()) / elapsed.as_secs_f64();
    println!("{elapsed:.2?} in {} inserts: {rate:.0} crashes a second", metrics.batches());
    for stage in Stage::ALL {
        println!("{:<8} {:>10.2?}", stage.as_str(), metrics.stage(stage));
    }
    database.close().await;
}

fn main() {
    let crashes =
        std::env::var("WORKER_BENCH_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000);
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(run(crashes));
}
