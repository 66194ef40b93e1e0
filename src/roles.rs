//! Starts the roles of one process and stops them together. Owns the order of start and stop and nothing of what a
//! role does: `up` is every role, `bluescope ingest` is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alerts::{AlertsConfig, AlertsMetrics};
use analyzer::deep::{DeepConfig, DeepWorker, PrivateSymbols};
use analyzer::{Limits, Owners, Worker, WorkerConfig};
use anyhow::Context as _;
use axum::Router;
use bytesize::ByteSize;
use dashboards::Dashboards;
use ingest::{Ingest, IngestConfig, SymbolIntake, SymbolIntakeConfig, Token};
use prometheus_client::registry::Registry;
use storage::alert_store::AlertStore;
use storage::blobs::Blobs;
use storage::database::{Database, DatabaseConfig};
use storage::queue::{KafkaConfig, LogConfig, Queue, QueueConfig};
use storage::signals::{Signals, SignalsConfig};
use storage::symbols::SymbolStore;
use symbols::PrivateStore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, QueueKind};
use crate::health;
use crate::library;
use crate::serve;

/// Which roles this process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    /// Takes uploads.
    pub ingest: bool,
    /// Reads and blames.
    pub analyzer: bool,
    /// Detects and pages.
    pub alerts: bool,
    /// Shows.
    pub dashboards: bool,
}

impl Roles {
    /// Everything in one process.
    pub(crate) const ALL: Self = Self { ingest: true, analyzer: true, alerts: true, dashboards: true };
    /// None; for `Roles { ingest: true, ..Roles::NONE }`.
    pub(crate) const NONE: Self = Self { ingest: false, analyzer: false, alerts: false, dashboards: false };

    fn all(self) -> bool {
        self == Self::ALL
    }
}

/// Roles that run: stop them with the token given to [`start`], then [`Running::finished`].
pub(crate) struct Running {
    tasks: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
    database: Option<Database>,
    queue: Option<Queue>,
    signals: Option<Signals>,
    drain: Duration,
}

/// Beyond the time for uploads under way: what a role needs to finish the batch in hand.
const ROLE_GRACE: Duration = Duration::from_secs(5);

/// Opens what the roles need, starts them, and returns when the port answers.
pub(crate) async fn start(config: &Config, roles: Roles, stop: CancellationToken) -> anyhow::Result<Running> {
    let begun = Instant::now();
    refuse_split_embedded(config, roles)?;
    // The port first: a taken one should be known before anything is opened.
    let listener = serve::bind(&config.server).await?;
    std::fs::create_dir_all(&config.server.data)
        .with_context(|| format!("cannot create the data folder {}", config.server.data.display()))?;

    let Stores { database, queue, signals } = Stores::open(config, roles).await?;
    let blobs = Blobs::open(&config.blobs_dir()).context("cannot open the blob store")?;

    let mut registry = Registry::with_prefix("bluescope");
    let mut router = Router::new();
    let mut tasks = JoinSet::new();

    if let (true, Some(queue), Some(signals)) = (roles.ingest, &queue, &signals) {
        let (queue, blobs, signals) = (queue.clone(), blobs.clone(), signals.clone());
        let ingest = Ingest::new(ingest_config(config), queue, blobs, signals, &mut registry);
        router = router.merge(ingest.router());
    }
    if let (true, Some(queue), Some(database), Some(signals)) = (roles.analyzer, &queue, &database, &signals)
    {
        let owners = Arc::new(config.owners()?);
        let library = library::library(config, private_symbols(config, &blobs), &mut registry)?;
        let deep = DeepWorker::new(
            deep_config(config, &owners),
            blobs.clone(),
            database.clone(),
            Arc::new(library),
            &mut registry,
        );
        let worker = Worker::new(
            worker_config(config, &owners),
            queue.clone(),
            blobs.clone(),
            database.clone(),
            signals.clone(),
            &mut registry,
        );
        let (stop, deep_stop) = (stop.clone(), stop.clone());
        tasks.spawn(async move { worker.run(stop).await.context("the analyzer stopped") });
        tasks.spawn(async move {
            deep.run(deep_stop).await;
            Ok(())
        });
    }
    if let (true, Some(database), Some(signals)) = (roles.alerts, &database, &signals) {
        let store = AlertStore::open(&config.alerts_dir()).await.context("cannot open the alert store")?;
        let metrics = AlertsMetrics::new(&mut registry);
        let (config, database, stop) = (alerts_config(config), database.clone(), stop.clone());
        let signals = signals.clone();
        tasks.spawn(async move {
            let ended = alerts::run(config, signals, store.clone(), database, metrics, stop).await;
            store.close().await;
            ended.context("the alerts role stopped")
        });
    }
    // Pushing needs the database, which the intake of crashes does without: it is served beside the pages that ask for it.
    if let (true, Some(database)) = (roles.dashboards, &database) {
        let store = SymbolStore::new(blobs.clone());
        let intake = SymbolIntake::new(symbol_intake_config(config), store, database.clone(), &mut registry);
        router = router.merge(intake.router());
    }
    if let (true, Some(queue), Some(database)) = (roles.dashboards, &queue, &database) {
        let pages = Dashboards::new(database.clone(), queue.clone(), &mut registry)
            .with_blobs(blobs.clone())
            .with_upload_url(config.server.public_url())
            .with_access(config.access.pages()?)
            .with_acts_token(config.server.acts_token.clone())
            .with_stop(stop.clone());
        router = router.merge(pages.router());
    }
    router = router.merge(health::router(registry, database.clone(), queue.clone()));

    let server = config.server.clone();
    let serving = stop.clone();
    tasks.spawn(async move { serve::serve(listener, router, &server, serving).await });
    tracing::info!(
        url = config.server.public_url(),
        data = %config.server.data.display(),
        ready_ms = begun.elapsed().as_millis() as u64,
        "ready"
    );
    Ok(Running { tasks, stop, database, queue, signals, drain: config.server.shutdown_timeout })
}

