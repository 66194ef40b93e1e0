//! How the loop begins: the state of the last run, or a new one that learns from ClickHouse's past. Waits for its own store
//! and for the stream; for ClickHouse only a little.

use std::future::Future;
use std::time::Duration;

use detector::{Detector, History};
use storage::alert_store::AlertStore;
use storage::database::Database;
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
/// How long a start waits for that answer: a detector without a past is better than none.
const HISTORY_WAIT: Duration = Duration::from_secs(60);

/// The detector and where it has read to.
pub(super) async fn detector(
    config: &AlertsConfig,
    store: &AlertStore,
    database: &Database,
    stop: &CancellationToken,
) -> Option<(Detector, Marks)> {
    let kept = again("read the detector's state", stop, || store.checkpoint()).await?;
    if let Some((state, marks)) = kept {
        match Detector::restore(config.detector.clone(), &state) {
            Ok(detector) => {
                tracing::info!(series = detector.series(), "the detector goes on where it stood");
                return Some((detector, marks));
            }
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "the detector begins anew: its state cannot be taken up"
                );
                return Some((learn(config, database).await, marks));
            }
        }
    }
    Some((learn(config, database).await, Marks::default()))
}

/// A detector that knows what ClickHouse remembers.
async fn learn(config: &AlertsConfig, database: &Database) -> Detector {
    let now = now_ms();
    let mut detector = Detector::new(config.detector.clone(), now);
    let from_ms = now - HISTORY_MS;
    match tokio::time::timeout(HISTORY_WAIT, database.driver_history(from_ms)).await {
        Ok(Ok(hours)) => {
            let history: Vec<History<'_>> = hours
                .iter()
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
            }
            tracing::info!(hours = history.len(), "the detector has learnt from the past");
        }
        Ok(Err(error)) => {
            tracing::warn!(error = chain(&error), "the detector begins without a past: ClickHouse is away");
        }
        Err(_elapsed) => tracing::warn!("the detector begins without a past: ClickHouse takes too long"),
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
