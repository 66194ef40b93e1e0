//! Delivers what the alerts loop wrote: each notification until its receiver says 2xx, says no, or a day is over.
//!
//! A row is durable before it gets here, and its state is written back after each attempt. A process that dies between a
//! receiver's 2xx and that write sends once more after its restart, under the same id: receivers of Standard Webhooks
//! drop such repetitions, PagerDuty and Alertmanager fold them together. Never makes a notification.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use storage::alert_store::AlertStore;
use storage::questions::NotificationRow;
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::DeliveryConfig;
use super::lane::{Ended, Health, Job, Lane, TargetState};
use super::limit::{Bucket, Limit};
use super::metrics::{Attempt, DeliveryMetrics, Named, Outcome};
use super::notices::FAILED;
use super::plain::chain;
use super::send::{Courier, Failure, Retry};
use crate::AlertsError;
use crate::now_ms;

/// How long attempts under way may take when the process is told to stop.
const FAREWELL: Duration = Duration::from_secs(3);
/// How soon to try again when the store did not answer or take a state.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// A look around when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// Where the alerts loop puts what it has made durable, and where people see how the targets are doing.
#[derive(Debug, Clone)]
pub struct Letterbox {
    rows: mpsc::UnboundedSender<Vec<NotificationRow>>,
    states: Arc<Mutex<Vec<TargetState>>>,
}

impl Letterbox {
    /// Hands over rows that are in the store: they go out at once. What is not handed over goes out after a restart.
    pub fn put(&self, rows: Vec<NotificationRow>) {
        if !rows.is_empty() && self.rows.send(rows).is_err() {
            tracing::error!("the outbox has ended; these notifications go out after the next start");
        }
    }

    /// How each target is doing.
    #[must_use]
    pub fn target_states(&self) -> Vec<TargetState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The outbox at work; see the module.
#[derive(Debug)]
pub struct Outbox {
    config: Arc<DeliveryConfig>,
    store: AlertStore,
    metrics: DeliveryMetrics,
    courier: Courier,
    incoming: mpsc::UnboundedReceiver<Vec<NotificationRow>>,
    states: Arc<Mutex<Vec<TargetState>>>,
    lanes: BTreeMap<String, Lane>,
    /// By what receivers count by.
    buckets: HashMap<String, Bucket>,
    attempts: JoinSet<Result<(), Failure>>,
    /// What each attempt is about.
    under_way: HashMap<task::Id, (String, Job)>,
    /// Rows whose state the store does not have yet, by id.
    unwritten: BTreeMap<String, NotificationRow>,
    restored: bool,
    /// Not before: the store failed.
    store_at: Instant,
}

impl Outbox {
    /// An outbox on this store; the letterbox is the way in.
    pub fn new(
        config: DeliveryConfig,
        store: AlertStore,
        metrics: DeliveryMetrics,
    ) -> Result<(Self, Letterbox), AlertsError> {
        let courier = Courier::new(config.timeout).map_err(|error| AlertsError::Delivery(chain(&error)))?;
        let (rows, incoming) = mpsc::unbounded_channel();
        let states = Arc::default();
        let now = Instant::now();
        let lanes = config.targets.iter().map(|target| (target.name.clone(), Lane::new(now))).collect();
        let outbox = Self {
            config: Arc::new(config),
            store,
            metrics,
            courier,
            incoming,
            states: Arc::clone(&states),
            lanes,
            buckets: HashMap::new(),
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            unwritten: BTreeMap::new(),
            restored: false,
            store_at: now,
        };
        outbox.show();
        Ok((outbox, Letterbox { rows, states }))
    }

