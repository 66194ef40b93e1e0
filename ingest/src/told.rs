//! Intake of what the detector is told besides crashes: heartbeats, inventories and changes. Owns the way of such a
//! request from the head to the stream's acknowledgement, and its limits; what an entry may say is in the files below.

mod beats;
mod changes;
mod entries;
mod inventory;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Json, Response};
use http::header;
use http::request::Parts;
use serde::Serialize;
use storage::signals::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

use crate::Inner;
use crate::body::{Incoming, WireLimits};
use crate::config::IngestConfig;
use crate::inflate::{Caps, Encoding, RATIO_FROM_BYTES, inflate};
use crate::metrics::Told;
use crate::origin::Origin;
use crate::refusal::Refusal;
use crate::upload::{boundary, declared_length, log, now_ms};
use entries::Entries;

/// Refused entries that an answer lists: of thousands people want to see the kind of fault.
const MOST_REASONS: usize = 100;
/// What the parts of a body take beside it once they are read.
const PARSED: usize = 3;
/// Bodies from this length on are read on a blocking thread: 64 KiB of JSON take a third of a millisecond.
const LONG: usize = 64 * 1024;

/// What is told.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Heartbeats,
    Inventory,
    Changes,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Heartbeats => "heartbeats",
            Self::Inventory => "inventory",
            Self::Changes => "changes",
        }
    }

    /// Longest body, on the wire and inflated.
    fn bytes(self) -> u64 {
        match self {
            // 10,000 machines with names of 255 bytes and a moment.
            Self::Heartbeats => 4 * 1024 * 1024,
            // 1,000 machines with some 200 drivers of 100 bytes; those with 2,000 come in several requests.
            Self::Inventory => 32 * 1024 * 1024,
            Self::Changes => 1024 * 1024,
        }
    }
}

/// `POST /v1/heartbeats`.
pub(crate) async fn heartbeats(State(ingest): State<Arc<Inner>>, request: Request) -> Response {
    answer(&ingest, request, Kind::Heartbeats).await
}

/// `POST /v1/inventory`.
pub(crate) async fn inventory(State(ingest): State<Arc<Inner>>, request: Request) -> Response {
    answer(&ingest, request, Kind::Inventory).await
}

/// `POST /v1/changes`.
pub(crate) async fn changes(State(ingest): State<Arc<Inner>>, request: Request) -> Response {
    answer(&ingest, request, Kind::Changes).await
}

async fn answer(ingest: &Inner, request: Request, kind: Kind) -> Response {
    let begin = Instant::now();
    let (request, body) = request.into_parts();
    let body = Incoming::new(body);
    let taken = take(ingest, &request, &body, kind).await;
    let (outcome, response) = match taken {
        Ok(receipt) => {
            let count = u64::try_from(receipt.taken).unwrap_or(u64::MAX);
            ingest
                .metrics
                .told_entries
                .get_or_create(&Told { what: kind.name(), outcome: "taken" })
                .inc_by(count);
            ("accepted", Json(receipt).into_response())
        }
        Err(refusal) => {
            let sends = body.bytes() > 0 || !request.headers.contains_key(header::EXPECT);
            if refusal.may_leave_body() && sends {
                body.clone().drain().await;
            }
            log(&refusal, &request, body.bytes());
            (refusal.code(), refusal.into_response(ingest.next_spread()))
        }
    };
    ingest.metrics.received.inc_by(body.bytes());
    ingest.metrics.told.get_or_create(&Told { what: kind.name(), outcome }).inc();
    ingest.metrics.told_duration.observe(begin.elapsed().as_secs_f64());
    ingest.show_held();
    response
}

/// The answer: how many entries are durable, and which are not.
#[derive(Debug, Serialize)]
struct Receipt {
    taken: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused>,
}

/// An entry that is not taken.
#[derive(Debug, Serialize)]
struct Refused {
    index: usize,
    reason: String,
}

/// Whose it is, and what is known of who sends it.
#[derive(Debug, Clone)]
struct Sender {
    tenant: String,
    /// The machine, where one speaks for itself.
    machine: String,
    ring: String,
    site: String,
    network: String,
    farewell: bool,
    now_ms: i64,
}

/// What came out of a body.
#[derive(Debug)]
struct Heard {
    signals: Vec<Signal>,
    taken: usize,
    refused: Vec<(usize, String)>,
}

