//! Bad input by the hundred: each gets a clear 4xx, memory stays bounded, and the service stays up.

use std::io::Write as _;
use std::time::Duration;

use dump::synth::SmallDump;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Crashes, PATIENCE, Service};

/// Far above what a service holds by itself, far below what one bomb inflates to.
const MEMORY: u64 = 1200 << 20;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A dump's head and then gigabytes of zeros, compressed to next to nothing.
fn bomb(gigabytes: usize) -> Vec<u8> {
    let mut writer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    writer.write_all(&SmallDump::example().to_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..gigabytes * 1024 {
        writer.write_all(&zeros).unwrap();
    }
    writer.finish().unwrap()
}

async fn refused(service: &Service, what: &str, encoding: Option<&str>, body: Vec<u8>) -> String {
    let mut request = service.http.post(service.url("/v1/crashes")).body(body);
    if let Some(encoding) = encoding {
        request = request.header("content-encoding", encoding);
    }
    let response = request.send().await.unwrap_or_else(|error| panic!("{what}: no answer: {error}"));
    let status = response.status();
    assert!(status.is_client_error(), "{what}: {status}");
    let answer: Value = response.json().await.unwrap_or_else(|error| panic!("{what}: not JSON: {error}"));
    let code = answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{what}: no code: {answer}"));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.len() > 15 && message.contains(' '), "{what}: not a sentence: {message}");
    code.to_owned()
}

/// Writes raw bytes and returns the status line, if any.
async fn raw(service: &Service, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = vec![0; 4096];
    let read =
        tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer").unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_by_the_hundred_is_refused_and_harms_nobody() {
    let service = Service::configured("ingest.timeout = \"3s\"").await;
    let whole = SmallDump::example().to_bytes();

    assert_eq!(refused(&service, "empty", None, Vec::new()).await, "empty");
    for seed in 0..150 {
        let len = 1 + usize::try_from(seed).unwrap() * 977;
        assert_eq!(refused(&service, "random bytes", None, noise(seed, len)).await, "not_a_dump");
    }
    for len in (8..0x2000).step_by(137) {
        let code = refused(&service, "a cut header", None, whole[..len].to_vec()).await;
        assert!(code == "truncated", "{len}: {code}");
    }
    let mut zip = b"PK\x03\x04".to_vec();
    zip.extend(noise(1, 5000));
    assert_eq!(refused(&service, "a zip", None, zip).await, "not_a_dump");
    for seed in 0..30 {
        refused(&service, "not gzip", Some("gzip"), noise(seed, 4000)).await;
        refused(&service, "not zstd", Some("zstd"), noise(seed, 4000)).await;
        let packed = gzip(&whole);
        let cut = packed.len() - 1 - usize::try_from(seed).unwrap() * 100;
        refused(&service, "cut gzip", Some("gzip"), packed[..cut].to_vec()).await;
    }
    refused(&service, "an unknown encoding", Some("br"), whole.clone()).await;
    refused(&service, "a zstd bomb", Some("zstd"), bomb(4)).await;
    refused(&service, "a gzip bomb", Some("gzip"), gzip(&vec![0; 200 << 20])).await;
    // Larger than what is drained after a refusal: a client that sends it all may see a reset instead of the answer.
    let large = b"POST /v1/crashes HTTP/1.1\r\nhost: x\r\ncontent-length: 83886080\r\n\r\nPAGEDU64";
    assert!(raw(&service, large).await.contains(" 413"), "too large");

    let good = service.upload("pc", whole.clone()).await.unwrap();
    assert!(!good.is_empty(), "good input next to bad is still used");
    assert!(service.peak_memory() < MEMORY, "{} MiB at most", service.peak_memory() >> 20);
    let ledger = service.settled().await;
    assert_eq!((ledger.accepted, ledger.crashes), (1, 1), "only the good one was accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_lengths_and_slow_bodies_are_refused() {
    let service = Service::configured("ingest.timeout = \"2s\"\nserver.head_timeout = \"2s\"").await;
    let head =
        |length: &str| format!("POST /v1/crashes HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");

    let status = raw(&service, head("10737418240").as_bytes()).await;
    assert!(status.contains(" 413"), "10 GB announced: {status}");
    let status = raw(&service, head("-1").as_bytes()).await;
    assert!(status.contains(" 400"), "a negative length: {status}");
    let status = raw(&service, b"GARBAGE\r\n\r\n").await;
    assert!(status.contains(" 400"), "no HTTP: {status}");

    let mut slow = head("200000").into_bytes();
    slow.extend_from_slice(&SmallDump::example().to_bytes()[..100]);
    let begun = std::time::Instant::now();
    let status = raw(&service, &slow).await;
    assert!(status.contains(" 408"), "a body that never comes: {status}");
    assert!(begun.elapsed() < Duration::from_secs(20));

    // Hundreds of clients that stop in the middle of their head or body hold nobody up.
    let mut stalled = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        let text = head("100000");
        let cut = if number % 2 == 0 { text.len() } else { text.len() / 2 };
        stream.write_all(&text.as_bytes()[..cut]).await.unwrap();
        stalled.push(stream);
    }
    let crashes = Crashes::of(&SmallDump::example());
    for number in 0..20 {
        service.upload("pc", crashes.number(number)).await.unwrap();
    }
    assert_eq!(service.settled().await.crashes, 20);
    assert!(service.peak_memory() < MEMORY, "{} MiB at most", service.peak_memory() >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_dumps_that_were_accepted_end_as_rows() {
    let service = Service::start().await;
    let whole = SmallDump::example().to_bytes();
    let mut sent = 0;
    // Cut anywhere behind the header; and the areas' directory overwritten with noise.
    for len in (0x2000..whole.len()).step_by(9001) {
        let mut bytes = whole[..len].to_vec();
        bytes[0xfa8..0xfb0].copy_from_slice(&(0x01db_0000_0000_0000 + len as u64).to_le_bytes());
        service.upload("cut", bytes).await.unwrap();
        sent += 1;
    }
    for seed in 0..40u64 {
        let mut bytes = whole.clone();
        let at = 0x2000 + usize::try_from(seed % 8).unwrap() * 16;
        let garbage = noise(seed, 64);
        bytes[at..at + 64].copy_from_slice(&garbage);
        bytes[0xfa8..0xfb0].copy_from_slice(&(0x01dc_0000_0000_0000 + seed).to_le_bytes());
        service.upload("noise", bytes).await.unwrap();
        sent += 1;
    }
    let ledger = service.settled().await;
    assert_eq!((ledger.accepted, ledger.crashes), (sent, sent));
    assert_eq!(ledger.dead_lettered, 0, "a damaged dump is analysed or unreadable, never given up on");
}
