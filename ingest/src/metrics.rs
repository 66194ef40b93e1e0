//! What the intake tells Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// All of them; clones share the values.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) uploads: Family<Outcome, Counter>,
    pub(crate) received: Counter,
    pub(crate) inflated: Counter,
    pub(crate) stored: Counter,
    pub(crate) spilled: Counter,
    pub(crate) dropped_tags: Counter,
    pub(crate) under_way: Gauge,
    pub(crate) held: Gauge,
    pub(crate) upload_duration: Histogram,
    pub(crate) append_duration: Histogram,
    pub(crate) told: Family<Told, Counter>,
    pub(crate) told_entries: Family<Told, Counter>,
    pub(crate) told_duration: Histogram,
}

/// How an upload ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    /// `accepted`, or the code of the refusal.
    pub(crate) outcome: &'static str,
}

/// Heartbeats, inventories or changes, and how their request ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Told {
    /// `heartbeats`, `inventory`, `changes`.
    pub(crate) what: &'static str,
    /// As in [`Outcome`].
    pub(crate) outcome: &'static str,
}

impl Metrics {
    /// Makes them and registers them under `ingest_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            uploads: Family::default(),
            received: Counter::default(),
            inflated: Counter::default(),
            stored: Counter::default(),
            spilled: Counter::default(),
            dropped_tags: Counter::default(),
            under_way: Gauge::default(),
            held: Gauge::default(),
            // 1 ms to 65 s.
            upload_duration: Histogram::new(exponential_buckets(0.001, 2.0, 17)),
            append_duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            told: Family::default(),
            told_entries: Family::default(),
            told_duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
        };
        let to = registry.sub_registry_with_prefix("ingest");
        to.register("uploads", "Uploads, by how they ended", metrics.uploads.clone());
        let bytes = Unit::Bytes;
        to.register_with_unit(
            "received",
            "Bodies as they came off the wire",
            bytes.clone(),
            metrics.received.clone(),
        );
        to.register_with_unit(
            "inflated",
            "Accepted dumps, inflated",
            bytes.clone(),
            metrics.inflated.clone(),
        );
        to.register_with_unit("stored", "Accepted dumps, as stored", bytes.clone(), metrics.stored.clone());
        to.register(
            "spilled",
            "Accepted dumps that went to the blob store for their size",
            metrics.spilled.clone(),
        );
        to.register(
            "dropped_tags",
            "Form fields left out because there were too many",
            metrics.dropped_tags.clone(),
        );
        to.register("under_way", "Uploads under way", metrics.under_way.clone());
        to.register_with_unit(
            "held",
            "Memory that uploads under way have taken",
            bytes,
            metrics.held.clone(),
        );
        to.register_with_unit(
            "upload_duration",
            "Time from the head of a request to its answer",
            Unit::Seconds,
            metrics.upload_duration.clone(),
        );
        to.register_with_unit(
            "append_duration",
            "Time until the queue, or the stream of signals, had it on disk",
            Unit::Seconds,
            metrics.append_duration.clone(),
        );
        metrics.register_told(to);
        metrics
    }

    fn register_told(&self, to: &mut Registry) {
        to.register(
            "told",
            "Requests with heartbeats, inventories or changes, by how they ended",
            self.told.clone(),
        );
        to.register(
            "told_entries",
            "Heartbeats, inventories and changes that are durable",
            self.told_entries.clone(),
        );
        to.register_with_unit(
            "told_duration",
            "Time from the head of such a request to its answer",
            Unit::Seconds,
            self.told_duration.clone(),
        );
    }
}
