//! What the intake of symbol files tells Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// All of them; clones share the values.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    pub(super) uploads: Family<Outcome, Counter>,
    pub(super) files: Family<Kind, Counter>,
    pub(super) received: Counter,
    pub(super) upload_duration: Histogram,
}

/// How an upload ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Outcome {
    /// `accepted`, or the code of the refusal.
    pub(super) outcome: &'static str,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Kind {
    /// `image`, `pdb`, `sym`.
    pub(super) kind: &'static str,
}

impl Metrics {
    /// Makes them and registers them under `ingest_symbol_`.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            uploads: Family::default(),
            files: Family::default(),
            received: Counter::default(),
            // 10 ms to 22 min.
            upload_duration: Histogram::new(exponential_buckets(0.01, 2.0, 18)),
        };
        let to = registry.sub_registry_with_prefix("ingest").sub_registry_with_prefix("symbol");
        to.register("uploads", "Uploads of symbol files, by how they ended", metrics.uploads.clone());
        to.register("files", "Symbol files stored, by kind", metrics.files.clone());
        to.register_with_unit(
            "received",
            "Bodies with symbol files as they came off the wire",
            Unit::Bytes,
            metrics.received.clone(),
        );
        to.register_with_unit(
            "upload_duration",
            "Time from the head of a push to its answer",
            Unit::Seconds,
            metrics.upload_duration.clone(),
        );
        metrics
    }
}
