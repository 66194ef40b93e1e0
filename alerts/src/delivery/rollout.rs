//! A rollout that must not go on, told to those who keep no open alerts: nothing would ever close one. Pure.

use serde_json::Value;
use storage::questions::NotificationRow;
use uuid::Uuid;

use super::DeliveryConfig;
use super::body::webhook::{News, Payload, Rollout};
use super::body::{slack, teams};
use super::notices::{PENDING, severity};
use super::plain::{count, cut, plain, rfc3339};
use super::route::Matter;
use super::story::{Fact, LONGEST, LONGEST_SENTENCE, Story};
use super::target::TargetKind;

/// A `stop` of the gate.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutStop {
    /// When the gate said so, ms since 1970.
    pub at_ms: i64,
    /// Base name of the driver.
    pub driver: String,
    /// Which version, in the owner's words or as a timestamp.
    pub version: String,
    /// In which ring; empty for all.
    pub ring: String,
    /// Whose machines.
    pub tenant: String,
    /// Machines that run it.
    pub machines_exposed: u64,
    /// Of these, machines that crashed in it.
    pub machines_crashed: u64,
    /// Its rate over that of the version before, and the bounds of that, where they are known.
    pub ratio: Option<(f64, f64, f64)>,
    /// Why, in words.
    pub reason: String,
}

/// The notifications of a stop, for everybody who would hear of a page about this driver. A stop of one version in one
/// ring is told once a day, however often the gate says it.
#[must_use]
pub fn rollout_notices(
    stop: &RolloutStop,
    config: &DeliveryConfig,
    page_url: &str,
    now_ms: i64,
) -> Vec<NotificationRow> {
    let page = detector::Severity::Sev1;
    let matter = Matter { severity: page, driver: &stop.driver, tenant: &stop.tenant };
    let id = Uuid::from_u128(hash(stop));
    let story = story(stop, page_url);
    let mut rows = Vec::new();
    for target in config.hearers(matter) {
        let body = match &target.kind {
            TargetKind::Webhook { .. } => serde_json::to_value(payload(stop, &story)).ok(),
            TargetKind::Slack => Some(slack::body(&story)),
            TargetKind::Teams => Some(teams::body(&story)),
            TargetKind::PagerDuty { .. } | TargetKind::Alertmanager { .. } => None,
        };
        rows.extend(body.map(|body: Value| NotificationRow {
            notification_id: format!("rollout-{}-{}", id.simple(), target.name),
            incident_id: id,
            target: target.name.clone(),
            payload: body.to_string(),
            state: PENDING.to_owned(),
            created_at_ms: stop.at_ms,
            updated_at_ms: now_ms.max(stop.at_ms),
            severity: severity(page).to_owned(),
            target_kind: target.kind.name().to_owned(),
            ..NotificationRow::default()
        }));
    }
    rows
}

fn payload(stop: &RolloutStop, story: &Story) -> Payload {
    let bound = |number: f64| if number.is_nan() { 0.0 } else { number.clamp(0.0, 1e12) };
    let told = Rollout {
        summary: story.line.clone(),
        driver: cut(&stop.driver, LONGEST),
        version: cut(&stop.version, LONGEST),
        ring: cut(&stop.ring, LONGEST),
        tenant: cut(&stop.tenant, LONGEST),
        machines_exposed: stop.machines_exposed,
        machines_crashed: stop.machines_crashed,
        ratio: stop.ratio.map(|(ratio, _, _)| bound(ratio)),
        ratio_low: stop.ratio.map(|(_, low, _)| bound(low)),
        ratio_high: stop.ratio.map(|(_, _, high)| bound(high)),
        reason: cut(&stop.reason, LONGEST_SENTENCE),
        url: story.link.clone(),
    };
    Payload { timestamp: rfc3339(stop.at_ms), news: News::RolloutStop(Box::new(told)) }
}

fn story(stop: &RolloutStop, page_url: &str) -> Story {
    let (driver, version) = (plain(&stop.driver, LONGEST), plain(&stop.version, LONGEST));
    let ring = match plain(&stop.ring, LONGEST) {
        ring if ring.is_empty() => ring,
        ring => format!(" in ring {ring}"),
    };
    let machines = format!(
        "{} of {} machines with it went down",
        count(stop.machines_crashed),
        count(stop.machines_exposed)
    );
    let mut facts = vec![Fact { label: "Why", value: plain(&stop.reason, LONGEST_SENTENCE) }];
    facts.extend(stop.ratio.map(|(ratio, low, high)| Fact {
        label: "Against the version before",
        value: format!("{ratio:.1} times its rate ({low:.1} to {high:.1})"),
    }));
    Story {
        title: format!("Stop the rollout of {driver} {version}"),
        line: format!("Stop the rollout of {driver} {version}{ring}: {machines}"),
        facts,
        link: format!("{}/drivers/{}", page_url.trim_end_matches('/'), escape(&stop.driver)),
        more: Vec::new(),
    }
}

/// A name as one part of a path.
fn escape(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(one).collect()
}

/// FNV-1a: the same in every build, unlike the standard library's.
fn hash(stop: &RolloutStop) -> u128 {
    let day = stop.at_ms.div_euclid(86_400_000).to_string();
    let parts = [&stop.tenant, &stop.driver, &stop.version, &stop.ring, &day];
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
#[path = "rollout/tests.rs"]
mod tests;
