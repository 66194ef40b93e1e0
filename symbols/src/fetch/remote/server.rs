//! A symbol server: one request, and the redirects behind it. Credentials go to the configured host and nowhere else;
//! redirects lead to public addresses, and never from https to http.

use std::error::Error as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_RANGE, LAST_MODIFIED, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::address::{Inside, PublicOnly, check_literal};
use super::super::config::{SourceConfig, SourceFault};
use super::super::disk::Validator;
use super::{Body, FORBIDDEN_WHEN_ABSENT, Fault, chain};

/// Microsoft's server needs one, for its storage; a CDN in front of another may need two.
const MOST_REDIRECTS: usize = 5;
/// What S3, Google and Azure answer with.
const STORAGE_HEADERS: [&str; 3] = ["x-amz-request-id", "x-guploader-uploadid", "x-ms-request-id"];

/// So much of a storage's error is read: its code stands in the first hundred.
const ERROR_BYTES: usize = 4 << 10;

/// Connections; shared by all sources.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    /// To hosts that the operator named.
    pub(crate) named: Client,
    /// To wherever a redirect leads, public addresses only.
    public: Client,
}

impl Clients {
    pub(crate) fn new(connect: Duration, agent: &str) -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .user_agent(agent)
                .redirect(redirect::Policy::none())
                // A proxy would connect where it likes: the addresses could not be judged any more.
                .no_proxy()
                .referer(false)
                .connect_timeout(connect)
        };
        Ok(Self { named: builder().build()?, public: builder().dns_resolver(PublicOnly).build()? })
    }
}

/// A symbol server.
#[derive(Debug)]
pub(crate) struct Server {
    clients: Clients,
    base: Url,
    headers: HeaderMap,
    allow_private: bool,
}

impl Server {
    /// One at a URL, with what the configuration has for it.
    pub(crate) fn new(base: &Url, config: &SourceConfig, clients: Clients) -> Result<Self, SourceFault> {
        let fault = |key: &str, why: &str| SourceFault::Setting {
            place: config.label(),
            key: key.to_owned(),
            why: why.to_owned(),
        };
        let secret = |key: &str, text: String| {
            let mut value = HeaderValue::try_from(text)
                .map_err(|_| fault(key, "its value is not plain text in one line"))?;
            value.set_sensitive(true);
            Ok::<_, SourceFault>(value)
        };
        let mut headers = HeaderMap::new();
        for (key, value) in &config.headers {
            let name =
                HeaderName::try_from(key.as_str()).map_err(|_| fault(key, "that is no header's name"))?;
            headers.insert(name, secret(key, value.expose_secret().to_owned())?);
        }
        if let Some(token) = config.token.as_ref().map(SecretString::expose_secret) {
            headers.insert(AUTHORIZATION, secret("token", format!("Bearer {token}"))?);
        }
        Ok(Self { clients, base: base.clone(), headers, allow_private: config.allow_private })
    }

    /// Asks for a path, from where an earlier download ended.
    pub(crate) async fn open(
        &self,
        parts: &[String],
        resume: Option<&(u64, Validator)>,
    ) -> Result<Body, Fault> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(parts),
            Err(()) => return Err(Fault::Refused("the source's URL has no path".to_owned())),
        };
        let response = self.follow(url, resume).await?;
        judge(&response)?;
        if response.status() == StatusCode::FORBIDDEN {
            return Err(forbidden(response).await);
        }
        body(response, resume)
    }

    async fn follow(&self, mut url: Url, resume: Option<&(u64, Validator)>) -> Result<Response, Fault> {
        for _ in 0..=MOST_REDIRECTS {
            let own = url.origin() == self.base.origin();
            if !own && !self.allow_private {
                check_literal(&url).map_err(|inside| Fault::Refused(inside.to_string()))?;
            }
            let client = if own || self.allow_private { &self.clients.named } else { &self.clients.public };
            // What is packed for the way would be resumed in the middle of it, and unpacked without a cap.
            let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            if own {
                request = request.headers(self.headers.clone());
            }
            if let Some((from, validator)) = resume {
                request =
                    request.header(RANGE, format!("bytes={from}-")).header(IF_RANGE, validator.header());
            }
            let response = request.send().await.map_err(transport)?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            url = next(&url, &response)?;
        }
        Err(Fault::Refused(format!("more than {MOST_REDIRECTS} redirects")))
    }
}

