//! The body of a notification: what an engineer who was just woken needs first. A published contract: add, never
//! rename. Values from dumps are JSON strings, cut to a sane length; whoever shows them must escape them.

use serde::Serialize;
use storage::questions::Evidence;
use uuid::Uuid;

use crate::detector::Reason;

/// Longest string from a dump: enough for any driver name, too little to flood a chat.
const LONGEST: usize = 200;
/// Entries of each list.
const TOP: usize = 5;

/// One notification, in the shape that Standard Webhooks recommends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Payload {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) timestamp: String,
    pub(crate) data: Data,
}

/// The incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Data {
    /// One sentence, for a phone's lock screen.
    pub(crate) summary: String,
    pub(crate) driver: String,
    pub(crate) tenant: String,
    pub(crate) machines: u64,
    pub(crate) crashes: u64,
    pub(crate) since: String,
    pub(crate) opened_at: String,
    pub(crate) resolved_at: Option<String>,
    /// Distinct machines within the last minute.
    pub(crate) machines_per_minute: u64,
    /// The most that the driver's own past lets expect in a minute.
    pub(crate) usual_per_minute: f64,
    pub(crate) bug_checks: Vec<BugCheck>,
    pub(crate) versions: Vec<Version>,
    pub(crate) fault_sites: Vec<FaultSite>,
    /// Of how many sites the machines are; those that name none count as one.
    pub(crate) site_count: u64,
    pub(crate) sites: Vec<Share>,
    pub(crate) rings: Vec<Share>,
    pub(crate) builds: Vec<Share>,
    pub(crate) models: Vec<Share>,
    pub(crate) examples: Vec<String>,
    pub(crate) incident_id: Uuid,
    pub(crate) url: String,
    pub(crate) reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BugCheck {
    code: String,
    name: String,
    machines: u64,
    share: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Version {
    /// The PE timestamp, as symbol servers and WinDbg write it.
    timestamp: String,
    /// The same as a date. Reproducible builds have a hash there, and then it is nonsense.
    built: Option<String>,
    size: String,
    machines: u64,
    share: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FaultSite {
    at: String,
    timestamp: String,
    machines: u64,
    share: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Share {
    name: String,
    machines: u64,
    share: f64,
}

/// What a notification says that is not evidence.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    pub(crate) incident_id: Uuid,
    pub(crate) tenant: &'a str,
    pub(crate) driver: &'a str,
    pub(crate) reason: &'a Reason,
    pub(crate) opened_at_ms: i64,
    pub(crate) resolved_at_ms: Option<i64>,
    pub(crate) machines_per_minute: u64,
    pub(crate) page_url: &'a str,
}

/// Puts a notification together.
pub(crate) fn payload(facts: &Facts<'_>, evidence: &Evidence) -> Payload {
    let driver = cut(facts.driver);
    let machines = evidence.machines;
    // The detector looks at whole windows; the first crash within the one that decided is the better beginning.
    let since = rfc3339(facts.reason.onset_ms.max(evidence.first_ms));
    let summary = match facts.resolved_at_ms {
        None => format!(
            "{driver} is taking machines down: {machines} machines since {since}, {} in the last minute",
            facts.machines_per_minute
        ),
        Some(_) => format!("{driver} is back at its usual rate: {machines} machines went down since {since}"),
    };
    let base = facts.page_url.trim_end_matches('/');
    let said_at_ms = facts.resolved_at_ms.unwrap_or(facts.opened_at_ms);
    Payload {
        kind: if facts.resolved_at_ms.is_none() { "incident.opened" } else { "incident.resolved" },
        timestamp: rfc3339(said_at_ms),
        data: Data {
            summary,
            tenant: cut(facts.tenant),
            machines,
            crashes: evidence.crashes,
            since,
            opened_at: rfc3339(facts.opened_at_ms),
            resolved_at: facts.resolved_at_ms.map(rfc3339),
            machines_per_minute: facts.machines_per_minute,
            usual_per_minute: (facts.reason.baseline_per_minute * 100.0).round() / 100.0,
            bug_checks: bug_checks(evidence),
            versions: versions(evidence),
            fault_sites: fault_sites(evidence, &driver),
            site_count: evidence.site_count,
            sites: top(evidence.sites.iter().map(|s| (cut(&s.name), s.machines)), machines),
            rings: top(evidence.rings.iter().map(|s| (cut(&s.name), s.machines)), machines),
            builds: top(evidence.builds.iter().map(|b| (build(b.build, b.ubr), b.machines)), machines),
            models: top(evidence.models.iter().map(|s| (cut(&s.name), s.machines)), machines),
            examples: evidence.examples.iter().take(TOP).map(|id| format!("{base}/crashes/{id}")).collect(),
            incident_id: facts.incident_id,
            url: format!("{base}/incidents/{}", facts.incident_id),
            reason: facts.reason.clone(),
            driver,
        },
    }
}

fn bug_checks(evidence: &Evidence) -> Vec<BugCheck> {
    let one = |row: &storage::questions::BugcheckRow| BugCheck {
        code: format!("0x{:x}", row.code),
        name: cut(&row.name),
        machines: row.machines,
        share: share(row.machines, evidence.machines),
    };
    evidence.bugchecks.iter().take(TOP).map(one).collect()
}

fn versions(evidence: &Evidence) -> Vec<Version> {
    let one = |row: &storage::questions::VersionRow| Version {
        timestamp: format!("0x{:08x}", row.timestamp),
        built: (row.timestamp != 0).then(|| rfc3339(i64::from(row.timestamp) * 1000)),
        size: format!("0x{:x}", row.size),
        machines: row.machines,
        share: share(row.machines, evidence.machines),
    };
    evidence.versions.iter().take(TOP).map(one).collect()
}

fn fault_sites(evidence: &Evidence, driver: &str) -> Vec<FaultSite> {
    let one = |row: &storage::questions::SiteRow| FaultSite {
        at: format!("{driver}+0x{:x}", row.offset),
        timestamp: format!("0x{:08x}", row.timestamp),
        machines: row.machines,
        share: share(row.machines, evidence.machines),
    };
    evidence.fault_sites.iter().take(TOP).map(one).collect()
}

/// The first few named values; a single nameless one says nothing.
fn top(rows: impl Iterator<Item = (String, u64)>, total: u64) -> Vec<Share> {
    rows.filter(|(name, _)| !name.is_empty())
        .take(TOP)
        .map(|(name, machines)| Share { name, machines, share: share(machines, total) })
        .collect()
}

fn build(build: u32, ubr: u32) -> String {
    match (build, ubr) {
        (0, _) => String::new(),
        (build, 0) => build.to_string(),
        (build, ubr) => format!("{build}.{ubr}"),
    }
}

/// In thousandths, so that a body does not carry 17 digits.
fn share(part: u64, whole: u64) -> f64 {
    let thousandths = part.saturating_mul(1000).checked_div(whole).unwrap_or(0).min(1000);
    f64::from(u32::try_from(thousandths).unwrap_or(1000)) / 1000.0
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

/// `2024-07-19T04:09:00Z`; times that no calendar holds become the epoch.
pub(crate) fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests;
