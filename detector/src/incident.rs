//! What an incident is, and every step of its life. Plain data.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attribution::Attribution;
use crate::input::Version;
use crate::stats::fnv128;

#[cfg(feature = "openapi")]
mod schema;
mod uuid;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Subject {
    /// Crashes blamed on one driver or module: its base name.
    Driver(String),
    /// Crashes of one bug check that no single driver explains.
    BugCheck(u32),
    /// Crashes on one build of Windows that no single driver explains.
    OsBuild(u32),
    /// Crashes of one bucket that no single driver explains.
    Bucket(String),
    /// Crashes that are blamed on nobody.
    Unattributed,
    /// All crashes of a tenant.
    Everything,
    /// Machines that went dark, and what they share: a driver's base name, with the build where it is one build.
    Silence(String, Option<Version>),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(driver) => f.write_str(driver),
            Self::BugCheck(code) => write!(f, "bug check 0x{code:X}"),
            Self::OsBuild(build) => write!(f, "Windows build {build}"),
            Self::Bucket(bucket) => write!(f, "bucket {bucket}"),
            Self::Unattributed => f.write_str("crashes that are blamed on nobody"),
            Self::Everything => f.write_str("all crashes"),
            Self::Silence(driver, None) => write!(f, "machines with {driver} that went dark"),
            Self::Silence(driver, Some(version)) => {
                write!(f, "machines with {driver} 0x{:08x} that went dark", version.timestamp)
            }
        }
    }
}

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A ticket: somebody should look in working hours.
    Sev2,
    /// A page: somebody is woken.
    Sev1,
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has said anything.
    Open,
    /// Somebody works on it.
    Acknowledged,
    /// Over.
    Resolved,
    /// Part of another.
    Merged,
}

/// Why it was opened: the numbers of the chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Which multiple of the usual rate the chart that decided looks for.
    pub rho: f64,
    /// Its value, and the one it had to reach: natural logarithms of a likelihood ratio.
    pub score: f64,
    /// See `score`.
    pub threshold: f64,
    /// Machines since the onset.
    pub machines: u64,
    /// Of these, beyond the largest sites.
    pub spread_machines: u64,
    /// Sites.
    pub sites: u64,
    /// Machines that could be expected since the onset, at most.
    pub expected: f64,
    /// The series' own rate (99 % quantile), machines a minute.
    pub usual_per_minute: f64,
    /// What the whole fleet did, as a multiple of its past.
    pub common_mode: f64,
    /// Whether the machines uploaded late, more than 15 minutes after they crashed.
    pub late: bool,
}

/// One value and how many machines have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tally {
    /// The value, in words.
    pub name: String,
    /// Distinct machines.
    pub machines: u64,
}

/// An incident at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Made of what, whose and when, so that a replay gives the same. A UUID in JSON.
    #[serde(with = "uuid")]
    pub id: u128,
    /// Whose machines.
    pub tenant: String,
    /// What.
    pub subject: Subject,
    /// How loud it was at its loudest.
    pub severity: Severity,
    /// Where it stands.
    pub state: State,
    /// First machine beyond the usual, ms since 1970.
    pub onset_ms: i64,
    /// When it was opened.
    pub opened_at_ms: i64,
    /// When it was over.
    pub resolved_at_ms: Option<i64>,
    /// Nobody is told until then.
    pub muted_until_ms: Option<i64>,
    /// Who works on it; empty while nobody.
    pub acknowledged_by: String,
    /// How often it came back.
    pub reopened: u32,
    /// How often people were told that it has grown tenfold, since it was opened or came back.
    #[serde(default)]
    pub grown: u32,
    /// The one it became part of. A UUID in JSON.
    #[serde(with = "uuid::option")]
    pub merged_into: Option<u128>,
    /// What else alarmed on the same machines.
    pub also: Vec<Subject>,
    /// Distinct machines since the onset.
    pub machines: u64,
    /// Of how many exposed machines, where known.
    pub exposed: Option<u64>,
    /// Distinct sites since the onset (counted up to 4,096).
    pub sites: u64,
    /// Distinct machines of the last minute, and of the one before: its growth.
    pub last_minute: u64,
    /// See `last_minute`.
    pub minute_before: u64,
    /// Why it was opened.
    pub reason: Reason,
    /// What the machines share, as of the last look.
    pub attribution: Option<Attribution>,
    /// Builds of the driver, most machines first. These lists count a sample of at most 2,000 machines.
    pub versions: Vec<Tally>,
    /// Where in it, `driver+0xe14ed`.
    pub fault_sites: Vec<Tally>,
    /// Bug checks, `0x50`.
    pub bug_checks: Vec<Tally>,
    /// Builds of Windows.
    pub os_builds: Vec<Tally>,
    /// Models.
    pub models: Vec<Tally>,
    /// Rings.
    pub rings: Vec<Tally>,
    /// Sites.
    pub top_sites: Vec<Tally>,
}

