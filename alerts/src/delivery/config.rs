//! What an operator may set about delivery. Plain values: reading them from a file is the executable's business.

use std::time::Duration;

use super::route::Route;
use super::target::Target;

/// All settings of delivery.
#[derive(Debug, Clone)]
pub struct DeliveryConfig {
    /// Who can be told.
    pub targets: Vec<Target>,
    /// Who hears of what; none: everybody hears of everything.
    pub routes: Vec<Route>,
    /// Longest wait for one attempt, from name resolution to the status line.
    pub timeout: Duration,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self { targets: Vec::new(), routes: Vec::new(), timeout: Duration::from_secs(10) }
    }
}

impl DeliveryConfig {
    /// Everything that is wrong with it, by key; empty when it can be used.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.timeout.is_zero() {
            faults.push("timeout: must not be 0".to_owned());
        }
        for (index, target) in self.targets.iter().enumerate() {
            faults.extend(target.faults().iter().map(|fault| format!("targets.{index}.{fault}")));
            if self.targets.iter().take(index).any(|other| other.name == target.name) {
                faults.push(format!("targets.{index}.name: another target is called {:?}", target.name));
            }
        }
        for (index, route) in self.routes.iter().enumerate() {
            for name in &route.targets {
                if !self.targets.iter().any(|target| target.name == *name) {
                    faults.push(format!("routes.{index}.targets: no target is called {name:?}"));
                }
            }
            if route.targets.is_empty() && route.more {
                faults.push(format!("routes.{index}: tells nobody and goes on, so it does nothing"));
            }
        }
        faults
    }

    pub(super) fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::TargetKind;
    use super::*;

    #[test]
    fn every_fault_is_named() {
        let target = |name: &str, url: &str| Target {
            name: name.to_owned(),
            kind: TargetKind::Slack,
            url: url.into(),
            allow_private: false,
            template: None,
        };
        let route = |targets: &[&str], more| Route {
            targets: targets.iter().map(|name| (*name).to_owned()).collect(),
            more,
            ..Route::default()
        };
        assert_eq!(DeliveryConfig::default().faults(), Vec::<String>::new());
        let config = DeliveryConfig {
            targets: vec![
                target("a", "https://a.example/"),
                target("a", "https://b.example/"),
                target("b c", "gopher://c.example/"),
            ],
            // A route to nobody silences what it matches, which may be meant.
            routes: vec![route(&["a", "typo"], false), route(&[], true), route(&[], false)],
            timeout: Duration::ZERO,
        };
        let faults = config.faults();
        let keys =
            ["timeout", "targets.1.name", "targets.2.name", "targets.2.url", "routes.0.targets", "routes.1"];
        for key in keys {
            assert!(faults.iter().any(|fault| fault.starts_with(key)), "{key} is not among {faults:#?}");
        }
        assert_eq!(faults.len(), keys.len(), "{faults:#?}");
    }
}
