//! PagerDuty's Events API v2: an alert an incident, under the incident's id, and one more each time it has grown tenfold,
//! under the id with `/x10`, `/x100` behind it. The routing key is a secret and is added when it is sent.

use detector::{Incident, Severity, Step, Transition};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fit;
use crate::delivery::plain::{cut, plain, rfc3339};
use crate::delivery::story::{LONGEST, MOST_GROWN, Story, driver, growth, subject};

/// What it accepts: 512 KB.
const LONGEST_BODY: usize = 500_000;
/// Longest summary; it cuts what is longer.
const LONGEST_SUMMARY: usize = 1023;

/// What is to be sent for a step, one request each, in this order.
///
/// A trigger under a key that is open is appended to the alert that is there and calls nobody, and a ticket that PagerDuty
/// holds for one of low urgency stays one. So when a ticket becomes a page, its alerts are closed, and the page is an alert
/// of its own under the same key. What has grown tenfold is an alert of its own beside the first: it calls again, and who
/// works on the first one keeps it. All end together; a `resolve` of a key that is not open is passed over.
pub(in crate::delivery) fn bodies(transition: &Transition, story: &Story) -> Vec<Value> {
    let incident = &transition.incident;
    let all = |action| keys(incident).map(move |key| change(&key, action));
    let first = || trigger(transition, key(incident, 0), story);
    match transition.step {
        Step::Opened | Step::Attributed | Step::Reopened => vec![first()],
        Step::Grew => vec![trigger(transition, key(incident, incident.grown), story)],
        Step::Escalated => all("resolve").chain([first()]).collect(),
        Step::Acknowledged => all("acknowledge").collect(),
        Step::Resolved | Step::Merged => all("resolve").collect(),
        Step::Joined | Step::Muted | Step::Unmuted | Step::Commented => Vec::new(),
    }
}

/// The key of the alert about its so-manieth growth; 0 is the incident itself.
fn key(incident: &Incident, grown: u32) -> String {
    let id = Uuid::from_u128(incident.id).to_string();
    growth(grown).map_or(id.clone(), |times| format!("{id}/{times}"))
}

/// All keys that may be open.
fn keys(incident: &Incident) -> impl Iterator<Item = String> {
    (0..=incident.grown.min(MOST_GROWN)).map(|grown| key(incident, grown))
}

fn change(key: &str, action: &str) -> Value {
    json!({ "event_action": action, "dedup_key": key })
}

fn trigger(transition: &Transition, key: String, story: &Story) -> Value {
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
    let link = |text: &str, href: &str| json!({ "href": href, "text": text });
    let more = story.more.iter().map(|one| link(&one.text, &one.url));
    let links: Vec<Value> = std::iter::once(link("The incident", &story.link)).chain(more).collect();
    fit(LONGEST_BODY, &story.facts, |facts| {
        let details: Map<String, Value> =
            facts.iter().map(|fact| (fact.label.to_owned(), fact.value.clone().into())).collect();
        json!({
            "event_action": "trigger",
            "dedup_key": key,
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
            "links": links,
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
