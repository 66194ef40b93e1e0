//! Waiting for a store that does not answer: the one place that tries again. Says so in the log and in the metrics.

use std::error::Error;
use std::time::Duration;

use backon::BackoffBuilder;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Metrics;

/// First pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How trying ended.
pub(super) enum Gave<T, E> {
    /// It worked.
    Done(T),
    /// It failed for good.
    Failed(E),
    /// Asked to stop while it still failed.
    Stopped,
}

/// Does something until it works, fails for good, or somebody asks to stop. The first try is always made.
pub(super) async fn forever<T, E: Error>(
    doing: &'static str,
    longest_pause: Duration,
    metrics: &Metrics,
    stop: &CancellationToken,
    retryable: impl Fn(&E) -> bool,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Gave<T, E> {
    let mut pauses = backon::ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(longest_pause)
        .with_jitter()
        .without_max_times()
        .build();
    loop {
        let error = match attempt().await {
            Ok(done) => return Gave::Done(done),
            Err(error) if !retryable(&error) => return Gave::Failed(error),
            Err(error) => error,
        };
        metrics.retried(doing);
        let pause = pauses.next().unwrap_or(longest_pause);
        warn!(doing, ?pause, error = %chain(&error), "store does not answer, trying again");
        tokio::select! {
            () = stop.cancelled() => return Gave::Stopped,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// An error with everything underneath it, for the log.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
