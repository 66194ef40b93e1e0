//! Metrics of the deep path: one typed struct.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What the deep path counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    analyses: Family<OutcomeLabel, Counter>,
    spent: Counter<f64, AtomicU64>,
    due: Gauge,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("deep");
        registry.register(
            "analyses",
            "Analyses with symbols, by outcome: complete, symbols_missing, failed",
            metrics.analyses.clone(),
        );
        registry.register_with_unit(
            "spent",
            "Time spent on analyses with symbols, downloads included, summed over those side by side",
            Unit::Seconds,
            metrics.spent.clone(),
        );
        registry.register(
            "due",
            "Dumps found due at the last look, as many as one turn takes",
            metrics.due.clone(),
        );
        metrics
    }

    pub(super) fn done(&self, outcome: &'static str, spent: Duration) {
        self.analyses.get_or_create(&OutcomeLabel { outcome }).inc();
        self.spent.inc_by(spent.as_secs_f64());
    }

    pub(super) fn due(&self, jobs: usize) {
        self.due.set(i64::try_from(jobs).unwrap_or(i64::MAX));
    }
}
