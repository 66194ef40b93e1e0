//! Addresses of our own pages. A name from a dump becomes one path segment or one query value and can never become
//! anything else: all but letters, digits, `-` and `_` is percent-encoded.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::query::{Key, written};

/// A driver's page.
pub(crate) fn driver(name: &str) -> String {
    match name {
        // Browsers resolve these segments away, however they are written.
        "" | "." | ".." => search(&[(Key::Driver, name)]),
        _ => format!("/drivers/{}", encode(name)),
    }
}

/// A machine's page.
pub(crate) fn machine(tenant: &str, machine: &str) -> String {
    match machine {
        "" | "." | ".." => search(&[(Key::Tenant, tenant), (Key::Machine, machine)]),
        _ => format!("/machines/{}?tenant={}", encode(machine), encode(tenant)),
    }
}

/// A bucket's page: of one tenant, or of all.
pub(crate) fn bucket(tenant: Option<&str>, bucket: &str) -> String {
    let mut path = format!("/buckets/{}", encode(bucket));
    if matches!(bucket, "" | "." | "..") {
        path = search(&[(Key::Bucket, bucket)]);
    } else if let Some(tenant) = tenant {
        path = with_query(&path, &[("tenant", tenant)]);
    }
    path
}

/// The same, narrowed to one fault site.
pub(crate) fn fault(tenant: Option<&str>, name: &str, fault: &str) -> String {
    let path = bucket(None, name);
    let tenant = tenant.map(|tenant| ("tenant", tenant));
    let pairs: Vec<(&str, &str)> = tenant.into_iter().chain([("fault", fault)]).collect();
    if path.contains('?') { path } else { with_query(&path, &pairs) }
}

/// Where a note about a bucket is posted to; none for names that an address cannot have.
pub(crate) fn notes(tenant: Option<&str>, bucket: &str) -> Option<String> {
    let path = format!("/buckets/{}/notes", encode(bucket));
    let tenant: Vec<(&str, &str)> = tenant.into_iter().map(|tenant| ("tenant", tenant)).collect();
    (!matches!(bucket, "" | "." | "..")).then(|| with_query(&path, &tenant))
}

/// Where it is asked that a crash be analysed again.
pub(crate) fn analyse(id: Uuid) -> String {
    format!("/crashes/{id}/analyse")
}

/// Where a dead letter is queued again.
pub(crate) fn retry(partition: i32, offset: i64) -> String {
    format!("/status/dead-letters/{partition}/{offset}")
}

/// A crash's page.
pub(crate) fn crash(id: Uuid) -> String {
    format!("/crashes/{id}")
}

/// The search for crashes of which all of this holds.
pub(crate) fn search(terms: &[(Key, &str)]) -> String {
    let terms: Vec<String> = terms.iter().map(|(key, value)| written(false, *key, value)).collect();
    query(&terms.join(" "))
}

/// The search with a query as it stands.
pub(crate) fn query(query: &str) -> String {
    if query.is_empty() { "/search".to_owned() } else { with_query("/search", &[("q", query)]) }
}

/// An incident's page.
pub(crate) fn incident(id: Uuid) -> String {
    format!("/incidents/{id}")
}

/// Where something is done to an incident.
pub(crate) fn act(id: Uuid, act: &str) -> String {
    format!("/incidents/{id}/{act}")
}

/// Where a target of notifications is tried.
pub(crate) fn test(target: &str) -> String {
    format!("/targets/{}/test", encode(target))
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

/// A page of the web, where a person's text is its address: it begins with http, and has nothing in it that a browser could
/// take for anything else.
pub(crate) fn outside(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !"\"'<>\\^`{|}".contains(c);
    // What stands before an `@` is a name that the host does not have.
    (!host.is_empty() && !host.contains('@') && text.chars().all(plain)).then_some(text)
}

/// Our own page that somebody wants to come back to, or the first one: nobody is sent elsewhere.
pub(crate) fn back(text: &str) -> &str {
    let plain = |c: char| c.is_ascii_graphic() && !"\"'<>\\^`{|}".contains(c);
    let ours = text.starts_with('/') && !text.starts_with("//") && text.chars().all(plain);
    let page = !text.starts_with("/login") && !text.starts_with("/logout") && !text.starts_with("/api/");
    if ours && page && text.len() <= 2_000 { text } else { "/" }
}

/// What [`encode`] made.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        bytes.push(match byte {
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(b'?'),
                _ => b'?',
            },
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whatever it was, it is part of one name now.
pub(crate) fn encode(text: &str) -> String {
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
    fn only_addresses_of_the_web_lead_out_and_only_our_own_lead_back() {
        for good in ["https://jira.example/browse/OPS-7?a=b#c", "http://10.0.0.7:8080/x%20y"] {
            assert_eq!(outside(good), Some(good));
        }
        for bad in [
            "",
            "https://",
            "https:///x",
            "javascript:alert(1)//https://x",
            "HTTPS://x",
            "https://a b",
            "https://good.example@evil.example/",
            "https://x/\"onmouseover=alert(1)",
            "https://x/<script>",
            "https://x/\u{202e}",
            "//evil.example",
        ] {
            assert_eq!(outside(bad), None, "{bad}");
        }
        for good in ["/", "/incidents/7?a=b", "/drivers/%2F%2Fevil.example"] {
            assert_eq!(back(good), good);
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\n",
            "/login?then=/",
            "/api/v1/me",
        ] {
            assert_eq!(back(bad), "/", "{bad}");
        }
    }

    #[test]
    fn what_was_encoded_comes_back() {
        for text in ["ada", "Grüße; a=b, \"c\"", "%41%", "\0\u{202e}"] {
            assert_eq!(decode(&encode(text)), text);
        }
        assert_eq!([decode("%"), decode("%4"), decode("%zz"), decode("%ff")], ["?", "?", "?", "\u{fffd}"]);
    }

    #[test]
    fn hostile_names_stay_one_segment() {
        for (name, link) in [
            ("csagent.sys", "/drivers/csagent.sys"),
            ("../../status", "/drivers/..%2F..%2Fstatus"),
            ("..", "/search?q=driver%3A%22..%22"),
            ("", "/search?q=driver%3A%22%22"),
            ("a?b#c&d=e", "/drivers/a%3Fb%23c%26d%3De"),
            ("\"><script>", "/drivers/%22%3E%3Cscript%3E"),
            ("\0\u{202e}", "/drivers/%00%E2%80%AE"),
            ("//evil.example", "/drivers/%2F%2Fevil.example"),
            ("javascript:x", "/drivers/javascript%3Ax"),
        ] {
            assert_eq!(driver(name), link);
        }
        assert_eq!(machine("", ".."), "/search?q=tenant%3A%22%22%20machine%3A%22..%22");
        assert_eq!(bucket(Some("a&b"), "../x!y<z>"), "/buckets/..%2Fx%21y%3Cz%3E?tenant=a%26b");
        assert_eq!([bucket(None, ".."), fault(None, "..", "0a")], ["/search?q=bucket%3A%22..%22"; 2]);
        assert_eq!(fault(Some(""), "AV_x", "0a"), "/buckets/AV_x?tenant=&fault=0a");
        assert_eq!(
            (notes(Some("x&"), "a/b").as_deref(), notes(None, ".")),
            (Some("/buckets/a%2Fb/notes?tenant=x%26"), None)
        );
        assert_eq!(machine("a&b", "x/y"), "/machines/x%2Fy?tenant=a%26b");
        assert_eq!(
            with_query("/crashes", &[("driver", "a b"), ("range", "1h")]),
            "/crashes?driver=a%20b&range=1h"
        );
    }
}
