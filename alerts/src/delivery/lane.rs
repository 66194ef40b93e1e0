//! What is to be sent to one target, in which order, and how the target is doing. Each target has a lane of its own, so
//! that a hanging one delays no other. Pure: time is what it is told; never sends and never writes.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::Serialize;
use storage::questions::NotificationRow;
use tokio::time::Instant;
use uuid::Uuid;

use super::notices::{DELIVERED, FAILED};
use super::plain::cut;
use super::repeat::{Repeats, is_marker};
use super::schedule;
use super::send::{Failure, Retry};

/// Requests to one target at once.
const AT_ONCE: usize = 4;
/// A target is dead after so many failures in a row,
const DEAD_AFTER: u32 = 5;
/// that took at least this long: ten pages of one moment that meet a restart are no dead target.
const DEAD_FOR: Duration = Duration::from_secs(60);
/// How often a dead target is tried: a page that waits should not wait long once it lives again.
const PROBE: Duration = Duration::from_secs(60);
/// Attempts at something that the receiver does not like.
const FEW: u32 = 5;

/// Oldest first; ids of one incident sort as they were made.
pub(super) type Key = (i64, String);

/// Something that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// A notification.
    News(Key),
    /// The last word about an incident, once more.
    Again(Uuid),
}

/// How a target is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It takes what it is sent, or has not been sent anything.
    Working,
    /// The last attempt failed.
    Failing,
    /// All attempts of at least a minute failed. It is tried once a minute, and what waits for it is kept for a day.
    Dead,
}

impl Health {
    /// As in JSON and in rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Failing => "failing",
            Self::Dead => "dead",
        }
    }
}

/// A target as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetState {
    /// Name in the configuration.
    pub name: String,
    /// `webhook`, `pagerduty`, `slack`, `teams`, `alertmanager`.
    pub kind: &'static str,
    /// How it is doing.
    pub health: Health,
    /// Notifications that wait for it.
    pub pending: usize,
    /// When it last took one, ms since 1970.
    pub last_delivered_ms: Option<i64>,
    /// Since when it fails, ms since 1970.
    pub failing_since_ms: Option<i64>,
    /// Why the last attempt failed; empty where none did.
    pub last_error: String,
}

/// How an attempt ended, for the log and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Delivered,
    Retried,
    GivenUp,
}

#[derive(Debug)]
struct Entry {
    row: NotificationRow,
    due: Instant,
    in_flight: bool,
}

#[derive(Debug)]
pub(super) struct Lane {
    entries: BTreeMap<Key, Entry>,
    repeats: Repeats,
    in_flight: usize,
    /// Nothing is sent before: the receiver asked for it, or is dead.
    not_before: Instant,
    failures: u32,
    failing_since: Option<Instant>,
    failing_since_ms: Option<i64>,
    last_delivered_ms: Option<i64>,
    last_error: String,
    dead: bool,
}

