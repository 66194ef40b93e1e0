//! What an upload may make the intake hold. Alone in its process, whose peak of memory it measures.

use std::io;

use bluescope_ingest::{Ingest, IngestConfig};
use bytes::Bytes;
use dump::synth::SmallDump;
use futures_util::{Stream, StreamExt as _, stream};
use prometheus_client::registry::Registry;
use reqwest::{Body, Client};
use storage::blobs::Blobs;
use storage::queue::{LogConfig, Queue, QueueConfig};
use storage::signals::{Signals, SignalsConfig};
use tempfile::TempDir;

const MIB: usize = 1024 * 1024;

/// The peak of this process's memory in MiB; none where the system does not tell.
fn peak_mib() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? / 1024)
}

/// A dump's beginning and then so many MiB that nothing makes smaller, never in memory as a whole.
fn large_dump(mib: usize) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let head = stream::iter([Ok(Bytes::from(SmallDump::example().to_bytes()))]);
    head.chain(stream::iter((0..mib * 16).map(|i| {
        let mut chunk = vec![0; MIB / 16];
        blake3::Hasher::new().update(&i.to_le_bytes()).finalize_xof().fill(&mut chunk);
        Ok(Bytes::from(chunk))
    })))
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_upload() {
    let dir = TempDir::new().unwrap();
    let log = LogConfig { dir: dir.path().join("queue"), max_bytes: 1 << 30 };
    let queue = Queue::open(&QueueConfig::Log(log)).await.unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    let config = IngestConfig { max_upload_bytes: 300 * MIB as u64, ..IngestConfig::default() };
    let signals = Signals::open(&SignalsConfig::log(dir.path().join("signals"))).await.unwrap();
    let router = Ingest::new(config, queue, blobs.clone(), signals, &mut Registry::default()).router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/crashes", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::new();
    let upload = |body: Body| client.post(&url).body(body);

    // Once small, so that everything that is made once is there.
    let small = upload(SmallDump::example().to_bytes().into()).send().await.unwrap();
    assert_eq!(small.status(), 200);
    let Some(before) = peak_mib() else {
        println!("skipped: this system does not tell a process's peak of memory");
        return;
    };
    let large = upload(Body::wrap_stream(large_dump(200))).send().await.unwrap();
    assert_eq!(large.status(), 200, "{}", large.text().await.unwrap());
    assert!(blobs.size().await.unwrap() > 200 * MIB as u64);

    let start =
        "--B\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; filename=\"x\"\r\n\r\n";
    let parts = stream::iter([Ok(Bytes::from(start))])
        .chain(large_dump(100))
        .chain(stream::iter([Ok(Bytes::from("\r\n--B--\r\n"))]));
    let form = upload(Body::wrap_stream(parts)).header("content-type", "multipart/form-data; boundary=B");
    let form = form.send().await.unwrap();
    assert_eq!(form.status(), 200, "{}", form.text().await.unwrap());

    // A part's header without an end, which compresses to nothing.
    let endless = [b"--B\r\nX: ".as_slice(), &vec![b'a'; 20 * MIB]].concat();
    let endless = zstd::encode_all(endless.as_slice(), 1).unwrap();
    let endless = upload(endless.into())
        .header("content-type", "multipart/form-data; boundary=B")
        .header("content-encoding", "zstd");
    assert_eq!(endless.send().await.unwrap().status(), 400);

    let grown = peak_mib().unwrap() - before;
    assert!(grown < 90, "uploads of 200 and 100 MiB made the process grow by {grown} MiB");
    println!("grown by {grown} MiB");
}
