//! `[alerts]`: what counts as an outage, who is told, and by which route. Owns the keys, their faults, and the way from
//! them to what the alerts role takes.

use std::collections::BTreeMap;
use std::time::Duration;

use alerts::AlertsConfig;
use alerts::delivery::{self, Auth, DeliveryConfig, PAGERDUTY_URL, TargetKind};
use detector::{DetectorConfig, Severity};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// `[alerts]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Alerts {
    /// How often the detector looks.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub tick: Duration,
    /// The one number: false pages a month that the team accepts.
    pub false_pages_per_month: f64,
    /// An incident ends when its series has been back at its usual rate for this long.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub resolve_after: Duration,
    /// Machines of each tenant, where nobody sends heartbeats and the number is known; `""` where there is one fleet.
    pub machines: BTreeMap<String, u64>,
    /// Who can be told.
    pub targets: Vec<Target>,
    /// Who hears of what.
    pub routes: Vec<Route>,
}

impl Default for Alerts {
    fn default() -> Self {
        let detector = DetectorConfig::default();
        Self {
            tick: AlertsConfig::default().tick,
            false_pages_per_month: detector.false_pages_per_month,
            resolve_after: Duration::from_secs(detector.resolve_after_s.into()),
            machines: detector.machines,
            targets: Vec::new(),
            routes: Vec::new(),
        }
    }
}

/// What a target is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Our JSON, signed as Standard Webhooks says.
    #[default]
    Webhook,
    /// PagerDuty's Events API v2.
    PagerDuty,
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Teams.
    Teams,
    /// Alertmanager's API v2.
    Alertmanager,
}

/// `[[alerts.targets]]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// What people call it.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub kind: Kind,
    /// Where it is; PagerDuty has a default.
    pub url: Option<SecretString>,
    /// Webhooks: the Standard Webhooks secret, `whsec_...`.
    pub secret: Option<SecretString>,
    /// PagerDuty: the integration key.
    pub routing_key: Option<SecretString>,
    /// Alertmanager: a user, with `password`.
    pub user: Option<String>,
    /// See `user`.
    pub password: Option<SecretString>,
    /// Alertmanager: a bearer token instead.
    pub token: Option<SecretString>,
    /// Whether it may be on this machine or in a private network.
    #[serde(default)]
    pub allow_private: bool,
    /// The line of text for people, with `{driver}` and the like in it.
    pub template: Option<String>,
}

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Loud {
    /// A page.
    Sev1,
    /// A ticket.
    Sev2,
}

/// `[[alerts.routes]]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// Only incidents as loud as this.
    pub severity: Option<Loud>,
    /// Only drivers whose name matches; `*` stands for any characters.
    pub driver: Option<String>,
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Names of targets.
    pub targets: Vec<String>,
    /// Whether the routes after this one are asked too.
    #[serde(default)]
    pub more: bool,
}

impl Alerts {
    /// Everything that is wrong with it, by key.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(Duration::from_millis(200)..=Duration::from_secs(60)).contains(&self.tick) {
            faults.push("alerts.tick: must lie between 200ms and 60s".to_owned());
        }
        if !(self.false_pages_per_month > 0.0 && self.false_pages_per_month <= 1000.0) {
            faults.push("alerts.false_pages_per_month: must lie above 0 and at most 1000".to_owned());
        }
        if !(Duration::from_secs(1)..=Duration::from_hours(24 * 7)).contains(&self.resolve_after) {
            faults.push("alerts.resolve_after: must lie between 1s and 7d".to_owned());
        }
        for (tenant, machines) in &self.machines {
            if *machines == 0 {
                faults.push(format!(
                    "alerts.machines.{tenant:?}: must be at least 1; leave it out if not known"
                ));
            }
        }
        let (delivery, of_targets) = self.read();
        faults.extend(of_targets.into_iter().map(|fault| format!("alerts.{fault}")));
        faults.extend(delivery.faults().into_iter().map(|fault| format!("alerts.{fault}")));
        faults
    }

    /// Who is told, and how. `load` has told every fault already.
    pub(crate) fn delivery(&self) -> DeliveryConfig {
        self.read().0
    }

    /// What the alerts role takes.
    pub(crate) fn role(&self, page_url: String) -> AlertsConfig {
        AlertsConfig {
            tick: self.tick,
            detector: DetectorConfig {
                false_pages_per_month: self.false_pages_per_month,
                resolve_after_s: u32::try_from(self.resolve_after.as_secs()).unwrap_or(u32::MAX),
                machines: self.machines.clone(),
            },
            delivery: self.delivery(),
            page_url,
        }
    }

    fn read(&self) -> (DeliveryConfig, Vec<String>) {
        let (mut targets, mut faults) = (Vec::new(), Vec::new());
        for (index, target) in self.targets.iter().enumerate() {
            let (read, of_target) = target.read();
            targets.push(read);
            faults.extend(of_target.into_iter().map(|fault| format!("targets.{index}.{fault}")));
        }
        let routes = self.routes.iter().map(Route::read).collect();
        (DeliveryConfig { targets, routes, ..DeliveryConfig::default() }, faults)
    }
}

