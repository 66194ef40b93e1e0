//! Intake of symbol files: who pushes, how much, what it is, stored, noted. Owns the two routes and their limits; what a
//! file is says the `symbols` crate.
//!
//! It needs the database, which the intake of crashes must not: crashes are taken while ClickHouse is away. So it is
//! served where people already go for answers, beside the pages, and not by the scaled-out intake.

mod look;
mod metrics;
mod missing;
mod spool;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{get, post};
use http::header;
use http::request::Parts;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use storage::database::Database;
use storage::symbols::SymbolStore;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::auth::Tenants;
use crate::body::{Incoming, WireLimits};
use crate::config::{FORM_ROOM, Token};
use crate::inflate::{Caps, Encoding, inflate};
use crate::origin::peer;
use crate::refusal::Refusal;
use crate::upload::{boundary, declared_length, log};
use metrics::{Metrics, Outcome};
use store::Pushed;

/// What is accepted, and how much of it at once.
#[derive(Debug, Clone)]
pub struct SymbolIntakeConfig {
    /// Who may push, and whose crashes the files are for: the tokens of the intake of crashes.
    pub tokens: Vec<Token>,
    /// Longest body, on the wire and inflated, and longest sum of files in an archive. One upload at a time is looked
    /// into, a PDB where it lies, all else in memory: at worst an archive of this length that unpacks to as much again.
    pub max_bytes: u64,
    /// Uploads at once: each takes up to `max_bytes` of disk until it is looked into.
    pub at_once: usize,
    /// How long the next one waits for its turn.
    pub admission_wait: Duration,
    /// Longest time for one whole body.
    pub body_timeout: Duration,
    /// Longest pause between two parts of a body.
    pub idle_timeout: Duration,
    /// How much longer than its compressed form a body may become.
    pub max_ratio: u64,
}

impl Default for SymbolIntakeConfig {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            // The kernel's PDB has 20 MB; those of browsers pass 1 GiB, and few others do.
            max_bytes: 1024 * 1024 * 1024,
            // A build pushes its files one after the other, and few builds end in one moment.
            at_once: 4,
            // As for crashes: less than a client waits before it calls a server dead.
            admission_wait: Duration::from_secs(2),
            // 1 GiB in half an hour is 600 kB/s.
            body_timeout: Duration::from_secs(30 * 60),
            idle_timeout: Duration::from_secs(15),
            // PDBs compress 3 to 10 times, and have empty pages.
            max_ratio: 300,
        }
    }
}

/// The intake of symbol files.
#[derive(Debug)]
pub struct SymbolIntake {
    inner: Inner,
}

#[derive(Debug)]
struct Inner {
    tenants: Tenants,
    config: SymbolIntakeConfig,
    store: SymbolStore,
    database: Database,
    metrics: Metrics,
    uploads: Semaphore,
    /// One upload at a time may be in memory.
    looking: Semaphore,
    answers: AtomicU32,
}

impl SymbolIntake {
    /// Makes an intake that files into `store`, tells `database`, and registers its metrics.
    pub fn new(
        config: SymbolIntakeConfig,
        store: SymbolStore,
        database: Database,
        registry: &mut Registry,
    ) -> Self {
        let inner = Inner {
            tenants: Tenants::new(&config.tokens),
            uploads: Semaphore::new(config.at_once.clamp(1, Semaphore::MAX_PERMITS)),
            looking: Semaphore::new(1),
            metrics: Metrics::register(registry),
            answers: AtomicU32::new(0),
            config,
            store,
            database,
        };
        Self { inner }
    }

    /// The routes. As for crashes, the server in front bounds heads and connections.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v1/symbols", post(push).fallback(only_post))
            .route("/v1/symbols/missing", get(missing::missing).fallback(only_get))
            .with_state(Arc::new(self.inner))
    }
}

async fn only_post(State(intake): State<Arc<Inner>>) -> Response {
    intake.refuse(Refusal::WrongMethod("POST"))
}

async fn only_get(State(intake): State<Arc<Inner>>) -> Response {
    intake.refuse(Refusal::WrongMethod("GET"))
}

impl Inner {
    fn refuse(&self, refusal: Refusal) -> Response {
        refusal.into_response(self.answers.fetch_add(1, Ordering::Relaxed))
    }
}

/// `POST /v1/symbols`.
async fn push(State(intake): State<Arc<Inner>>, request: Request) -> Response {
    let begin = Instant::now();
    let (request, body) = request.into_parts();
    let body = Incoming::new(body);
    let taken = take(&intake, &request, &body).await;
    let (outcome, response) = match taken {
        Ok(pushed) => ("accepted", Json(pushed).into_response()),
        Err(refusal) => {
            let sends = body.bytes() > 0 || !request.headers.contains_key(header::EXPECT);
            if refusal.may_leave_body() && sends {
                body.clone().drain().await;
            }
            log(&refusal, &request, body.bytes());
            (refusal.code(), intake.refuse(refusal))
        }
    };
    intake.metrics.received.inc_by(body.bytes());
    intake.metrics.uploads.get_or_create(&Outcome { outcome }).inc();
    intake.metrics.upload_duration.observe(begin.elapsed().as_secs_f64());
    response
}

#[derive(Deserialize)]
struct NameQuery {
    name: Option<String>,
}

/// Takes an upload, or says why not. What can be refused by the head alone is refused before the body is read.
async fn take(intake: &Arc<Inner>, request: &Parts, body: &Incoming) -> Result<Pushed, Refusal> {
    let config = &intake.config;
    let tenant = intake.tenants.tenant(request)?.to_owned();
    let encoding = Encoding::of(&request.headers)?;
    let boundary = boundary(request)?;
    if declared_length(request).is_some_and(|bytes| bytes > config.max_bytes.saturating_add(FORM_ROOM)) {
        return Err(Refusal::TooLarge { limit: config.max_bytes });
    }
    let _slot = match timeout(config.admission_wait, intake.uploads.acquire()).await {
        Ok(Ok(slot)) => slot,
        Ok(Err(_)) | Err(_) => return Err(Refusal::Busy),
    };
    let limits =
        WireLimits { bytes: config.max_bytes, idle: config.idle_timeout, total: config.body_timeout };
    let wire = body.reader(limits);
    let caps = Caps { bytes: config.max_bytes, ratio: config.max_ratio };
    let files = match boundary {
        None => {
            let name =
                Query::<NameQuery>::try_from_uri(&request.uri).ok().and_then(|Query(query)| query.name);
            let mut file = inflate(encoding, wire, caps);
            vec![spool::file(name.unwrap_or_default(), &mut file, &intake.store).await?]
        }
        Some(boundary) => {
            let caps = Caps { bytes: caps.bytes.saturating_add(FORM_ROOM), ..caps };
            spool::form(inflate(encoding, wire, caps), boundary, &intake.store).await?
        }
    };
    let peer = peer(request).map(|ip| ip.to_string()).unwrap_or_default();
    // A task of its own: a client that hangs up now must not leave a file that nobody is told of.
    let filing = store::file(Arc::clone(intake), tenant, peer, files);
    tokio::spawn(filing).await.map_err(|error| {
        tracing::error!(cause = ?error, "symbol files were not stored");
        Refusal::Unavailable
    })?
}