/// What several roles share, opened once.
struct Stores {
    database: Option<Database>,
    queue: Option<Queue>,
    signals: Option<Signals>,
}

impl Stores {
    /// Opens those that the roles need, and no other.
    async fn open(config: &Config, roles: Roles) -> anyhow::Result<Self> {
        let database = match roles.analyzer || roles.alerts || roles.dashboards {
            true => Some(
                Database::open_or_wait(&database_config(config)).await.context("cannot open the database")?,
            ),
            false => None,
        };
        let queue = match roles.ingest || roles.analyzer || roles.dashboards {
            true => Some(Queue::open(&queue_config(config)).await.context("cannot open the queue")?),
            false => None,
        };
        let signals = match roles.ingest || roles.analyzer || roles.alerts {
            true => Some(
                Signals::open(&signals_config(config)).await.context("cannot open the stream of signals")?,
            ),
            false => None,
        };
        Ok(Self { database, queue, signals })
    }
}

impl Running {
    /// Waits until the roles have ended: because they were told to, or because one of them failed, which ends all.
    pub(crate) async fn finished(mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        let stop = self.stop.clone();
        // What a role still does after that comes again at the next start; waiting longer would only earn a SIGKILL.
        let too_long = async {
            stop.cancelled().await;
            tokio::time::sleep(self.drain + ROLE_GRACE).await;
        };
        tokio::pin!(too_long);
        loop {
            let joined = tokio::select! {
                joined = self.tasks.join_next() => joined,
                () = &mut too_long => {
                    tracing::warn!("a role does not stop, probably for a store that does not answer: left where it is");
                    self.tasks.abort_all();
                    break;
                }
            };
            let Some(joined) = joined else { break };
            let ended = joined.context("a role panicked").and_then(|result| result);
            if !self.stop.is_cancelled() && ended.is_ok() {
                outcome = Err(anyhow::anyhow!("a role ended by itself"));
            }
            if let Err(error) = ended {
                tracing::error!(error = format!("{error:#}"), "a role failed");
                outcome = outcome.and(Err(error));
            }
            self.stop.cancel();
        }
        let closing = async {
            if let Some(queue) = self.queue {
                queue.close().await;
            }
            if let Some(signals) = self.signals {
                signals.close().await;
            }
            if let Some(database) = self.database {
                database.close().await;
            }
        };
        if tokio::time::timeout(self.drain, closing).await.is_err() {
            tracing::warn!("the stores took too long to close; what was answered is durable all the same");
        }
        tracing::info!("stopped");
        outcome
    }
}

/// The embedded engines live in one process: a single role on them would see nothing of the others.
fn refuse_split_embedded(config: &Config, roles: Roles) -> anyhow::Result<()> {
    if roles.all() {
        return Ok(());
    }
    anyhow::ensure!(
        config.queue.kind == QueueKind::Kafka,
        "a single role needs a queue that others reach: set queue.kind = \"kafka\", or run `bluescope up`"
    );
    anyhow::ensure!(
        config.database.url.is_some() || roles == Roles { ingest: true, ..Roles::NONE },
        "a single role needs a ClickHouse server: set database.url, or run `bluescope up`"
    );
    Ok(())
}

