//! Who can be told: a target, what each kind of it needs, and what is wrong with one. Never sends anything.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::template::Template;

/// Where PagerDuty takes events; accounts in the EU have a host of their own.
pub const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// What Alertmanager's second API is called below its own URL.
const ALERTMANAGER_PATH: &str = "/api/v2/alerts";

/// One receiver of notifications.
#[derive(Debug, Clone)]
pub struct Target {
    /// What it is called in routes, in the outbox and on pages: unique, of letters, digits, `-` and `_`.
    pub name: String,
    /// What it is.
    pub kind: TargetKind,
    /// Where it is. A secret, because whoever knows the URL of a Slack or Teams webhook may post there.
    pub url: SecretString,
    /// Allow addresses that are not public. Off, so that nobody who may name a URL can reach the inside through us.
    pub allow_private: bool,
    /// The line of text for people, where it shall not be ours.
    pub template: Option<Template>,
}

/// What a target is, with what that needs beside a URL.
#[derive(Debug, Clone)]
pub enum TargetKind {
    /// Our own JSON, signed as Standard Webhooks says.
    Webhook {
        /// `whsec_` and base64, or the base64 alone.
        secret: SecretString,
    },
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// Integration key of the service.
        routing_key: SecretString,
    },
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Teams that posts the adaptive card it is sent.
    Teams,
    /// Alertmanager's API v2; the URL is that of Alertmanager itself.
    Alertmanager {
        /// How to authenticate.
        auth: Auth,
    },
}

/// How to authenticate at an Alertmanager, or at the proxy before it.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Not at all.
    None,
    /// With a user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// With a token.
    Bearer(SecretString),
}

impl TargetKind {
    /// As the configuration, pages and metrics call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Alertmanager { .. } => "alertmanager",
        }
    }

    /// Whether it keeps the state of an incident, so that it has to hear of its end whoever is muted.
    pub(super) fn keeps_state(&self) -> bool {
        match self {
            Self::Webhook { .. } | Self::PagerDuty { .. } | Self::Alertmanager { .. } => true,
            Self::Slack | Self::Teams => false,
        }
    }
}

/// A target that cannot work, however often it is tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// The name is part of a notification's id, which travels in a header.
    #[error("name: must be 1 to 64 letters, digits, '-' or '_'")]
    Name,
    /// Not a URL.
    #[error("url: {0}")]
    Url(String),
    /// Not base64, or too short to sign with.
    #[error("secret: must be whsec_ and the base64 of 16 to 128 bytes")]
    Secret,
    /// PagerDuty's keys have 32 characters; it refuses all others.
    #[error("routing_key: must be the 32 letters and digits of an Events API v2 integration")]
    RoutingKey,
    /// Would end in the middle of a header.
    #[error("user, password and token: must be one line, and not empty")]
    Auth,
}

impl Target {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn faults(&self) -> Vec<TargetFault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name = (1..=64).contains(&self.name.len()) && self.name.chars().all(plain);
        let mut faults = Vec::new();
        if !name {
            faults.push(TargetFault::Name);
        }
        faults.extend(self.endpoint().err());
        let kind = match &self.kind {
            TargetKind::Webhook { secret } => signer(secret).err(),
            TargetKind::PagerDuty { routing_key } => {
                let key = routing_key.expose_secret();
                let sound = key.len() == 32 && key.chars().all(|c| c.is_ascii_alphanumeric());
                (!sound).then_some(TargetFault::RoutingKey)
            }
            TargetKind::Alertmanager { auth } => auth.fault(),
            TargetKind::Slack | TargetKind::Teams => None,
        };
        faults.extend(kind);
        faults
    }

    /// Where to send to.
    pub(super) fn endpoint(&self) -> Result<Url, TargetFault> {
        let mut url =
            Url::parse(self.url.expose_secret()).map_err(|error| TargetFault::Url(error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err(TargetFault::Url("must be https://host/... or http://host/...".to_owned()));
        }
        if let TargetKind::Alertmanager { .. } = self.kind {
            let base = url.path().trim_end_matches('/').trim_end_matches(ALERTMANAGER_PATH).to_owned();
            url.set_path(&format!("{base}{ALERTMANAGER_PATH}"));
        }
        Ok(url)
    }
}

