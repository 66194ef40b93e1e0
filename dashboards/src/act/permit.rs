//! Who may act on incidents. Until people can sign in: whoever has the configured token, or, without one, whoever is at
//! this machine. A page of somebody else's that a browser here has open may not. Compares in constant time; never
//! logs a token.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, FORWARDED, HOST, ORIGIN, VIA};
use axum::http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};

use crate::respond::Fault;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What proxies add: behind one, every peer is this machine.
const OF_PROXIES: [HeaderName; 4] =
    [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];

/// Who may act.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    /// A hash of the token: comparing those in constant time tells nothing about it, its length included.
    token: Option<blake3::Hash>,
}

impl Permit {
    pub(crate) fn new(token: Option<&SecretString>) -> Self {
        Self { token: token.map(|token| blake3::hash(token.expose_secret().as_bytes())) }
    }

    /// Whether a token is needed.
    pub(crate) fn wants_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a request may act; `peer` is who is at the other end of its connection.
    pub(crate) fn check(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<(), Fault> {
        if !is_json(headers) {
            return Err(Fault::MediaType(
                "Send JSON, and say so: `Content-Type: application/json`.".to_owned(),
            ));
        }
        not_from_elsewhere(headers)?;
        let how = "`Authorization: Bearer TOKEN`";
        self.allows(headers, peer, bearer(headers), how)
    }

    /// Whether a form may come from the page that it says it comes from. A browser sends the form of any page to any
    /// address, but none leaves out to say which page that was, nor lets it lie.
    pub(crate) fn check_page(&self, headers: &HeaderMap) -> Result<(), Fault> {
        if !headers.contains_key(SEC_FETCH_SITE) && !headers.contains_key(ORIGIN) {
            return Err(Fault::Forbidden(
                "A form is taken from a browser on our own page only; send JSON.".to_owned(),
            ));
        }
        not_from_elsewhere(headers)
    }

    /// Whether a form may act that was found to be from our own page.
    pub(crate) fn check_form(
        &self,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
        token: &str,
    ) -> Result<(), Fault> {
        self.allows(headers, peer, Some(token.trim()), "the field beside the button")
    }

    fn allows(
        &self,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
        presented: Option<&str>,
        how: &str,
    ) -> Result<(), Fault> {
        match &self.token {
            Some(token) => match presented.map(|presented| blake3::hash(presented.as_bytes())) {
                // `Hash`'s equality takes constant time.
                Some(presented) if presented == *token => Ok(()),
                _ => Err(Fault::Unauthorized(format!(
                    "Send the token that is configured as server.acts_token: {how}."
                ))),
            },
            None if is_here(headers, peer) => Ok(()),
            None => Err(Fault::Forbidden(
                "Without a token, acts are taken from this server itself only, by a loopback address such as \
                 http://127.0.0.1:8080 and past no proxy. Configure server.acts_token to take them from elsewhere."
                    .to_owned(),
            )),
        }
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?").trim().to_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = text(headers, &CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
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

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Both ends are this machine, and the client knows it: a name that somebody else's server gives to 127.0.0.1 is how their
/// page gets a browser here to take us for its own site.
fn is_here(headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
    let direct = OF_PROXIES.iter().all(|name| !headers.contains_key(name));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    direct && peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) && is_loopback(host)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _port)| name),
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    };
    let is_address = |ip: IpAddr| ip.to_canonical().is_loopback();
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(is_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:5000";

    fn asked(permit: &Permit, peer: Option<&str>, headers: &[(&'static str, &str)]) -> u16 {
        let mut all = HeaderMap::new();
        all.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        all.insert(HOST, "127.0.0.1:8080".parse().unwrap());
        for (name, value) in headers {
            all.insert(*name, value.parse().unwrap());
        }
        match permit.check(&all, peer.map(|peer| peer.parse().unwrap())) {
            Ok(()) => 200,
            Err(Fault::Unauthorized(_)) => 401,
            Err(Fault::Forbidden(_)) => 403,
            Err(Fault::MediaType(_)) => 415,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_token_only_this_machine_may_act() {
        let permit = Permit::new(None);
        for (peer, headers, status) in [
            (Some(HERE), vec![], 200),
            (Some("[::1]:5000"), vec![("host", "[::1]:8080")], 200),
            (Some("[::ffff:127.0.0.1]:5000"), vec![("host", "LOCALHOST")], 200),
            (Some("10.0.0.7:5000"), vec![], 403),
            (None, vec![], 403),
            (Some(HERE), vec![("host", "rebound.example:8080")], 403),
            (Some(HERE), vec![("host", "127.0.0.1.example")], 403),
            (Some(HERE), vec![("x-forwarded-for", "10.0.0.7")], 403),
            (Some(HERE), vec![("via", "1.1 proxy")], 403),
            (Some(HERE), vec![("authorization", "Bearer guess")], 200),
        ] {
            assert_eq!(asked(&permit, peer, &headers), status, "{peer:?} {headers:?}");
        }
    }

    #[test]
    fn with_a_token_it_decides() {
        let permit = Permit::new(Some(&SecretString::from("a-long-secret")));
        for (headers, status) in [
            (vec![], 401),
            (vec![("authorization", "Bearer a-long-secre")], 401),
            (vec![("authorization", "Basic a-long-secret")], 401),
            (vec![("authorization", "bearer  a-long-secret ")], 200),
            (vec![("authorization", "Bearer a-long-secret"), ("x-forwarded-for", "10.0.0.7")], 200),
        ] {
            for peer in [Some(HERE), Some("10.0.0.7:5000"), None] {
                assert_eq!(asked(&permit, peer, &headers), status, "{peer:?} {headers:?}");
            }
        }
        assert!(!format!("{permit:?}").contains("a-long-secret"));
    }

    #[test]
    fn a_form_is_taken_from_our_own_page_only() {
        let form = |permit: &Permit, token: &str, headers: &[(&'static str, &str)]| {
            let mut all = HeaderMap::new();
            all.insert(HOST, "127.0.0.1:8080".parse().unwrap());
            for (name, value) in headers {
                all.insert(*name, value.parse().unwrap());
            }
            let checked = permit.check_page(&all);
            match checked.and_then(|()| permit.check_form(&all, HERE.parse().ok(), token)) {
                Ok(()) => 200,
                Err(Fault::Unauthorized(_)) => 401,
                Err(Fault::Forbidden(_)) => 403,
                Err(other) => panic!("{other:?}"),
            }
        };
        let ours = ("origin", "http://127.0.0.1:8080");
        let open = Permit::new(None);
        for (headers, status) in [
            (&[ours][..], 200),
            (&[ours, ("sec-fetch-site", "same-origin")], 200),
            (&[], 403),
            (&[("origin", "null")], 403),
            (&[("origin", "https://evil.example")], 403),
            (&[ours, ("sec-fetch-site", "cross-site")], 403),
            (&[("sec-fetch-site", "same-site")], 403),
        ] {
            assert_eq!(form(&open, "", headers), status, "{headers:?}");
        }
        let closed = Permit::new(Some(&SecretString::from("a-long-secret")));
        assert_eq!(form(&closed, "", &[ours]), 401);
        assert_eq!(form(&closed, "a-long-secret", &[ours]), 200);
        assert_eq!(form(&closed, "a-long-secret", &[("origin", "https://evil.example")]), 403);
    }

    #[test]
    fn pages_of_others_may_not() {
        let permit = Permit::new(None);
        for (headers, status) in [
            (vec![("content-type", "text/plain")], 415),
            (vec![("content-type", "application/x-www-form-urlencoded")], 415),
            (vec![("content-type", "application/json; charset=utf-8")], 200),
            (vec![("sec-fetch-site", "cross-site")], 403),
            (vec![("sec-fetch-site", "same-site")], 403),
            (vec![("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8080")], 200),
            (vec![("sec-fetch-site", "none")], 200),
            (vec![("origin", "http://127.0.0.1:9090")], 403),
            (vec![("origin", "https://evil.example")], 403),
            (vec![("origin", "null")], 403),
        ] {
            assert_eq!(asked(&permit, Some(HERE), &headers), status, "{headers:?}");
        }
    }
}