/// Where the configuration says that ClickHouse is.
pub(crate) fn database_config(config: &Config) -> DatabaseConfig {
    let database = &config.database;
    match &database.url {
        Some(url) => DatabaseConfig::Server {
            url: url.clone(),
            user: database.user.clone(),
            password: database.password.clone(),
            database: database.database.clone(),
        },
        None => DatabaseConfig::Embedded { dir: config.clickhouse_dir(), library: database.library.clone() },
    }
}

fn queue_config(config: &Config) -> QueueConfig {
    let queue = &config.queue;
    match queue.kind {
        QueueKind::Embedded => {
            QueueConfig::Log(LogConfig { dir: config.queue_dir(), max_bytes: queue.max_size.as_u64() })
        }
        QueueKind::Kafka => QueueConfig::Kafka(kafka_config(config)),
    }
}

fn kafka_config(config: &Config) -> KafkaConfig {
    let queue = &config.queue;
    KafkaConfig {
        brokers: queue.brokers.clone(),
        topic: queue.topic.clone(),
        dead_letter_topic: queue.dead_letter_topic.clone().unwrap_or_else(|| format!("{}.dead", queue.topic)),
        group: queue.group.clone(),
        partitions: queue.partitions,
        replication: queue.replication,
        options: queue.options.clone(),
    }
}

/// The detector's stream is where the queue is.
pub(crate) fn signals_config(config: &Config) -> SignalsConfig {
    match config.queue.kind {
        QueueKind::Embedded => SignalsConfig::Log {
            dir: config.signals_dir(),
            keep_bytes: config.signals.max_size.as_u64(),
            keep_ms: i64::try_from(config.signals.keep.as_millis()).unwrap_or(i64::MAX),
        },
        QueueKind::Kafka => SignalsConfig::Kafka(kafka_config(config)),
    }
}

fn tokens(config: &Config) -> Vec<Token> {
    let tokens = config.ingest.tokens.iter();
    tokens.map(|one| Token { token: one.token.clone(), tenant: one.tenant.clone() }).collect()
}

fn symbol_intake_config(config: &Config) -> SymbolIntakeConfig {
    SymbolIntakeConfig {
        tokens: tokens(config),
        max_bytes: config.symbols.max_file.as_u64(),
        ..SymbolIntakeConfig::default()
    }
}

fn ingest_config(config: &Config) -> IngestConfig {
    let ingest = &config.ingest;
    IngestConfig {
        tokens: tokens(config),
        max_upload_bytes: ingest.max_dump.as_u64(),
        max_inline_bytes: bytes(ingest.max_inline),
        max_in_flight_bytes: bytes(ingest.max_in_flight),
        body_timeout: ingest.timeout,
        idle_timeout: IngestConfig::default().idle_timeout.min(ingest.timeout),
        ..IngestConfig::default()
    }
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

fn worker_config(config: &Config, owners: &Arc<Owners>) -> WorkerConfig {
    let defaults = WorkerConfig::default();
    WorkerConfig {
        parallelism: config.analyzer.threads.unwrap_or(defaults.parallelism),
        keep_per_bucket: config.analyzer.keep_per_bucket,
        // Never less than what intake took before its limit was lowered.
        limits: Limits {
            dump_bytes: defaults.limits.dump_bytes.max(config.ingest.max_dump.as_u64()),
            ..defaults.limits
        },
        owners: Arc::clone(owners),
        ..defaults
    }
}

fn deep_config(config: &Config, owners: &Arc<Owners>) -> DeepConfig {
    DeepConfig {
        limits: Limits { details: false, ..worker_config(config, owners).limits },
        owners: Arc::clone(owners),
        parallelism: config.symbols.threads,
        per_bucket: config.symbols.per_bucket,
        ..DeepConfig::default()
    }
}

/// What was pushed.
fn private_symbols(config: &Config, blobs: &Blobs) -> Arc<dyn PrivateStore> {
    Arc::new(PrivateSymbols::new(SymbolStore::new(blobs.clone()), config.symbols.max_file.as_u64()))
}

fn alerts_config(config: &Config) -> AlertsConfig {
    config.alerts.role(config.server.public_url())
}
