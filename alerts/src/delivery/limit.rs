//! How fast a receiver may be told: a bucket of tokens that fills steadily. Waits, never drops. Pure: time is what it is
//! told.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::target::{Target, TargetKind};

/// A rate with room for a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// Requests at once after a quiet time.
    pub(super) burst: u32,
    /// Time in which one more may go.
    pub(super) every: Duration,
}

impl Limit {
    /// What a kind of receiver takes; none where it says nothing.
    pub(super) fn of(kind: &TargetKind) -> Option<Self> {
        let limit = |burst, millis| Some(Self { burst, every: Duration::from_millis(millis) });
        match kind {
            // About 120 a minute and key: 20 at once and then 100 a minute stay within that in every minute.
            TargetKind::PagerDuty { .. } => limit(20, 600),
            // "No more than one message a second."
            TargetKind::Slack => limit(1, 1000),
            // Connectors are throttled from four requests a second; workflows say nothing of their own.
            TargetKind::Teams => limit(4, 1000),
            TargetKind::Webhook { .. } | TargetKind::Alertmanager { .. } => None,
        }
    }

    /// Whose limit it is: targets with the same key share it. A receiver counts by key or URL, not by our names.
    pub(super) fn key(target: &Target) -> String {
        match &target.kind {
            TargetKind::PagerDuty { routing_key } => routing_key.expose_secret().to_owned(),
            _ => target.url.expose_secret().to_owned(),
        }
    }
}

/// The bucket of one receiver.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    limit: Limit,
    /// When it would be full again: each request moves that on by one token.
    full_at: Instant,
}

impl Bucket {
    pub(super) fn new(limit: Limit, now: Instant) -> Self {
        Self { limit, full_at: now }
    }

    /// When the next request may go.
    pub(super) fn ready_at(&self) -> Instant {
        let room = self.limit.every * self.limit.burst.saturating_sub(1);
        self.full_at.checked_sub(room).unwrap_or(self.full_at)
    }

    /// Takes a token, which has to be there.
    pub(super) fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.limit.every;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When so many requests go, asked for as fast as they may.
    fn times(limit: Limit, count: usize) -> Vec<Duration> {
        let begun = Instant::now();
        let (mut bucket, mut now) = (Bucket::new(limit, begun), begun);
        (0..count)
            .map(|_| {
                now = now.max(bucket.ready_at());
                bucket.take(now);
                now - begun
            })
            .collect()
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let limit = Limit { burst: 3, every: Duration::from_secs(1) };
        let seconds: Vec<u64> = times(limit, 6).iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 0, 0, 1, 2, 3]);
    }

    #[test]
    fn no_minute_holds_more_than_pagerduty_takes_and_no_second_more_than_slack_does() {
        let most = |kind: &TargetKind, within: Duration| {
            let times = times(Limit::of(kind).unwrap(), 500);
            times
                .iter()
                .map(|from| times.iter().filter(|at| *at >= from && **at < *from + within).count())
                .max()
        };
        let pagerduty = TargetKind::PagerDuty { routing_key: "x".into() };
        assert_eq!(most(&pagerduty, Duration::from_secs(60)), Some(119));
        assert_eq!(most(&TargetKind::Slack, Duration::from_secs(1)), Some(1));
        assert!(Limit::of(&TargetKind::Alertmanager { auth: super::super::Auth::None }).is_none());
    }
}