/// Where a redirect leads.
fn next(from: &Url, response: &Response) -> Result<Url, Fault> {
    let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let to = to.and_then(|to| from.join(to).ok());
    let Some(mut to) = to.filter(Url::has_host) else {
        return Err(Fault::Refused(format!("answered {} without saying where to", response.status())));
    };
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => {}
        (from, to) => return Err(Fault::Refused(format!("redirects from {from} to {to}"))),
    }
    // Credentials in a Location are not ours to send.
    if to.set_username("").and_then(|()| to.set_password(None)).is_err() {
        return Err(Fault::Refused("redirects to a URL with a password".to_owned()));
    }
    Ok(to)
}

fn transport(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    match causes.find_map(|cause| cause.downcast_ref::<Inside>()) {
        Some(inside) => Fault::Refused(inside.to_string()),
        None => Fault::failing(chain(&error)),
    }
}

/// What an answer means. A 403 passes: only its body tells.
fn judge(response: &Response) -> Result<(), Fault> {
    let status = response.status();
    match status {
        // No symbol file is a page: a proxy asks for a password, or a portal says that it is down.
        _ if status.is_success() && is_page(response) => {
            Err(Fault::failing(format!("answered {status} with a page for people, not a file")))
        }
        _ if status.is_success() => Ok(()),
        StatusCode::FORBIDDEN => Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Fault::Absent),
        // Some servers say 400 for names that they do not like: they have no such file. Storages say it of a token that
        // is over.
        StatusCode::BAD_REQUEST if !is_storage(response) => Err(Fault::Absent),
        StatusCode::RANGE_NOT_SATISFIABLE => Err(Fault::Changed),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Err(Fault::Failing { why: format!("answered {status}"), after: retry_after(response) })
        }
        _ if status.is_server_error() => {
            Err(Fault::Failing { why: format!("answered {status}"), after: retry_after(response) })
        }
        StatusCode::UNAUTHORIZED => Err(unwelcome(status)),
        _ => Err(Fault::Refused(format!("answered {status}"))),
    }
}

fn unwelcome(status: StatusCode) -> Fault {
    Fault::Refused(format!("answered {status}: it wants a `token` or `headers`, or other ones"))
}

/// A 403: of a storage, it may be of a file that is not there.
async fn forbidden(response: Response) -> Fault {
    if !is_storage(&response) {
        return unwelcome(response.status());
    }
    let status = response.status();
    let mut text = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(Ok(chunk)) = chunks.next().await
        && text.len() < ERROR_BYTES
    {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&text);
    if text.contains(FORBIDDEN_WHEN_ABSENT) { Fault::Absent } else { unwelcome(status) }
}

fn is_storage(response: &Response) -> bool {
    STORAGE_HEADERS.iter().any(|name| response.headers().contains_key(*name))
}

