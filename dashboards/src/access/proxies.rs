//! What a trusted proxy says of a request: who sends it, from where, and whether by https. Believes nobody else; never says
//! what a role may. Pure.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::name::person;
use super::network::Network;
use super::role::Role;
use crate::respond::Fault;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies, and how they say it.
#[derive(Debug)]
pub(super) struct Proxies {
    networks: Vec<Network>,
    user: HeaderName,
    role: HeaderName,
}

impl Proxies {
    pub(super) fn new(networks: Vec<Network>, user: HeaderName, role: HeaderName) -> Self {
        Self { networks, user, role }
    }

    fn trusts(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.networks.iter().any(|network| network.contains(address)))
    }

    /// Where a request comes from: the last address on its way that no trusted proxy has. What stands before it was
    /// written by whoever is there.
    pub(super) fn client(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        let mut nearest = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or("?"));
        let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        for hop in hops.into_iter().rev() {
            if !self.trusts(nearest) {
                break;
            }
            let Some(address) = address(hop.trim()) else { break };
            nearest = Some(address);
        }
        nearest
    }

    /// Whether the reader's end of the way is https.
    pub(super) fn is_https(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
        let said = headers.get(FORWARDED_PROTO).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = said.split(',').next().unwrap_or_default().trim();
        self.trusts(peer) && first.eq_ignore_ascii_case("https")
    }

    /// Who a trusted proxy says it is. What is said twice was said by two: a proxy that adds to what a client sent,
    /// instead of replacing it, must not let the client choose.
    pub(super) fn user(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Option<(String, Role)>, Fault> {
        if !self.trusts(peer) {
            return Ok(None);
        }
        let Some(name) = one(headers, &self.user)?.filter(|name| !name.is_empty()) else { return Ok(None) };
        let name = person(&name, self.user.as_str())?;
        let role = match one(headers, &self.role)?.filter(|role| !role.is_empty()) {
            None => Role::Viewer,
            Some(role) => Role::of(&role).ok_or_else(|| {
                Fault::Forbidden(format!(
                    "The proxy's `{}` is none of viewer, responder and admin.",
                    self.role
                ))
            })?,
        };
        Ok(Some((name, role)))
    }
}

fn one(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Fault> {
    let unfit = || Fault::Forbidden(format!("The proxy's `{name}` is there twice, or is no text."));
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = std::str::from_utf8(HeaderValue::as_bytes(value)).map_err(|_no_text| unfit())?;
    if values.next().is_some() { Err(unfit()) } else { Ok(Some(text.trim().to_owned())) }
}

/// `10.0.0.7`, `10.0.0.7:5000`, `[::1]:5000`, `::1`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    bare().or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        let networks = ["10.0.0.0/8", "::1"].map(|text| text.parse().unwrap()).to_vec();
        let [user, role] = ["x-forwarded-user", "x-bluescope-role"].map(HeaderName::from_static);
        Proxies::new(networks, user, role)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut all = HeaderMap::new();
        for (name, value) in pairs {
            all.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        all
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn only_a_trusted_peer_names_people() {
        let ada = ("x-forwarded-user", "ada");
        let viewer = |name: &str| Ok(Some((name.to_owned(), Role::Viewer)));
        let admin = Ok(Some(("ada".to_owned(), Role::Admin)));
        for (peer, pairs, expected) in [
            ("10.0.0.7", vec![ada], viewer("ada")),
            ("::1", vec![ada], viewer("ada")),
            ("192.0.2.1", vec![ada, ("x-bluescope-role", "admin")], Ok(None)),
            ("10.0.0.7", vec![("x-bluescope-role", "admin")], Ok(None)),
            ("10.0.0.7", vec![("x-forwarded-user", " ")], Ok(None)),
            ("10.0.0.7", vec![ada, ("x-bluescope-role", " Admin ")], admin),
            ("10.0.0.7", vec![("x-forwarded-user", "Grüße <b>")], viewer("Grüße <b>")),
        ] {
            assert_eq!(proxies().user(&headers(&pairs), ip(peer)), expected, "{peer} {pairs:?}");
        }
        for pairs in [
            vec![ada, ada],
            vec![ada, ("x-bluescope-role", "root")],
            vec![ada, ("x-bluescope-role", "viewer"), ("x-bluescope-role", "admin")],
            vec![("x-forwarded-user", "a\u{85}b")],
        ] {
            assert!(proxies().user(&headers(&pairs), ip("10.0.0.7")).is_err(), "{pairs:?}");
        }
        let long = "x".repeat(101);
        assert!(proxies().user(&headers(&[("x-forwarded-user", &long)]), ip("10.0.0.7")).is_err());
    }

    #[test]
    fn a_client_cannot_say_where_it_is() {
        for (peer, forwarded, client) in [
            ("192.0.2.1", vec!["203.0.113.9"], "192.0.2.1"),
            ("10.0.0.7", vec![], "10.0.0.7"),
            ("10.0.0.7", vec!["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.7", vec!["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.7", vec!["198.51.100.1", "203.0.113.9, 10.0.0.8"], "203.0.113.9"),
            ("10.0.0.7", vec!["nonsense, 10.0.0.8"], "10.0.0.8"),
            ("10.0.0.7", vec!["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.7", vec!["203.0.113.9:5000"], "203.0.113.9"),
        ] {
            let pairs: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
            assert_eq!(proxies().client(&headers(&pairs), ip(peer)), ip(client), "{peer} {forwarded:?}");
        }
        let https = headers(&[("x-forwarded-proto", "https")]);
        assert!(proxies().is_https(&https, ip("10.0.0.7")));
        assert!(!proxies().is_https(&https, ip("192.0.2.1")) && !proxies().is_https(&https, None));
        assert!(!proxies().is_https(&headers(&[("x-forwarded-proto", "http")]), ip("10.0.0.7")));
    }
}
