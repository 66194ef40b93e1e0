//! Addresses of our own pages. A name from a dump becomes one path segment or one query value and can never become
//! anything else: all but letters, digits, `-` and `_` is percent-encoded.

use std::fmt::Write as _;

use uuid::Uuid;

/// A driver's page.
pub(crate) fn driver(name: &str) -> String {
    match name {
        // Browsers resolve these segments away, however they are written.
        "" | "." | ".." => format!("/crashes?driver={}", encode(name)),
        _ => format!("/drivers/{}", encode(name)),
    }
}

/// A machine's page.
pub(crate) fn machine(tenant: &str, machine: &str) -> String {
    match machine {
        "" | "." | ".." => format!("/crashes?tenant={}&machine={}", encode(tenant), encode(machine)),
        _ => format!("/machines/{}?tenant={}", encode(machine), encode(tenant)),
    }
}

/// Where a bucket's crashes are; of one tenant, or of all.
pub(crate) fn bucket(tenant: Option<&str>, bucket: &str) -> String {
    let tenant = tenant.map(|tenant| ("tenant", tenant));
    let pairs: Vec<(&str, &str)> = [Some(("bucket", bucket)), tenant].into_iter().flatten().collect();
    with_query("/crashes", &pairs)
}

/// A crash's page.
pub(crate) fn crash(id: Uuid) -> String {
    format!("/crashes/{id}")
}

/// An incident's page.
pub(crate) fn incident(id: Uuid) -> String {
    format!("/incidents/{id}")
}

/// Where a target of notifications is tried.
pub(crate) fn test(target: &str) -> String {
    format!("/api/v1/targets/{}/test", encode(target))
}

/// A page with a query string of these names (ours) and values (anybody's).
pub(crate) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    for (index, (name, value)) in pairs.iter().enumerate() {
        address.push(if index == 0 { '?' } else { '&' });
        address.push_str(name);
        address.push('=');
        address.push_str(&encode(value));
    }
    address
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(char::from(byte)),
            // Harmless between other characters, and every driver has one.
            b'.' => encoded.push('.'),
            // Writing to a String cannot fail.
            _ => write!(encoded, "%{byte:02X}").unwrap_or_default(),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_one_segment() {
        for (name, link) in [
            ("csagent.sys", "/drivers/csagent.sys"),
            ("../../status", "/drivers/..%2F..%2Fstatus"),
            ("..", "/crashes?driver=.."),
            ("", "/crashes?driver="),
            ("a?b#c&d=e", "/drivers/a%3Fb%23c%26d%3De"),
            ("\"><script>", "/drivers/%22%3E%3Cscript%3E"),
            ("\0\u{202e}", "/drivers/%00%E2%80%AE"),
            ("//evil.example", "/drivers/%2F%2Fevil.example"),
            ("javascript:x", "/drivers/javascript%3Ax"),
        ] {
            assert_eq!(driver(name), link);
        }
        assert_eq!(bucket(Some("a&b"), "AV_a!b"), "/crashes?bucket=AV_a%21b&tenant=a%26b");
        assert_eq!(machine("a&b", "x/y"), "/machines/x%2Fy?tenant=a%26b");
        assert_eq!(
            with_query("/crashes", &[("driver", "a b"), ("range", "1h")]),
            "/crashes?driver=a%20b&range=1h"
        );
    }
}
