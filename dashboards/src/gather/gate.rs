//! `/api/v1/gate`: may a rollout go on? Asks what is known of its machines and of the driver's incidents;
//! `detector::rollout` decides.

use detector::attribution::{Facet, Origin};
use detector::rollout::{Answer, Arm, Limits, OpenIncident, Rollout, decide};
use detector::{Severity, Subject};
use serde::{Deserialize, Serialize};
use storage::questions::{ArmCounts, BuildName, ExposureSource, RolloutCounts};
use uuid::Uuid;

use super::incidents::newest;
use crate::app::{App, now_ms};
use crate::respond::Fault;

/// Longest value of a parameter: no name of a driver, version, ring or tenant is as long.
const LONGEST: usize = 200;
/// Open incidents that are looked at, the newest ones. A fleet with more of them has no time for rollouts.
const MOST_INCIDENTS: u32 = 50;
/// When to come again for a build that nobody has.
const UNSEEN_RETRY_S: u32 = 60;

const PARAMETERS: &str = "Parameters: driver (base name), version (PE timestamp 0x66902c2a, or the version that inventories \
                          report), ring (optional), tenant (optional).";

/// The query string. A name that is not there is refused: a gate that looks at other machines than was meant would pass.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GateQuery {
    driver: String,
    version: String,
    ring: String,
    tenant: String,
}

/// What is asked, in one spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) tenant: String,
    pub(crate) driver: String,
    pub(crate) version: String,
    /// The version, where it is a PE timestamp.
    pub(crate) timestamp: Option<u32>,
    pub(crate) ring: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Gate {
    /// `pass`, `hold`, `stop`.
    pub(crate) answer: Answer,
    /// In one sentence.
    pub(crate) why: String,
    pub(crate) driver: String,
    pub(crate) version: String,
    pub(crate) ring: String,
    pub(crate) tenant: String,
    /// When this was found, ms since 1970.
    pub(crate) at_ms: i64,
    /// When the version was first seen in any ring; `None` where nobody has it.
    pub(crate) first_seen_ms: Option<i64>,
    /// `inventory`, or `crashes`: then only machines that crashed for other reasons are known.
    pub(crate) source: Option<ExposureSource>,
    pub(crate) machines_exposed: u64,
    pub(crate) machines_crashed: u64,
    pub(crate) machine_hours: f64,
    /// Crashed machines per machine-hour.
    pub(crate) rate: Option<f64>,
    pub(crate) previous: Previous,
    /// Rate against the versions before, with the ends of its interval, which hold however often it is asked.
    pub(crate) ratio: Option<f64>,
    pub(crate) ratio_low: Option<f64>,
    pub(crate) ratio_high: Option<f64>,
    /// The loudest open incident of the driver.
    pub(crate) incident: Option<Wrong>,
    pub(crate) retry_after_s: u32,
}

/// The versions before, over the same hours and in the same ring.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Previous {
    /// Each by its version where that is known, else by its PE timestamp.
    pub(crate) versions: Vec<String>,
    pub(crate) machines_exposed: u64,
    pub(crate) machines_crashed: u64,
    pub(crate) machine_hours: f64,
    pub(crate) rate: Option<f64>,
}

/// An open incident of the driver.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Wrong {
    pub(crate) incident_id: Uuid,
    pub(crate) severity: Severity,
    pub(crate) machines: u64,
    /// Whether this version is what explains it.
    pub(crate) blames_version: bool,
    pub(crate) sentence: String,
}

#[cfg(test)]
impl Default for Gate {
    fn default() -> Self {
        answer(&Question::default(), None, None, 0)
    }
}

