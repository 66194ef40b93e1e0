//! What an operator may set about detection and delivery, with the reason for each default beside it.
//! Plain values: reading them from a file is the executable's business.

use std::time::Duration;

use detector::DetectorConfig;

use crate::delivery::DeliveryConfig;

/// All settings of the alerting role.
#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// How long a tick of the detector is. One second: a tick costs far less than a millisecond, and each is a second
    /// that somebody waits.
    pub tick: Duration,
    /// What counts as an outage, and when it is over.
    pub detector: DetectorConfig,
    /// Who is told, and how.
    pub delivery: DeliveryConfig,
    /// Where people reach the dashboards, for links in notifications: `https://bluescope.example.com`.
    pub page_url: String,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(1),
            detector: DetectorConfig::default(),
            delivery: DeliveryConfig::default(),
            page_url: "http://127.0.0.1:8080".to_owned(),
        }
    }
}

impl AlertsConfig {
    /// Everything that is wrong with it, by key; empty when it can be run.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.tick < Duration::from_millis(10) || self.tick > Duration::from_secs(60) {
            faults.push("tick: must lie between 10 ms and 60 s".to_owned());
        }
        if self.detector.resolve_after_s == 0 {
            faults.push("resolve_after: must not be 0".to_owned());
        }
        for (tenant, machines) in &self.detector.machines {
            if *machines == 0 {
                faults.push(format!("machines.{tenant}: must be at least 1"));
            }
        }
        if !(self.detector.false_pages_per_month > 0.0 && self.detector.false_pages_per_month <= 1000.0) {
            faults.push("false_pages_per_month: must lie above 0 and at most 1000".to_owned());
        }
        faults.extend(self.delivery.faults());
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
        let config = AlertsConfig {
            tick: Duration::ZERO,
            detector: DetectorConfig {
                false_pages_per_month: f64::NAN,
                resolve_after_s: 0,
                machines: [("acme".to_owned(), 0)].into(),
            },
            delivery: DeliveryConfig { timeout: Duration::ZERO, ..Default::default() },
            ..AlertsConfig::default()
        };
        let faults = config.faults();
        for key in ["tick", "false_pages", "resolve_after", "machines.acme", "timeout"] {
            assert!(faults.iter().any(|fault| fault.contains(key)), "{key} is not among {faults:#?}");
        }
        assert_eq!(faults.len(), 5, "{faults:#?}");
    }
}
