//! Alertmanager's API v2. An alert is its labels: they stay the same over an incident's life, or Alertmanager holds it
//! for another one. Only its loudness is a label that may change, because routes there go by it; then the old alert ends
//! as the new one begins. Nor does it tell anybody that words of an alert have changed: what has grown tenfold is one more
//! alert of the same incident, with a label `growth`. An alert without `endsAt` fires: its end is set ahead at each sending, and it is sent again
//! and again until it has one of its own.

use detector::{Incident, Severity, Step, Transition};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::delivery::plain::{plain, rfc3339};
use crate::delivery::story::{LONGEST, Story, driver, growth, subject};

/// The name of every alert of ours.
const NAME: &str = "BluescopeIncident";

/// The alerts to send for a step; none for steps that it need not hear of.
pub(in crate::delivery) fn body(transition: &Transition, story: &Story) -> Option<Value> {
    let incident = &transition.incident;
    let (severity, grown) = (incident.severity, incident.grown);
    let alert = |severity, grown| alert(incident, severity, grown, story);
    let ended = |mut alert: Map<String, Value>, at_ms: i64| {
        // It refuses an end before the beginning, which a clock that went back would make.
        alert.insert("endsAt".to_owned(), rfc3339(at_ms.max(incident.opened_at_ms)).into());
        alert
    };
    // The incident, and how far it has grown.
    let both = |severity| {
        let growth = (grown > 0).then(|| alert(severity, grown));
        std::iter::once(alert(severity, 0)).chain(growth)
    };
    let alerts: Vec<_> = match transition.step {
        Step::Opened | Step::Attributed | Step::Reopened => both(severity).collect(),
        Step::Grew => {
            let before = (grown > 1).then(|| ended(alert(severity, grown - 1), transition.at_ms));
            before.into_iter().chain(both(severity)).collect()
        }
        Step::Escalated => {
            let tickets = both(Severity::Sev2).map(|alert| ended(alert, transition.at_ms));
            tickets.chain(both(severity)).collect()
        }
        Step::Resolved | Step::Merged => {
            let at_ms = incident.resolved_at_ms.unwrap_or(transition.at_ms);
            both(severity).map(|alert| ended(alert, at_ms)).collect()
        }
        Step::Joined | Step::Acknowledged | Step::Muted | Step::Unmuted | Step::Commented => return None,
    };
    Some(alerts.into_iter().map(Value::Object).collect())
}

fn alert(incident: &Incident, severity: Severity, grown: u32, story: &Story) -> Map<String, Value> {
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
        "growth": growth(grown).unwrap_or_default(),
    });
    let facts = story.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value));
    let more = story.more.iter().map(|link| format!("{}: {}", link.text, link.url));
    let description: Vec<String> = facts.chain(more).collect();
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
