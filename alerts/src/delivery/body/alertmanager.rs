//! Alertmanager's API v2. An alert is its labels: they stay the same over an incident's life, or Alertmanager holds it
//! for another one. Only its loudness is a label that may change, because routes there go by it; then the old alert ends
//! as the new one begins. An alert without `endsAt` fires: its end is set ahead at each sending, and it is sent again
//! and again until it has one of its own.

use detector::{Incident, Severity, Step, Transition};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::delivery::plain::{plain, rfc3339};
use crate::delivery::story::{LONGEST, Story, driver, subject};

/// The name of every alert of ours.
const NAME: &str = "BluescopeIncident";

/// The alerts to send for a step; none for steps that it need not hear of.
pub(in crate::delivery) fn body(transition: &Transition, story: &Story) -> Option<Value> {
    let incident = &transition.incident;
    let now = |severity| alert(incident, severity, story);
    let ended = |severity, at_ms: i64| {
        let mut alert = now(severity);
        // It refuses an end before the beginning, which a clock that went back would make.
        alert.insert("endsAt".to_owned(), rfc3339(at_ms.max(incident.opened_at_ms)).into());
        alert
    };
    let alerts = match transition.step {
        Step::Opened | Step::Grew | Step::Attributed | Step::Reopened => vec![now(incident.severity)],
        Step::Escalated => vec![ended(Severity::Sev2, transition.at_ms), now(incident.severity)],
        Step::Resolved | Step::Merged => {
            let at_ms = incident.resolved_at_ms.unwrap_or(transition.at_ms);
            vec![ended(incident.severity, at_ms)]
        }
        Step::Joined | Step::Acknowledged | Step::Muted | Step::Unmuted | Step::Commented => return None,
    };
    Some(alerts.into_iter().map(Value::Object).collect())
}

fn alert(incident: &Incident, severity: Severity, story: &Story) -> Map<String, Value> {
    let severity = match severity {
        Severity::Sev1 => "critical",
        Severity::Sev2 => "warning",
    };
    let labels = json!({
        "alertname": NAME,
        "severity": severity,
        "subject": subject(&incident.subject),
        "driver": plain(&driver(&incident.subject), LONGEST),
        "tenant": plain(&incident.tenant, LONGEST),
        "incident": Uuid::from_u128(incident.id).to_string(),
    });
    let description: Vec<String> =
        story.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect();
    let body = json!({
        "labels": filled(labels),
        "annotations": { "summary": story.line, "description": description.join("\n") },
        "startsAt": rfc3339(incident.opened_at_ms),
        "generatorURL": story.link,
    });
    object(body)
}

/// An empty label is none to Alertmanager.
fn filled(labels: Value) -> Map<String, Value> {
    object(labels).into_iter().filter(|(_, value)| value.as_str() != Some("")).collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A try: an alert that ends by itself a minute later.
pub(in crate::delivery) fn test(target: &str, summary: &str, link: &str, now_ms: i64) -> Value {
    json!([{
        "labels": { "alertname": "BluescopeTest", "severity": "none", "target": target },
        "annotations": { "summary": summary },
        "startsAt": rfc3339(now_ms),
        "endsAt": rfc3339(now_ms.saturating_add(60_000)),
        "generatorURL": link,
    }])
}
