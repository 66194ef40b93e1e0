//! Leaves a source alone that only fails. Owns the decision; knows neither clock nor network, and judges no answer.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::config::BreakerConfig;

/// One source's breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    config: BreakerConfig,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Asked freely; so many failures in a row.
    Closed(u32),
    /// Nobody asks before this.
    Open(Instant),
    /// One request is out to see whether it answers again.
    Probing,
}

/// What it is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Asked freely.
    Closed,
    /// Left alone.
    Open,
    /// One request is out, or the next one will be a probe.
    HalfOpen,
}

/// Leave for one request. Dropped without a word (the request was given up), it counts as neither.
#[derive(Debug)]
pub(crate) struct Leave<'b> {
    breaker: &'b Breaker,
    since: Instant,
    probe: bool,
    told: bool,
}

impl Breaker {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Self { config, state: Mutex::new(State::Closed(0)) }
    }

    /// Leave to ask now; else how long the source is still left alone.
    pub(crate) fn leave(&self, now: Instant) -> Result<Leave<'_>, Duration> {
        let mut state = self.lock();
        let probe = match *state {
            State::Closed(_) => false,
            State::Open(until) if now < until => return Err(until.duration_since(now)),
            State::Open(_) => {
                *state = State::Probing;
                true
            }
            State::Probing => return Err(Duration::ZERO),
        };
        Ok(Leave { breaker: self, since: now, probe, told: false })
    }

    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match *self.lock() {
            State::Closed(_) => BreakerState::Closed,
            State::Open(until) if now < until => BreakerState::Open,
            State::Open(_) | State::Probing => BreakerState::HalfOpen,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leave<'_> {
    /// The head of an answer came. A probe has found out what it was sent for: the others need not wait until a large
    /// file has come, too.
    pub(crate) fn heard(&mut self) {
        if std::mem::take(&mut self.probe) {
            *self.breaker.lock() = State::Closed(0);
        }
    }

    /// The source answered, if only that it has no such file.
    pub(crate) fn answered(mut self) {
        self.told = true;
        let mut state = self.breaker.lock();
        // An answer to a request from before it opened proves nothing: the probe decides.
        if self.probe || matches!(*state, State::Closed(_)) {
            *state = State::Closed(0);
        }
    }

    /// The source failed.
    pub(crate) fn failed(mut self, now: Instant) {
        self.told = true;
        let config = self.breaker.config;
        let mut state = self.breaker.lock();
        let open = now.checked_add(config.open).map_or(State::Closed(0), State::Open);
        *state = match *state {
            State::Closed(failures) if failures.saturating_add(1) < config.failures => {
                State::Closed(failures.saturating_add(1))
            }
            State::Closed(_) => open,
            State::Probing if self.probe => open,
            other => other,
        };
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.probe && !self.told {
            // The time is over already: the next one who asks is the probe.
            *self.breaker.lock() = State::Open(self.since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> (Breaker, Instant, Duration) {
        let open = Duration::from_secs(30);
        (Breaker::new(BreakerConfig { failures: 3, open }), Instant::now(), open)
    }

    #[test]
    fn opens_after_failures_in_a_row_and_closes_by_a_probe() {
        let (breaker, now, open) = breaker();
        for _ in 0..2 {
            breaker.leave(now).unwrap().failed(now);
        }
        breaker.leave(now).unwrap().answered();
        for _ in 0..3 {
            assert_eq!(breaker.state(now), BreakerState::Closed);
            breaker.leave(now).unwrap().failed(now);
        }
        assert_eq!(breaker.state(now), BreakerState::Open);
        assert_eq!(breaker.leave(now).unwrap_err(), open);
        let later = now + open;
        let probe = breaker.leave(later).unwrap();
        assert!(breaker.leave(later).is_err(), "one probe at a time");
        probe.failed(later);
        assert_eq!(breaker.state(later), BreakerState::Open);
        let later = later + open;
        breaker.leave(later).unwrap().answered();
        assert_eq!(breaker.state(later), BreakerState::Closed);
    }

    #[test]
    fn a_probe_is_over_when_the_head_has_come() {
        let (breaker, now, open) = breaker();
        for _ in 0..3 {
            breaker.leave(now).unwrap().failed(now);
        }
        let later = now + open;
        let mut probe = breaker.leave(later).unwrap();
        probe.heard();
        assert_eq!(breaker.state(later), BreakerState::Closed);
        for _ in 0..2 {
            breaker.leave(later).unwrap().failed(later);
        }
        probe.failed(later);
        assert_eq!(breaker.state(later), BreakerState::Open, "its body counts as that of any other");
    }

    #[test]
    fn late_answers_do_not_close_it_and_lost_probes_do_not_keep_it_open() {
        let (breaker, now, open) = breaker();
        let slow = breaker.leave(now).unwrap();
        for _ in 0..3 {
            breaker.leave(now).unwrap().failed(now);
        }
        slow.answered();
        assert_eq!(breaker.state(now), BreakerState::Open);
        drop(breaker.leave(now + open).unwrap());
        breaker.leave(now + open).unwrap().answered();
        assert_eq!(breaker.state(now), BreakerState::Closed);
    }
}
