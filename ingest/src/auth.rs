//! Token to tenant. Compares in constant time; never logs a token.

use axum::extract::Query;
use http::request::Parts;
use http::{HeaderMap, header};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::config::Token;
use crate::refusal::Refusal;

/// Who may upload. Holds hashes: comparing those in constant time tells nothing about a token, its length included.
#[derive(Debug)]
pub(crate) struct Tenants {
    known: Vec<(blake3::Hash, String)>,
}

#[derive(Deserialize)]
struct TokenQuery {
    token: Option<String>,
}

impl Tenants {
    pub(crate) fn new(tokens: &[Token]) -> Self {
        let known = tokens
            .iter()
            .map(|token| (blake3::hash(token.token.expose_secret().as_bytes()), token.tenant.clone()))
            .collect();
        Self { known }
    }

    /// Whether anybody may upload.
    pub(crate) fn is_open(&self) -> bool {
        self.known.is_empty()
    }

    /// The tenant of a request; the empty one where no tokens are set.
    pub(crate) fn tenant(&self, request: &Parts) -> Result<&str, Refusal> {
        if self.is_open() {
            return Ok("");
        }
        let presented = bearer(&request.headers).map(str::to_owned).or_else(|| {
            Query::<TokenQuery>::try_from_uri(&request.uri).ok().and_then(|Query(query)| query.token)
        });
        let presented = blake3::hash(presented.ok_or(Refusal::Unauthorized)?.as_bytes());
        // `Hash`'s equality takes constant time, and every known token is compared.
        let found =
            self.known.iter().fold(
                None,
                |found, (hash, tenant)| {
                    if *hash == presented { Some(tenant.as_str()) } else { found }
                },
            );
        found.ok_or(Refusal::Unauthorized)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
