//! ClickHouse, on a server or inside this process: opening it, migrating it, writing crash rows.
//! Owns the one client; what is asked of the tables is in `questions`. Never looks inside a report and never
//! formats a value into SQL.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clickhouse::query::Query;
use clickhouse::{Client, Compression};
use secrecy::{ExposeSecret, SecretString};

use crate::rows::{CrashRow, DeepRow, SymbolFileRow};

pub use error::DatabaseError;

mod error;
mod migrations;
pub(crate) mod stretches;
pub(crate) mod views;

/// Name of the database inside the embedded engine, where there is nobody to share it with.
#[cfg(feature = "embedded")]
const EMBEDDED_DATABASE: &str = "bluescope";

/// One chunk of an insert may wait this long for the server to take it.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// The server may take this long to write an insert and all its views.
const INSERT_TIMEOUT: Duration = Duration::from_secs(120);
/// A question that takes longer is a fault of ours: pages and the detector ask again in seconds.
const QUESTION_SECONDS: &str = "30";
/// A statement that writes many rows of its own may take this long.
pub(crate) const WRITE_SECONDS: &str = "600";

/// ClickHouse's `priority`: a statement waits for those with a lower number, but nobody waits for one with 0, the default.
const AWAITED: &str = "1";
const BESIDE: &str = "2";

/// How long a start waits for a server before it goes on without.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// How soon it is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// Where ClickHouse is.
#[derive(Debug, Clone)]
pub enum DatabaseConfig {
    /// A ClickHouse server (or a load balancer before several).
    Server {
        /// `http://host:8123`.
        url: String,
        /// User.
        user: String,
        /// Password.
        password: SecretString,
        /// Database; created where it does not exist.
        database: String,
    },
    /// libchdb inside this process.
    Embedded {
        /// Folder of the data; one process at a time.
        dir: PathBuf,
        /// libchdb.so, where it is not in the places searched by default.
        library: Option<PathBuf>,
    },
}

/// A handle on ClickHouse; clones share it.
#[derive(Clone)]
pub struct Database {
    client: Client,
    engine: Engine,
    /// Whether its schema is this build's. Rows must not be refused for good because a table is not there yet.
    ready: Arc<AtomicBool>,
}

/// The engine inside this process, where there is one.
#[cfg(feature = "embedded")]
type Engine = Option<Arc<tokio::sync::Mutex<Option<embedded::Engine>>>>;
/// Built without one.
#[cfg(not(feature = "embedded"))]
type Engine = Option<Arc<std::convert::Infallible>>;

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("database", &self.client.database())
            .field("embedded", &self.engine.is_some())
            .finish()
    }
}