fn is_page(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

/// Seconds only: the other form, a date, is by the server's clock.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

fn body(response: Response, resume: Option<&(u64, Validator)>) -> Result<Body, Fault> {
    let from = match (response.status(), resume) {
        (StatusCode::PARTIAL_CONTENT, Some((from, _))) if starts_at(response.headers()) == Some(*from) => {
            *from
        }
        (StatusCode::PARTIAL_CONTENT, Some(_)) => return Err(Fault::Changed),
        (StatusCode::PARTIAL_CONTENT, None) => {
            return Err(Fault::Refused("answered with a part of the file, unasked".to_owned()));
        }
        _ => 0,
    };
    let (bytes, validator) = (response.content_length(), validator(response.headers()));
    let chunks = response.bytes_stream().map(|chunk| chunk.map_err(transport));
    Ok(Body { from, bytes, validator, chunks: Box::pin(chunks) })
}

/// The first number of `bytes 100-199/200`.
fn starts_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

/// `If-Range` takes only strong tags.
fn validator(headers: &HeaderMap) -> Option<Validator> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let tag = text(ETAG).filter(|tag| tag.starts_with('"')).map(Validator::Tag);
    tag.or_else(|| text(LAST_MODIFIED).map(Validator::Date))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(from: &str, to: &str) -> Result<String, String> {
        let response = http::Response::builder().status(302).header(LOCATION, to).body("").unwrap();
        next(&Url::parse(from).unwrap(), &response.into())
            .map(String::from)
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn redirects_lead_to_no_weaker_place() {
        assert_eq!(redirect("https://a.example/x", "/y").unwrap(), "https://a.example/y");
        assert_eq!(redirect("http://a.example/x", "https://b.example/y").unwrap(), "https://b.example/y");
        assert_eq!(redirect("https://a.example/", "https://u:p@b.example/").unwrap(), "https://b.example/");
        for (from, to) in [
            ("https://a.example/", "http://a.example/"),
            ("https://a.example/", "file:///etc/passwd"),
            ("http://a.example/", "ftp://a.example/"),
            ("http://a.example/", "data:text/plain,x"),
        ] {
            assert!(redirect(from, to).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn answers_are_judged() {
        let judged = |status: u16, header: (&str, &str)| {
            let response =
                http::Response::builder().status(status).header(header.0, header.1).body("").unwrap();
            judge(&response.into())
        };
        let none = ("x-nothing", "");
        assert!(judged(200, none).is_ok());
        for status in [400, 404, 410] {
            assert!(matches!(judged(status, none), Err(Fault::Absent)), "{status}");
        }
        for status in [401, 405, 451] {
            assert!(matches!(judged(status, none), Err(Fault::Refused(_))), "{status}");
        }
        let expired = judged(400, ("x-amz-request-id", "1"));
        assert!(matches!(expired, Err(Fault::Refused(_))), "{expired:?}");
        for page in ["text/html", "Text/HTML; charset=utf-8"] {
            let login = judged(200, ("content-type", page));
            assert!(matches!(login, Err(Fault::Failing { .. })), "{login:?}");
        }
        assert!(judged(200, ("content-type", "text/plain")).is_ok());
        for status in [408, 429, 500, 502, 503, 504] {
            let fault = judged(status, ("retry-after", "7")).unwrap_err();
            let Fault::Failing { after, .. } = fault else { panic!("{status}: {fault:?}") };
            assert_eq!(after, Some(Duration::from_secs(7)), "{status}");
        }
        assert!(matches!(judged(416, none), Err(Fault::Changed)));
    }

    #[tokio::test]
    async fn a_storage_forbids_what_is_not_there_and_what_is_not_signed() {
        for (header, code, absent) in [
            ("x-amz-request-id", "AccessDenied", true),
            ("x-guploader-uploadid", "AccessDenied", true),
            ("x-amz-request-id", "InvalidAccessKeyId", false),
            ("x-amz-request-id", "SignatureDoesNotMatch", false),
            ("x-amz-request-id", "RequestTimeTooSkewed", false),
            ("x-nothing", "AccessDenied", false),
        ] {
            let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
            let response = http::Response::builder().status(403).header(header, "1").body(text).unwrap();
            let fault = forbidden(response.into()).await;
            assert_eq!(matches!(fault, Fault::Absent), absent, "{header} {code}: {fault}");
            assert_eq!(matches!(fault, Fault::Refused(_)), !absent, "{header} {code}: {fault}");
        }
    }

    #[test]
    fn only_what_if_range_takes_is_kept_of_a_version() {
        let of = |name: &'static str, value: &'static str| {
            validator(&HeaderMap::from_iter([(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(of("etag", "\"abc\""), Some(Validator::Tag("\"abc\"".to_owned())));
        assert_eq!(of("etag", "W/\"abc\""), None);
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(of("last-modified", date), Some(Validator::Date(date.to_owned())));
    }
}
