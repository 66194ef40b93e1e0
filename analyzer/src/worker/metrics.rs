//! The worker's metrics: one typed struct. Counters only, so that a benchmark reads the same numbers as a scraper.

use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};
use storage::rows::Outcome;

/// Where a worker's time goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Waiting for the queue, and for blobs of large dumps.
    Fetch,
    /// Inflating, summed over the dumps.
    Inflate,
    /// Reading and blaming, summed over the dumps.
    Analyse,
    /// Telling the detector.
    Publish,
    /// Writing rows.
    Insert,
    /// Committing positions and deleting spooled blobs.
    Commit,
}

impl Stage {
    /// All of them, in the order of the way through.
    pub const ALL: [Self; 6] =
        [Self::Fetch, Self::Inflate, Self::Analyse, Self::Publish, Self::Insert, Self::Commit];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Inflate => "inflate",
            Self::Analyse => "analyse",
            Self::Publish => "publish",
            Self::Insert => "insert",
            Self::Commit => "commit",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: Stage,
}

impl EncodeLabelValue for Stage {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoingLabel {
    doing: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;

/// What a worker counts; clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    deliveries: Family<OutcomeLabel, Counter>,
    stages: Family<StageLabel, Seconds>,
    retries: Family<DoingLabel, Counter>,
    inflated: Counter,
    batches: Counter,
    published: Counter,
    read_ahead: Counter,
    kept: Counter,
    keep_failures: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("analyzer");
        registry.register(
            "deliveries",
            "Deliveries with a durable row, by how they ended",
            metrics.deliveries.clone(),
        );
        registry.register_with_unit(
            "stage",
            "Time spent per stage; inflate and analyse are summed over parallel threads",
            Unit::Seconds,
            metrics.stages.clone(),
        );
        registry.register("retries", "Failed tries of a store that were repeated", metrics.retries.clone());
        registry.register_with_unit(
            "inflated",
            "Inflated size of the dumps",
            Unit::Bytes,
            metrics.inflated.clone(),
        );
        registry.register("batches", "Inserts", metrics.batches.clone());
        registry.register("published", "Crashes that the detector was told of", metrics.published.clone());
        registry.register(
            "read_ahead",
            "Deliveries that were analysed for the detector alone, while ClickHouse did not answer",
            metrics.read_ahead.clone(),
        );
        registry.register("kept_dumps", "Dumps kept for people to look at", metrics.kept.clone());
        registry.register(
            "keep_failures",
            "Dumps that should have been kept and could not be stored",
            metrics.keep_failures.clone(),
        );
        metrics
    }

    /// Deliveries with a durable row that ended so.
    pub fn deliveries(&self, outcome: Outcome) -> u64 {
        self.deliveries.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).get()
    }

    /// Time spent in a stage so far.
    pub fn stage(&self, stage: Stage) -> Duration {
        Duration::from_secs_f64(self.stages.get_or_create(&StageLabel { stage }).get())
    }

    /// Inserts so far.
    pub fn batches(&self) -> u64 {
        self.batches.get()
    }

    /// Crashes that the detector was told of.
    pub fn published_crashes(&self) -> u64 {
        self.published.get()
    }

    /// Deliveries that were analysed for the detector alone.
    pub fn deliveries_ahead(&self) -> u64 {
        self.read_ahead.get()
    }

    /// Inflated bytes so far.
    pub fn inflated_bytes(&self) -> u64 {
        self.inflated.get()
    }

    /// Failed tries so far, whatever was tried.
    pub fn retries(&self, doing: &'static str) -> u64 {
        self.retries.get_or_create(&DoingLabel { doing }).get()
    }

    pub(super) fn spent(&self, stage: Stage, since: Instant) {
        self.stages.get_or_create(&StageLabel { stage }).inc_by(since.elapsed().as_secs_f64());
    }

    pub(super) fn retried(&self, doing: &'static str) {
        self.retries.get_or_create(&DoingLabel { doing }).inc();
    }

    pub(super) fn inserted<'r>(&self, outcomes: impl Iterator<Item = &'r str>) {
        self.batches.inc();
        for outcome in outcomes {
            let known = [Outcome::Analysed, Outcome::Unreadable, Outcome::DeadLetter];
            if let Some(outcome) = known.into_iter().find(|known| known.as_str() == outcome) {
                self.deliveries.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
            }
        }
    }

    pub(super) fn inflated(&self, bytes: usize) {
        self.inflated.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(super) fn published(&self, crashes: usize) {
        self.published.inc_by(u64::try_from(crashes).unwrap_or(u64::MAX));
    }

    pub(super) fn read_ahead(&self, deliveries: usize) {
        self.read_ahead.inc_by(u64::try_from(deliveries).unwrap_or(u64::MAX));
    }

    pub(super) fn kept(&self) {
        self.kept.inc();
    }

    pub(super) fn keep_failed(&self) {
        self.keep_failures.inc();
    }
}