impl Database {
    /// Starts the engine where it is embedded, creates the database and brings its schema up to date.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        match config {
            DatabaseConfig::Server { database, .. } => Self::prepare(client_of(config), database, None).await,
            DatabaseConfig::Embedded { dir, library } => Self::open_embedded(dir, library.as_ref()).await,
        }
    }

    /// As [`Self::open`], but goes on without a server that does not answer: it is asked again and again beside, and until
    /// then every question and every insert fails as it does while a server is away.
    pub async fn open_or_wait(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let DatabaseConfig::Server { database, .. } = config else { return Self::open(config).await };
        let error = match tokio::time::timeout(FIRST_ANSWER, Self::open(config)).await {
            Ok(Err(error)) if error.retryable() => error,
            Ok(opened) => return opened,
            Err(_elapsed) => DatabaseError::while_("open")(clickhouse::error::Error::TimedOut),
        };
        tracing::warn!(%error, "ClickHouse does not answer: going on without, and asking again");
        let client = plain(client_of(config));
        let ready = Arc::new(AtomicBool::new(false));
        let (config, done, database) = (config.clone(), Arc::downgrade(&ready), database.clone());
        tokio::spawn(async move {
            // Whoever waits holds a handle.
            while done.strong_count() > 0 {
                tokio::time::sleep(AGAIN).await;
                match tokio::time::timeout(FIRST_ANSWER, Self::open(&config)).await {
                    Ok(Ok(_opened)) => {
                        if let Some(ready) = done.upgrade() {
                            ready.store(true, Ordering::Release);
                        }
                        tracing::info!("ClickHouse answers");
                        return;
                    }
                    Ok(Err(error)) if !error.retryable() => {
                        tracing::error!(%error, "ClickHouse cannot be used as it is");
                    }
                    Ok(Err(_)) | Err(_) => {}
                }
            }
        });
        Ok(Self { client: client.with_database(database), engine: None, ready })
    }

    #[cfg(feature = "embedded")]
    async fn open_embedded(dir: &std::path::Path, library: Option<&PathBuf>) -> Result<Self, DatabaseError> {
        let config = embedded::EngineConfig { dir: dir.to_path_buf(), library: library.cloned() };
        let engine = embedded::Engine::start(config).await?;
        let client = Client::default()
            .with_url(engine.url())
            .with_user(engine.user())
            .with_password(engine.password());
        Self::prepare(client, EMBEDDED_DATABASE, Some(Arc::new(tokio::sync::Mutex::new(Some(engine))))).await
    }

    #[cfg(not(feature = "embedded"))]
    #[expect(clippy::unused_async, reason = "same shape as the variant with the engine")]
    async fn open_embedded(_: &std::path::Path, _: Option<&PathBuf>) -> Result<Self, DatabaseError> {
        Err(DatabaseError::NotBuiltIn)
    }

    async fn prepare(client: Client, database: &str, engine: Engine) -> Result<Self, DatabaseError> {
        let client = plain(client);
        client
            .query_raw("CREATE DATABASE IF NOT EXISTS {database:Identifier}")
            .param("database", database)
            .execute()
            .await
            .map_err(DatabaseError::while_("create the database"))?;
        let client = client.with_database(database);
        migrations::run(&client).await?;
        Ok(Self { client, engine, ready: Arc::new(AtomicBool::new(true)) })
    }

    /// Whether ClickHouse answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        let one: u8 =
            self.client.query_raw("SELECT 1").fetch_one().await.map_err(DatabaseError::while_("ping"))?;
        debug_assert_eq!(one, 1);
        Ok(())
    }

    /// Stops the embedded engine and releases its folder, whoever else still holds a clone; nothing to do for a
    /// server.
    pub async fn close(self) {
        #[cfg(feature = "embedded")]
        if let Some(engine) = &self.engine
            && let Some(engine) = engine.lock().await.take()
        {
            engine.stop().await;
        }
    }

    /// Writes crash rows with all that follows from them (rollups, ledger). `Ok` means fsynced.
    ///
    /// Inserting the same rows again changes no count, so a caller that does not know how its last try ended just
    /// tries again.
    pub async fn insert_crashes(&self, rows: &[CrashRow]) -> Result<(), DatabaseError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.insert("crashes", rows).await
    }

    /// Writes analyses with symbols. `Ok` means fsynced; the newest of a crash counts, so writing one again changes nothing.
    pub async fn insert_deep(&self, rows: &[DeepRow]) -> Result<(), DatabaseError> {
        if rows.is_empty() {
            return Ok(());
        }
        if rows.iter().any(|row| row.missing.len() != row.missing_kinds.len()) {
            return Err(DatabaseError::Invalid("each missing file needs its kind"));
        }
        self.insert("deep_analyses", rows).await
    }

    /// Notes that symbol files have arrived: what lacked them becomes due. Call it once they can be fetched.
    pub async fn insert_symbol_files(&self, rows: &[SymbolFileRow]) -> Result<(), DatabaseError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.insert("symbol_files", rows).await
    }

    /// The same database for questions that nobody waits for: each has one thread, reads small blocks, and stands still after
    /// each, for 20 ms at most, while one is answered that somebody waits for. The engine inside this process runs one
    /// of them at a time, and begins it when nobody has asked for a moment.
    pub fn beside(&self) -> Self {
        let client = self
            .client
            .clone()
            .with_setting("max_threads", "1")
            .with_setting("max_block_size", "8192")
            .with_setting("priority", BESIDE)
            .with_setting("low_priority_query_wait_time_ms", "20");
        Self { client, ..self.clone() }
    }

    /// A question: plain SQL whose values are all `{name:Type}` parameters.
    pub(crate) fn ask(&self, sql: &'static str) -> Query {
        self.client.query_raw(sql).with_setting("max_execution_time", QUESTION_SECONDS)
    }

    /// The same where the SQL is put together from texts of ours, as a search's condition is. What anybody wrote is bound.
    pub(crate) fn ask_built(&self, sql: &str) -> Query {
        self.client.query_raw(sql).with_setting("max_execution_time", QUESTION_SECONDS)
    }

    pub(crate) async fn insert<R>(&self, table: &'static str, rows: &[R]) -> Result<(), DatabaseError>
    where
        R: clickhouse::RowOwned + clickhouse::RowWrite,
    {
        let failed = DatabaseError::while_("insert");
        if !self.ready.load(Ordering::Acquire) {
            return Err(DatabaseError::NotReady);
        }
        // On by default since ClickHouse 26.2; an acknowledgement before the write would break the ledger. And nobody stands
        // still for an insert: in an outage there is always one.
        let client = self.client.clone().with_setting("async_insert", "0").with_setting("priority", "0");
        // The first insert into a table asks for its columns, and that question has no limit of its own.
        let begun = tokio::time::timeout(SEND_TIMEOUT, client.insert::<R>(table)).await;
        let mut insert = begun
            .unwrap_or(Err(clickhouse::error::Error::TimedOut))
            .map_err(&failed)?
            .with_timeouts(Some(SEND_TIMEOUT), Some(INSERT_TIMEOUT));
        for row in rows {
            insert.write(row).await.map_err(&failed)?;
        }
        insert.end().await.map_err(&failed)
    }
}

/// What every statement goes with. `crash_heads` is JSON that an insert makes and a page reads: its numbers are numbers,
/// which servers before 25.8 do not do by themselves.
fn plain(client: Client) -> Client {
    client
        .with_compression(Compression::None)
        .with_setting("output_format_json_quote_64bit_integers", "0")
        .with_setting("priority", AWAITED)
}

/// A client of a server; one without an address for anything else.
fn client_of(config: &DatabaseConfig) -> Client {
    match config {
        DatabaseConfig::Server { url, user, password, .. } => {
            Client::default().with_url(url).with_user(user).with_password(password.expose_secret())
        }
        DatabaseConfig::Embedded { .. } => Client::default(),
    }
}
