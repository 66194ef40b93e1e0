//! An intake on a loopback port with a queue and a blob store of its own, and clients for it.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use dump::synth::SmallDump;
use ingest::{Ingest, IngestConfig, Token};
use prometheus_client::registry::Registry;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use storage::blobs::Blobs;
use storage::message::{Content, Message};
use storage::queue::{BatchLimits, LogConfig, Queue, QueueConfig};
use storage::signals::{Marks, Signal, Signals, SignalsConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const MIB: usize = 1024 * 1024;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) queue: Queue,
    pub(crate) blobs: Blobs,
    pub(crate) signals: Signals,
    pub(crate) registry: Registry,
    pub(crate) client: Client,
    _dir: TempDir,
}

/// The usual limits, made small where a test would wait or write a lot.
pub(crate) fn config() -> IngestConfig {
    IngestConfig {
        max_upload_bytes: 32 * MIB as u64,
        idle_timeout: Duration::from_secs(5),
        ..IngestConfig::default()
    }
}

pub(crate) fn token(token: &str, tenant: &str) -> Token {
    Token { token: token.into(), tenant: tenant.to_owned() }
}

pub(crate) async fn start() -> Server {
    start_with(config(), 512 * MIB as u64).await
}

pub(crate) async fn start_with(config: IngestConfig, queue_bytes: u64) -> Server {
    let dir = TempDir::new().unwrap();
    let log = LogConfig { dir: dir.path().join("queue"), max_bytes: queue_bytes };
    let queue = Queue::open(&QueueConfig::Log(log)).await.unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    let mut registry = Registry::default();
    let signals = Signals::open(&SignalsConfig::log(dir.path().join("signals"))).await.unwrap();
    let router = Ingest::new(config, queue.clone(), blobs.clone(), signals.clone(), &mut registry).router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    // Whichever test comes first; the others find it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    Server { address, queue, blobs, signals, registry, client, _dir: dir }
}

impl Server {
    pub(crate) fn post(&self) -> RequestBuilder {
        self.client.post(format!("http://{}/v1/crashes", self.address))
    }

    pub(crate) fn tell(&self, what: &str) -> RequestBuilder {
        self.client.post(format!("http://{}/v1/{what}", self.address))
    }

    /// Everything in the stream of signals.
    pub(crate) async fn told(&self) -> Vec<Signal> {
        let mut reader = self.signals.reader(&Marks::default()).await.unwrap();
        let limits = BatchLimits { messages: 10_000, bytes: usize::MAX, wait: Duration::from_millis(1) };
        reader.next(limits).await.unwrap().into_iter().map(|received| received.signal.unwrap()).collect()
    }

    /// Everything in the queue.
    pub(crate) async fn queued(&self) -> Vec<Message> {
        let mut consumer = self.queue.consumer().await.unwrap();
        let limits = BatchLimits { messages: 10_000, bytes: usize::MAX, wait: Duration::from_millis(1) };
        let batch = consumer.next(limits).await.unwrap();
        batch.into_iter().map(|delivery| delivery.message.unwrap()).collect()
    }

    /// The dump of a message, inflated.
    pub(crate) async fn dump_of(&self, message: &Message) -> Vec<u8> {
        let compressed = match &message.meta.content {
            Content::Inline => message.value.clone(),
            Content::Blob(key) => self.blobs.get(key, u64::MAX).await.unwrap(),
        };
        zstd::decode_all(compressed.as_ref()).unwrap()
    }

    /// Whether the service still takes a crash.
    pub(crate) async fn assert_up(&self) {
        let id = crash_id(self.post().body(example()).send().await.unwrap()).await;
        assert_eq!(id.len(), 36);
    }

    /// Sends bytes as they are, half-closes the connection if asked to, and reads the answer.
    pub(crate) async fn raw(&self, bytes: &[u8], half_close: bool) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before it has read everything.
        let written = stream.write_all(bytes).await;
        if written.is_ok() && half_close {
            stream.shutdown().await.unwrap();
        }
        answer(&mut stream).await
    }

    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

/// Reads one answer with a Content-Length; none where the connection ended without one.
pub(crate) async fn answer(stream: &mut TcpStream) -> Option<(u16, Value)> {
    let mut received = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        while whole(&received).is_none() {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(more) => received.extend_from_slice(&chunk[..more]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.expect("no answer within 30 s");
    let (head, body) = whole(&received)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(&body).unwrap_or(Value::String(body))))
}

fn whole(received: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(received).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    })?;
    Some((head.to_owned(), body.get(..length)?.to_owned()))
}

/// A request with a Content-Length, which may be a lie.
pub(crate) fn request(headers: &str, length: impl std::fmt::Display, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /v1/crashes HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub(crate) fn example() -> Vec<u8> {
    SmallDump::example().to_bytes()
}

/// Bytes that nothing makes smaller.
pub(crate) fn incompressible(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut inflated).unwrap();
    inflated
}

/// A form by hand: name, file name, content.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        body.extend_from_slice(
            format!("--XXBOUND\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XXBOUND--\r\n");
    body
}

pub(crate) const FORM: &str = "multipart/form-data; boundary=XXBOUND";

/// The crash id of an acceptance, JSON or text.
pub(crate) async fn crash_id(response: Response) -> String {
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    match serde_json::from_str::<Value>(&text) {
        Ok(json) => json["crash_id"].as_str().unwrap().to_owned(),
        Err(_) => text.strip_prefix("CrashID=bp-").unwrap().trim_end().to_owned(),
    }
}

/// Checks a refusal: its status, its code, and a sentence.
pub(crate) async fn assert_refused(response: Response, status: u16, code: &str) {
    let (got, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    assert_eq!(headers["content-type"], "application/json");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_error(&json, code);
    let retry_after = headers.get("retry-after").map(|value| value.to_str().unwrap().parse::<u32>().unwrap());
    assert_eq!(retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)), status == 503, "{headers:?}");
}

pub(crate) fn assert_error(json: &Value, code: &str) {
    assert_eq!(json["error"]["code"], code, "{json}");
    assert!(json["error"]["message"].as_str().unwrap().len() > 10, "{json}");
}
