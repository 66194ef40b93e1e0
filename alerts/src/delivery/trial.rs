//! The test button: one clearly marked notification through one target, past the outbox, and what came of it.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::body::webhook::{News, Payload, Test};
use super::body::{alertmanager, pagerduty, slack, teams};
use super::plain::{chain, rfc3339};
use super::send::Courier;
use super::story::Story;
use super::target::{Target, TargetKind};
use crate::AlertsError;
use crate::now_ms;

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the target.
    pub target: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it answered, or why it did not take the test.
    pub outcome: Result<u16, String>,
    /// How long it took.
    pub took: Duration,
}

/// Sends a test, once: nothing is tried again.
pub async fn test_target(target: &Target, page_url: &str, timeout: Duration) -> Result<Report, AlertsError> {
    let courier = Courier::new(timeout).map_err(|error| AlertsError::Delivery(chain(&error)))?;
    let begun = Instant::now();
    let outcome = send(&courier, target, page_url).await;
    Ok(Report {
        target: target.name.clone(),
        kind: target.kind.name(),
        outcome: outcome.map(|status| status.as_u16()),
        took: begun.elapsed(),
    })
}

async fn send(courier: &Courier, target: &Target, page_url: &str) -> Result<StatusCode, String> {
    let id = format!("test-{}-{}", Uuid::new_v4().simple(), target.name);
    let mut last = Err("nothing was sent".to_owned());
    for body in bodies(target, &id, page_url, now_ms()) {
        let sent = courier.send(target, &id, &body.to_string(), now_ms()).await;
        last = sent.map_err(|failure| failure.reason);
        if last.is_err() {
            break;
        }
    }
    last
}

fn bodies(target: &Target, id: &str, page_url: &str, now_ms: i64) -> Vec<Value> {
    let link = page_url.trim_end_matches('/').to_owned();
    let line = format!("Test of {} by Bluescope: nothing is wrong, and nothing has to be done", target.name);
    let story = Story { title: "Bluescope test".to_owned(), line, facts: Vec::new(), link, more: Vec::new() };
    match &target.kind {
        TargetKind::Webhook { .. } => {
            let Story { line: summary, link: url, .. } = story;
            let test = Test { summary, target: target.name.clone(), url };
            let payload = Payload { timestamp: rfc3339(now_ms), news: News::Test(test) };
            serde_json::to_value(payload).into_iter().collect()
        }
        TargetKind::PagerDuty { .. } => pagerduty::test(id, &story.line, &story.link).to_vec(),
        TargetKind::Slack => vec![slack::body(&story)],
        TargetKind::Teams => vec![teams::body(&story)],
        TargetKind::Alertmanager { .. } => {
            vec![alertmanager::test(&target.name, &story.line, &story.link, now_ms)]
        }
    }
}

#[cfg(test)]
#[path = "trial/tests.rs"]
mod tests;
