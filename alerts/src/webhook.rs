//! One attempt to hand one notification to one receiver: sign it, make sure where it goes, send it, judge the answer.
//! Knows nothing of incidents and keeps nothing; what to do about a failure is the outbox's business.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use reqwest::{StatusCode, Url, redirect};
use secrecy::ExposeSecret;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};

use crate::config::Webhook;

mod address;

/// A receiver may not send us to sleep for longer than this with `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In words, for the incident page.
    pub(crate) reason: String,
    /// Whether another attempt may succeed.
    pub(crate) retry: Retry,
}

/// What may follow a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Nothing: the receiver or the configuration says no.
    Never,
    /// Another attempt, on the outbox's own schedule.
    Later,
    /// Another attempt, but not before this.
    After(Duration),
}

/// A webhook that cannot work, however often it is tried.
#[derive(Debug, thiserror::Error)]
pub enum WebhookFault {
    /// Not a URL.
    #[error("url: {0}")]
    Url(String),
    /// Not base64.
    #[error("secret: must be whsec_ and the base64 of 16 to 128 bytes")]
    Secret,
}

/// Whether a webhook's URL and secret are well-formed.
pub(crate) fn check(webhook: &Webhook) -> Result<(), WebhookFault> {
    url(webhook)?;
    signer(webhook)?;
    Ok(())
}

fn url(webhook: &Webhook) -> Result<Url, WebhookFault> {
    let url = Url::parse(&webhook.url).map_err(|error| WebhookFault::Url(error.to_string()))?;
    match url.scheme() {
        "https" | "http" if url.host().is_some() => Ok(url),
        _ => Err(WebhookFault::Url("must be https://host/... or http://host/...".to_owned())),
    }
}

fn signer(webhook: &Webhook) -> Result<standardwebhooks::Webhook, WebhookFault> {
    let secret = webhook.secret.expose_secret();
    // Four characters of base64 are three bytes. The standard recommends 24 to 64; far fewer can be guessed.
    let bytes = secret.strip_prefix("whsec_").unwrap_or(secret).trim_end_matches('=').len() * 3 / 4;
    if !(16..=128).contains(&bytes) {
        return Err(WebhookFault::Secret);
    }
    standardwebhooks::Webhook::new(secret).map_err(|_bad| WebhookFault::Secret)
}

/// Sends `body` once. `id` is the same for every attempt, so that a receiver can tell a repetition.
pub(crate) async fn send(
    webhook: &Webhook,
    id: &str,
    body: &str,
    now_s: i64,
    timeout: Duration,
) -> Result<StatusCode, Failure> {
    match tokio::time::timeout(timeout, attempt(webhook, id, body, now_s, timeout)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(later(format!("no answer within {} s", timeout.as_secs_f32()))),
    }
}

async fn attempt(
    webhook: &Webhook,
    id: &str,
    body: &str,
    now_s: i64,
    timeout: Duration,
) -> Result<StatusCode, Failure> {
    let url = url(webhook).map_err(|error| never(error.to_string()))?;
    let signature = signer(webhook)
        .and_then(|signer| signer.sign(id, now_s, body.as_bytes()).map_err(|_bad| WebhookFault::Secret))
        .map_err(|error| never(error.to_string()))?;
    let addresses = resolve(&url, webhook.allow_private).await?;
    let mut client = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(timeout)
        .timeout(timeout);
    // Connect to what was checked: a second look-up might give another answer.
    if let Some(host) = url.domain() {
        client = client.resolve_to_addrs(host, &addresses);
    }
    let client = client.build().map_err(|error| later(chain(&error)))?;
    let answer = client
        .post(url)
        .header(USER_AGENT, concat!("bluescope/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header(HEADER_WEBHOOK_ID, id)
        .header(HEADER_WEBHOOK_TIMESTAMP, now_s)
        .header(HEADER_WEBHOOK_SIGNATURE, signature)
        .body(body.to_owned())
        .send()
        .await
        .map_err(|error| later(chain(&error.without_url())))?;
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    judge(answer.status(), retry_after)
}

/// The addresses of a URL's host, all of them allowed.
async fn resolve(url: &Url, allow_private: bool) -> Result<Vec<SocketAddr>, Failure> {
    let port = url.port_or_known_default().unwrap_or(443);
    let host = url.host_str().unwrap_or_default();
    // An IPv6 address stands in brackets in a URL.
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_not_literal) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| later(format!("cannot resolve {host}: {error}")))?
            .collect(),
    };
    if addresses.is_empty() {
        return Err(later(format!("{host} has no address")));
    }
    // One inner address among public ones is refused too: nobody sets that up in good faith.
    match addresses.iter().find(|address| !allow_private && !address::is_public(address.ip())) {
        Some(address) => Err(never(format!(
            "{host} is {}, which is not a public address; set allow_private for this webhook if that is meant",
            address.ip()
        ))),
        None => Ok(addresses),
    }
}

