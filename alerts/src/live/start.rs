//! How the loop begins: the state of the last run, or a new one that learns from ClickHouse's past. Waits for its own store
//! and for the stream; for ClickHouse only a little: a detector without a past is better than none, and learns later.

use std::future::Future;
use std::time::Duration;

use detector::{Detector, History};
use serde::{Deserialize, Serialize};
use storage::alert_store::AlertStore;
use storage::database::Database;
use storage::questions::DriverHour;
use storage::queue::BatchLimits;
use storage::signals::{Marks, SignalReader, Signals};
use tokio_util::sync::CancellationToken;

use super::AGAIN;
use crate::config::AlertsConfig;
use crate::delivery::chain;
use crate::now_ms;

/// Name of the position up to which the acts of people were read.
pub(super) const ACTS: &str = "acts";
/// How far back ClickHouse is asked.
const HISTORY_MS: i64 = 30 * 86_400_000;
/// How long a start waits for that answer.
pub(super) const HISTORY_WAIT: Duration = Duration::from_secs(10);
/// And whoever asks again beside the detector's work: of ten thousand drivers the answer has two million rows.
pub(super) const HISTORY_PATIENCE: Duration = Duration::from_secs(300);
/// How long a first signal is waited for.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// What a detector that begins anew reads again at most.
const RECENT_MS: i64 = 3_600_000;
/// Name of what is known of a start without a past.
pub(super) const COLD: &str = "cold start";
/// After this long it knows a past of its own.
const COLD_MS: i64 = 86_400_000;

/// What the loop begins with.
pub(super) struct Begun {
    pub(super) detector: Detector,
    /// Where it has read to.
    pub(super) marks: Marks,
    pub(super) cold: Option<Cold>,
}

/// A start without a past, to be made again once there is one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cold {
    since_ms: i64,
    /// Where it began to read.
    pub(super) marks: Marks,
    #[serde(skip)]
    pub(super) history: Option<Vec<DriverHour>>,
}

impl Cold {
    /// As it is kept; empty where there is none.
    pub(super) fn cursor(cold: Option<&Self>) -> String {
        // Numbers and names: nothing that JSON cannot hold.
        cold.and_then(|cold| serde_json::to_string(cold).ok()).unwrap_or_default()
    }

    fn kept(text: Option<String>) -> Option<Self> {
        let cold: Self = serde_json::from_str(&text?).ok()?;
        (!cold.is_stale()).then_some(cold)
    }

    /// Whether what came since is too much to be read again, and to be told again.
    pub(super) fn is_stale(&self) -> bool {
        now_ms().saturating_sub(self.since_ms) >= COLD_MS
    }

    /// The detector that this start would have had.
    pub(super) fn learn(&self, config: &AlertsConfig) -> Detector {
        taught(config, self.since_ms, self.history.as_deref().unwrap_or_default())
    }
}

/// The detector and where it has read to.
pub(super) async fn detector(
    config: &AlertsConfig,
    signals: &Signals,
    store: &AlertStore,
    database: &Database,
    stop: &CancellationToken,
) -> Option<Begun> {
    let kept = again("read the detector's state", stop, || store.checkpoint()).await?;
    let marks = match kept {
        None => Marks::default(),
        Some((state, marks)) => match Detector::restore(config.detector.clone(), &state) {
            Ok(detector) => {
                let cold = Cold::kept(again("read a position", stop, || store.cursor(COLD)).await?);
                tracing::info!(series = detector.series(), "the detector goes on where it stood");
                return Some(Begun { detector, marks, cold });
            }
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "the detector begins anew: its state cannot be taken up"
                );
                marks
            }
        },
    };
    let (marks, since_ms) = beginning(signals, marks, stop).await?;
    let history = tokio::select! {
        () = stop.cancelled() => return None,
        history = history(database, HISTORY_WAIT) => history,
    };
    let cold = history.is_none().then(|| Cold { since_ms, marks: marks.clone(), history: None });
    let detector = taught(config, since_ms, history.as_deref().unwrap_or_default());
    Some(Begun { detector, marks, cold })
}

/// Where to begin: at what came within the last hour, and when that came. It must not all fall into the first tick, and an
/// outage of last week is nobody's page.
async fn beginning(signals: &Signals, marks: Marks, stop: &CancellationToken) -> Option<(Marks, i64)> {
    let mut reader = reader(signals, &marks, stop).await?;
    let limits = BatchLimits { messages: 1_000, bytes: 8 << 20, wait: FIRST_WAIT };
    loop {
        let before = reader.marks();
        let received = reader.next(limits).await.unwrap_or_default();
        let now = now_ms();
        let recent =
            received.iter().map(|one| one.at_ms).find(|at_ms| now.saturating_sub(*at_ms) < RECENT_MS);
        if received.is_empty() || recent.is_some() {
            return Some((before, recent.map_or(now, |at_ms| at_ms.min(now))));
        }
    }
}

/// What ClickHouse remembers; `None` where it does not answer in time.
pub(super) async fn history(database: &Database, patience: Duration) -> Option<Vec<DriverHour>> {
    match tokio::time::timeout(patience, database.driver_history(now_ms() - HISTORY_MS)).await {
        Ok(Ok(hours)) => Some(hours),
        Ok(Err(error)) => {
            tracing::warn!(
                error = chain(&error),
                "the detector has no past to learn from: ClickHouse is away"
            );
            None
        }
        Err(_elapsed) => {
            tracing::warn!("the detector has no past to learn from: ClickHouse takes too long");
            None
        }
    }
}

/// A detector that begins at `since_ms` and knows what was before.
fn taught(config: &AlertsConfig, since_ms: i64, hours: &[DriverHour]) -> Detector {
    let mut detector = Detector::new(config.detector.clone(), since_ms);
    let history: Vec<History<'_>> = hours
        .iter()
        .filter(|hour| hour.hour_ms < since_ms)
        .map(|hour| History {
            tenant: &hour.tenant,
            driver: &hour.driver,
            hour_ms: hour.hour_ms,
            machines: hour.machines,
        })
        .collect();
    // The past begins with its first crash: before that nobody was asked.
    if let Some(first) = history.iter().map(|hour| hour.hour_ms).min() {
        detector.learn(first, &history);
        tracing::info!(hours = history.len(), "the detector has learnt from the past");
    }
    detector
}

pub(super) async fn reader(
    signals: &Signals,
    marks: &Marks,
    stop: &CancellationToken,
) -> Option<SignalReader> {
    again("read the stream of signals", stop, || signals.reader(marks)).await
}

/// How far the acts of people have been read.
pub(super) async fn acts_cursor(store: &AlertStore, stop: &CancellationToken) -> Option<Option<String>> {
    again("read a position", stop, || store.cursor(ACTS)).await
}

/// Asks until there is an answer; `None` when told to stop.
async fn again<T, E, F>(what: &str, stop: &CancellationToken, ask: impl Fn() -> F) -> Option<T>
where
    E: std::error::Error,
    F: Future<Output = Result<T, E>>,
{
    let mut said = false;
    loop {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::error!(error = chain(&error), what, "detection cannot begin yet: trying again");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}
