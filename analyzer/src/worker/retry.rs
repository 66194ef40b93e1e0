//! Waiting for a store that does not answer: the one place that tries again. Says so in the log and in the metrics.

use std::error::Error;
use std::time::Duration;

use backon::BackoffBuilder;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Metrics;

/// First pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Pauses between tries that grow to a limit, for as long as nobody asks to stop.
pub(super) struct Retry<'r> {
    doing: &'static str,
    longest_pause: Duration,
    pauses: backon::ExponentialBackoff,
    metrics: &'r Metrics,
    stop: &'r CancellationToken,
}

impl<'r> Retry<'r> {
    pub(super) fn new(
        doing: &'static str,
        longest_pause: Duration,
        metrics: &'r Metrics,
        stop: &'r CancellationToken,
    ) -> Self {
        let pauses = backon::ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(longest_pause)
            .with_jitter()
            .without_max_times()
            .build();
        Self { doing, longest_pause, pauses, metrics, stop }
    }

    /// Waits before the next try; false when asked to stop instead.
    pub(super) async fn pause(&mut self, error: &(dyn Error + Send + Sync)) -> bool {
        self.metrics.retried(self.doing);
        let pause = self.pauses.next().unwrap_or(self.longest_pause);
        warn!(doing = self.doing, ?pause, error = %chain(error), "store does not answer, trying again");
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

/// An error with everything underneath it, for the log.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
