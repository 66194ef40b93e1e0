//! A step of an incident as a row, a line of the log, and a question. Pure.

use detector::{Severity, Step, Subject, Transition};
use serde::Serialize;
use storage::questions::IncidentEvent;
use uuid::Uuid;

/// What an event's row says beside its columns.
#[derive(Serialize)]
struct Detail<'a> {
    machines: u64,
    severity: Severity,
    tell: bool,
    by: &'a str,
    words: &'a str,
    incident: &'a detector::Incident,
}

/// The row of a step.
pub(super) fn row(step: &Transition) -> IncidentEvent {
    let incident = &step.incident;
    let detail = Detail {
        machines: incident.machines,
        severity: incident.severity,
        tell: step.tell,
        by: &step.by,
        words: &step.words,
        incident,
    };
    IncidentEvent {
        incident_id: Uuid::from_u128(incident.id),
        seq: step.seq,
        at_ms: step.at_ms,
        kind: step.step.word().to_owned(),
        tenant: incident.tenant.clone(),
        driver: incident.subject.to_string(),
        // Numbers, strings and maps with string keys: nothing that JSON cannot hold.
        detail: serde_json::to_string(&detail).unwrap_or_default(),
    }
}

/// The driver whose exposed machines would explain an incident better; none where nothing was found yet to explain.
pub(super) fn wants_reference(step: &Transition) -> Option<&str> {
    match (&step.step, &step.incident.subject) {
        (Step::Opened | Step::Escalated | Step::Grew | Step::Reopened, Subject::Driver(driver)) => {
            Some(driver)
        }
        _ => None,
    }
}

pub(super) fn log(step: &Transition) {
    let incident = &step.incident;
    tracing::info!(
        incident = %Uuid::from_u128(incident.id),
        step = step.step.word(),
        subject = %incident.subject,
        tenant = incident.tenant,
        severity = ?incident.severity,
        machines = incident.machines,
        told = step.tell,
        "an incident has changed"
    );
}
