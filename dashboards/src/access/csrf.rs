//! Whether what writes comes from our own page: by what browsers say of where it is from, and by a token in each form that
//! only pages of this visitor have. Compares in constant time.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};

use super::role::Means;
use super::{Access, Visitor};
use crate::respond::Fault;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Where JSON of a browser carries the token.
const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
/// Room for the longest words, each character escaped.
const MAX_BODY: usize = 32 * 1024;
/// Nobody types that slowly into curl; whoever sends a byte a second holds a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the tokens. Its key is of this process: a restart makes pages that were open before it load again.
#[derive(Debug)]
pub(super) struct Csrf {
    key: blake3::Hash,
}

impl Csrf {
    pub(super) fn new() -> Self {
        Self { key: super::random() }
    }

    fn hash(&self, bound: &str) -> blake3::Hash {
        blake3::keyed_hash(self.key.as_bytes(), bound.as_bytes())
    }

    pub(super) fn token(&self, bound: &str) -> String {
        self.hash(bound).to_hex().to_string()
    }

    fn check(&self, bound: &str, token: &str) -> Result<(), Fault> {
        match blake3::Hash::from_hex(token.trim()) {
            // `Hash`'s equality takes constant time.
            Ok(presented) if presented == self.hash(bound) => Ok(()),
            _ => Err(Fault::Forbidden(
                "The page was open for too long, or from before a sign-in or a restart. Go back, load it again, and \
                 repeat what you did."
                    .to_owned(),
            )),
        }
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A program's, or a script's of our own page.
    Json,
    /// A browser's.
    Form,
}

impl Kind {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let kind = text(headers, &CONTENT_TYPE).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            _ => Err(Fault::MediaType("Send JSON, and say so: `Content-Type: application/json`.".to_owned())),
        }
    }
}

impl Access {
    /// Whether a request that writes may, by its head.
    pub(super) fn check_head(&self, headers: &HeaderMap, visitor: &Visitor) -> Result<Kind, Fault> {
        let kind = Kind::of(headers)?;
        if kind == Kind::Form && !headers.contains_key(SEC_FETCH_SITE) && !headers.contains_key(ORIGIN) {
            // A browser sends the form of any page to any address, but none leaves out to say which page that was.
            return Err(Fault::Forbidden(
                "A form is taken from a browser on our own page only; send JSON.".to_owned(),
            ));
        }
        not_from_elsewhere(headers)?;
        let means = visitor.who.as_ref().map(|who| who.means);
        if kind == Kind::Json && matches!(means, Some(Means::Session | Means::Proxy)) {
            self.csrf.check(&visitor.bound, &text(headers, &HEADER).unwrap_or_default())?;
        }
        Ok(kind)
    }

    /// Whether a form has the token of this visitor. Who sends a token of their own has no browser to be misled.
    pub(super) fn check_form(&self, body: &[u8], visitor: &Visitor) -> Result<(), Fault> {
        if visitor.who.as_ref().is_some_and(|who| who.means == Means::Token) {
            return Ok(());
        }
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body)
            .map_err(|_not_a_form| Fault::BadRequest("The body is no form.".to_owned()))?;
        let token =
            pairs.iter().find(|(name, _)| name == super::visit::FIELD).map(|(_, value)| value.as_str());
        self.csrf.check(&visitor.bound, token.unwrap_or_default())
    }
}

/// A body, in time and not too long.
pub(super) async fn read(body: axum::body::Body) -> Result<Bytes, Fault> {
    let body = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY)).await;
    body.map_err(|_elapsed| Fault::BadRequest("The body did not arrive within 10 seconds.".to_owned()))?
        .map_err(|_too_long_or_cut| {
            Fault::BadRequest(format!("The body was cut off or is longer than {MAX_BODY} bytes."))
        })
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?").trim().to_owned())
}

/// A browser sends a form or a plain request of any page to any address, but JSON only after asking us, which nobody here
/// answers; and it says where the page is from.
fn not_from_elsewhere(headers: &HeaderMap) -> Result<(), Fault> {
    let elsewhere = || Fault::Forbidden("The request comes from a page of another site.".to_owned());
    if !matches!(text(headers, &SEC_FETCH_SITE).as_deref(), None | Some("same-origin" | "none")) {
        return Err(elsewhere());
    }
    let Some(origin) = text(headers, &ORIGIN) else { return Ok(()) };
    let here = text(headers, &HOST).unwrap_or_default();
    let same = origin.split_once("://").is_some_and(|(_scheme, from)| from.eq_ignore_ascii_case(&here));
    if same { Ok(()) } else { Err(elsewhere()) }
}
