//! The server's incidents while a drill goes on: which were opened, and whether the right ones were. Asks, and decides
//! nothing about the drill.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use tokio::time::sleep;

use super::{WATCH_EVERY, lock};
use crate::client::{Client, Incident};
use crate::receiver::Receiver;

/// Looks at the server's incidents over and over, and remembers those that were not there before.
pub(super) struct Watch {
    /// Drivers to page for.
    blamed: Vec<String>,
    opened: Arc<Mutex<BTreeMap<String, Incident>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    pub(super) async fn start(client: &Client, blamed: Vec<String>) -> Result<Self> {
        let before = client.incidents().await?;
        let mut open = before.iter().filter(|incident| incident.state != "resolved");
        if let Some(incident) = open.find(|incident| is_one_of(&blamed, &incident.driver)) {
            bail!(
                "incident {} for {} is still open: a drill could not open another",
                incident.incident_id,
                incident.driver
            );
        }
        let known: HashSet<String> = before.into_iter().map(|incident| incident.incident_id).collect();
        let opened = Arc::new(Mutex::new(BTreeMap::new()));
        let (client, found) = (client.clone(), Arc::clone(&opened));
        let task = tokio::spawn(async move {
            loop {
                match client.incidents().await {
                    Ok(incidents) => {
                        let new =
                            incidents.into_iter().filter(|incident| !known.contains(&incident.incident_id));
                        lock(&found).extend(new.map(|incident| (incident.incident_id.clone(), incident)));
                    }
                    Err(error) => tracing::warn!(%error, "cannot see the incidents"),
                }
                sleep(WATCH_EVERY).await;
            }
        });
        Ok(Self { blamed, opened, task })
    }

    /// The first incident for one of the right drivers.
    pub(super) fn found(&self) -> Option<Incident> {
        let opened = lock(&self.opened);
        let mut right: Vec<&Incident> =
            opened.values().filter(|incident| is_one_of(&self.blamed, &incident.driver)).collect();
        right.sort_by_key(|incident| incident.opened_at_ms);
        right.first().map(|incident| (*incident).clone())
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

    /// When the first page for one of the right drivers came in.
    pub(super) fn page_arrival(&self, receiver: &Receiver) -> Option<i64> {
        let arrivals = receiver.arrivals();
        let page = |kind: &str, driver: &str| kind.ends_with("opened") && is_one_of(&self.blamed, driver);
        arrivals.iter().find(|arrival| page(arrival.kind(), arrival.driver())).map(|arrival| arrival.at_ms)
    }

    pub(super) fn stop(self) -> Vec<Incident> {
        self.task.abort();
        lock(&self.opened).values().cloned().collect()
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