impl Auth {
    fn fault(&self) -> Option<TargetFault> {
        let sound = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        let holds = match self {
            Self::None => true,
            Self::Basic { user, password } => sound(user) && sound(password.expose_secret()),
            Self::Bearer(token) => sound(token.expose_secret()),
        };
        (!holds).then_some(TargetFault::Auth)
    }
}

/// What signs a webhook's bodies.
pub(super) fn signer(secret: &SecretString) -> Result<standardwebhooks::Webhook, TargetFault> {
    let secret = secret.expose_secret();
    // Four characters of base64 are three bytes. The standard recommends 24 to 64; far fewer can be guessed.
    let bytes = secret.strip_prefix("whsec_").unwrap_or(secret).trim_end_matches('=').len() * 3 / 4;
    if !(16..=128).contains(&bytes) {
        return Err(TargetFault::Secret);
    }
    standardwebhooks::Webhook::new(secret).map_err(|_bad| TargetFault::Secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn target(kind: TargetKind, url: &str) -> Target {
        Target { name: "pager".to_owned(), kind, url: url.into(), allow_private: false, template: None }
    }

    fn hook(url: &str, secret: &str) -> Target {
        target(TargetKind::Webhook { secret: secret.into() }, url)
    }

    #[test]
    fn urls_and_secrets_are_checked() {
        assert_eq!(hook("https://pager.example.com/x", SECRET).faults(), []);
        assert_eq!(hook("https://pager.example.com/x", SECRET.trim_start_matches("whsec_")).faults(), []);
        for url in ["ftp://pager.example.com/", "pager.example.com", "file:///etc/passwd", "https://"] {
            assert!(matches!(*hook(url, SECRET).faults(), [TargetFault::Url(_)]), "{url}");
        }
        for secret in ["", "short", "whsec_not base64 not base64 not base64 at all!!"] {
            assert_eq!(hook("https://a.example", secret).faults(), [TargetFault::Secret], "{secret}");
        }
        for key in ["", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde "] {
            let faults = target(TargetKind::PagerDuty { routing_key: key.into() }, PAGERDUTY_URL).faults();
            assert_eq!(faults, [TargetFault::RoutingKey], "{key}");
        }
        let auth = Auth::Bearer("two\r\nlines".into());
        let faults = target(TargetKind::Alertmanager { auth }, "https://a.example").faults();
        assert_eq!(faults, [TargetFault::Auth]);
        let name = Target { name: "sp ace".to_owned(), ..hook("https://a.example", SECRET) };
        assert_eq!(name.faults(), [TargetFault::Name]);
    }

    #[test]
    fn an_alertmanager_is_named_by_its_own_url_or_by_that_of_its_api() {
        for (url, endpoint) in [
            ("http://am:9093", "http://am:9093/api/v2/alerts"),
            ("http://am:9093/", "http://am:9093/api/v2/alerts"),
            ("https://o.example/prefix/", "https://o.example/prefix/api/v2/alerts"),
            ("https://o.example/prefix/api/v2/alerts", "https://o.example/prefix/api/v2/alerts"),
        ] {
            let found = target(TargetKind::Alertmanager { auth: Auth::None }, url).endpoint().unwrap();
            assert_eq!(found.as_str(), endpoint);
        }
    }

    #[test]
    fn no_secret_is_ever_printed() {
        let all = [
            hook("https://a.example/token-in-url", SECRET),
            target(TargetKind::PagerDuty { routing_key: "token-in-url".into() }, PAGERDUTY_URL),
            target(TargetKind::Alertmanager { auth: Auth::Bearer("token-in-url".into()) }, "x"),
        ];
        let text = format!("{all:?}");
        assert!(!text.contains("token-in-url") && !text.contains("MfKQ"), "{text}");
    }
}
