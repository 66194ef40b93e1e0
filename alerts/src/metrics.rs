//! What the alerting role tells Prometheus.

use std::sync::atomic::AtomicU64;

use detector::{Step, Transition};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::delivery::DeliveryMetrics;

/// All of them; clones share the values.
#[derive(Debug, Clone)]
pub struct AlertsMetrics {
    pub(crate) ticks: Counter,
    pub(crate) failed_ticks: Counter,
    pub(crate) tick_duration: Histogram,
    pub(crate) series: Gauge,
    pub(crate) state_bytes: Gauge,
    pub(crate) checkpoint_duration: Histogram,
    pub(crate) open_incidents: Gauge,
    pub(crate) cold: Gauge,
    pub(crate) incidents_opened: Counter,
    pub(crate) incidents_resolved: Counter,
    pub(crate) suspects: Gauge,
    pub(crate) suspect_crashes: Counter,
    pub(crate) malformed_signals: Counter,
    pub(crate) delivery: DeliveryMetrics,
    pub(crate) last_tick: Gauge<f64, AtomicU64>,
}

impl AlertsMetrics {
    /// Makes them and registers them under `alerts_`.
    pub fn new(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("alerts");
        let metrics = Self {
            ticks: Counter::default(),
            failed_ticks: Counter::default(),
            tick_duration: Histogram::new([0.0005, 0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0]),
            series: Gauge::default(),
            state_bytes: Gauge::default(),
            checkpoint_duration: Histogram::new([0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 25.0]),
            open_incidents: Gauge::default(),
            cold: Gauge::default(),
            incidents_opened: Counter::default(),
            incidents_resolved: Counter::default(),
            suspects: Gauge::default(),
            suspect_crashes: Counter::default(),
            malformed_signals: Counter::default(),
            delivery: DeliveryMetrics::new(registry),
            last_tick: Gauge::default(),
        };
        metrics.register(registry);
        metrics
    }

    /// Counts a step of an incident.
    pub(crate) fn step(&self, step: &Transition) {
        match step.step {
            Step::Opened => {
                self.incidents_opened.inc();
            }
            Step::Resolved => {
                self.incidents_resolved.inc();
            }
            _ => {}
        }
    }

    fn register(&self, to: &mut Registry) {
        to.register("ticks", "Ticks of the detector that are over", self.ticks.clone());
        to.register("failed_ticks", "Turns of the detector's loop that failed", self.failed_ticks.clone());
        to.register_with_unit(
            "tick_duration",
            "Time that signals and ticks of one turn took",
            Unit::Seconds,
            self.tick_duration.clone(),
        );
        to.register_with_unit(
            "last_tick_timestamp",
            "End of the last tick, since 1970",
            Unit::Seconds,
            self.last_tick.clone(),
        );
        to.register("series", "Series that the detector keeps", self.series.clone());
        to.register("state_bytes", "Size of the detector's last checkpoint", self.state_bytes.clone());
        to.register_with_unit(
            "checkpoint_duration",
            "Time that writing the detector's state took, during which nothing is detected",
            Unit::Seconds,
            self.checkpoint_duration.clone(),
        );
        to.register("open_incidents", "Incidents that are open", self.open_incidents.clone());
        to.register(
            "without_past",
            "1 while the detector knows no past, because ClickHouse did not answer when it began",
            self.cold.clone(),
        );
        to.register("incidents_opened", "Incidents opened by this process", self.incidents_opened.clone());
        to.register(
            "incidents_resolved",
            "Incidents resolved by this process",
            self.incidents_resolved.clone(),
        );
        to.register("suspect_machines", "Machines whose crashes count in no chart", self.suspects.clone());
        to.register("suspect_crashes", "Crashes of such machines", self.suspect_crashes.clone());
        to.register(
            "malformed_signals",
            "Signals that could not be read and were passed over",
            self.malformed_signals.clone(),
        );
    }
}
