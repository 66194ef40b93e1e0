//! What benches of the database share: the engine on an empty folder, and how a question is timed.

use std::time::Duration;

use anyhow::Result;
use bluescope_storage::database::{Database, DatabaseConfig};
use clickhouse::Client;
use embedded::{Engine, EngineConfig};
use secrecy::SecretString;

/// A database of its own, gone with it.
pub(crate) struct Bed {
    pub(crate) database: Database,
    /// For what the benches write by themselves.
    pub(crate) client: Client,
    engine: Engine,
    _dir: tempfile::TempDir,
}

impl Bed {
    /// Nothing where the engine's library is missing, which is said.
    pub(crate) async fn start() -> Result<Option<Self>> {
        if let Err(error) = embedded::find_library(None) {
            println!("skipped: {error}");
            return Ok(None);
        }
        let dir = tempfile::TempDir::new()?;
        let engine = Engine::start(EngineConfig { dir: dir.path().to_path_buf(), library: None }).await?;
        let config = DatabaseConfig::Server {
            url: engine.url().to_owned(),
            user: engine.user().to_owned(),
            password: SecretString::from(engine.password().to_owned()),
            database: "bench".to_owned(),
        };
        let database = Database::open(&config).await?;
        let client = Client::default()
            .with_url(engine.url())
            .with_user(engine.user())
            .with_password(engine.password())
            .with_database("bench")
            .with_compression(clickhouse::Compression::None);
        Ok(Some(Self { database, client, engine, _dir: dir }))
    }

    pub(crate) async fn stop(self) {
        self.database.close().await;
        self.engine.stop().await;
    }
}

/// Prints the middle of several times, and how many were found.
pub(crate) fn print(name: &str, mut times: Vec<Duration>, found: impl std::fmt::Display) {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    println!("  {name:<58} {:>9.1} ms, {found} found", middle.as_secs_f64() * 1000.0);
}

/// Asks often, or once where only to be shown that it runs.
#[macro_export]
macro_rules! time {
    ($full:expr, $name:expr, $ask:expr) => {{
        let (mut times, mut found) = (Vec::new(), 0);
        for _ in 0..if $full { 9 } else { 1 } {
            let begun = std::time::Instant::now();
            found = $ask;
            times.push(begun.elapsed());
        }
        bed::print($name.as_ref(), times, found);
    }};
}
