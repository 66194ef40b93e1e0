//! What an operator may set about detection and delivery, with the reason for each default beside it.
//! Plain values: reading them from a file is the executable's business.

use std::time::Duration;

use secrecy::SecretString;

/// All settings of the alerting role.
#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// How often storage is asked. Two seconds keep the whole way from a tenth machine to a page under five.
    pub tick: Duration,
    /// What counts as an outage, and when it is over.
    pub detector: DetectorConfig,
    /// Who is told.
    pub webhooks: Vec<Webhook>,
    /// Where people reach the dashboards, for links in notifications: `https://bluescope.example.com`.
    pub page_url: String,
    /// Longest wait for one attempt of one webhook, from name resolution to the status line.
    pub webhook_timeout: Duration,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(2),
            detector: DetectorConfig::default(),
            webhooks: Vec::new(),
            page_url: "http://127.0.0.1:8080".to_owned(),
            webhook_timeout: Duration::from_secs(10),
        }
    }
}

/// One receiver of notifications.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// What it is called in the outbox and on the incident page: unique, of letters, digits, `-` and `_`.
    pub name: String,
    /// `https://...`; `http://` too, for receivers inside one's own network.
    pub url: String,
    /// Standard Webhooks secret: `whsec_` and base64, or the base64 alone.
    pub secret: SecretString,
    /// Allow addresses that are not public. Off, so that nobody who may name a URL can reach the inside through us.
    pub allow_private: bool,
}

/// The detector's thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorConfig {
    /// Fewest distinct machines of one driver that may page.
    pub min_machines: u64,
    /// Fewest sites these must come from, where the fleet has at least three.
    pub min_sites: u64,
    /// How long a driver must be back at its baseline before its incident is resolved.
    pub resolve_after: Duration,
    /// Chance of one false page a month over all drivers. It costs little: halving it raises the threshold of a
    /// rare driver by a fraction of one machine.
    pub false_pages_per_month: f64,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            min_machines: 10,
            min_sites: 2,
            resolve_after: Duration::from_secs(300),
            false_pages_per_month: 0.1,
        }
    }
}

impl AlertsConfig {
    /// Everything that is wrong with it, by key; empty when it can be run.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.tick.is_zero() || self.tick > Duration::from_secs(60) {
            faults.push("tick: must lie above 0 and at most 60 s".to_owned());
        }
        if self.detector.min_machines < 2 {
            faults.push("min_machines: one machine is a bad machine, not an outage; at least 2".to_owned());
        }
        if !(self.detector.false_pages_per_month > 0.0 && self.detector.false_pages_per_month <= 1000.0) {
            faults.push("false_pages_per_month: must lie above 0 and at most 1000".to_owned());
        }
        if self.webhook_timeout.is_zero() {
            faults.push("webhook_timeout: must not be 0".to_owned());
        }
        for (index, webhook) in self.webhooks.iter().enumerate() {
            let at = format!("webhooks[{index}] ({:?})", webhook.name);
            // The name is part of the notification's id, which travels in a header.
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if !(1..=64).contains(&webhook.name.len()) || !webhook.name.chars().all(plain) {
                faults.push(format!("{at}.name: must be 1 to 64 letters, digits, '-' or '_'"));
            }
            if self.webhooks.iter().filter(|other| other.name == webhook.name).count() > 1 {
                faults.push(format!("{at}.name: must be unique"));
            }
            if let Err(error) = crate::webhook::check(webhook) {
                faults.push(format!("{at}: {error}"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(AlertsConfig::default().faults(), Vec::<String>::new());
    }

    #[test]
    fn every_fault_is_named() {
        let hook = |name: &str, url: &str, secret: &str| Webhook {
            name: name.to_owned(),
            url: url.to_owned(),
            secret: secret.to_owned().into(),
            allow_private: false,
        };
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let config = AlertsConfig {
            tick: Duration::ZERO,
            detector: DetectorConfig {
                min_machines: 1,
                false_pages_per_month: f64::NAN,
                ..Default::default()
            },
            webhooks: vec![
                hook("twice", "https://a.example/", secret),
                hook("twice", "https://b.example/", secret),
                hook("sp ace", "gopher://c.example/", secret),
                hook("short", "https://d.example/", "whsec_abc"),
            ],
            webhook_timeout: Duration::ZERO,
            ..AlertsConfig::default()
        };
        let faults = config.faults();
        for key in ["tick", "min_machines", "false_pages", "webhook_timeout", "[0]", "[1]", "[2]", "[3]"] {
            assert!(faults.iter().any(|fault| fault.contains(key)), "{key} is not among {faults:#?}");
        }
        assert_eq!(faults.len(), 9, "{faults:#?}");
    }
}
