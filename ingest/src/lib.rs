//! HTTP intake: authenticate, cap, inflate, identify, make durable, answer. Owns the way of an upload from the socket
//! to the queue's acknowledgement, that of heartbeats, inventories and changes to the stream of signals, and that of a
//! symbol file to the store; looks at a dump's fixed header only, and never at what follows.
//!
//! ```text
//! POST /v1/crashes        the dump as the body, or multipart/form-data as Crashpad and Breakpad send it
//!   Authorization         Bearer TOKEN, or ?token=TOKEN
//!   Content-Encoding      gzip or zstd, or none
//!   X-Bluescope-Machine   who crashed; in a form also `machine`, else `guid`; else the address it comes from
//!   X-Bluescope-Ring, X-Bluescope-Site, X-Bluescope-Tag-NAME
//! 200 {"crash_id":"..."}  durable; a form gets `CrashID=bp-...`
//! 4xx, 5xx                {"error":{"code":"...","message":"..."}}
//!
//! POST /v1/heartbeats     a machine lives: by its headers and an empty body, with `X-Bluescope-Farewell: true` when it goes
//!                         down on purpose; or, up to 10,000 machines from a relay,
//!                         {"machines":[{"machine":"pc-1","at":"2026-01-31T12:00:00Z","farewell":true}]}
//! POST /v1/inventory      what a machine is and loads, in full; or {"machines":[...]} of up to 1,000
//!                         {"machine":"pc-1","site":"Berlin 3","ring":"broad","model":"...","os_build":19045,
//!                          "drivers":[{"name":"csagent.sys","version":"7.11","timestamp":"0x66902c2a","size":2183168}]}
//! POST /v1/changes        what was changed on purpose, or a list of up to 1,000
//!                         {"what":"csagent.sys","version":"7.11","timestamp":1720724522,"at":"...","ring":"broad",
//!                          "vendor":"..."}
//! 200 {"taken":1}         durable; {"taken":1,"refused":[{"index":1,"reason":"..."}]} where some entries were wrong. The
//!                         same headers, tokens and codings as for crashes; sent again, nothing counts twice
//!
//! POST /v1/symbols?name=  an image, PDB, `.sym` file, or a zip or cabinet of those: as the body, or several in a form
//! 200 {"files":[{"id":"...","kind":"...","name":"...","bytes":1}],"refused":[{"name":"...","reason":"..."}]}
//! GET /v1/symbols/missing?limit=&after=
//! 200 {"missing":[{"id":"...","kind":"...","crashes":1,"machines":1,...}],"next":null}
//! ```
#![forbid(unsafe_code)]

mod admission;
mod auth;
mod body;
mod config;
mod form;
mod inflate;
mod metrics;
mod origin;
mod push;
mod received;
mod refusal;
mod told;
mod upload;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use prometheus_client::registry::Registry;
use storage::blobs::Blobs;
use storage::queue::Queue;
use storage::signals::Signals;

use admission::Admission;
use auth::Tenants;
pub use config::{IngestConfig, Token};
use metrics::Metrics;
use origin::Origin;
pub use push::{SymbolIntake, SymbolIntakeConfig};
use received::{Compressed, Received};
use refusal::Refusal;

/// The intake.
#[derive(Debug)]
pub struct Ingest {
    inner: Inner,
}

#[derive(Debug)]
struct Inner {
    tenants: Tenants,
    admission: Admission,
    config: IngestConfig,
    queue: Queue,
    blobs: Blobs,
    signals: Signals,
    metrics: Metrics,
    answers: AtomicU32,
}

impl Ingest {
    /// Makes an intake that appends dumps to `queue` and all else to `signals`, and registers its metrics.
    pub fn new(
        config: IngestConfig,
        queue: Queue,
        blobs: Blobs,
        signals: Signals,
        registry: &mut Registry,
    ) -> Self {
        let tenants = Tenants::new(&config.tokens);
        if tenants.is_open() {
            tracing::warn!("no tokens are set: whoever reaches the port may upload");
        }
        let admission = Admission::new(&config);
        let metrics = Metrics::register(registry);
        let answers = AtomicU32::new(0);
        Self { inner: Inner { tenants, admission, config, queue, blobs, signals, metrics, answers } }
    }

    /// The routes. The server in front bounds heads and connections; bodies are bounded here, since the limits depend
    /// on what they inflate to. It should tell the peer's address as `ConnectInfo<SocketAddr>`.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v1/crashes", post(upload::upload).fallback(wrong_method))
            .route("/v1/heartbeats", post(told::heartbeats).fallback(wrong_method))
            .route("/v1/inventory", post(told::inventory).fallback(wrong_method))
            .route("/v1/changes", post(told::changes).fallback(wrong_method))
            .with_state(Arc::new(self.inner))
    }
}

async fn wrong_method(State(ingest): State<Arc<Inner>>) -> Response {
    Refusal::WrongMethod("POST").into_response(ingest.next_spread())
}

impl Inner {
    fn next_spread(&self) -> u32 {
        self.answers.fetch_add(1, Ordering::Relaxed)
    }

    fn show_held(&self) {
        let held = self.admission.taken_bytes();
        self.metrics.held.set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    fn count(&self, received: &Received, origin: &Origin) {
        self.metrics.inflated.inc_by(received.raw_len);
        self.metrics.stored.inc_by(received.stored_len);
        if matches!(received.compressed, Compressed::File(_)) {
            self.metrics.spilled.inc();
        }
        self.metrics.dropped_tags.inc_by(u64::try_from(origin.dropped_tags).unwrap_or(u64::MAX));
    }
}
