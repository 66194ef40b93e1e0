//! Signals to incidents to notifications: the role around the detector.
//!
//! Reads the stream of verdicts, heartbeats and inventories, ends the detector's ticks by the clock, makes every step
//! durable with the state that knows it, and delivers what people are to be told (`delivery`). Needs ClickHouse for nothing
//! but a past to learn from, more evidence, what people did on the pages, and the copies that pages show. Never reads a dump
//! and never serves a page.
#![forbid(unsafe_code)]

pub mod config;
pub mod delivery;
mod live;
mod metrics;

use std::sync::Arc;

use storage::alert_store::AlertStore;
use storage::database::Database;
use storage::signals::Signals;
use tokio_util::sync::CancellationToken;

pub use config::AlertsConfig;
use delivery::Outbox;
use live::Live;
pub use metrics::AlertsMetrics;

/// Why the role cannot start. Once it runs, it goes on through every outage of what it depends on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertsError {
    /// The configuration has faults.
    #[error("the alerts configuration is not usable: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The process has no TLS.
    #[error("no rustls crypto provider is installed in this process, so no https webhook could be called")]
    NoCryptoProvider,
    /// No request could ever be sent.
    #[error("nothing can be delivered: {0}")]
    Delivery(String),
}

/// Detects and notifies until `stop` is cancelled.
///
/// One process of an installation plays this role: two would page twice.
pub async fn run(
    config: AlertsConfig,
    signals: Signals,
    store: AlertStore,
    database: Database,
    metrics: AlertsMetrics,
    stop: CancellationToken,
) -> Result<(), AlertsError> {
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(AlertsError::Config(faults));
    }
    // reqwest panics without one at the first webhook, which would be the worst moment to find out.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(AlertsError::NoCryptoProvider);
    }
    if config.delivery.targets.is_empty() {
        tracing::warn!("no target is configured: incidents are shown on the dashboards only");
    }
    let (outbox, letterbox) = Outbox::new(config.delivery.clone(), store.clone(), metrics.delivery.clone())?;
    let config = Arc::new(config);
    let (tests, wanted) = tokio::sync::mpsc::unbounded_channel();
    let detecting = async {
        let (signals, store, database) = (signals.clone(), store.clone(), database.clone());
        let (config, letterbox) = (config.clone(), letterbox.clone());
        let live = Live::start(config, signals, store, database, metrics, letterbox, tests, &stop).await;
        if let Some(live) = live {
            live.run(stop.clone()).await;
        }
    };
    tokio::join!(
        detecting,
        outbox.run(stop.clone()),
        live::copy::run(store.clone(), signals.clone(), database.clone(), stop.clone()),
        live::rollouts::run(config.clone(), store.clone(), database.clone(), letterbox.clone(), stop.clone()),
        live::targets::run(config.clone(), letterbox.clone(), database.clone(), wanted, stop.clone()),
    );
    Ok(())
}

/// The clock, in the unit that rows have.
fn now_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
