//! The server as a client sees it: uploads with retries, inventories, the ledger, the incidents. The only file that
//! knows its routes and headers.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use detector::attribution::Origin;
use dump::synth::hash;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::machines::Machine;

/// Where the server is, and what it wants to hear.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// A dump on its way.
#[derive(Clone)]
pub(crate) enum Body {
    /// As it is.
    Raw(Vec<u8>),
    /// zstd-compressed.
    Zstd(Vec<u8>),
    /// As the file of a form.
    Form(Vec<u8>),
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Raw(bytes) | Self::Zstd(bytes) | Self::Form(bytes) => bytes.len(),
        }
    }
}

/// How an upload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Durable at the server, which calls the crash this.
    Accepted(Accepted),
    /// Refused for good.
    Rejected(String),
}

/// How an attempt ended that got an answer.
pub(crate) enum Sent {
    /// With a success.
    Taken(Response),
    /// With a refusal, for good.
    Refused(String),
}

/// What the server says of an upload that it took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Accepted {
    /// The crash's identity.
    #[serde(default)]
    pub(crate) crash_id: String,
}

/// Counts of deliveries and crashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Durable in the queue.
    pub accepted: u64,
    /// Ended as a row with a verdict.
    pub analysed: u64,
    /// Ended as a row that says why not.
    pub unreadable: u64,
    /// Given up.
    pub dead_lettered: u64,
    /// Still to do.
    pub queued: u64,
    /// Distinct crashes.
    pub crashes: u64,
    /// Whether the server itself finds that these add up.
    #[serde(alias = "holds")]
    pub balanced: bool,
}

/// An incident as the server lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Incident {
    /// Its id.
    pub incident_id: String,
    /// The blamed driver.
    pub driver: String,
    /// `open`, `acknowledged`, `resolved`, `merged`.
    pub state: String,
    /// When it was opened, by the server's clock.
    pub opened_at_ms: i64,
    /// When it was over, where it is.
    pub resolved_at_ms: Option<i64>,
    /// Distinct machines.
    pub machines: u64,
    /// Distinct crashes.
    pub crashes: u64,
}

impl Incident {
    /// Whether it is over, by itself or as part of another.
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "resolved" | "merged")
    }
}

/// An incident as its page tells it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct IncidentPage {
    /// How often it came back.
    pub(crate) reopened: u32,
    /// What its machines share, once there are enough of them.
    pub(crate) attribution: Option<Shared>,
    /// Its life.
    pub(crate) events: Vec<Event>,
}

/// What an incident's machines share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// What the incident comes from.
    pub origin: Origin,
    /// The same in a sentence for people.
    pub sentence: String,
}

/// A step of an incident's life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    /// `opened`, `reopened`, ...
    pub(crate) kind: String,
    /// When, by the server's clock.
    pub(crate) at_ms: i64,
}

/// What a machine is and loads, as it tells the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Installed {
    pub(crate) machine: String,
    pub(crate) site: String,
    pub(crate) ring: &'static str,
    pub(crate) model: String,
    pub(crate) os_build: u32,
    pub(crate) drivers: Vec<InstalledDriver>,
}

/// A driver of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct InstalledDriver {
    pub(crate) name: &'static str,
    pub(crate) timestamp: u32,
    pub(crate) size: u32,
    /// What the file says of itself.
    pub(crate) version: String,
}

/// What a dump is to HTTP.
const BYTES: &str = "application/octet-stream";
/// How often a busy or unreachable server is asked again: an unreachable one for some 40 seconds in all.
const ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Machines of one request: the server takes a thousand.
const MOST_INVENTORIES: usize = 500;
/// Longest time for one symbol file.
const LONGEST_PUSH: Duration = Duration::from_secs(35 * 60);
/// A server may ask for more than we would wait by ourselves, but not for everything.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