impl Target {
    /// A webhook; the other keys are for the other kinds.
    pub(crate) fn webhook(name: &str, url: &str, secret: &str, allow_private: bool) -> Self {
        Self {
            name: name.to_owned(),
            url: Some(url.into()),
            secret: Some(secret.into()),
            allow_private,
            ..Self::default()
        }
    }

    /// The target, and what is wrong with its keys; what their values must be is the role's business.
    fn read(&self) -> (delivery::Target, Vec<String>) {
        let mut faults = self.misplaced();
        let secret = |key: Option<&SecretString>| key.cloned().unwrap_or_default();
        let (url, template) = (self.url_or_default(&mut faults), self.template(&mut faults));
        let kind = match self.kind {
            Kind::Webhook => TargetKind::Webhook { secret: secret(self.secret.as_ref()) },
            Kind::PagerDuty => TargetKind::PagerDuty { routing_key: secret(self.routing_key.as_ref()) },
            Kind::Slack => TargetKind::Slack,
            Kind::Teams => TargetKind::Teams,
            Kind::Alertmanager => TargetKind::Alertmanager { auth: self.auth(&mut faults) },
        };
        let target = delivery::Target {
            name: self.name.clone(),
            kind,
            url,
            allow_private: self.allow_private,
            template,
        };
        (target, faults)
    }

    /// Keys that another kind has.
    fn misplaced(&self) -> Vec<String> {
        let given = [
            ("secret", self.secret.is_some(), Kind::Webhook),
            ("routing_key", self.routing_key.is_some(), Kind::PagerDuty),
            ("user", self.user.is_some(), Kind::Alertmanager),
            ("password", self.password.is_some(), Kind::Alertmanager),
            ("token", self.token.is_some(), Kind::Alertmanager),
        ];
        let wrong = given.into_iter().filter(|(_, given, of)| *given && *of != self.kind);
        wrong.map(|(key, _, of)| format!("{key}: only targets of kind {} have it", of.name())).collect()
    }

    fn url_or_default(&self, faults: &mut Vec<String>) -> SecretString {
        match (&self.url, self.kind) {
            (Some(url), _) => url.clone(),
            (None, Kind::PagerDuty) => PAGERDUTY_URL.into(),
            (None, _) => {
                faults.push("url: is needed".to_owned());
                // Not a second fault for the same key.
                "https://missing.invalid/".into()
            }
        }
    }

    fn template(&self, faults: &mut Vec<String>) -> Option<delivery::Template> {
        match self.template.as_ref()?.parse() {
            Ok(template) => Some(template),
            Err(fault) => {
                faults.push(format!("template: {fault}"));
                None
            }
        }
    }

    fn auth(&self, faults: &mut Vec<String>) -> Auth {
        match (&self.user, &self.password, &self.token) {
            (None, None, None) => Auth::None,
            (None, None, Some(token)) => Auth::Bearer(token.clone()),
            (Some(user), Some(password), None) => {
                Auth::Basic { user: user.clone(), password: password.expose_secret().into() }
            }
            _ => {
                faults.push("user: needs password, and neither goes together with token".to_owned());
                Auth::None
            }
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::PagerDuty => "pagerduty",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Alertmanager => "alertmanager",
        }
    }
}