impl Lane {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            entries: BTreeMap::new(),
            repeats: Repeats::default(),
            in_flight: 0,
            not_before: now,
            failures: 0,
            failing_since: None,
            failing_since_ms: None,
            last_delivered_ms: None,
            last_error: String::new(),
            dead: false,
        }
    }

    /// A row that is new, or pending since before a restart. Each id is taken once.
    pub(super) fn take(&mut self, row: NotificationRow, now: Instant, now_ms: i64) {
        if is_marker(&row) {
            return self.repeats.restore(row, now);
        }
        let wait = match row.attempts {
            0 => Duration::ZERO,
            attempts => {
                let since =
                    Duration::from_millis(now_ms.saturating_sub(row.updated_at_ms).max(0).unsigned_abs());
                schedule::pause(attempts, &row.notification_id).saturating_sub(since)
            }
        };
        let key = (row.created_at_ms, row.notification_id.clone());
        self.entries.entry(key).or_insert(Entry { row, due: now + wait, in_flight: false });
    }

    /// Notifications that wait.
    pub(super) fn pending(&self) -> usize {
        self.entries.len()
    }

    /// The first of each incident that waits: "resolved" must not overtake "opened".
    fn heads(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        let mut incidents = HashSet::new();
        self.entries
            .iter()
            .filter(move |(_, entry)| incidents.insert(entry.row.incident_id) && !entry.in_flight)
            .filter(|(_, entry)| !self.repeats.busy(entry.row.incident_id))
    }

    fn has_news(&self) -> impl Fn(Uuid) -> bool {
        let incidents: HashSet<Uuid> = self.entries.values().map(|entry| entry.row.incident_id).collect();
        move |incident| incidents.contains(&incident)
    }

    fn is_full(&self) -> bool {
        self.in_flight >= if self.dead { 1 } else { AT_ONCE }
    }

    /// What is to be sent now: pages before tickets, then the oldest.
    pub(super) fn next(&self, now: Instant) -> Option<Job> {
        if self.is_full() || now < self.not_before {
            return None;
        }
        let ticket = |entry: &Entry| entry.row.severity != "sev1";
        let due = self.heads().filter(|(_, entry)| self.dead || entry.due <= now);
        let news =
            due.min_by_key(|(key, entry)| (ticket(entry), *key)).map(|(key, _)| Job::News(key.clone()));
        news.or_else(|| self.repeats.due(now, self.has_news()).map(Job::Again))
    }

    /// When to ask again, if nothing happens before.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        if self.is_full() {
            return None;
        }
        let news = self.heads().map(|(_, entry)| if self.dead { now } else { entry.due }).min();
        let again = self.repeats.wake(self.has_news());
        let first = news.into_iter().chain(again).min()?;
        Some(first.max(self.not_before))
    }

    /// Begins to send: gives the id and the body.
    pub(super) fn begin(&mut self, job: &Job) -> Option<NotificationRow> {
        let row = match job {
            Job::News(key) => {
                let entry = self.entries.get_mut(key)?;
                entry.in_flight = true;
                entry.row.clone()
            }
            Job::Again(incident) => self.repeats.begin(*incident)?,
        };
        self.in_flight += 1;
        Some(row)
    }

    /// Takes note of how an attempt ended: gives the rows whose new state has to be written.
    pub(super) fn settle(
        &mut self,
        job: &Job,
        outcome: Result<(), Failure>,
        now: Instant,
        now_ms: i64,
    ) -> (Vec<NotificationRow>, Ended) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let failure = outcome.err();
        match &failure {
            None => self.lives(now, now_ms),
            Some(failure) => self.fails(failure, now, now_ms),
        }
        match job {
            Job::News(key) => self.settle_news(key, failure, now, now_ms),
            Job::Again(incident) => {
                let ended = if failure.is_none() { Ended::Delivered } else { Ended::Retried };
                (self.repeats.settle(*incident, now, now_ms).into_iter().collect(), ended)
            }
        }
    }

    fn settle_news(
        &mut self,
        key: &Key,
        failure: Option<Failure>,
        now: Instant,
        now_ms: i64,
    ) -> (Vec<NotificationRow>, Ended) {
        let Some(mut entry) = self.entries.remove(key) else { return (Vec::new(), Ended::GivenUp) };
        entry.in_flight = false;
        entry.row.attempts = entry.row.attempts.saturating_add(1);
        touch(&mut entry.row, now_ms);
        let Some(failure) = failure else {
            entry.row.state = DELIVERED.to_owned();
            entry.row.last_error.clear();
            let marker = self.repeats.delivered(&entry.row, now);
            // The marker first: a death between the two sends the alert once more, and not never again.
            return (marker.into_iter().chain([entry.row]).collect(), Ended::Delivered);
        };
        entry.row.last_error = failure.reason;
        let attempts = entry.row.attempts;
        let age_ms = now_ms.saturating_sub(entry.row.created_at_ms).max(0);
        let usual = schedule::pause(attempts, &entry.row.notification_id);
        let pause = match failure.retry {
            Retry::Never => None,
            Retry::Few => (attempts < FEW).then_some(usual),
            Retry::Later => Some(usual),
            Retry::After(at_least) => Some(usual.max(at_least)),
        };
        let mut rows = Vec::new();
        let ended = match pause.filter(|pause| !schedule::over(age_ms, *pause)) {
            Some(pause) => {
                entry.due = now + pause;
                rows.push(entry.row.clone());
                self.entries.insert(key.clone(), entry);
                Ended::Retried
            }
            None => {
                entry.row.state = FAILED.to_owned();
                rows.push(entry.row);
                Ended::GivenUp
            }
        };
        rows.extend(self.expire(now_ms));
        (rows, ended)
    }

    /// Gives up on what has waited for a day behind a dead target.
    fn expire(&mut self, now_ms: i64) -> Vec<NotificationRow> {
        let old = |entry: &Entry| {
            !entry.in_flight && now_ms.saturating_sub(entry.row.created_at_ms) > schedule::LIFE_MS
        };
        let error = format!("waited for a day; the last answer was: {}", self.last_error);
        let expired = self.entries.extract_if(.., |_, entry| old(entry));
        expired
            .map(|(_, mut entry)| {
                touch(&mut entry.row, now_ms);
                entry.row.state = FAILED.to_owned();
                entry.row.last_error.clone_from(&error);
                entry.row
            })
            .collect()
    }

    fn lives(&mut self, now: Instant, now_ms: i64) {
        self.failures = 0;
        self.failing_since = None;
        self.failing_since_ms = None;
        self.last_error.clear();
        self.last_delivered_ms = Some(now_ms);
        if std::mem::take(&mut self.dead) {
            self.not_before = now;
            // What waited for it need not wait for its own pause as well.
            self.entries.values_mut().for_each(|entry| entry.due = now);
        }
    }

    fn fails(&mut self, failure: &Failure, now: Instant, now_ms: i64) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since_ms.get_or_insert(now_ms);
        let since = *self.failing_since.get_or_insert(now);
        self.last_error = cut(&failure.reason, 300);
        self.dead = self.failures >= DEAD_AFTER && now.duration_since(since) >= DEAD_FOR;
        if let Retry::After(pause) = failure.retry {
            self.not_before = self.not_before.max(now + pause);
        }
        if self.dead {
            self.not_before = self.not_before.max(now + PROBE);
        }
    }

    pub(super) fn health(&self) -> Health {
        match (self.dead, self.failures) {
            (true, _) => Health::Dead,
            (false, 0) => Health::Working,
            (false, _) => Health::Failing,
        }
    }

    /// As people see it.
    pub(super) fn state(&self, name: &str, kind: &'static str) -> TargetState {
        TargetState {
            name: name.to_owned(),
            kind,
            health: self.health(),
            pending: self.pending(),
            last_delivered_ms: self.last_delivered_ms,
            failing_since_ms: self.failing_since_ms,
            last_error: self.last_error.clone(),
        }
    }
}

/// The newest state wins in the store, so it must be newer even if the clock stood still or went back.
fn touch(row: &mut NotificationRow, now_ms: i64) {
    row.updated_at_ms = now_ms.max(row.updated_at_ms.saturating_add(1));
}

#[cfg(test)]
#[path = "lane/tests.rs"]
mod tests;
