//! What fetching tells Prometheus.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// All of them; clones share the values.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) files: Family<FileOutcome, Counter>,
    pub(crate) requests: Family<RequestOutcome, Counter>,
    pub(crate) received: Family<Source, Counter>,
    pub(crate) file_duration: Family<Source, Histogram, fn() -> Histogram>,
    pub(crate) breaker_open: Family<Source, Gauge>,
    pub(crate) lookups: Family<Lookup, Counter>,
    pub(crate) cache_bytes: Gauge,
    pub(crate) cache_evictions: Counter,
    pub(crate) loaded_bytes: Gauge,
    pub(crate) loaded_files: Gauge,
    pub(crate) load_duration: Histogram,
    pub(crate) under_way: Gauge,
}

/// A source, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Source {
    pub(crate) source: String,
}

/// What became of a file at a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FileOutcome {
    pub(crate) source: String,
    /// `found`, or the kind of failure.
    pub(crate) outcome: &'static str,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestOutcome {
    pub(crate) source: String,
    pub(crate) outcome: Request,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the label values as Prometheus shows them")]
pub(crate) enum Request {
    /// A file came, whole.
    received,
    /// It has none.
    absent,
    /// It refused: credentials, redirects, size.
    refused,
    /// It failed in a way that may pass.
    failed,
}

/// Where a want was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Lookup {
    pub(crate) place: LookupPlace,
}

/// Where a want was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the label values as Prometheus shows them")]
pub(crate) enum LookupPlace {
    /// Loaded files.
    memory,
    /// Files that people pushed.
    private,
    /// The cache on disk.
    disk,
    /// A source.
    source,
    /// Nowhere.
    missing,
}

impl Metrics {
    /// Makes them and registers them under `symbols_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            files: Family::default(),
            requests: Family::default(),
            received: Family::default(),
            // 5 ms to 160 s.
            file_duration: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.005, 2.0, 16))
            }),
            breaker_open: Family::default(),
            lookups: Family::default(),
            cache_bytes: Gauge::default(),
            cache_evictions: Counter::default(),
            loaded_bytes: Gauge::default(),
            loaded_files: Gauge::default(),
            load_duration: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            under_way: Gauge::default(),
        };
        let to = registry.sub_registry_with_prefix("symbols");
        metrics.register_sources(to);
        metrics.register_caches(to);
        metrics
    }

    fn register_sources(&self, to: &mut Registry) {
        to.register("files", "Files asked of sources, by source and outcome", self.files.clone());
        to.register("requests", "Requests to sources, by source and outcome", self.requests.clone());
        to.register_with_unit("received", "Bodies from sources", Unit::Bytes, self.received.clone());
        to.register_with_unit(
            "file_duration",
            "Time that one file took at a source, with all attempts",
            Unit::Seconds,
            self.file_duration.clone(),
        );
        to.register(
            "breaker_open",
            "1 while a source is left alone because it only fails, else 0",
            self.breaker_open.clone(),
        );
        to.register("under_way", "Files that are being looked for", self.under_way.clone());
    }

    fn register_caches(&self, to: &mut Registry) {
        to.register("lookups", "Wanted files, by where they were found", self.lookups.clone());
        to.register_with_unit("cache", "Size of the cache on disk", Unit::Bytes, self.cache_bytes.clone());
        to.register(
            "cache_evictions",
            "Files removed from the cache on disk for its size",
            self.cache_evictions.clone(),
        );
        to.register_with_unit(
            "loaded",
            "Memory that loaded files take",
            Unit::Bytes,
            self.loaded_bytes.clone(),
        );
        to.register("loaded_files", "Files that are loaded", self.loaded_files.clone());
        to.register_with_unit(
            "load_duration",
            "Time to load a file",
            Unit::Seconds,
            self.load_duration.clone(),
        );
    }

    /// Counts where a want was answered.
    pub(crate) fn found_in(&self, place: LookupPlace) {
        self.lookups.get_or_create(&Lookup { place }).inc();
    }
}
