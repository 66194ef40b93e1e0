//! What the alerting role tells Prometheus.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// All of them; clones share the values.
#[derive(Debug, Clone)]
pub struct AlertsMetrics {
    pub(crate) database_up: Gauge,
    pub(crate) ticks: Counter,
    pub(crate) failed_ticks: Counter,
    pub(crate) tick_duration: Histogram,
    pub(crate) drivers: Gauge,
    pub(crate) open_incidents: Gauge,
    pub(crate) incidents_opened: Counter,
    pub(crate) incidents_resolved: Counter,
    pub(crate) incidents_withheld: Counter,
    pub(crate) unvetted_incidents: Counter,
    pub(crate) outbox_pending: Gauge,
    pub(crate) attempts: Family<Attempt, Counter>,
    pub(crate) delivery_delay: Histogram,
    pub(crate) last_tick: Gauge<f64, AtomicU64>,
}

/// Labels of an attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Attempt {
    /// Name of the webhook in the configuration.
    pub(crate) webhook: String,
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

impl AlertsMetrics {
    /// Makes them and registers them under `alerts_`.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            database_up: Gauge::default(),
            ticks: Counter::default(),
            failed_ticks: Counter::default(),
            tick_duration: Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0]),
            drivers: Gauge::default(),
            open_incidents: Gauge::default(),
            incidents_opened: Counter::default(),
            incidents_resolved: Counter::default(),
            incidents_withheld: Counter::default(),
            unvetted_incidents: Counter::default(),
            outbox_pending: Gauge::default(),
            attempts: Family::default(),
            delivery_delay: Histogram::new([0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 86400.0]),
            last_tick: Gauge::default(),
        };
        metrics.register(registry.sub_registry_with_prefix("alerts"));
        metrics
    }

    fn register(&self, to: &mut Registry) {
        to.register(
            "database_up",
            "1 while ClickHouse answers the detector, else 0",
            self.database_up.clone(),
        );
        to.register("ticks", "Looks at the fleet that were finished", self.ticks.clone());
        to.register("failed_ticks", "Looks at the fleet that failed", self.failed_ticks.clone());
        to.register_with_unit(
            "tick_duration",
            "Time that a look at the fleet took",
            Unit::Seconds,
            self.tick_duration.clone(),
        );
        to.register_with_unit(
            "last_tick_timestamp",
            "When the last look was finished, since 1970",
            Unit::Seconds,
            self.last_tick.clone(),
        );
        to.register("watched_drivers", "Drivers with a crash within the hour", self.drivers.clone());
        to.register("open_incidents", "Incidents that are open", self.open_incidents.clone());
        to.register("incidents_opened", "Incidents opened by this process", self.incidents_opened.clone());
        to.register(
            "incidents_resolved",
            "Incidents resolved by this process",
            self.incidents_resolved.clone(),
        );
        to.register(
            "incidents_withheld",
            "Incidents that stayed closed because their machines are suspect by their hardware",
            self.incidents_withheld.clone(),
        );
        to.register(
            "unvetted_incidents",
            "Times that it could not be told which machines are suspect, so that all counted",
            self.unvetted_incidents.clone(),
        );
        to.register("outbox_pending", "Notifications still to be delivered", self.outbox_pending.clone());
        to.register(
            "delivery_attempts",
            "Attempts to deliver a notification, by webhook and outcome",
            self.attempts.clone(),
        );
        to.register_with_unit(
            "delivery_delay",
            "Time from the outbox to a receiver's 2xx",
            Unit::Seconds,
            self.delivery_delay.clone(),
        );
    }
}
