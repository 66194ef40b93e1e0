//! What delivery tells Prometheus.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// All of them; clones share the values.
#[derive(Debug, Clone)]
pub struct DeliveryMetrics {
    pub(crate) pending: Gauge,
    pub(crate) target_pending: Family<Named, Gauge>,
    pub(crate) target_up: Family<Named, Gauge>,
    pub(crate) attempts: Family<Attempt, Counter>,
    pub(crate) delay: Histogram,
    pub(crate) unwritten: Counter,
}

/// Label of what is told of each target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Named {
    /// Name in the configuration.
    pub(crate) target: String,
}

/// Labels of an attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Attempt {
    /// Name of the target in the configuration.
    pub(crate) target: String,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the label values as Prometheus shows them")]
pub(crate) enum Outcome {
    /// 2xx.
    delivered,
    /// Failed, and will be tried again.
    retried,
    /// Given up on.
    failed,
}

impl DeliveryMetrics {
    /// Makes them and registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            pending: Gauge::default(),
            target_pending: Family::default(),
            target_up: Family::default(),
            attempts: Family::default(),
            delay: Histogram::new([0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 86400.0]),
            unwritten: Counter::default(),
        };
        metrics.register(registry);
        metrics
    }

    fn register(&self, to: &mut Registry) {
        to.register("outbox_pending", "Notifications still to be delivered", self.pending.clone());
        to.register(
            "target_pending",
            "Notifications still to be delivered, by target",
            self.target_pending.clone(),
        );
        to.register(
            "target_up",
            "1 while a target takes what it is sent, 0 once it has failed for a minute",
            self.target_up.clone(),
        );
        to.register(
            "delivery_attempts",
            "Attempts to deliver a notification, by target and outcome",
            self.attempts.clone(),
        );
        to.register_with_unit(
            "delivery_delay",
            "Time from the outbox to a receiver's 2xx",
            Unit::Seconds,
            self.delay.clone(),
        );
        to.register(
            "outbox_failed_writes",
            "Times that a notification's state could not be written",
            self.unwritten.clone(),
        );
    }
}
