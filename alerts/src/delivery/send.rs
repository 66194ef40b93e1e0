//! One attempt to hand one notification to one receiver: make sure where it goes, send it, judge the answer. Knows nothing
//! of incidents; what to do about a failure is the outbox's business.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use secrecy::ExposeSecret;

use super::address;
use super::plain::{chain, plain};
use super::target::{Auth, Target, TargetKind};
use super::wire::wire;

/// A receiver may not send us to sleep for longer than this with `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);
/// How much of an answer is read: enough for the reason of a no.
const LONGEST_ANSWER: usize = 1024;
/// How much of that is told.
const LONGEST_REASON: usize = 200;
/// How long we wait for the rest of a yes, which only lets the connection be used again.
const REST_OF_A_YES: Duration = Duration::from_millis(200);

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// In words, for the incident page.
    pub(super) reason: String,
    /// Whether another attempt may succeed.
    pub(super) retry: Retry,
}

/// What may follow a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Nothing: the receiver or the configuration says no.
    Never,
    /// A few more attempts: the receiver does not like what it got.
    Few,
    /// Another attempt, on the outbox's own schedule.
    Later,
    /// Another attempt, but none to this target before this.
    After(Duration),
}

/// Sends. Connections are kept and used again, so that a page does not wait for a handshake.
#[derive(Debug, Clone)]
pub(super) struct Courier {
    /// Connects to public addresses only.
    public: Client,
    /// Connects to any, for targets that may.
    any: Client,
    timeout: Duration,
}

/// A courier that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum CourierError {
    /// The process has no TLS.
    #[error("no rustls crypto provider is installed in this process")]
    NoCryptoProvider,
    /// The system's certificates cannot be used, or the like.
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
}

impl Courier {
    pub(super) fn new(timeout: Duration) -> Result<Self, CourierError> {
        // reqwest panics without one, which the first page would be the worst moment to find out.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(CourierError::NoCryptoProvider);
        }
        let client = |allow_private| {
            Client::builder()
                .redirect(redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .dns_resolver(Arc::new(Guard { allow_private }))
                .connect_timeout(timeout)
                .timeout(timeout)
                .build()
        };
        Ok(Self { public: client(false)?, any: client(true)?, timeout })
    }

    /// Sends `payload` once.
    pub(super) async fn send(
        &self,
        target: &Target,
        id: &str,
        payload: &str,
        now_ms: i64,
    ) -> Result<StatusCode, Failure> {
        match tokio::time::timeout(self.timeout, self.attempt(target, id, payload, now_ms)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(later(format!("no answer within {} s", self.timeout.as_secs_f32()))),
        }
    }

    async fn attempt(
        &self,
        target: &Target,
        id: &str,
        payload: &str,
        now_ms: i64,
    ) -> Result<StatusCode, Failure> {
        let url = target.endpoint().map_err(|error| never(error.to_string()))?;
        let wire = wire(target, id, payload, now_ms).map_err(|error| never(error.to_string()))?;
        literal(&url, target.allow_private).map_err(|refused| never(refused.to_string()))?;
        let client = if target.allow_private { &self.any } else { &self.public };
        let mut request = client
            .post(url)
            .header(USER_AGENT, concat!("bluescope/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .body(wire.body);
        for (name, value) in wire.headers {
            request = request.header(name, value);
        }
        if let TargetKind::Alertmanager { auth } = &target.kind {
            request = match auth {
                Auth::None => request,
                Auth::Basic { user, password } => request.basic_auth(user, Some(password.expose_secret())),
                Auth::Bearer(token) => request.bearer_auth(token.expose_secret()),
            };
        }
        let answer = request.send().await.map_err(|error| unsent(&error.without_url()))?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let judged = judge(&target.kind, status, retry_after, now_ms);
        match judged {
            Ok(()) => {
                tokio::time::timeout(REST_OF_A_YES, words(answer)).await.ok();
                Ok(status)
            }
            Err(retry) => {
                let said = match status.is_redirection() {
                    true => "redirects are not followed".to_owned(),
                    false => words(answer).await,
                };
                let colon = if said.is_empty() { "" } else { ": " };
                Err(Failure { reason: format!("answered {status}{colon}{said}"), retry })
            }
        }
    }
}

/// Looks up names and gives out allowed addresses only, so that what was checked is what is connected to.
#[derive(Debug)]
struct Guard {
    allow_private: bool,
}

/// An address that a target may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is {address}, which is not a public address; set allow_private for this target if that is meant"
)]
struct Refused {
    host: String,
    address: IpAddr,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let host = name.as_str();
            // The port is put in by the caller.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            for address in &found {
                allowed(host, address.ip(), allow_private)?;
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// A host that is an address itself is never looked up.
fn literal(url: &Url, allow_private: bool) -> Result<(), Refused> {
    let host = url.host_str().unwrap_or_default();
    // An IPv6 address stands in brackets in a URL.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => allowed(host, address, allow_private),
        Err(_name) => Ok(()),
    }
}

/// One inner address among public ones is refused too: nobody sets that up in good faith.
fn allowed(host: &str, address: IpAddr, allow_private: bool) -> Result<(), Refused> {
    match allow_private || address::is_public(address) {
        true => Ok(()),
        false => Err(Refused { host: host.to_owned(), address }),
    }
}

/// Why a request did not get an answer.
fn unsent(error: &reqwest::Error) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(refused) = found.downcast_ref::<Refused>() {
            return never(refused.to_string());
        }
        cause = found.source();
    }
    later(chain(error))
}

/// The beginning of what a receiver says, as one line.
async fn words(mut answer: Response) -> String {
    let mut said = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        said.extend(chunk.iter().take(LONGEST_ANSWER - said.len()));
        if said.len() >= LONGEST_ANSWER {
            break;
        }
    }
    plain(String::from_utf8_lossy(&said).trim(), LONGEST_REASON)
}

/// What an answer means: 2xx is delivered, 410 and a redirect are a no. All else may pass: a receiver's proxy says 404
/// while it is deployed, a key is mended a minute later, and a page that is lost is worse than one too many tries. But a
/// receiver with a format of its own says 400 and 413 to what it will never like, and whatever comes after it about the
/// same incident must not wait for that.
fn judge(kind: &TargetKind, status: StatusCode, retry_after: Option<&str>, now_ms: i64) -> Result<(), Retry> {
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() || status == StatusCode::GONE {
        return Err(Retry::Never);
    }
    if let Some(pause) = retry_after.and_then(|text| pause(text.trim(), now_ms)) {
        return Err(Retry::After(pause.min(LONGEST_RETRY_AFTER)));
    }
    let disliked = matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE);
    let own_format = !matches!(kind, TargetKind::Webhook { .. });
    match status {
        StatusCode::TOO_MANY_REQUESTS => Err(Retry::After(Duration::from_secs(1))),
        _ if disliked && own_format => Err(Retry::Few),
        _ => Err(Retry::Later),
    }
}

/// `Retry-After`: seconds, or a date.
fn pause(text: &str, now_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let ahead = u64::try_from(date.as_millisecond().saturating_sub(now_ms)).ok()?;
    Some(Duration::from_millis(ahead))
}

fn never(reason: String) -> Failure {
    Failure { reason, retry: Retry::Never }
}

fn later(reason: String) -> Failure {
    Failure { reason, retry: Retry::Later }
}

#[cfg(test)]
#[path = "send/tests.rs"]
mod tests;
