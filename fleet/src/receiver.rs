//! A webhook receiver that believes only what is signed (Standard Webhooks) and remembers when it came.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use standardwebhooks::{HEADER_WEBHOOK_ID, Webhook};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;

/// Largest notification that is read.
const MAX_BODY: usize = 1 << 20;

/// The secret of demonstrations on loopback, where nobody else can send. Never use it anywhere else.
pub const DEMO_SECRET: &str = "whsec_Ymx1ZXNjb3BlIGRlbW8gb24gbG9vcGJhY2sgb25seQ==";

/// Where to listen, and the secret that senders sign with.
#[derive(Clone)]
pub struct ReceiverConfig {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
    /// `whsec_...` or the bare base64.
    pub secret: String,
}

impl fmt::Debug for ReceiverConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverConfig").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// One notification whose signature was right.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// When it was read, milliseconds since 1970.
    pub at_ms: i64,
    /// `webhook-id`.
    pub id: String,
    /// Whether that id had come before: senders repeat what they are unsure of.
    pub repeated: bool,
    /// The body; null where it is not JSON.
    pub body: serde_json::Value,
}

impl Arrival {
    /// `type` of the body.
    pub fn kind(&self) -> &str {
        self.body.get("type").and_then(|kind| kind.as_str()).unwrap_or_default()
    }

    /// The driver that it is about.
    pub fn driver(&self) -> &str {
        self.word("/data/driver")
    }

    /// The incident that it is about.
    pub fn incident_id(&self) -> &str {
        self.word("/data/incident_id")
    }

    /// `sev1`, `sev2`.
    pub fn severity(&self) -> &str {
        self.word("/data/severity")
    }

    /// The line for a phone's lock screen.
    pub fn summary(&self) -> &str {
        self.word("/data/summary")
    }

    /// Machines that it counts.
    pub fn machines(&self) -> u64 {
        self.body.pointer("/data/machines").and_then(serde_json::Value::as_u64).unwrap_or_default()
    }

    /// Whether it wakes somebody: an incident that begins or comes back as a page, or becomes one.
    pub fn is_page(&self) -> bool {
        self.begins() && self.severity() == "sev1"
    }

    fn begins(&self) -> bool {
        matches!(self.kind(), "incident.opened" | "incident.escalated" | "incident.reopened")
    }

    fn word(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(|word| word.as_str()).unwrap_or_default()
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = if self.repeated { " (again)" } else { "" };
        write!(f, "{}{again} {} {:?}", self.kind(), self.id, self.summary())
    }
}

/// A receiver at work.
pub struct Receiver {
    address: SocketAddr,
    desk: Arc<Desk>,
    news: tokio::sync::Mutex<mpsc::UnboundedReceiver<Arrival>>,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

struct Desk {
    signature: Webhook,
    seen: Mutex<Seen>,
    tell: mpsc::UnboundedSender<Arrival>,
}

#[derive(Default)]
struct Seen {
    arrivals: Vec<Arrival>,
    ids: HashSet<String>,
    refused: u64,
}

impl Receiver {
    /// Starts to listen.
    pub async fn start(config: &ReceiverConfig) -> Result<Self> {
        let signature = Webhook::new(&config.secret).context("the webhook secret is not base64")?;
        let listen = config.listen;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot receive webhooks on {listen}"))?;
        let address = listener.local_addr()?;
        let (tell, news) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk { signature, seen: Mutex::default(), tell });
        let router = Router::new()
            .fallback(receive)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(Arc::clone(&desk));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server =
            tokio::spawn(async { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Ok(Self { address, desk, news: tokio::sync::Mutex::new(news), stop, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next notification. Cancelling loses none.
    pub async fn next(&self) -> Arrival {
        match self.news.lock().await.recv().await {
            Some(arrival) => arrival,
            // the sender lives in `desk`, which we hold
            None => std::future::pending().await,
        }
    }

    /// What came so far.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.desk.seen().arrivals.clone()
    }

    /// What said that an incident is over, unless it has come back since.
    pub fn over(&self, incident_id: &str) -> Option<Arrival> {
        let arrivals = self.arrivals();
        let of_it = |arrival: &&Arrival| arrival.incident_id() == incident_id && !arrival.repeated;
        let turns = |arrival: &&Arrival| arrival.begins() || arrival.kind() == "incident.resolved";
        let last = arrivals.iter().rev().filter(of_it).find(turns)?;
        (last.kind() == "incident.resolved").then(|| last.clone())
    }

    /// How many requests had no right signature.
    pub fn refused(&self) -> u64 {
        self.desk.seen().refused
    }

    /// Answers what is being answered, then stops.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.server.await.context("the receiver failed")?.context("the receiver failed")
    }
}

impl Desk {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, headers: &HeaderMap, body: &Bytes) {
        let id =
            headers.get(HEADER_WEBHOOK_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let body = serde_json::from_slice(body).unwrap_or_default();
        let mut seen = self.seen();
        let repeated = !seen.ids.insert(id.clone());
        let arrival = Arrival { at_ms: now_ms(), id, repeated, body };
        seen.arrivals.push(arrival.clone());
        drop(seen);
        // nobody waits for it any more: it is still remembered
        self.tell.send(arrival).ok();
    }
}

async fn receive(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match desk.signature.verify(&body, &headers) {
        Ok(()) => {
            desk.remember(&headers, &body);
            StatusCode::NO_CONTENT
        }
        Err(error) => {
            tracing::warn!(%error, "refused a webhook");
            desk.seen().refused += 1;
            StatusCode::UNAUTHORIZED
        }
    }
}

/// Receives until `stop`, handing each arrival to `show`.
pub async fn run(
    config: &ReceiverConfig,
    stop: CancellationToken,
    mut show: impl FnMut(&Arrival),
) -> Result<()> {
    let receiver = Receiver::start(config).await?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return receiver.stop().await,
            arrival = receiver.next() => show(&arrival),
        }
    }
}

#[cfg(test)]
mod tests;