impl Route {
    fn read(&self) -> delivery::Route {
        delivery::Route {
            severity: self.severity.map(|severity| match severity {
                Loud::Sev1 => Severity::Sev1,
                Loud::Sev2 => Severity::Sev2,
            }),
            driver: self.driver.clone(),
            tenant: self.tenant.clone(),
            targets: self.targets.clone(),
            more: self.more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Alerts {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_defaults_are_the_detectors() {
        let alerts = read("");
        assert_eq!(alerts.faults(), Vec::<String>::new());
        let role = alerts.role("http://x".to_owned());
        assert_eq!(role.detector, DetectorConfig::default());
        assert!(role.delivery.targets.is_empty() && role.faults().is_empty());
    }

    #[test]
    fn every_kind_can_be_written_down() {
        let alerts = read(
            r#"
            false_pages_per_month = 1
            resolve_after = "10m"
            machines = { acme = 12000 }
            [[targets]]
            name = "hook"
            url = "https://example.org/hook"
            secret = "whsec_c2VjcmV0LW9mLXRoZS13ZWJob29r"
            template = "{driver}: {machines}"
            [[targets]]
            name = "pager"
            kind = "pagerduty"
            routing_key = "0123456789abcdef0123456789abcdef"
            [[targets]]
            name = "slack"
            kind = "slack"
            url = "https://hooks.slack.example/services/x"
            [[targets]]
            name = "teams"
            kind = "teams"
            url = "https://teams.example/workflows/x"
            [[targets]]
            name = "am"
            kind = "alertmanager"
            url = "http://alertmanager:9093"
            user = "bluescope"
            password = "x"
            allow_private = true
            [[routes]]
            severity = "sev1"
            targets = ["pager"]
            more = true
            [[routes]]
            driver = "csagent*"
            tenant = "acme"
            targets = ["slack", "teams"]
            "#,
        );
        assert_eq!(alerts.faults(), Vec::<String>::new());
        let role = alerts.role(String::new());
        assert_eq!((role.detector.resolve_after_s, role.detector.machines["acme"]), (600, 12_000));
        let kinds: Vec<&str> = role.delivery.targets.iter().map(|target| target.kind.name()).collect();
        assert_eq!(kinds, ["webhook", "pagerduty", "slack", "teams", "alertmanager"]);
        assert_eq!(role.delivery.targets[1].url.expose_secret(), PAGERDUTY_URL);
        assert_eq!(role.delivery.routes[0].severity, Some(Severity::Sev1));
        assert!(role.delivery.targets[0].template.is_some());
    }

    #[test]
    fn every_fault_is_named_once() {
        let alerts = read(
            r#"
            tick = "1ms"
            false_pages_per_month = 0.0
            resolve_after = "0s"
            machines = { acme = 0 }
            [[targets]]
            name = "hook"
            routing_key = "x"
            template = "{drivr}"
            [[targets]]
            name = "hook"
            kind = "pagerduty"
            routing_key = "short"
            [[targets]]
            name = "am"
            kind = "alertmanager"
            url = "http://alertmanager:9093"
            user = "bluescope"
            [[routes]]
            targets = ["nobody"]
            "#,
        );
        let faults = alerts.faults();
        let keys = [
            "alerts.tick:",
            "alerts.false_pages_per_month:",
            "alerts.resolve_after:",
            "alerts.machines.\"acme\":",
            "alerts.targets.0.url:",
            "alerts.targets.0.secret:",
            "alerts.targets.0.routing_key:",
            "alerts.targets.0.template:",
            "alerts.targets.1.name:",
            "alerts.targets.1.routing_key:",
            "alerts.targets.2.user:",
            "alerts.routes.0.targets:",
        ];
        for key in keys {
            assert_eq!(faults.iter().filter(|fault| fault.starts_with(key)).count(), 1, "{key}: {faults:#?}");
        }
        assert_eq!(faults.len(), keys.len(), "{faults:#?}");
    }
}
