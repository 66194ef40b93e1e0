//! What a client says about itself: machine, ring, site and tags, from headers and form fields. Owns their limits and
//! which source wins; believes nothing else.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::HeaderValue;
use http::request::Parts;

use crate::refusal::{Refusal, short};

/// Longest machine, ring or site, in bytes: a DNS name has 255.
pub(crate) const NAME_BYTES: usize = 255;
/// Most tags of one upload, headers and form together.
const TAGS: usize = 32;
/// Longest name of a tag, in bytes.
const TAG_NAME_BYTES: usize = 64;
/// Longest value of a tag, in bytes: all of them together stay far below what the queue's header may have.
const TAG_VALUE_BYTES: usize = 256;

const MACHINE: &str = "x-bluescope-machine";
const RING: &str = "x-bluescope-ring";
const SITE: &str = "x-bluescope-site";
const FAREWELL: &str = "x-bluescope-farewell";
const TAG_PREFIX: &str = "x-bluescope-tag-";

/// Who uploads.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    machine: Option<String>,
    ring: Option<String>,
    site: Option<String>,
    /// Crashpad's and Breakpad's id of an installation: the machine when nothing better is said.
    guid: Option<String>,
    tags: BTreeMap<String, String>,
    /// It goes down on purpose; heartbeats say so.
    farewell: Option<String>,
    /// How many tags did not fit.
    pub(crate) dropped_tags: usize,
}

impl Origin {
    /// What the headers say. They are set on purpose, so that a wrong one is refused.
    pub(crate) fn from_headers(request: &Parts) -> Result<Self, Refusal> {
        let mut origin = Self::default();
        for name in request.headers.keys() {
            let mut values = request.headers.get_all(name).iter();
            let place = match name.as_str() {
                MACHINE => &mut origin.machine,
                RING => &mut origin.ring,
                SITE => &mut origin.site,
                FAREWELL => &mut origin.farewell,
                other => {
                    let Some(tag) = other.strip_prefix(TAG_PREFIX) else { continue };
                    let value = header_text(other, values.next(), TAG_VALUE_BYTES)?;
                    check(other, tag, TAG_NAME_BYTES)?;
                    if let Some(value) = value {
                        origin.tags.insert(tag.to_owned(), value);
                    }
                    if origin.tags.len() > TAGS {
                        return Err(bad("the tags", format!("there are more than {TAGS}")));
                    }
                    continue;
                }
            };
            *place = header_text(name.as_str(), values.next(), NAME_BYTES)?;
            if values.next().is_some() {
                return Err(bad(name.as_str(), "it is there twice"));
            }
        }
        Ok(origin)
    }

    /// Adds a field of a form. Headers win, and of two fields the first. What names the machine is checked like a
    /// header; what an application's crash handler adds by itself is cut to fit, since losing the crash over it would
    /// be worse.
    pub(crate) fn add_field(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let place = match name {
            "machine" => &mut self.machine,
            "ring" => &mut self.ring,
            "site" => &mut self.site,
            "guid" => &mut self.guid,
            _ => {
                self.add_tag(name, value);
                return Ok(());
            }
        };
        let value = value.trim();
        check(name, value, NAME_BYTES)?;
        if place.is_none() && !value.is_empty() {
            *place = Some(value.to_owned());
        }
        Ok(())
    }

    fn add_tag(&mut self, name: &str, value: &str) {
        let (name, value) = (cut(name, TAG_NAME_BYTES), cut(value, TAG_VALUE_BYTES));
        if name.is_empty() || value.is_empty() || self.tags.contains_key(&name) {
            return;
        }
        if self.tags.len() < TAGS {
            self.tags.insert(name, value);
        } else {
            self.dropped_tags = self.dropped_tags.saturating_add(1);
        }
    }

    /// The machine as it calls itself; else the installation's id; else the address it uploads from, which at least
    /// stays the same from one crash to the next. Machines behind one address count as one then: too few, so that
    /// nobody is paged for crashes of one machine that were taken for many.
    pub(crate) fn machine(&self, request: &Parts) -> String {
        if let Some(named) = self.machine.as_ref().or(self.guid.as_ref()) {
            return named.clone();
        }
        peer(request).map_or_else(|| "unknown".to_owned(), |ip| format!("addr-{ip}"))
    }

    /// Whether it goes down on purpose.
    pub(crate) fn farewell(&self) -> bool {
        self.farewell.as_deref().is_some_and(|told| matches!(told, "1" | "true" | "yes"))
    }

    /// Ring, site and tags, empty where unknown.
    pub(crate) fn into_rest(self) -> (String, String, BTreeMap<String, String>) {
        (self.ring.unwrap_or_default(), self.site.unwrap_or_default(), self.tags)
    }
}

/// The address that a request comes from.
pub(crate) fn peer(request: &Parts) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(peer.ip().to_canonical())
}

/// The network that a request comes from: what tells the sites of machines apart that name none. Empty for this machine
/// itself, which is a proxy or a test.
pub(crate) fn network(request: &Parts) -> String {
    match peer(request) {
        None => String::new(),
        Some(ip) if ip.is_loopback() || ip.is_unspecified() => String::new(),
        Some(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// A header as text; none when empty.
fn header_text(name: &str, value: Option<&HeaderValue>, longest: usize) -> Result<Option<String>, Refusal> {
    let bytes = value.map(HeaderValue::as_bytes).unwrap_or_default();
    let text = str::from_utf8(bytes).map_err(|_invalid| bad(name, "it is not UTF-8"))?.trim();
    check(name, text, longest)?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn check(what: &str, text: &str, longest: usize) -> Result<(), Refusal> {
    if text.len() > longest {
        return Err(bad(what, format!("it has {} bytes, the most is {longest}", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(bad(what, "it has control characters"));
    }
    Ok(())
}

fn bad(what: &str, why: impl Into<String>) -> Refusal {
    Refusal::BadValue { what: short(what), why: why.into() }
}

/// The beginning of a text, on one line.
fn cut(text: &str, longest: usize) -> String {
    let text = text.trim();
    let kept = text.get(..text.floor_char_boundary(longest)).unwrap_or_default();
    kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_24_and_48_bits() {
        for (peer, expected) in [
            ("192.0.2.77:1", "192.0.2.0/24"),
            ("[2001:db8:1:2::3]:1", "2001:db8:1::/48"),
            ("[::ffff:192.0.2.77]:1", "192.0.2.0/24"),
            ("127.0.0.1:1", ""),
            ("[::1]:1", ""),
        ] {
            let mut request = http::Request::new(());
            request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
            assert_eq!(network(&request.into_parts().0), expected, "{peer}");
        }
        assert_eq!(network(&http::Request::new(()).into_parts().0), "");
    }
}
