//! From an incident to rows in the outbox: one for each webhook, under an id that is the same whenever it is made.

use storage::questions::{Evidence, NotificationRow};

use super::{TickError, Watch};
use crate::config::Webhook;
use crate::incident::Incident;
use crate::outbox;
use crate::payload::{Facts, payload};

impl Watch {
    /// Writes the notifications of an incident's present state to `targets`, and hands them over.
    pub(super) async fn notify(
        &self,
        incident: &Incident,
        machines_per_minute: u64,
        evidence: &Evidence,
        targets: &[Webhook],
    ) -> Result<(), TickError> {
        let facts = Facts {
            incident_id: incident.id,
            tenant: &incident.key.tenant,
            driver: &incident.key.driver,
            reason: &incident.reason,
            opened_at_ms: incident.opened_at_ms,
            resolved_at_ms: incident.resolved_at_ms,
            machines_per_minute,
            page_url: &self.config.page_url,
        };
        let body = serde_json::to_string(&payload(&facts, evidence))?;
        let at_ms = incident.resolved_at_ms.unwrap_or(incident.opened_at_ms);
        let mut rows = Vec::new();
        for webhook in targets {
            let row = NotificationRow {
                notification_id: id(incident, incident.resolved_at_ms.is_some(), &webhook.name),
                incident_id: incident.id,
                target: webhook.name.clone(),
                payload: body.clone(),
                state: outbox::PENDING.to_owned(),
                attempts: 0,
                last_error: String::new(),
                created_at_ms: at_ms,
                updated_at_ms: at_ms,
            };
            self.database.put_notification(&row).await?;
            rows.push(row);
        }
        // Only when all are durable: a second try must not write "pending" over what was delivered meanwhile.
        for row in rows {
            if self.outbox.send(row).is_err() {
                tracing::error!("the outbox has ended; the notification goes out after the next start");
            }
        }
        Ok(())
    }
}

/// The id of a notification, which is also its `webhook-id`.
pub(super) fn id(incident: &Incident, resolved: bool, webhook: &str) -> String {
    let what = if resolved { "resolved" } else { "opened" };
    format!("{}-{what}-{webhook}", incident.id.simple())
}
