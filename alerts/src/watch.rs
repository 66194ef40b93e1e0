//! The loop around the detector: ask storage, decide, write what was decided, and put it into the outbox.
//!
//! A decision is written before the next look, and a look is taken only when all earlier decisions are durable. So
//! the whole state can be found in storage again, and a tick that fails half-way is finished by the next one under
//! the same ids.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use storage::database::{Database, DatabaseError};
use storage::questions::{Evidence, NotificationRow, Pulse};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::AlertsConfig;
use crate::detector::{Decision, Detector, DriverCounts, DriverKey, Observation, WINDOWS};
use crate::incident::{CountsDetail, Incident, OpenedDetail};
use crate::metrics::AlertsMetrics;
use crate::{now_ms, webhook};

mod notify;
mod restore;
mod veto;

/// A look that takes longer is given up: ClickHouse's own limit for a question is 30 s.
const TICK_TIMEOUT: Duration = Duration::from_secs(35);

/// Why a look was not finished.
#[derive(Debug, thiserror::Error)]
enum TickError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("cannot put an incident into JSON")]
    Json(#[from] serde_json::Error),
    #[error("no answer within {} s", TICK_TIMEOUT.as_secs())]
    Timeout,
}

/// A decision that is not durable yet.
#[derive(Debug, Clone)]
struct Change {
    key: DriverKey,
    what: What,
    at_ms: i64,
    machines_per_minute: u64,
}

#[derive(Debug, Clone)]
enum What {
    Opened(Incident),
    Grew(u64),
    Resolved,
}

pub(crate) struct Watch {
    config: Arc<AlertsConfig>,
    database: Database,
    metrics: AlertsMetrics,
    outbox: mpsc::UnboundedSender<NotificationRow>,
    detector: Detector,
    /// The newest incident of each driver, as far as it is durable.
    incidents: BTreeMap<DriverKey, Incident>,
    unwritten: VecDeque<Change>,
    /// Drivers that only suspect machines would open an incident of, as of the last look.
    withheld: BTreeSet<DriverKey>,
    restored: bool,
    away: bool,
}

impl Watch {
    pub(crate) fn new(
        config: Arc<AlertsConfig>,
        database: Database,
        metrics: AlertsMetrics,
        outbox: mpsc::UnboundedSender<NotificationRow>,
    ) -> Self {
        let detector = Detector::new(config.detector.clone());
        Self {
            config,
            database,
            metrics,
            outbox,
            detector,
            incidents: BTreeMap::new(),
            unwritten: VecDeque::new(),
            withheld: BTreeSet::new(),
            restored: false,
            away: false,
        }
    }

