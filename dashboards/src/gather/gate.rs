//! `/api/v1/gate`: may a rollout go on? Asks what is known of its machines and of the driver's incidents;
//! `detector::rollout` judges.

use detector::rollout::{Answer, Arm, Exposure, Known, Limits, judge};
use detector::{Incident, Severity};
use serde::{Deserialize, Serialize};
use storage::questions::{ArmCounts, BuildName, ExposureSource, RolloutCounts};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::{App, now_ms};
use crate::respond::Fault;

/// Longest value of a parameter: no name of a driver, version, ring or tenant is as long.
const LONGEST: usize = 200;
/// Open incidents that are looked at, the newest ones. A fleet with more of them has no time for rollouts.
const MOST_INCIDENTS: u32 = 50;

const PARAMETERS: &str = "Parameters: driver (base name), version (PE timestamp 0x66902c2a, or the version that inventories \
                          report), ring (optional), tenant (optional).";

/// The query string. A name that is not there is refused: a gate that looks at other machines than was meant would pass.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GateQuery {
    /// Base name of the driver.
    #[param(required = true, example = "csagent.sys")]
    driver: String,
    /// PE timestamp `0x66902c2a`, or the version that inventories report.
    #[param(required = true, example = "0x66902c2a")]
    version: String,
    /// Only machines of this ring; all where it is missing.
    ring: String,
    /// Whose fleet; empty in an installation of one tenant.
    tenant: String,
}

/// What is asked, in one spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) tenant: String,
    pub(crate) driver: String,
    pub(crate) version: String,
    /// The version, where it is a PE timestamp.
    pub(crate) timestamp: Option<u32>,
    pub(crate) ring: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Gate {
    /// `pass`, `hold`, `stop`.
    pub(crate) answer: Answer,
    /// In one sentence.
    pub(crate) why: String,
    /// Base name of the driver, lower case.
    pub(crate) driver: String,
    /// What was asked about: a PE timestamp `0x66902c2a`, or a version as inventories report it.
    pub(crate) version: String,
    /// Only machines of this ring; empty for all.
    pub(crate) ring: String,
    /// Whose fleet; empty in an installation of one tenant.
    pub(crate) tenant: String,
    /// When this was found, ms since 1970.
    pub(crate) at_ms: i64,
    /// When the version was first seen in any ring; `None` where nobody has it.
    pub(crate) first_seen_ms: Option<i64>,
    /// `inventory`, or `crashes`: then only machines that crashed for other reasons are known.
    pub(crate) source: Option<ExposureSource>,
    /// Machines that had the version; 0 where nobody was seen with it.
    pub(crate) machines_exposed: u64,
    /// Distinct machines that crashed in the driver with it. Where `source` is `crashes`, they may be more than
    /// `machines_exposed`.
    pub(crate) machines_crashed: u64,
    /// For how long they had it, all together, h. Hours older than 30 days do not count.
    pub(crate) machine_hours: f64,
    /// Crashed machines per machine-hour.
    pub(crate) rate: Option<f64>,
    pub(crate) previous: Previous,
    /// Rate over that of the versions before; null where either is unknown, or the latter is 0.
    pub(crate) ratio: Option<f64>,
    /// It is surely at least this, however often it is asked; null where `ratio` is.
    pub(crate) ratio_low: Option<f64>,
    /// It is surely at most this, however often it is asked; null where there is no bound.
    pub(crate) ratio_high: Option<f64>,
    /// The loudest open incident of the driver.
    pub(crate) incident: Option<Wrong>,
    /// When to ask again, s.
    pub(crate) retry_after_s: u32,
}

/// The versions before, over the same hours and in the same ring.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Previous {
    /// Each by its version where that is known, else by its PE timestamp.
    pub(crate) versions: Vec<String>,
    /// Machines that had one of them.
    pub(crate) machines_exposed: u64,
    /// Distinct machines that crashed in the driver with one of them.
    pub(crate) machines_crashed: u64,
    /// For how long they had them, all together, h.
    pub(crate) machine_hours: f64,
    /// Crashed machines per machine-hour; null where no hour is known.
    pub(crate) rate: Option<f64>,
}

/// An open incident of the driver.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Wrong {
    /// Which incident.
    pub(crate) incident_id: Uuid,
    pub(crate) severity: Severity,
    /// Distinct machines since its onset.
    pub(crate) machines: u64,
    /// Whether this version is what explains it.
    pub(crate) blames_version: bool,
    /// What its machines share, in one sentence; empty while that is not known.
    pub(crate) sentence: String,
}

#[cfg(test)]
impl Default for Gate {
    fn default() -> Self {
        answer(&Question::default(), None, &[], 0)
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
    Ok(answer(question, counts, &open, now_ms))
}

/// What the detector knows of each open incident of the tenant.
async fn open_incidents(app: &App, question: &Question) -> Result<Vec<Incident>, Fault> {
    let found = app.database.open_incidents(&question.tenant, MOST_INCIDENTS).await?;
    let read: Result<Vec<Incident>, _> = found.iter().map(|text| serde_json::from_str(text)).collect();
    read.map_err(|error| {
        tracing::error!(%error, "an open incident cannot be read");
        Fault::Conflict("An open incident cannot be read, and it might be of this build: hold.".to_owned())
    })
}

fn answer(question: &Question, counts: Option<RolloutCounts>, open: &[Incident], now_ms: i64) -> Gate {
    let arm = |counts: ArmCounts| Arm {
        machines: counts.machines,
        crashed: counts.crashed,
        machine_hours: counts.machine_hours,
    };
    let exposure = counts.as_ref().map(|counts| Exposure {
        first_seen_ms: counts.first_seen_ms,
        timestamps: counts.timestamps.clone(),
        sampled: counts.source == ExposureSource::Crashes,
        new: arm(counts.new),
        old: arm(counts.old),
    });
    let Question { tenant, driver, version, timestamp, ring } = question;
    let timestamp = *timestamp;
    let known = Known { driver, version, timestamp, ring, exposure: exposure.as_ref(), open, now_ms };
    let (gate, wrong) = judge(&known, &Limits::default());
    let Exposure { new, old, .. } = exposure.clone().unwrap_or_default();
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
        tenant: tenant.clone(),
        at_ms: now_ms,
        first_seen_ms: exposure.as_ref().map(|found| found.first_seen_ms),
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
        incident: wrong.map(|wrong| Wrong {
            incident_id: Uuid::from_u128(wrong.incident.id),
            severity: wrong.incident.severity,
            machines: wrong.incident.machines,
            blames_version: wrong.blames_build,
            sentence: wrong
                .incident
                .attribution
                .as_ref()
                .map(|found| found.sentence.clone())
                .unwrap_or_default(),
        }),
        retry_after_s: gate.retry_after_s,
    }
}

#[cfg(test)]
mod tests;
