//! The server's incidents while a drill goes on: which began or came back, and whether the right ones did. Asks, and
//! decides nothing about the drill.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use super::{WATCH_EVERY, lock};
use crate::client::{Client, Event, Incident};
use crate::receiver::{Arrival, Receiver};

/// Incidents from before the drill, and when each was over; `None` where it was not.
type Known = HashMap<String, Option<i64>>;

/// How long pages may be behind.
const PAGES_FOLLOW: Duration = Duration::from_secs(4);

/// Looks at the server's incidents over and over, and remembers those that began or came back.
pub(super) struct Watch {
    /// Drivers to page for.
    blamed: Vec<String>,
    known: Known,
    round: usize,
    opened: Arc<Mutex<BTreeMap<String, Incident>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    pub(super) async fn start(client: &Client, blamed: Vec<String>) -> Result<Self> {
        let before = calm(client, &blamed).await?;
        let mut round = 0;
        for incident in before.iter().filter(|incident| is_one_of(&blamed, &incident.driver)) {
            let reopened = client.incident(&incident.incident_id).await?.reopened;
            round += 1 + usize::try_from(reopened)?;
        }
        let over = |incident: &Incident| incident.resolved_at_ms.filter(|_| incident.is_over());
        let known: Known = before.iter().map(|one| (one.incident_id.clone(), over(one))).collect();
        let opened = Arc::new(Mutex::new(BTreeMap::new()));
        let task = tokio::spawn(look(client.clone(), known.clone(), Arc::clone(&opened)));
        Ok(Self { blamed, known, round, opened, task })
    }

    /// How often the server has had an incident for these drivers.
    pub(super) fn round(&self) -> usize {
        self.round
    }

    /// The first incident for one of the right drivers.
    pub(super) fn found(&self) -> Option<Incident> {
        let opened = lock(&self.opened);
        let right = opened.values().filter(|incident| is_one_of(&self.blamed, &incident.driver));
        right.min_by_key(|incident| incident.opened_at_ms).cloned()
    }

    /// When an incident began or came back in this drill.
    pub(super) fn begun_ms(&self, incident: &Incident, events: &[Event]) -> i64 {
        let Some(Some(over_ms)) = self.known.get(&incident.incident_id) else { return incident.opened_at_ms };
        let mut back = events.iter().filter(|event| event.kind == "reopened" && event.at_ms > *over_ms);
        back.next().map_or(incident.opened_at_ms, |event| event.at_ms)
    }

    /// Whether there is anybody to page for.
    pub(super) fn expects(&self) -> bool {
        !self.blamed.is_empty()
    }

    /// Whether everybody who has to hear of it has, or there is nothing to hear.
    pub(super) fn paged(&self, receiver: Option<&Receiver>) -> bool {
        let heard = receiver.is_none_or(|receiver| self.page_arrival(receiver).is_some());
        !self.expects() || (heard && self.found().is_some())
    }

    /// The first page for one of the right drivers that came in.
    pub(super) fn page_arrival(&self, receiver: &Receiver) -> Option<Arrival> {
        let arrivals = receiver.arrivals();
        arrivals.into_iter().find(|arrival| arrival.is_page() && is_one_of(&self.blamed, arrival.driver()))
    }

    pub(super) fn stop(self) -> Vec<Incident> {
        self.task.abort();
        lock(&self.opened).values().cloned().collect()
    }
}

/// All incidents, once none for these drivers is open. Pages follow what happened by some seconds, and a service that was
/// stopped just after an incident was over learns it at its start.
async fn calm(client: &Client, blamed: &[String]) -> Result<Vec<Incident>> {
    let deadline = Instant::now() + PAGES_FOLLOW;
    loop {
        let all = client.incidents().await?;
        let mut open = all.iter().filter(|incident| !incident.is_over());
        let Some(incident) = open.find(|incident| is_one_of(blamed, &incident.driver)) else {
            return Ok(all);
        };
        if Instant::now() >= deadline {
            bail!(
                "incident {} for {} is still open: a drill could not open another",
                incident.incident_id,
                incident.driver
            );
        }
        sleep(WATCH_EVERY).await;
    }
}

async fn look(client: Client, known: Known, found: Arc<Mutex<BTreeMap<String, Incident>>>) {
    loop {
        match client.incidents().await {
            Ok(incidents) => {
                let mut found = lock(&found);
                for incident in incidents {
                    let is_new = match known.get(&incident.incident_id) {
                        None => true,
                        // it was open before, or is over as it was: two looks may have missed that it came back
                        Some(None) => false,
                        Some(before) => !incident.is_over() || incident.resolved_at_ms != *before,
                    };
                    if is_new || found.contains_key(&incident.incident_id) {
                        found.insert(incident.incident_id.clone(), incident);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "cannot see the incidents"),
        }
        sleep(WATCH_EVERY).await;
    }
}

/// Whether a driver is one of these, however it is spelt.
pub(super) fn is_one_of(drivers: &[String], driver: &str) -> bool {
    drivers.iter().any(|one| one.eq_ignore_ascii_case(driver))
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
