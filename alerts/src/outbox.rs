//! Delivers what was written to the outbox: each notification until its receiver says 2xx, says no, or a day is over.
//!
//! A notification is durable before it gets here, and its state is written back after each attempt. A process that
//! dies between a receiver's 2xx and that write sends once more after its restart, under the same id: receivers of
//! Standard Webhooks drop such repetitions. Never makes a notification and never asks about incidents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use storage::database::Database;
use storage::questions::NotificationRow;
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::AlertsConfig;
use crate::metrics::{AlertsMetrics, Attempt, Outcome};
use crate::now_ms;
use crate::webhook::{self, Failure, Retry};

mod schedule;

/// Attempts that may be under way at once: a hanging receiver must not hold up the others.
const AT_ONCE: usize = 16;
/// How long attempts under way may take when the process is told to stop.
const FAREWELL: Duration = Duration::from_secs(3);
/// How soon to try again when ClickHouse did not take a state.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

pub(crate) const PENDING: &str = "pending";
pub(crate) const DELIVERED: &str = "delivered";
pub(crate) const FAILED: &str = "failed";

/// What is known of one notification.
struct Entry {
    row: NotificationRow,
    due: Instant,
    in_flight: Option<task::Id>,
    /// Its state differs from what storage has.
    unwritten: bool,
}

/// How an attempt ended: of which notification, and the receiver's or our own no.
type Attempted = (String, Result<(), Failure>);

pub(crate) struct Outbox {
    config: Arc<AlertsConfig>,
    database: Database,
    metrics: AlertsMetrics,
    entries: BTreeMap<String, Entry>,
    attempts: JoinSet<Attempted>,
    write_failed: bool,
}

impl Outbox {
    pub(crate) fn new(config: Arc<AlertsConfig>, database: Database, metrics: AlertsMetrics) -> Self {
        Self {
            config,
            database,
            metrics,
            entries: BTreeMap::new(),
            attempts: JoinSet::new(),
            write_failed: false,
        }
    }

    /// Delivers what comes in until told to stop.
    pub(crate) async fn run(
        mut self,
        mut incoming: mpsc::UnboundedReceiver<NotificationRow>,
        stop: CancellationToken,
    ) {
        loop {
            self.start_due();
            self.metrics.outbox_pending.set(i64::try_from(self.entries.len()).unwrap_or(i64::MAX));
            let wake = self.next_wake();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(row) = incoming.recv() => self.take(row),
                Some(done) = self.attempts.join_next() => self.settle(done),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.write_back().await;
        }
        let farewell = async {
            while let Some(done) = self.attempts.join_next().await {
                self.settle(done);
            }
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::info!("attempts to deliver were cut short; they are repeated after the next start");
        }
        self.write_back().await;
    }

    /// A row that is new, or pending since before a restart.
    fn take(&mut self, row: NotificationRow) {
        let wait = match row.attempts {
            0 => Duration::ZERO,
            attempts => {
                let since = Duration::from_millis((now_ms() - row.updated_at_ms).max(0).unsigned_abs());
                schedule::pause(attempts, &row.notification_id).saturating_sub(since)
            }
        };
        let entry = Entry { due: Instant::now() + wait, in_flight: None, unwritten: false, row };
        self.entries.entry(entry.row.notification_id.clone()).or_insert(entry);
    }

    /// Begins every attempt that is due and may begin.
    fn start_due(&mut self) {
        let now = Instant::now();
        let due: Vec<String> = self
            .entries
            .iter()
            // Whether the last outcome is written yet does not matter: the receiver knows a repetition by its id.
            .filter(|(_, entry)| entry.in_flight.is_none() && entry.row.state == PENDING && entry.due <= now)
            .filter(|(_, entry)| !self.must_wait(&entry.row))
            .map(|(id, _)| id.clone())
            .take(AT_ONCE.saturating_sub(self.attempts.len()))
            .collect();
        for id in due {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let Some(webhook) =
                self.config.webhooks.iter().find(|hook| hook.name == entry.row.target).cloned()
            else {
                let reason = "no webhook of this name is configured any more".to_owned();
                self.record(&id, Err(Failure { reason, retry: Retry::Never }));
                continue;
            };
            let (body, timeout) = (entry.row.payload.clone(), self.config.webhook_timeout);
            let attempt = self.attempts.spawn(async move {
                let outcome = webhook::send(&webhook, &id, &body, now_ms() / 1000, timeout).await;
                (id, outcome.map(|_status| ()))
            });
            entry.in_flight = Some(attempt.id());
        }
    }

