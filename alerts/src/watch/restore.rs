//! After a start: which incidents are open, and which notifications are still to be sent or were never written.

use storage::questions::IncidentSummary;

use super::{TickError, Watch, notify};
use crate::config::Webhook;
use crate::incident::{CountsDetail, Incident};
use crate::now_ms;

/// More open incidents than drivers that anybody could look after.
const MOST_OPEN: u32 = 10_000;
/// Resolved ones are looked at for what a crash of this process left undone.
const MOST_RESOLVED: u32 = 200;
/// Further back, nobody waits for word of a resolution.
const LOOK_BACK_MS: i64 = 24 * 3_600_000;

impl Watch {
    /// Takes up where the process before ended. Idempotent, so a failure half-way is simply tried again.
    pub(super) async fn restore(&mut self) -> Result<(), TickError> {
        let now = now_ms();
        let mut summaries = self.database.incidents(true, MOST_OPEN).await?;
        let resolved = self.database.incidents(false, MOST_RESOLVED).await?;
        let lately =
            |summary: &IncidentSummary| summary.resolved_at_ms.is_some_and(|at| now - at < LOOK_BACK_MS);
        summaries.extend(resolved.into_iter().filter(lately));
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.opened_at_ms));
        self.incidents.clear();
        for summary in summaries {
            let events = self.database.incident_events(summary.incident_id).await?;
            let Some(incident) = Incident::from_events(&events) else {
                tracing::error!(incident = %summary.incident_id, "an incident's events cannot be read; it is left alone");
                continue;
            };
            self.take_up(incident).await?;
        }
        for (key, incident) in &self.incidents {
            self.detector.restore(key.clone(), incident.followed());
        }
        // Last, so that what was just written comes along. The outbox takes each id once.
        for row in self.database.pending_notifications().await? {
            if self.outbox.send(row).is_err() {
                tracing::error!("the outbox has ended");
            }
        }
        let open = self.detector.open().count();
        tracing::info!(open, "detection begins");
        Ok(())
    }

    async fn take_up(&mut self, mut incident: Incident) -> Result<(), TickError> {
        let open = incident.resolved_at_ms.is_none();
        if open && self.incidents.contains_key(&incident.key) {
            // Two processes opened one each. The newer one stays; this one ends without a word.
            let now = now_ms();
            let counts = CountsDetail { machines: incident.noted_machines, crashes: 0 };
            let event = incident.event("resolved", now, &counts)?;
            self.database.put_incident_event(&event).await?;
            tracing::warn!(incident = %incident.id, driver = incident.key.driver, "closed a second incident of one driver");
            return Ok(());
        }
        let known = self.database.notifications(incident.id).await?;
        let written = |resolved: bool, webhook: &Webhook| {
            let id = notify::id(&incident, resolved, &webhook.name);
            known.iter().any(|row| row.notification_id == id)
        };
        // Who never heard of it need not hear that it is over.
        let missing = |webhook: &&Webhook| !written(!open, webhook) && (open || written(false, webhook));
        let missing: Vec<Webhook> = self.config.webhooks.iter().filter(missing).cloned().collect();
        if !missing.is_empty() {
            let evidence = self.evidence(&incident).await?;
            self.notify(&incident, 0, &evidence, &missing).await?;
        }
        self.incidents.entry(incident.key.clone()).or_insert(incident);
        Ok(())
    }
}
