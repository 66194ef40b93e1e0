//! An intake of symbol files on a loopback port, the embedded engine behind it, and small files of each kind.

use std::io::{Cursor, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use embedded::testing::{self, Alone};
use ingest::{SymbolIntake, SymbolIntakeConfig, Token};
use prometheus_client::registry::Registry;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use storage::blobs::Blobs;
use storage::database::{Database, DatabaseConfig};
use storage::symbols::{SymbolKey, SymbolStore};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "3249d99d0c4049318610f4e4fb0b69361";
pub(crate) const MIB: usize = 1024 * 1024;

pub(crate) struct Fixture {
    pub(crate) address: SocketAddr,
    pub(crate) database: Database,
    pub(crate) store: SymbolStore,
    pub(crate) registry: Registry,
    pub(crate) client: Client,
    pub(crate) dir: TempDir,
    _turn: Alone,
}

pub(crate) fn config() -> SymbolIntakeConfig {
    SymbolIntakeConfig { max_bytes: 8 * MIB as u64, ..SymbolIntakeConfig::default() }
}

pub(crate) fn token(token: &str, tenant: &str) -> Token {
    Token { token: token.into(), tenant: tenant.to_owned() }
}

impl Fixture {
    /// `None` where there is no libchdb, which CI does not accept.
    pub(crate) async fn new(config: SymbolIntakeConfig) -> Option<Self> {
        let turn = testing::alone().await.unwrap()?;
        let dir = TempDir::new().unwrap();
        let embedded = DatabaseConfig::Embedded { dir: dir.path().join("clickhouse"), library: None };
        let database = Database::open(&embedded).await.unwrap();
        let store = SymbolStore::new(Blobs::open(&dir.path().join("blobs")).unwrap());
        let mut registry = Registry::default();
        let router = SymbolIntake::new(config, store.clone(), database.clone(), &mut registry).router();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        // Whichever test comes first; the others find it installed.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Some(Self { address, database, store, registry, client, dir, _turn: turn })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn push(&self, query: &str) -> RequestBuilder {
        self.client.post(self.url(&format!("/v1/symbols{query}")))
    }

    /// What the store has of a tenant.
    pub(crate) async fn stored(&self, tenant: &str, name: &str, key: &str, file: &str) -> Option<Vec<u8>> {
        let key = SymbolKey::new(name, key, file).unwrap();
        self.store.get(tenant, &key, u64::MAX).await.unwrap().map(|bytes| bytes.to_vec())
    }

    /// Ids of the arrivals that were noted, and whose they are.
    pub(crate) async fn noted(&self) -> Vec<(String, String, String)> {
        let rows = self.database.symbol_files(None, 1_000).await.unwrap();
        let mut noted: Vec<_> = rows.into_iter().map(|row| (row.tenant, row.id, row.kind)).collect();
        noted.sort();
        noted
    }

    /// Whether nothing came of all that was pushed: no file, no row, no temporary file left.
    pub(crate) async fn assert_untouched(&self) {
        assert_eq!(self.noted().await, []);
        let blobs = self.dir.path().join("blobs");
        assert!(!blobs.join("symbols").exists());
        assert_eq!(std::fs::read_dir(blobs.join("tmp")).unwrap().count(), 0);
    }

    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    pub(crate) async fn stop(self) {
        self.database.close().await;
    }
}

/// The answer to what was taken.
pub(crate) async fn taken(response: Response) -> Value {
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Checks a refusal, and returns its sentence.
pub(crate) async fn refused(response: Response, status: u16, code: &str) -> String {
    let got = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["error"]["code"], code, "{json}");
    json["error"]["message"].as_str().unwrap().to_owned()
}

/// A `.sym` file of `crash.pdb`, as long as asked.
pub(crate) fn sym(len: usize) -> Vec<u8> {
    let mut text = format!("MODULE windows x86_64 {} crash.pdb\n", KEY.to_uppercase());
    while text.len() < len {
        text.push_str("FUNC 1000 20 0 main\n");
    }
    text.into_bytes()
}

/// The headers of an x64 image with one section: time stamp 0x5AB38077, size 0x2000.
pub(crate) fn image() -> Vec<u8> {
    let mut file = vec![0_u8; 0x600];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0\x64\x86\x01\0");
    put(0x88, &0x5AB3_8077_u32.to_le_bytes());
    put(0x94, &0xf0_u16.to_le_bytes());
    let optional = 0x98;
    put(optional, &0x20b_u16.to_le_bytes());
    for (at, value) in [(32, 0x1000_u32), (36, 0x200), (56, 0x2000), (60, 0x400), (108, 16)] {
        put(optional + at, &value.to_le_bytes());
    }
    let section = optional + 0xf0;
    put(section, b".text");
    for (at, value) in [(8, 0x200_u32), (12, 0x1000), (16, 0x200), (20, 0x400), (36, 0x6000_0020)] {
        put(section + at, &value.to_le_bytes());
    }
    file
}

pub(crate) const IMAGE_KEY: &str = "5ab380772000";

pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A form by hand: field, file name, content.
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

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