    /// "Resolved" must not overtake "opened" at the same receiver.
    fn must_wait(&self, row: &NotificationRow) -> bool {
        self.entries.values().any(|other| {
            other.row.state == PENDING
                && other.row.incident_id == row.incident_id
                && other.row.target == row.target
                && other.row.created_at_ms < row.created_at_ms
        })
    }

    fn settle(&mut self, done: Result<Attempted, JoinError>) {
        match done {
            Ok((id, outcome)) => self.record(&id, outcome),
            // Nothing in an attempt should panic; if it does, that is one failed attempt.
            Err(error) => {
                let attempt = Some(error.id());
                let whose = self.entries.values().find(|entry| entry.in_flight == attempt);
                if let Some(id) = whose.map(|entry| entry.row.notification_id.clone()) {
                    self.record(&id, Err(Failure { reason: error.to_string(), retry: Retry::Later }));
                }
            }
        }
    }

    fn record(&mut self, id: &str, outcome: Result<(), Failure>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let now = now_ms();
        let row = &mut entry.row;
        entry.in_flight = None;
        entry.unwritten = true;
        row.attempts = row.attempts.saturating_add(1);
        // The newest state wins in storage, so it must be newer even if the clock stood still or went back.
        row.updated_at_ms = now.max(row.updated_at_ms + 1);
        let age_ms = (now - row.created_at_ms).max(0);
        let label = match outcome {
            Ok(()) => {
                row.state = DELIVERED.to_owned();
                row.last_error.clear();
                self.metrics
                    .delivery_delay
                    .observe(Duration::from_millis(age_ms.unsigned_abs()).as_secs_f64());
                tracing::info!(
                    id,
                    target_name = row.target,
                    attempts = row.attempts,
                    age_ms,
                    "delivered a notification"
                );
                Outcome::delivered
            }
            Err(failure) => {
                row.last_error = failure.reason;
                let pause = match failure.retry {
                    Retry::Never => None,
                    Retry::Later => Some(schedule::pause(row.attempts, id)),
                    Retry::After(at_least) => Some(schedule::pause(row.attempts, id).max(at_least)),
                };
                let pause = pause.filter(|pause| !schedule::over(age_ms, *pause));
                let given_up = pause.is_none();
                tracing::warn!(
                    id,
                    target_name = row.target,
                    attempts = row.attempts,
                    error = row.last_error,
                    given_up,
                    "a notification was not delivered"
                );
                match pause {
                    Some(pause) => {
                        entry.due = Instant::now() + pause;
                        Outcome::retried
                    }
                    None => {
                        row.state = FAILED.to_owned();
                        Outcome::failed
                    }
                }
            }
        };
        let label = Attempt { webhook: row.target.clone(), outcome: label };
        self.metrics.attempts.get_or_create(&label).inc();
    }

    /// Brings storage up to date; what it does not take now it is given again a second later.
    async fn write_back(&mut self) {
        let mut failed = false;
        for entry in self.entries.values_mut().filter(|entry| entry.unwritten) {
            match self.database.put_notification(&entry.row).await {
                Ok(()) => entry.unwritten = false,
                Err(error) => {
                    if !self.write_failed {
                        tracing::error!(
                            error = webhook::chain(&error),
                            "cannot write a notification's state; trying again every second"
                        );
                    }
                    failed = true;
                    break;
                }
            }
        }
        self.write_failed = failed;
        self.entries.retain(|_, entry| entry.unwritten || entry.row.state == PENDING);
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        if self.write_failed {
            return now + WRITE_AGAIN;
        }
        let full = self.attempts.len() >= AT_ONCE;
        self.entries
            .values()
            .filter(|entry| !full && entry.in_flight.is_none() && !self.must_wait(&entry.row))
            .map(|entry| entry.due)
            .min()
            .unwrap_or(now + Duration::from_secs(60))
    }
}
