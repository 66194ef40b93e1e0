//! Series to verdict to incident to notification.
//!
//! Asks storage every two seconds how many machines each driver took down, decides (`detector`, pure), writes what it
//! decided before anybody hears of it, and tells the receivers. Keeps no state of its own: after a restart, open
//! incidents and pending notifications are found again in storage. Never reads a dump and never serves a page.
#![forbid(unsafe_code)]

pub mod config;
pub mod detector;
mod incident;
mod metrics;
mod outbox;
mod payload;
mod watch;
mod webhook;

use std::sync::Arc;

use storage::database::Database;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use config::{AlertsConfig, DetectorConfig, Webhook};
pub use metrics::AlertsMetrics;
pub use webhook::WebhookFault;

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
}

/// Detects and notifies until `stop` is cancelled.
///
/// One process of an installation plays this role: two would page twice.
pub async fn run(
    config: AlertsConfig,
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
    if config.webhooks.is_empty() {
        tracing::warn!("no webhook is configured: incidents are shown on the dashboards only");
    }
    let config = Arc::new(config);
    let (outgoing, incoming) = mpsc::unbounded_channel();
    let outbox = outbox::Outbox::new(config.clone(), database.clone(), metrics.clone());
    let watch = watch::Watch::new(config, database, metrics, outgoing);
    tokio::join!(watch.run(stop.clone()), outbox.run(incoming, stop));
    Ok(())
}

/// The clock, in the unit that rows have.
fn now_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