/// A query that makes sense.
pub(crate) fn question(query: GateQuery) -> Result<Question, Fault> {
    let bad = |why: &str| Fault::BadRequest(format!("{why} {PARAMETERS}"));
    let clean = |name: &str, value: String| {
        let value = value.trim();
        match value.chars().count() > LONGEST || value.chars().any(char::is_control) {
            true => Err(bad(&format!("`{name}` is too long or has control characters."))),
            false => Ok(value.to_owned()),
        }
    };
    let driver = clean("driver", query.driver)?.to_lowercase();
    let version = clean("version", query.version)?;
    let (ring, tenant) = (clean("ring", query.ring)?, clean("tenant", query.tenant)?);
    match (driver.is_empty(), version.is_empty()) {
        (true, true) => return Err(bad("`driver` and `version` are missing.")),
        (true, false) => return Err(bad("`driver` is missing.")),
        (false, true) => return Err(bad("`version` is missing.")),
        (false, false) => {}
    }
    let digits = version.strip_prefix("0x").or_else(|| version.strip_prefix("0X"));
    let timestamp = digits.map(|digits| u32::from_str_radix(digits, 16)).transpose();
    let timestamp = timestamp.map_err(|_not_hex| bad("`version` begins like a PE timestamp and is none."))?;
    if timestamp == Some(0) {
        return Err(bad("No build has the timestamp 0."));
    }
    let version = timestamp.map_or(version, |timestamp| format!("0x{timestamp:08x}"));
    Ok(Question { tenant, driver, version, timestamp, ring })
}

pub(crate) async fn gather(app: &App, question: &Question) -> Result<Gate, Fault> {
    let now_ms = now_ms();
    let build = question.timestamp.map_or(BuildName::Version(&question.version), BuildName::Timestamp);
    let ring = (!question.ring.is_empty()).then_some(question.ring.as_str());
    let (counts, open) = tokio::try_join!(
        async {
            let counts = app.database.rollout_counts(&question.tenant, &question.driver, build, ring, now_ms);
            counts.await.map_err(Fault::from)
        },
        open_incidents(app, question),
    )?;
    let timestamps: Vec<u32> = counts
        .iter()
        .flat_map(|counts| counts.timestamps.iter().copied())
        .chain(question.timestamp)
        .collect();
    let wrong = open.iter().filter_map(|incident| wrong(incident, &question.driver, &timestamps));
    let worst = wrong.max_by_key(|wrong| (wrong.blames_version, wrong.severity, wrong.machines));
    Ok(answer(question, counts, worst, now_ms))
}

/// What the detector knows of each open incident of the tenant.
async fn open_incidents(app: &App, question: &Question) -> Result<Vec<detector::Incident>, Fault> {
    let mut found = Vec::new();
    for summary in app.database.incidents(true, MOST_INCIDENTS).await? {
        if summary.tenant == question.tenant {
            found.extend(newest(&app.database.incident_events(summary.incident_id).await?));
        }
    }
    Ok(found)
}

/// What an incident says of the driver, where it is about it.
fn wrong(incident: &detector::Incident, driver: &str, timestamps: &[u32]) -> Option<Wrong> {
    let dark = |subject: &Subject| {
        matches!(subject, Subject::Silence(name, Some(version))
        if name == driver && timestamps.contains(&version.timestamp))
    };
    let is_its = |subject: &Subject| match subject {
        Subject::Driver(name) | Subject::Silence(name, _) => name == driver,
        _ => false,
    };
    let mut subjects = std::iter::once(&incident.subject).chain(&incident.also);
    if !subjects.any(is_its) {
        return None;
    }
    // Versions in an explanation are those of the driver that the incident is about first.
    let explained = is_its(&incident.subject)
        && incident.attribution.as_ref().is_some_and(|found| {
            let elements = found.claims.first().map(|claim| claim.elements.as_slice()).unwrap_or_default();
            let mut versions = elements.iter().filter(|element| element.facet == Facet::Version);
            found.origin == Origin::NewVersion && versions.any(|element| names(&element.value, timestamps))
        });
    Some(Wrong {
        incident_id: Uuid::from_u128(incident.id),
        severity: incident.severity,
        machines: incident.machines,
        blames_version: explained || dark(&incident.subject),
        sentence: incident.attribution.as_ref().map(|found| found.sentence.clone()).unwrap_or_default(),
    })
}

/// Whether `0x66902c2a`, or one of `0x66902c2a or 0x66902c2b`, is among them.
fn names(value: &str, timestamps: &[u32]) -> bool {
    value.split(" or ").any(|one| {
        let digits = one.trim().trim_start_matches("0x");
        u32::from_str_radix(digits, 16).is_ok_and(|timestamp| timestamps.contains(&timestamp))
    })
}

