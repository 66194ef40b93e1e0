//! What an incident's events say, whichever version of the detector wrote them. Pure; what cannot be read is empty.

use detector::Subject;
use detector::attribution::Attribution;
use detector::incident::Tally;
use serde::{Deserialize, Serialize};
use storage::questions::IncidentEvent;
use utoipa::ToSchema;
use uuid::Uuid;

/// Why an incident was opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Reason {
    /// First machine beyond the usual.
    pub(crate) onset_ms: i64,
    /// Machines since then.
    pub(crate) machines: u64,
    /// Of these, beyond the largest sites.
    pub(crate) spread_machines: u64,
    /// Distinct sites since the onset.
    pub(crate) sites: u64,
    /// From the onset until it was opened.
    pub(crate) span_s: u64,
    /// Machines that could be expected in that time, at most.
    pub(crate) expected: f64,
    /// Machines a minute that are usual, at most.
    #[serde(alias = "usual_per_minute")]
    pub(crate) baseline_per_minute: f64,
    /// What the whole fleet did, as a multiple of its past.
    pub(crate) common_mode: f64,
    /// The multiple of the usual that the chart which decided looks for; 0 where no chart of rates did.
    pub(crate) rho: f64,
    /// Value of the chart which decided.
    pub(crate) score: f64,
    /// The value that it had to reach.
    pub(crate) threshold: f64,
    /// Whether the machines uploaded late.
    pub(crate) late: bool,
    /// Rows of the old form have this for a score.
    pub(crate) log10_chance: f64,
}

/// Values that machines have, most machines first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Shares {
    /// PE timestamps of the driver: `0x66902c2a`.
    pub(crate) versions: Vec<Tally>,
    /// Where in the driver: `csagent.sys+0xe14ed`.
    pub(crate) fault_sites: Vec<Tally>,
    /// Codes of bug checks: `0x50`.
    pub(crate) bug_checks: Vec<Tally>,
    /// Builds of Windows: `19045`.
    pub(crate) os_builds: Vec<Tally>,
    /// System models.
    pub(crate) models: Vec<Tally>,
    /// Rollout rings.
    pub(crate) rings: Vec<Tally>,
    /// Sites.
    pub(crate) sites: Vec<Tally>,
}

/// Something that happened to an incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Happened {
    /// As it is stored; of the new form without its detail, whose parts are the fields below and the incident itself.
    #[serde(flatten)]
    pub(crate) event: IncidentEvent,
    /// Distinct machines since the onset, as of then; null where that was not recorded.
    pub(crate) machines: Option<u64>,
    /// `sev1`, `sev2`; empty where it was not recorded.
    pub(crate) severity: String,
    /// Whether people were told.
    pub(crate) tell: bool,
    /// Who did it; empty where the detector did.
    pub(crate) by: String,
    /// Their words; empty where there are none.
    pub(crate) words: String,
}

/// The small parts of an event's detail.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    machines: Option<u64>,
    severity: String,
    tell: bool,
    by: String,
    words: String,
    reason: Reason,
}

/// The large part.
#[derive(Deserialize)]
struct Whole {
    incident: detector::Incident,
}

fn head(event: &IncidentEvent) -> Head {
    serde_json::from_str(&event.detail).unwrap_or_default()
}

fn whole(event: &IncidentEvent) -> Option<detector::Incident> {
    Some(serde_json::from_str::<Whole>(&event.detail).ok()?.incident)
}

/// An incident as the newest event knows it; none where all are of the old form.
fn newest(events: &[IncidentEvent]) -> Option<detector::Incident> {
    events.iter().rev().find_map(whole)
}

impl Happened {
    pub(crate) fn of(event: &IncidentEvent) -> Self {
        let Head { machines, severity, tell, by, words, .. } = head(event);
        let mut event = event.clone();
        if !severity.is_empty() {
            event.detail.clear();
        }
        Self { event, machines, severity, tell, by, words }
    }
}

/// What is known after the last event.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Whether the detector's own view of it is there.
    pub(super) is_whole: bool,
    pub(super) severity: String,
    pub(super) subject: Option<Subject>,
    pub(super) also: Vec<Subject>,
    pub(super) onset_ms: i64,
    pub(super) muted_until_ms: Option<i64>,
    pub(super) acknowledged_by: String,
    pub(super) reopened: u32,
    pub(super) merged_into: Option<Uuid>,
    pub(super) machines: u64,
    pub(super) exposed: Option<u64>,
    pub(super) sites: u64,
    pub(super) last_minute: u64,
    pub(super) minute_before: u64,
    pub(super) reason: Reason,
    pub(super) attribution: Option<Attribution>,
    pub(super) shares: Shares,
}

impl Record {
    pub(super) fn of(events: &[IncidentEvent]) -> Self {
        let machines = events.iter().filter_map(|event| head(event).machines).max().unwrap_or(0);
        let Some(incident) = newest(events) else {
            let reason = events.first().map(head).unwrap_or_default().reason;
            return Self { onset_ms: reason.onset_ms, machines, reason, ..Self::default() };
        };
        let severity = events.iter().rev().map(head).map(|head| head.severity);
        let why = incident.reason;
        let span_ms = incident.opened_at_ms.saturating_sub(incident.onset_ms);
        Self {
            is_whole: true,
            severity: severity.into_iter().find(|severity| !severity.is_empty()).unwrap_or_default(),
            subject: Some(incident.subject),
            also: incident.also,
            onset_ms: incident.onset_ms,
            muted_until_ms: incident.muted_until_ms,
            acknowledged_by: incident.acknowledged_by,
            reopened: incident.reopened,
            merged_into: incident.merged_into.map(Uuid::from_u128),
            machines: machines.max(incident.machines),
            exposed: incident.exposed,
            sites: incident.sites,
            last_minute: incident.last_minute,
            minute_before: incident.minute_before,
            reason: Reason {
                onset_ms: incident.onset_ms,
                machines: why.machines,
                spread_machines: why.spread_machines,
                sites: why.sites,
                span_s: u64::try_from(span_ms / 1000).unwrap_or(0),
                expected: why.expected,
                baseline_per_minute: why.usual_per_minute,
                common_mode: why.common_mode,
                rho: why.rho,
                score: why.score,
                threshold: why.threshold,
                late: why.late,
                log10_chance: 0.0,
            },
            attribution: incident.attribution,
            shares: Shares {
                versions: incident.versions,
                fault_sites: incident.fault_sites,
                bug_checks: incident.bug_checks,
                os_builds: incident.os_builds,
                models: incident.models,
                rings: incident.rings,
                sites: incident.top_sites,
            },
        }
    }
}

/// Where an incident stands, and since when.
pub(super) fn state(events: &[IncidentEvent]) -> (&'static str, i64) {
    let turn = events.iter().rev().find_map(|event| {
        let state = match event.kind.as_str() {
            "opened" | "reopened" => "open",
            "acknowledged" => "acknowledged",
            "resolved" => "resolved",
            "merged" => "merged",
            _ => return None,
        };
        Some((state, event.at_ms))
    });
    turn.unwrap_or(("open", 0))
}
