//! From a step of an incident's life to rows in the outbox: who hears of it, and what they get. Pure: the same step and
//! the same settings give rows with the same ids, so that a replay writes nothing twice.

use detector::{Severity, Step, Transition};
use serde_json::Value;
use storage::questions::NotificationRow;
use uuid::Uuid;

use super::DeliveryConfig;
use super::body::{alertmanager, pagerduty, slack, teams, webhook};
use super::route::Matter;
use super::story::{Example, story};
use super::target::{Target, TargetKind};

/// Still to be sent.
pub(super) const PENDING: &str = "pending";
/// A receiver said yes.
pub(super) const DELIVERED: &str = "delivered";
/// Given up on.
pub(super) const FAILED: &str = "failed";

/// The notifications of one step: none where nobody is to hear of it. `examples` are crashes of it, as far as some are known.
#[must_use]
pub fn notices(
    transition: &Transition,
    examples: &[Example],
    config: &DeliveryConfig,
    page_url: &str,
    now_ms: i64,
) -> Vec<NotificationRow> {
    let incident = &transition.incident;
    let mut rows = Vec::new();
    for target in config.hearers(Matter::of(incident)) {
        if !wants(target, transition) {
            continue;
        }
        for (part, payload) in bodies(target, transition, examples, page_url).into_iter().enumerate() {
            rows.push(NotificationRow {
                notification_id: id(transition, &target.name, part),
                incident_id: Uuid::from_u128(incident.id),
                target: target.name.clone(),
                payload: payload.to_string(),
                state: PENDING.to_owned(),
                created_at_ms: transition.at_ms,
                updated_at_ms: now_ms.max(transition.at_ms),
                severity: severity(incident.severity).to_owned(),
                target_kind: target.kind.name().to_owned(),
                ..NotificationRow::default()
            });
        }
    }
    rows
}

/// Whether a target hears of a step, as far as the step goes.
///
/// What ends an incident goes to those who keep its state even while it is muted: else an alert would stay open there for
/// ever, and Alertmanager would be told for ever that it burns.
fn wants(target: &Target, transition: &Transition) -> bool {
    match transition.step {
        Step::Resolved | Step::Merged => transition.tell || target.kind.keeps_state(),
        Step::Acknowledged => matches!(target.kind, TargetKind::PagerDuty { .. }),
        Step::Opened | Step::Escalated | Step::Grew | Step::Attributed | Step::Reopened => transition.tell,
        Step::Joined | Step::Muted | Step::Unmuted | Step::Commented => false,
    }
}

fn bodies(target: &Target, transition: &Transition, examples: &[Example], page_url: &str) -> Vec<Value> {
    let story = story(transition, examples, page_url, target.template.as_ref());
    match &target.kind {
        TargetKind::Webhook { .. } => {
            // Maps with string keys and finite numbers: nothing that JSON cannot hold.
            let body = webhook::body(transition, examples, page_url, &story);
            body.and_then(|body| serde_json::to_value(body).ok()).into_iter().collect()
        }
        TargetKind::PagerDuty { .. } => pagerduty::bodies(transition, &story),
        TargetKind::Slack => vec![slack::body(&story)],
        TargetKind::Teams => vec![teams::body(&story)],
        TargetKind::Alertmanager { .. } => alertmanager::body(transition, &story).into_iter().collect(),
    }
}

/// `incident-seq-target`, with the number padded: ids of one incident and target sort as they were made. A second request
/// of one step has a suffix that no target's name can have.
fn id(transition: &Transition, target: &str, part: usize) -> String {
    let incident = Uuid::from_u128(transition.incident.id).simple();
    let suffix = if part == 0 { String::new() } else { format!(".{part}") };
    format!("{incident}-{:05}-{target}{suffix}", transition.seq)
}

pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Sev1 => "sev1",
        Severity::Sev2 => "sev2",
    }
}

#[cfg(test)]
#[path = "notices/tests.rs"]
mod tests;