/// What an answer means: 2xx is delivered, 410 and a redirect are a no, and all else may pass: a receiver's proxy says
/// 404 while it is deployed, a token is mended a minute later, and a page that is lost is worse than one too many tries.
fn judge(status: StatusCode, retry_after: Option<&str>) -> Result<StatusCode, Failure> {
    if status.is_success() {
        return Ok(status);
    }
    let reason = match status {
        _ if status.is_redirection() => format!("answered {status}; redirects are not followed"),
        _ => format!("answered {status}"),
    };
    let passes = !status.is_redirection() && status != StatusCode::GONE;
    let retry = match retry_after.and_then(|text| text.trim().parse().ok()) {
        _ if !passes => Retry::Never,
        Some(seconds) => Retry::After(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER)),
        None => Retry::Later,
    };
    Err(Failure { reason, retry })
}

fn never(reason: String) -> Failure {
    Failure { reason, retry: Retry::Never }
}

fn later(reason: String) -> Failure {
    Failure { reason, retry: Retry::Later }
}

/// An error and what is behind it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(url: &str, secret: &str) -> Webhook {
        Webhook {
            name: "pager".to_owned(),
            url: url.to_owned(),
            secret: secret.to_owned().into(),
            allow_private: false,
        }
    }

    #[test]
    fn urls_and_secrets_are_checked() {
        const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert!(check(&hook("https://pager.example.com/x", SECRET)).is_ok());
        assert!(check(&hook("https://pager.example.com/x", SECRET.trim_start_matches("whsec_"))).is_ok());
        for url in ["ftp://pager.example.com/", "pager.example.com", "file:///etc/passwd", "https://"] {
            assert!(matches!(check(&hook(url, SECRET)), Err(WebhookFault::Url(_))), "{url}");
        }
        for secret in ["", "short", "whsec_not base64 not base64 not base64 at all!!"] {
            assert!(
                matches!(check(&hook("https://a.example", secret)), Err(WebhookFault::Secret)),
                "{secret}"
            );
        }
    }

    #[test]
    fn answers_are_judged() {
        let retry = |status: u16, after: Option<&str>| {
            judge(StatusCode::from_u16(status).unwrap(), after).map(|_| ()).map_err(|f| f.retry)
        };
        assert_eq!(retry(200, None), Ok(()));
        assert_eq!(retry(204, None), Ok(()));
        for status in [301, 307, 410] {
            assert_eq!(retry(status, Some("5")), Err(Retry::Never), "{status}");
        }
        for status in [400, 401, 404, 408, 422, 425, 429, 500, 502, 503] {
            assert_eq!(retry(status, None), Err(Retry::Later), "{status}");
        }
        assert_eq!(retry(429, Some("7")), Err(Retry::After(Duration::from_secs(7))));
        assert_eq!(retry(503, Some("999999999")), Err(Retry::After(LONGEST_RETRY_AFTER)));
        assert_eq!(retry(429, Some("Fri, 31 Dec 1999 23:59:59 GMT")), Err(Retry::Later));
    }

    #[tokio::test]
    async fn inner_addresses_are_refused_however_they_are_written() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]:80/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://localhost:9/",
            "https://192.168.1.1/",
            "http://0.0.0.0/",
        ] {
            let failure = resolve(&Url::parse(url).unwrap(), false).await.unwrap_err();
            assert_eq!(failure.retry, Retry::Never, "{url}: {}", failure.reason);
            assert!(resolve(&Url::parse(url).unwrap(), true).await.is_ok(), "{url}");
        }
        assert!(resolve(&Url::parse("https://9.9.9.9/").unwrap(), false).await.is_ok());
    }
}
