//! What comes after the last upload: every crash becomes a row, the page is out, what the machines share is known, the
//! incident is over. Waits for each, no longer than it may take.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::uploads::Tally;
use super::watch::Watch;
use super::{DrillConfig, WATCH_EVERY};
use crate::client::{Client, Incident, IncidentPage, Ledger, Shared};
use crate::progress::Progress;
use crate::receiver::{Arrival, Receiver};

/// Who waits.
pub(super) struct Aftermath<'a> {
    pub(super) client: &'a Client,
    pub(super) config: &'a DrillConfig,
    pub(super) watch: &'a Watch,
    pub(super) progress: &'a Progress,
}

/// What came of it.
pub(super) struct After {
    /// The ledger when nothing was left to do.
    pub(super) ledger: Ledger,
    /// The page as it came in.
    pub(super) paged: Option<Arrival>,
    /// What the incident says that its machines share.
    pub(super) shared: Option<Shared>,
    /// When it began or came back, by the server's clock.
    pub(super) begun_ms: Option<i64>,
    /// When we heard that it is over: by the webhook, or else as the server says.
    pub(super) resolved_ms: Option<i64>,
}

impl Aftermath<'_> {
    pub(super) async fn follow(
        &self,
        before: &Ledger,
        tally: &Tally,
        receiver: Option<&Receiver>,
    ) -> Result<After> {
        let sent = Instant::now();
        let deadline = sent + self.config.patience;
        let crashes = before.crashes + tally.crashes.len() as u64;
        let ledger = self.settle(deadline, crashes, tally.sent, receiver).await?;
        if self.config.scenario.is_some() && !self.watch.expects() {
            sleep(self.config.linger).await;
        }
        let page = self.explained(deadline, tally.sent).await?;
        let resolved_ms = match self.config.resolved_within {
            Some(within) => self.resolved(sent + self.patient(within), tally.sent, receiver).await,
            None => self.over(receiver),
        };
        let paged = receiver.and_then(|receiver| self.watch.page_arrival(receiver));
        let begun_ms = self.watch.found().zip(page.as_ref());
        let begun_ms = begun_ms.map(|(incident, page)| self.watch.begun_ms(&incident, &page.events));
        Ok(After { ledger, paged, shared: page.and_then(|page| page.attribution), begun_ms, resolved_ms })
    }

    /// Waits until the queue is empty, the rows are there and the page is out, or until patience ends.
    async fn settle(
        &self,
        deadline: Instant,
        crashes: u64,
        sent: u64,
        receiver: Option<&Receiver>,
    ) -> Result<Ledger> {
        loop {
            let late = Instant::now() >= deadline;
            let is_done = |now: &Ledger| now.queued == 0 && now.crashes >= crashes;
            match self.client.ledger().await {
                Ok(now) if late || (is_done(&now) && self.watch.paged(receiver)) => return Ok(now),
                Ok(now) => self.progress.show(sent, || format!("all sent, {} queued", now.queued)),
                Err(error) if late => return Err(error),
                // it may be starting again; patience decides
                Err(error) => tracing::warn!(%error, "cannot see the ledger"),
            }
            sleep(WATCH_EVERY).await;
        }
    }

    /// The incident's page, where it must say what the machines share not before it does, or patience ends.
    async fn explained(&self, deadline: Instant, sent: u64) -> Result<Option<IncidentPage>> {
        let truth = self.config.truth();
        let Some(incident) = self.watch.found() else { return Ok(None) };
        loop {
            let page = self.client.incident(&incident.incident_id).await?;
            let origin = page.attribution.as_ref().map(|shared| shared.origin);
            if truth.is_none() || origin == truth || Instant::now() >= deadline {
                return Ok(Some(page));
            }
            self.progress.show(sent, || "waiting for what the machines share".to_owned());
            sleep(WATCH_EVERY).await;
        }
    }

    /// One that came back must be calm twice as long each time.
    fn patient(&self, within: Duration) -> Duration {
        within * (1 << self.watch.round().min(4))
    }

    /// When the incident was over, or nothing at the deadline.
    async fn resolved(&self, deadline: Instant, sent: u64, receiver: Option<&Receiver>) -> Option<i64> {
        self.watch.found()?;
        loop {
            let over = self.over(receiver);
            if over.is_some() || Instant::now() >= deadline {
                return over;
            }
            self.progress.show(sent, || "waiting for the incident to be over".to_owned());
            sleep(WATCH_EVERY).await;
        }
    }

    /// When we heard of its end, once its page says so too: that follows the webhook.
    fn over(&self, receiver: Option<&Receiver>) -> Option<i64> {
        let incident = self.watch.found().filter(Incident::is_over)?;
        match receiver {
            Some(receiver) => receiver.over(&incident.incident_id).map(|arrival| arrival.at_ms),
            None => incident.resolved_at_ms,
        }
    }
}