    /// Delivers until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            if !self.restored && Instant::now() >= self.store_at {
                self.restore().await;
            }
            self.start_due();
            self.write_back().await;
            self.show();
            let wake = self.next_wake();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(rows) = self.incoming.recv() => self.take(rows),
                Some(done) = self.attempts.join_next_with_id() => self.settle(done),
                () = tokio::time::sleep_until(wake) => {}
            }
            // Everything else that is there already, so that one write and one look serve all of it.
            while let Ok(rows) = self.incoming.try_recv() {
                self.take(rows);
            }
            while let Some(done) = self.attempts.try_join_next_with_id() {
                self.settle(done);
            }
        }
        let farewell = async {
            while let Some(done) = self.attempts.join_next_with_id().await {
                self.settle(done);
            }
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::info!("attempts to deliver were cut short; they are repeated after the next start");
        }
        self.store_at = Instant::now();
        self.write_back().await;
    }

    /// What was still to be sent when the process before ended.
    async fn restore(&mut self) {
        match self.store.pending().await {
            Ok(rows) => {
                self.restored = true;
                self.take(rows);
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot read the outbox; trying again every second");
                self.store_at = Instant::now() + STORE_AGAIN;
            }
        }
    }

    fn take(&mut self, rows: Vec<NotificationRow>) {
        let (now, now_ms) = (Instant::now(), now_ms());
        for mut row in rows {
            let fault = match (self.config.target(&row.target), self.lanes.get_mut(&row.target)) {
                (Some(target), Some(lane)) if row.target_kind == target.kind.name() => {
                    lane.take(row, now, now_ms);
                    continue;
                }
                (Some(_), Some(_)) => format!("this was written for a target of kind {}", row.target_kind),
                _ => "no target of this name is configured any more".to_owned(),
            };
            tracing::warn!(id = row.notification_id, error = fault, "a notification cannot be delivered");
            row.state = FAILED.to_owned();
            row.last_error = fault;
            row.updated_at_ms = now_ms.max(row.updated_at_ms.saturating_add(1));
            self.unwritten.insert(row.notification_id.clone(), row);
        }
    }

    /// Begins every attempt that is due and may begin.
    fn start_due(&mut self) {
        let now = Instant::now();
        for target in &self.config.targets {
            let Some(lane) = self.lanes.get_mut(&target.name) else { continue };
            let mut bucket = Limit::of(&target.kind).map(|limit| {
                self.buckets.entry(Limit::key(target)).or_insert_with(|| Bucket::new(limit, now))
            });
            while bucket.as_ref().is_none_or(|bucket| bucket.ready_at() <= now) {
                let Some(job) = lane.next(now) else { break };
                let Some(row) = lane.begin(&job) else { break };
                if let Some(bucket) = &mut bucket {
                    bucket.take(now);
                }
                let (courier, target, name) = (self.courier.clone(), target.clone(), target.name.clone());
                let attempt = self.attempts.spawn(async move {
                    courier
                        .send(&target, &row.notification_id, &row.payload, now_ms())
                        .await
                        .map(|_status| ())
                });
                self.under_way.insert(attempt.id(), (name, job));
            }
        }
    }

    fn settle(&mut self, done: Result<(task::Id, Result<(), Failure>), JoinError>) {
        let (id, outcome) = match done {
            Ok((id, outcome)) => (id, outcome),
            // Nothing in an attempt should panic; if it does, that is one failed attempt.
            Err(error) => {
                let failure = Failure { reason: error.to_string(), retry: Retry::Later };
                (error.id(), Err(failure))
            }
        };
        let Some((name, job)) = self.under_way.remove(&id) else { return };
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        let before = lane.health();
        let error = outcome.as_ref().err().map(|failure| failure.reason.clone());
        let (rows, ended) = lane.settle(&job, outcome, Instant::now(), now_ms());
        match (before, lane.health()) {
            (Health::Working | Health::Failing, Health::Dead) => {
                tracing::error!(target_name = name, error, "a target is dead: it is tried once a minute");
            }
            (Health::Dead, Health::Working) => tracing::info!(target_name = name, "a target lives again"),
            _ => {}
        }
        if let Job::News(key) = &job {
            self.tell(&name, key.0, &key.1, ended, error.as_deref());
        }
        self.unwritten.extend(rows.into_iter().map(|row| (row.notification_id.clone(), row)));
    }

    /// Logs and counts an attempt.
    fn tell(&self, target: &str, created_at_ms: i64, id: &str, ended: Ended, error: Option<&str>) {
        let age = Duration::from_millis(now_ms().saturating_sub(created_at_ms).max(0).unsigned_abs());
        let outcome = match ended {
            Ended::Delivered => {
                self.metrics.delay.observe(age.as_secs_f64());
                tracing::info!(
                    id,
                    target_name = target,
                    age_ms = age.as_millis(),
                    "delivered a notification"
                );
                Outcome::delivered
            }
            Ended::Retried => {
                tracing::warn!(id, target_name = target, error, "a notification was not delivered");
                Outcome::retried
            }
            Ended::GivenUp => {
                tracing::error!(id, target_name = target, error, "a notification was given up");
                Outcome::failed
            }
        };
        self.metrics.attempts.get_or_create(&Attempt { target: target.to_owned(), outcome }).inc();
    }

    /// Brings the store up to date, all rows with one fsync; what it does not take now it is given again a second later.
    async fn write_back(&mut self) {
        if self.unwritten.is_empty() || Instant::now() < self.store_at {
            return;
        }
        let mut writes = JoinSet::new();
        for row in self.unwritten.values().cloned() {
            let store = self.store.clone();
            writes.spawn(async move {
                let written = store.put_notification(&row).await;
                (row, written)
            });
        }
        let mut failed = None;
        while let Some(done) = writes.join_next().await {
            match done {
                Ok((row, Ok(()))) => {
                    self.unwritten.remove(&row.notification_id);
                }
                Ok((_, Err(error))) => failed = Some(chain(&error)),
                Err(error) => failed = Some(error.to_string()),
            }
        }
        if let Some(error) = failed {
            self.metrics.unwritten.inc();
            tracing::error!(error, "cannot write a notification's state; trying again every second");
            self.store_at = Instant::now() + STORE_AGAIN;
        }
    }

    /// Shows the targets to people and Prometheus.
    fn show(&self) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut all = 0;
        let mut states = Vec::new();
        for target in &self.config.targets {
            let Some(lane) = self.lanes.get(&target.name) else { continue };
            let named = Named { target: target.name.clone() };
            self.metrics.target_pending.get_or_create(&named).set(number(lane.pending()));
            self.metrics.target_up.get_or_create(&named).set(i64::from(lane.health() != Health::Dead));
            all += lane.pending();
            states.push(lane.state(&target.name, target.kind.name()));
        }
        self.metrics.pending.set(number(all));
        *self.states.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let of_target = |target: &super::Target| {
            let wake = self.lanes.get(&target.name)?.wake(now)?;
            let limited = Limit::of(&target.kind).and_then(|_| self.buckets.get(&Limit::key(target)));
            Some(limited.map_or(wake, |bucket| wake.max(bucket.ready_at())))
        };
        let store = (!self.restored || !self.unwritten.is_empty()).then_some(self.store_at);
        let due = self.config.targets.iter().filter_map(of_target).chain(store).min();
        due.unwrap_or(now + IDLE)
    }
}

#[cfg(test)]
#[path = "outbox/tests.rs"]
mod tests;