impl Incident {
    /// An incident that begins: nobody has done anything yet, and nothing is known but why.
    pub(crate) fn opened(
        tenant: String,
        subject: Subject,
        severity: Severity,
        onset_ms: i64,
        at_ms: i64,
        reason: Reason,
    ) -> Self {
        Self {
            id: id_of(&tenant, &subject, at_ms),
            tenant,
            subject,
            severity,
            state: State::Open,
            onset_ms,
            opened_at_ms: at_ms,
            resolved_at_ms: None,
            muted_until_ms: None,
            acknowledged_by: String::new(),
            reopened: 0,
            grown: 0,
            merged_into: None,
            also: Vec::new(),
            machines: reason.machines,
            exposed: None,
            sites: reason.sites,
            last_minute: 0,
            minute_before: 0,
            reason,
            attribution: None,
            versions: Vec::new(),
            fault_sites: Vec::new(),
            bug_checks: Vec::new(),
            os_builds: Vec::new(),
            models: Vec::new(),
            rings: Vec::new(),
            top_sites: Vec::new(),
        }
    }
}

/// The name of an incident for all time.
fn id_of(tenant: &str, subject: &Subject, at_ms: i64) -> u128 {
    let hash = fnv128(&[tenant.as_bytes(), subject.to_string().as_bytes(), &at_ms.to_le_bytes()]);
    // A UUID of version 8 and the usual variant, because that is how it is written.
    (hash & !(0xf << 76) & !(0x3 << 62)) | (0x8 << 76) | (0x2 << 62)
}

/// A step of an incident's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It began.
    Opened,
    /// A ticket became a page.
    Escalated,
    /// Ten times the machines as when last said.
    Grew,
    /// What the machines share is known, or has become something else.
    Attributed,
    /// Something else alarms on the same machines and is part of it from now on.
    Joined,
    /// It turned out to be part of another, and ends as that one goes on.
    Merged,
    /// It is over.
    Resolved,
    /// It came back within a day.
    Reopened,
    /// Somebody works on it.
    Acknowledged,
    /// Nobody shall be told for a while.
    Muted,
    /// Somebody wants to be told again.
    Unmuted,
    /// Somebody said something.
    Commented,
}

impl Step {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Grew => "grew",
            Self::Attributed => "attributed",
            Self::Joined => "joined",
            Self::Merged => "merged",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
            Self::Acknowledged => "acknowledged",
            Self::Muted => "muted",
            Self::Unmuted => "unmuted",
            Self::Commented => "commented",
        }
    }
}

/// One step, with the incident as it is after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// What happened.
    pub step: Step,
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Number of this step in the incident's life, from 0.
    pub seq: u32,
    /// Whether people are to be told: false while it is muted, for steps that need nobody, and when it comes and goes.
    pub tell: bool,
    /// Who did it, and their words; empty where the detector did.
    pub by: String,
    /// See `by`.
    pub words: String,
    /// The incident now.
    pub incident: Incident,
}