    /// Looks at the fleet until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.config.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let begun = tokio::time::Instant::now();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = tokio::time::timeout(TICK_TIMEOUT, self.tick()) => outcome.unwrap_or(Err(TickError::Timeout)),
            };
            self.note(&outcome, begun.elapsed());
        }
    }

    async fn tick(&mut self) -> Result<(), TickError> {
        if !self.restored {
            self.restore().await?;
            self.restored = true;
        }
        self.write_all().await?;
        let now = now_ms();
        let pulse = self.database.pulse(now).await?;
        let seen = self.observe(now, pulse).await?;
        self.metrics.drivers.set(i64::try_from(seen.drivers.len()).unwrap_or(i64::MAX));
        let decisions = self.decide(&seen).await;
        let changes: Vec<Change> =
            decisions.into_iter().map(|decision| self.change(decision, &seen)).collect();
        self.unwritten.extend(changes);
        self.write_all().await?;
        self.metrics.open_incidents.set(i64::try_from(self.detector.open().count()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Says once that ClickHouse is away, and once that it is back.
    fn note(&mut self, outcome: &Result<(), TickError>, took: Duration) {
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.away) {
                    tracing::info!("detection goes on: ClickHouse answers again");
                }
                self.metrics.database_up.set(1);
                self.metrics.ticks.inc();
                self.metrics.tick_duration.observe(took.as_secs_f64());
                let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                self.metrics.last_tick.set(since_epoch.unwrap_or_default().as_secs_f64());
            }
            Err(error) => {
                if !std::mem::replace(&mut self.away, true) {
                    tracing::error!(
                        error = webhook::chain(error),
                        "detection stands still: trying again at every tick"
                    );
                }
                self.metrics.database_up.set(0);
                self.metrics.failed_ticks.inc();
            }
        }
    }

    async fn observe(&self, now: i64, pulse: Pulse) -> Result<Observation, DatabaseError> {
        let mut totals = BTreeMap::new();
        for key in self.detector.open() {
            let Some(incident) = self.incidents.get(key) else { continue };
            let since = incident.reason.onset_ms;
            let total = self.database.casualties_since(&key.tenant, &key.driver, since).await?;
            totals.insert(key.clone(), total.machines);
        }
        Ok(Observation {
            now_ms: now,
            drivers: pulse.drivers.into_iter().map(counts).collect(),
            fleet_sites: pulse.tenant_sites.into_iter().collect(),
            totals,
        })
    }

    fn change(&self, decision: Decision, seen: &Observation) -> Change {
        let (key, what) = match decision {
            Decision::Open { key, reason, returns } => {
                let incident = Incident::new(Uuid::new_v4(), key.clone(), reason, returns, seen.now_ms);
                (key, What::Opened(incident))
            }
            Decision::Grew { key, machines } => (key, What::Grew(machines)),
            Decision::Resolve { key } => (key, What::Resolved),
        };
        let counts = seen.drivers.iter().find(|driver| driver.key == key);
        let machines_per_minute = counts.map_or(0, |driver| driver.machines[0]);
        Change { key, what, at_ms: seen.now_ms, machines_per_minute }
    }

    async fn write_all(&mut self) -> Result<(), TickError> {
        while let Some(change) = self.unwritten.front().cloned() {
            self.write(change).await?;
            self.unwritten.pop_front();
        }
        Ok(())
    }

    /// Makes one change durable. May be called again after a failure: ids and numbers stay the same.
    async fn write(&mut self, change: Change) -> Result<(), TickError> {
        let Change { key, what, at_ms, machines_per_minute } = change;
        let known = match &what {
            What::Opened(incident) => Some(incident),
            What::Grew(_) | What::Resolved => self.incidents.get(&key),
        };
        let Some(mut incident) = known.cloned() else { return Ok(()) };
        // What the page says besides must never hold the page up: on an overloaded store it goes out without.
        let evidence = self.evidence(&incident).await.unwrap_or_else(|error| {
            tracing::warn!(incident = %incident.id, %error, "no evidence could be gathered");
            Evidence { machines: incident.reason.machines, ..Evidence::default() }
        });
        let counts = CountsDetail { machines: evidence.machines, crashes: evidence.crashes };
        let event = match &what {
            What::Opened(_) => {
                let CountsDetail { machines, crashes } = counts;
                let (returns, reason) = (incident.returns, incident.reason.clone());
                incident.event("opened", at_ms, &OpenedDetail { machines, crashes, returns, reason })?
            }
            What::Grew(machines) => {
                incident.noted_machines = *machines;
                incident.event("grew", at_ms, &CountsDetail { machines: *machines, ..counts })?
            }
            What::Resolved => {
                incident.resolved_at_ms = Some(at_ms);
                incident.event("resolved", at_ms, &counts)?
            }
        };
        self.database.put_incident_event(&event).await?;
        match &what {
            What::Opened(_) => {
                tracing::warn!(
                    incident = %incident.id, tenant = key.tenant, driver = key.driver, machines = evidence.machines,
                    expected = incident.reason.expected, "an incident was opened"
                );
                self.notify(&incident, machines_per_minute, &evidence, &self.config.webhooks).await?;
                self.metrics.incidents_opened.inc();
            }
            What::Grew(machines) => {
                tracing::warn!(incident = %incident.id, driver = key.driver, machines, "an incident grew tenfold");
            }
            What::Resolved => {
                tracing::info!(
                    incident = %incident.id, driver = key.driver, machines = evidence.machines,
                    "an incident was resolved"
                );
                self.notify(&incident, machines_per_minute, &evidence, &self.config.webhooks).await?;
                self.metrics.incidents_resolved.inc();
            }
        }
        self.incidents.insert(key, incident);
        Ok(())
    }

    async fn evidence(&self, incident: &Incident) -> Result<Evidence, DatabaseError> {
        let to_ms = incident.resolved_at_ms.unwrap_or_else(now_ms).saturating_add(1);
        let DriverKey { tenant, driver } = &incident.key;
        self.database.incident_evidence(Some(tenant), driver, incident.reason.onset_ms, to_ms).await
    }
}

fn counts(pulse: storage::questions::DriverPulse) -> DriverCounts {
    let mut windows = vec![0; WINDOWS];
    for (minute, machines) in pulse.minutes {
        if let Some(slot) = usize::try_from(minute).ok().and_then(|index| windows.get_mut(index)) {
            *slot = machines;
        }
    }
    DriverCounts {
        key: DriverKey { tenant: pulse.tenant, driver: pulse.driver },
        machines: [pulse.last_1, pulse.last_5, pulse.last_15],
        sites: pulse.sites,
        windows,
    }
}