impl Client {
    /// A client of the server at `url` with at most `connections` idle connections.
    pub(crate) fn new(url: &str, token: Option<&str>, connections: usize) -> Result<Self> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // somebody else may have been faster: then there is one, which is all we want
            rustls::crypto::ring::default_provider().install_default().ok();
        }
        let http = reqwest::Client::builder()
            // a proxy between a load generator and its server would be measured instead
            .no_proxy()
            .pool_max_idle_per_host(connections)
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(60))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), token: token.map(str::to_owned) })
    }

    #[cfg(test)]
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Uploads once. A connection that fails is an error, everything else an answer.
    pub(crate) async fn try_upload(&self, machine: &Machine, body: Body) -> reqwest::Result<Response> {
        self.request(machine, body).send().await
    }

    /// Uploads, patiently. Counts the repetitions in `retries`.
    pub(crate) async fn upload(&self, machine: &Machine, body: Body, retries: &mut u64) -> Result<Answer> {
        accepted(patiently(machine.seed, retries, || self.request(machine, body.clone())).await?).await
    }

    /// Uploads somebody's own dump, patiently.
    pub(crate) async fn upload_own(&self, machine: Option<&str>, dump: Bytes) -> Result<Answer> {
        let sent = patiently(hash(dump.len() as u64), &mut 0, || {
            let mut request = self.post().header(CONTENT_TYPE, BYTES).body(dump.clone());
            if let Some(machine) = machine {
                request = request.header("x-bluescope-machine", machine);
            }
            request
        })
        .await?;
        accepted(sent).await
    }

    /// Pushes a symbol file, patiently. `body` makes it anew for each attempt.
    pub(crate) async fn push(&self, name: &str, len: u64, body: impl Fn() -> reqwest::Body) -> Result<Sent> {
        let url = format!("{}/v1/symbols?name={}", self.base, encode(name));
        patiently(hash(len), &mut 0, || {
            let request = self.authorized(self.http.post(&url));
            // the server allows for half an hour, and looks into the file after that
            let request = request.timeout(LONGEST_PUSH).header(CONTENT_TYPE, BYTES);
            request.header(CONTENT_LENGTH, len).body(body())
        })
        .await
    }

    fn post(&self) -> RequestBuilder {
        // a form's answer is plain text unless one asks for JSON
        self.authorized(self.http.post(format!("{}/v1/crashes", self.base)))
            .header(ACCEPT, "application/json")
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn request(&self, machine: &Machine, body: Body) -> RequestBuilder {
        let request = self
            .post()
            .header("x-bluescope-machine", &machine.id)
            .header("x-bluescope-site", &machine.site)
            .header("x-bluescope-ring", machine.ring);
        match body {
            Body::Raw(dump) => request.header(CONTENT_TYPE, BYTES).body(dump),
            Body::Zstd(dump) => {
                request.header(CONTENT_TYPE, BYTES).header(CONTENT_ENCODING, "zstd").body(dump)
            }
            Body::Form(dump) => request.multipart(form(machine, dump)),
        }
    }

    /// The ledger.
    pub(crate) async fn ledger(&self) -> Result<Ledger> {
        #[derive(Deserialize)]
        struct Status {
            ledger: Ledger,
        }
        Ok(self.get::<Status>("/api/v1/status").await?.ledger)
    }

    /// All incidents.
    pub(crate) async fn incidents(&self) -> Result<Vec<Incident>> {
        #[derive(Deserialize)]
        struct Incidents {
            incidents: Vec<Incident>,
        }
        Ok(self.get::<Incidents>("/api/v1/incidents").await?.incidents)
    }

    /// One incident.
    pub(crate) async fn incident(&self, id: &str) -> Result<IncidentPage> {
        self.get(&format!("/api/v1/incidents/{}", encode(id))).await
    }

    /// Tells what machines are and load, patiently.
    pub(crate) async fn tell_inventory(&self, machines: &[Installed]) -> Result<()> {
        let url = format!("{}/v1/inventory", self.base);
        for part in machines.chunks(MOST_INVENTORIES) {
            let request = || self.authorized(self.http.post(&url)).json(part);
            if let Sent::Refused(why) = patiently(hash(part.len() as u64), &mut 0, request).await? {
                anyhow::bail!("{url} does not take the inventory of {} machines: {why}", part.len());
            }
        }
        Ok(())
    }

    pub(crate) async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.base);
        let request = self.authorized(self.http.get(&url));
        let response = request.send().await.with_context(|| format!("{url} cannot be reached"))?;
        if !response.status().is_success() {
            anyhow::bail!("{url} answers {}", reason(response).await);
        }
        response.json().await.with_context(|| format!("{url} answers something else than expected"))
    }
}

/// Sends until there is an answer: a busy server says when to come back, an unreachable one is tried with growing
/// pauses, which `seed` makes differ. Counts the repetitions in `retries`.
async fn patiently(seed: u64, retries: &mut u64, request: impl Fn() -> RequestBuilder) -> Result<Sent> {
    for attempt in 1.. {
        let pause = match request().send().await {
            Ok(response) if response.status().is_success() => return Ok(Sent::Taken(response)),
            Ok(response) if is_busy(response.status()) && attempt < ATTEMPTS => retry_after(&response),
            Ok(response) => return Ok(Sent::Refused(reason(response).await)),
            Err(error) if attempt >= ATTEMPTS => {
                return Err(error).context("the server cannot be reached");
            }
            Err(_) => None,
        };
        *retries += 1;
        tokio::time::sleep(pause.unwrap_or_else(|| backoff(attempt, seed))).await;
    }
    unreachable!("the last attempt returns")
}

/// What the server says of a dump.
async fn accepted(sent: Sent) -> Result<Answer> {
    match sent {
        Sent::Taken(response) => Ok(Answer::Accepted(json(response).await?)),
        Sent::Refused(reason) => Ok(Answer::Rejected(reason)),
    }
}

/// A value of a query string.
pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// An answer's content.
pub(crate) async fn json<T: serde::de::DeserializeOwned>(response: Response) -> Result<T> {
    response.json().await.context("the server's answer is not what it should be")
}

/// Status and, where the server gives one, its sentence.
async fn reason(response: Response) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        message: String,
    }
    let status = response.status();
    match response.json::<Refusal>().await {
        Ok(refusal) => format!("{status}: {}", refusal.error.message),
        Err(_) => status.to_string(),
    }
}

/// As Crashpad and Breakpad send it.
fn form(machine: &Machine, dump: Vec<u8>) -> reqwest::multipart::Form {
    let file = reqwest::multipart::Part::bytes(dump).file_name("MEMORY.DMP");
    reqwest::multipart::Form::new()
        .text("prod", "windows")
        .text("ver", machine.build.to_string())
        .text("guid", machine.id.clone())
        .part("upload_file_minidump", file)
}

pub(crate) fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS
}

/// The pause that the server asks for, in seconds.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

/// Doubles from attempt to attempt; machines differ, so that they do not come back all at once.
fn backoff(attempt: u32, seed: u64) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << attempt.min(8)).min(LONGEST_PAUSE);
    pause.mul_f64(0.5 + (hash(seed ^ u64::from(attempt)) % 512) as f64 / 1024.0)
}

#[cfg(test)]
mod tests;