async fn take(ingest: &Inner, request: &Parts, body: &Incoming, kind: Kind) -> Result<Receipt, Refusal> {
    let tenant = ingest.tenants.tenant(request)?.to_owned();
    let encoding = Encoding::of(&request.headers)?;
    if boundary(request)?.is_some() {
        return Err(Refusal::NoForm);
    }
    let declared = declared_length(request);
    if declared.is_some_and(|bytes| bytes > kind.bytes()) {
        return Err(Refusal::TooLarge { limit: kind.bytes() });
    }
    let sender = sender(tenant, request)?;
    let config = &ingest.config;
    let limits = WireLimits { bytes: kind.bytes(), idle: config.idle_timeout, total: config.body_timeout };
    let mut wire = body.reader(limits);
    let encoding = match encoding {
        Encoding::Zstd { .. } => {
            encoding.bound_to(wire.fill_buf().await.map_err(|error| Refusal::from_read(&error))?)
        }
        Encoding::Identity | Encoding::Gzip => encoding,
    };
    let most = most_bytes(kind, encoding, declared, config);
    let need = usize::try_from(most).unwrap_or(usize::MAX).saturating_mul(1 + PARSED);
    let share = ingest.admission.take(need.saturating_add(encoding.decoder_bytes()), config).await?;
    ingest.show_held();

    let caps = Caps { bytes: kind.bytes().min(most), ratio: config.max_ratio };
    let mut text = Vec::new();
    let mut inflated = inflate(encoding, wire, caps);
    inflated.read_to_end(&mut text).await.map_err(|error| Refusal::from_read(&error))?;
    let Heard { signals, taken, refused } = hear(kind, text, sender).await?;
    if taken == 0 {
        return Err(Refusal::NothingTaken(reasons(&refused)));
    }
    let begin = Instant::now();
    ingest.signals.append(signals).await.map_err(|error| {
        tracing::warn!(cause = ?error, what = kind.name(), "what was told was not stored");
        Refusal::Unavailable
    })?;
    drop(share);
    ingest.metrics.append_duration.observe(begin.elapsed().as_secs_f64());
    let refused = refused.into_iter().take(MOST_REASONS);
    let refused = refused.map(|(index, reason)| Refused { index, reason }).collect();
    Ok(Receipt { taken, refused })
}

/// What a body may inflate to, with what is known of it before it is read.
fn most_bytes(kind: Kind, encoding: Encoding, declared: Option<u64>, config: &IngestConfig) -> u64 {
    let Some(declared) = declared else { return kind.bytes() };
    match encoding {
        Encoding::Identity => declared,
        // Below this the ratio is not looked at.
        Encoding::Gzip | Encoding::Zstd { .. } => {
            declared.saturating_mul(config.max_ratio).max(RATIO_FROM_BYTES).min(kind.bytes())
        }
    }
}

fn sender(tenant: String, request: &Parts) -> Result<Sender, Refusal> {
    let origin = Origin::from_headers(request)?;
    let machine = origin.machine(request);
    let farewell = origin.farewell();
    let (ring, site, _) = origin.into_rest();
    Ok(Sender {
        tenant,
        machine,
        ring,
        site,
        network: crate::origin::network(request),
        farewell,
        now_ms: now_ms(),
    })
}

/// Reads a body; a long one on a thread that may take its time.
async fn hear(kind: Kind, text: Vec<u8>, sender: Sender) -> Result<Heard, Refusal> {
    if text.len() < LONG {
        return read(kind, &text, &sender);
    }
    tokio::task::spawn_blocking(move || read(kind, &text, &sender)).await.map_err(|error| {
        tracing::error!(cause = ?error, "what was told could not be read");
        Refusal::Unavailable
    })?
}

fn read(kind: Kind, text: &[u8], sender: &Sender) -> Result<Heard, Refusal> {
    match kind {
        Kind::Heartbeats => beats::read(text, sender),
        Kind::Inventory => inventory::read(text, sender),
        Kind::Changes => changes::read(text, sender),
    }
}

/// Reads each entry; those that are wrong hinder no other.
fn each<'a, T>(
    entries: &Entries<'a>,
    one: impl Fn(&'a str) -> Result<T, String>,
    signal: impl FnOnce(Vec<T>) -> Vec<Signal>,
) -> Heard {
    let (mut good, mut refused) = (Vec::with_capacity(entries.len()), Vec::new());
    for (index, entry) in entries.iter().enumerate() {
        match one(entry) {
            Ok(thing) => good.push(thing),
            Err(reason) => refused.push((index, reason)),
        }
    }
    let taken = good.len();
    Heard { signals: if taken > 0 { signal(good) } else { Vec::new() }, taken, refused }
}

/// The first few reasons, as one sentence.
fn reasons(refused: &[(usize, String)]) -> String {
    if refused.is_empty() {
        return "there is no entry".to_owned();
    }
    let shown: Vec<String> =
        refused.iter().take(3).map(|(index, reason)| format!("entry {index}: {reason}")).collect();
    let more = refused.len().saturating_sub(shown.len());
    let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{rest}", shown.join("; "))
}
