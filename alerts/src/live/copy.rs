//! What only pages need is copied into ClickHouse: steps and notifications out of the store, inventories, signs of life and
//! changes out of the stream. Nothing here is waited for; what ClickHouse does not take now it is given later.

use std::time::Duration;

use storage::alert_store::{AlertStore, AlertStoreError};
use storage::database::{Database, DatabaseError};
use storage::questions::SignalRows;
use storage::queue::BatchLimits;
use storage::signals::{Marks, Signal, Signals};
use tokio_util::sync::CancellationToken;

use crate::delivery::{chain, is_marker};

/// How often the store is asked what is new.
const OFTEN: Duration = Duration::from_millis(500);
/// How soon to try again.
const AGAIN: Duration = Duration::from_secs(2);
/// Rows of one round.
const ROWS: u32 = 500;
/// Signals of one round.
const SIGNALS: BatchLimits = BatchLimits { messages: 5_000, bytes: 32 << 20, wait: Duration::from_secs(2) };
/// Name of the position up to which signals were copied.
const MARKS: &str = "copied signals";
/// How often old rows of the store are dropped.
const PRUNE: Duration = Duration::from_secs(3600);

#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Store(#[from] AlertStoreError),
    #[error("cannot write a position")]
    Json(#[from] serde_json::Error),
}

/// Copies until told to stop.
pub(crate) async fn run(store: AlertStore, signals: Signals, database: Database, stop: CancellationToken) {
    let all = async {
        tokio::join!(rows(&store, &database), stream(&store, &signals, &database), prune(&store));
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = all => {}
    }
}

async fn rows(store: &AlertStore, database: &Database) {
    let mut away = false;
    loop {
        let outcome = copy_rows(store, database).await;
        tokio::time::sleep(pause(&outcome, &mut away, "incidents are not copied to ClickHouse for now"))
            .await;
    }
}

/// One round; whether there may be more.
async fn copy_rows(store: &AlertStore, database: &Database) -> Result<bool, CopyError> {
    let rows = store.uncopied(ROWS).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    for event in &rows.events {
        database.put_incident_event(event).await?;
    }
    // What keeps an alert of Alertmanager's burning over a restart is no notification that anybody waits for.
    for notification in rows.notifications.iter().filter(|row| !is_marker(row)) {
        database.put_notification(notification).await?;
    }
    store.copied(&rows).await?;
    Ok(true)
}

async fn stream(store: &AlertStore, signals: &Signals, database: &Database) {
    let mut away = false;
    loop {
        let outcome = copy_stream(store, signals, database).await.map(|()| false);
        tokio::time::sleep(pause(&outcome, &mut away, "inventories are not copied to ClickHouse for now"))
            .await;
    }
}

/// Goes on until something fails.
async fn copy_stream(store: &AlertStore, signals: &Signals, database: &Database) -> Result<(), CopyError> {
    let marks: Marks = match store.cursor(MARKS).await? {
        Some(text) => serde_json::from_str(&text)?,
        None => Marks::default(),
    };
    let mut reader = signals.reader(&marks).await?;
    loop {
        let received = reader.next(SIGNALS).await?;
        if received.is_empty() {
            continue;
        }
        let mut rows = SignalRows::default();
        for one in received {
            match one.signal {
                Ok(Signal::Beats(beats)) => rows.beats(&beats),
                Ok(Signal::Installs(installs)) => rows.installs(&installs),
                Ok(Signal::Change(change)) => rows.change(&change),
                // Crashes have rows already, and what cannot be read the detector has said.
                Ok(Signal::Crashes(_)) | Err(_) => {}
            }
        }
        database.put_signals(&rows).await?;
        store.set_cursor(MARKS, &serde_json::to_string(&reader.marks())?).await?;
    }
}

async fn prune(store: &AlertStore) {
    loop {
        if let Err(error) = store.prune().await {
            tracing::warn!(error = chain(&error), "old rows of the alert store were not dropped");
        }
        tokio::time::sleep(PRUNE).await;
    }
}

/// How long to wait after a round; says once that nothing goes on.
fn pause(outcome: &Result<bool, CopyError>, away: &mut bool, what: &str) -> Duration {
    match outcome {
        Ok(more) => {
            *away = false;
            if *more { Duration::ZERO } else { OFTEN }
        }
        Err(error) => {
            if !std::mem::replace(away, true) {
                tracing::warn!(error = chain(error), "{what}");
            }
            AGAIN
        }
    }
}
