//! The two cookies: the session, and the name of somebody who does not sign in. Never a token.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// A cookie of ours. No script reads it, and a browser sends it with no form of another site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cookie {
    name: &'static str,
    secure: bool,
}

/// Under which name somebody acts who does not sign in.
pub(crate) const NAME: Cookie = Cookie { name: "bluescope_name", secure: false };
/// It is remembered for a year.
pub(crate) const NAME_SECONDS: u64 = 365 * 86_400;

impl Cookie {
    /// The session's. By https under a name that a browser takes only from this very host: neither a site beside it nor
    /// plain http can plant one.
    pub(crate) fn session(secure: bool) -> Self {
        Self { name: if secure { "__Host-bluescope_session" } else { "bluescope_session" }, secure }
    }

    /// What the browser sent.
    pub(crate) fn get(self, headers: &HeaderMap) -> Option<&str> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name).map(|(_, value)| value)
    }

    /// What tells the browser to keep it. `value` is hexadecimal, or percent-encoded.
    pub(crate) fn set(self, value: &str, seconds: u64) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let name = self.name;
        let line = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        // Nothing in it is what a header cannot hold.
        HeaderValue::try_from(line).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_among_others_and_kept_close() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; bluescope_session=abc ;b".parse().unwrap());
        headers.append(COOKIE, "__Host-bluescope_session=def".parse().unwrap());
        assert_eq!(Cookie::session(false).get(&headers), Some("abc"));
        assert_eq!(Cookie::session(true).get(&headers), Some("def"));
        assert_eq!(NAME.get(&headers), None);
        assert_eq!(
            Cookie::session(true).set("ab", 7),
            "__Host-bluescope_session=ab; Path=/; Max-Age=7; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(NAME.set("a%20b", 7), "bluescope_name=a%20b; Path=/; Max-Age=7; HttpOnly; SameSite=Lax");
    }
}