fn answer(question: &Question, counts: Option<RolloutCounts>, wrong: Option<Wrong>, now_ms: i64) -> Gate {
    let name = wrong.as_ref().map(|wrong| {
        let severity = if wrong.severity == Severity::Sev1 { "SEV1" } else { "SEV2" };
        format!("{severity}, {} machines", wrong.machines)
    });
    let open_incident = wrong.as_ref().zip(name.as_deref()).map(|(wrong, name)| OpenIncident {
        name,
        severity: wrong.severity,
        blames_build: wrong.blames_version,
    });
    let arm = |counts: Option<ArmCounts>| {
        let counts = counts.unwrap_or_default();
        Arm { machines: counts.machines, crashed: counts.crashed, machine_hours: counts.machine_hours }
    };
    let (new, old) = (arm(counts.as_ref().map(|all| all.new)), arm(counts.as_ref().map(|all| all.old)));
    let first_seen_ms = counts.as_ref().map(|counts| counts.first_seen_ms);
    #[expect(clippy::cast_precision_loss, reason = "a span in ms")]
    let hours_since_first =
        first_seen_ms.map_or(0.0, |at| now_ms.saturating_sub(at).max(0) as f64 / 3_600_000.0);
    let (driver, version, ring) = (&question.driver, &question.version, &question.ring);
    let rollout = Rollout { driver, version, ring, new, old, open_incident, hours_since_first };
    let mut gate = decide(&rollout, &Limits::default());
    let blamed = wrong.as_ref().is_some_and(|wrong| wrong.blames_version && wrong.severity == Severity::Sev1);
    if let Some((why, retry_after_s)) = doubt(question, counts.as_ref(), gate.answer, blamed) {
        (gate.answer, gate.why, gate.retry_after_s) = (Answer::Hold, why, retry_after_s);
    }
    let versions =
        counts.iter().flat_map(|counts| &counts.old_builds).map(|build| match build.version.as_str() {
            "" => format!("0x{:08x}", build.timestamp),
            version => version.to_owned(),
        });
    Gate {
        answer: gate.answer,
        why: gate.why,
        driver: driver.clone(),
        version: version.clone(),
        ring: ring.clone(),
        tenant: question.tenant.clone(),
        at_ms: now_ms,
        first_seen_ms,
        source: counts.as_ref().map(|counts| counts.source),
        machines_exposed: new.machines,
        machines_crashed: new.crashed,
        machine_hours: new.machine_hours,
        rate: gate.rate_new,
        previous: Previous {
            versions: versions.collect(),
            machines_exposed: old.machines,
            machines_crashed: old.crashed,
            machine_hours: old.machine_hours,
            rate: gate.rate_old,
        },
        ratio: gate.ratio,
        ratio_low: gate.ratio.map(|_| gate.ratio_low),
        ratio_high: gate.ratio_high,
        incident: wrong,
        retry_after_s: gate.retry_after_s,
    }
}

/// Why the counts cannot carry the answer that they gave, and when to ask again.
fn doubt(
    question: &Question,
    counts: Option<&RolloutCounts>,
    answer: Answer,
    blamed: bool,
) -> Option<(String, u32)> {
    let Question { driver, version, .. } = question;
    match counts {
        _ if blamed => None,
        None => Some((
            format!(
                "No machine has been seen with {driver} {version}: either none has it yet, or it is called otherwise, \
                 or machines send no inventory."
            ),
            UNSEEN_RETRY_S,
        )),
        // Its crashes would count for nobody, and it would look as if there were none.
        Some(counts) if counts.timestamps.is_empty() => Some((
            format!(
                "The PE timestamp of {driver} {version} is not known, so no crash can be told to be its: send it with \
                 the inventory or with the change."
            ),
            UNSEEN_RETRY_S,
        )),
        // All crashes count, but only the hours of a sample.
        Some(counts)
            if counts.source == ExposureSource::Crashes
                && counts.old.machine_hours <= 0.0
                && answer == Answer::Stop =>
        {
            Some((
                format!(
                    "{} machines crashed in {driver} {version}, and without an inventory it is not known of how many.",
                    counts.new.crashed
                ),
                UNSEEN_RETRY_S,
            ))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
