//! Whether somebody is at this machine. Pure.

use std::net::IpAddr;

use axum::http::header::{FORWARDED, HOST, VIA};
use axum::http::{HeaderMap, HeaderName};

/// What proxies add: behind one, every peer is this machine.
const OF_PROXIES: [HeaderName; 4] =
    [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];

/// Both ends are this machine, and the client knows it: a name that somebody else's server gives to 127.0.0.1 is how their
/// page gets a browser here to take us for its own site.
pub(super) fn is_here(headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
    let direct = OF_PROXIES.iter().all(|name| !headers.contains_key(name));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    direct && peer.is_some_and(|peer| peer.to_canonical().is_loopback()) && is_loopback(host)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _port)| name),
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    };
    let is_address = |ip: IpAddr| ip.to_canonical().is_loopback();
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(is_address)
}
