//! PagerDuty's Events API v2: one alert an incident, under the incident's id. The routing key is a secret and is added
//! when it is sent.

use detector::{Severity, Step, Transition};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fit;
use crate::delivery::plain::{cut, plain, rfc3339};
use crate::delivery::story::{LONGEST, Story, driver, subject};

/// What it accepts: 512 KB.
const LONGEST_BODY: usize = 500_000;
/// Longest summary; it cuts what is longer.
const LONGEST_SUMMARY: usize = 1023;

/// What is to be sent for a step, one request each, in this order.
///
/// A trigger under a known key is appended to the alert that is there and wakes nobody who is not working on it, and a
/// ticket that PagerDuty holds for one of low urgency stays one. So when a ticket becomes a page, its alert is closed,
/// and the page is an alert of its own under the same key.
pub(in crate::delivery) fn bodies(transition: &Transition, story: &Story) -> Vec<Value> {
    match transition.step {
        Step::Opened | Step::Grew | Step::Attributed | Step::Reopened => vec![trigger(transition, story)],
        Step::Escalated => vec![change(transition, "resolve"), trigger(transition, story)],
        Step::Acknowledged => vec![change(transition, "acknowledge")],
        Step::Resolved | Step::Merged => vec![change(transition, "resolve")],
        Step::Joined | Step::Muted | Step::Unmuted | Step::Commented => Vec::new(),
    }
}

fn key(transition: &Transition) -> String {
    Uuid::from_u128(transition.incident.id).to_string()
}

fn change(transition: &Transition, action: &str) -> Value {
    json!({ "event_action": action, "dedup_key": key(transition) })
}

fn trigger(transition: &Transition, story: &Story) -> Value {
    let incident = &transition.incident;
    let severity = match incident.severity {
        Severity::Sev1 => "critical",
        Severity::Sev2 => "warning",
    };
    let tenant = plain(&incident.tenant, LONGEST);
    let mut component = driver(&incident.subject);
    if component.is_empty() {
        component = subject(&incident.subject);
    }
    fit(LONGEST_BODY, &story.facts, |facts| {
        let details: Map<String, Value> =
            facts.iter().map(|fact| (fact.label.to_owned(), fact.value.clone().into())).collect();
        json!({
            "event_action": "trigger",
            "dedup_key": key(transition),
            "payload": {
                "summary": cut(&story.line, LONGEST_SUMMARY),
                "timestamp": rfc3339(transition.at_ms),
                "severity": severity,
                "source": if tenant.is_empty() { "fleet" } else { tenant.as_str() },
                "component": plain(&component, LONGEST),
                "group": tenant,
                "class": "crashes",
                "custom_details": details,
            },
            "client": "Bluescope",
            "client_url": story.link,
            "links": [{ "href": story.link, "text": "The incident" }],
        })
    })
}

/// A try that wakes nobody: opened with the lowest severity, then closed.
pub(in crate::delivery) fn test(key: &str, summary: &str, link: &str) -> [Value; 2] {
    let trigger = json!({
        "event_action": "trigger",
        "dedup_key": key,
        "payload": { "summary": summary, "severity": "info", "source": "bluescope", "class": "test" },
        "client": "Bluescope",
        "client_url": link,
    });
    [trigger, json!({ "event_action": "resolve", "dedup_key": key })]
}
