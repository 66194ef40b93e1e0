//! The body of the generic webhook. A published contract, with a schema in `docs/schema/webhook.json`: add, never rename.
//! Values from dumps are JSON strings, cut to a sane length; whoever shows them must escape them.

mod fill;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use uuid::Uuid;

pub(in crate::delivery) use self::fill::body;

/// One notification, in the shape that Standard Webhooks recommends. The headers `webhook-id`, `webhook-timestamp` and
/// `webhook-signature` come with it; a repetition has the same `webhook-id`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Payload {
    /// What it says.
    #[serde(flatten)]
    pub(crate) news: News,
    /// When that happened.
    pub(crate) timestamp: String,
}

/// What a notification says: its `type`, and the `data` that goes with it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub(crate) enum News {
    /// An incident began.
    #[serde(rename = "incident.opened")]
    Opened(Box<Data>),
    /// A ticket became a page.
    #[serde(rename = "incident.escalated")]
    Escalated(Box<Data>),
    /// Ten times the machines as when last said.
    #[serde(rename = "incident.grew")]
    Grew(Box<Data>),
    /// What the machines share is known, or has become something else.
    #[serde(rename = "incident.attributed")]
    Attributed(Box<Data>),
    /// It is over, or has become part of another (`merged_into`).
    #[serde(rename = "incident.resolved")]
    Resolved(Box<Data>),
    /// It came back within a day.
    #[serde(rename = "incident.reopened")]
    Reopened(Box<Data>),
    /// A rollout must not go on.
    #[serde(rename = "rollout.stop")]
    RolloutStop(Box<Rollout>),
    /// Somebody tries out the target.
    #[serde(rename = "test")]
    Test(Test),
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Data {
    /// One line, for a phone's lock screen.
    summary: String,
    /// `sev1`: somebody is woken; `sev2`: a ticket.
    severity: Severe,
    /// `open`, `acknowledged`, `resolved`, `merged`.
    state: Standing,
    /// What is counted.
    subject: About,
    /// Base name of the driver that it is about; empty where it is about none.
    driver: String,
    /// Whose machines; empty where there is one fleet.
    tenant: String,
    /// Distinct machines since the beginning.
    machines: u64,
    /// Of how many exposed machines, where known.
    exposed: Option<u64>,
    /// `machines` of `exposed`, 0 to 1.
    exposed_share: Option<f64>,
    /// First machine beyond the usual.
    since: String,
    /// When it was opened.
    opened_at: String,
    /// When it was over.
    resolved_at: Option<String>,
    /// Distinct machines within the last minute.
    machines_per_minute: u64,
    /// How many more that are than in the minute before; negative while it ebbs.
    growth_per_minute: i64,
    /// The most that the series' own past lets expect in a minute.
    usual_per_minute: f64,
    /// What the machines share, once there are enough of them.
    attribution: Option<Shared>,
    /// Bug checks, most machines first. The shares of these lists are of a sample of at most 2,000 machines.
    bug_checks: Vec<BugCheck>,
    /// Builds of the driver.
    versions: Vec<Version>,
    /// Where in it.
    fault_sites: Vec<FaultSite>,
    /// At how many sites.
    site_count: u64,
    /// Sites.
    sites: Vec<Portion>,
    /// Rings.
    rings: Vec<Portion>,
    /// Builds of Windows.
    builds: Vec<Portion>,
    /// Models.
    models: Vec<Portion>,
    /// Some of its newest crashes; empty where none is known any more, and for machines that went dark.
    examples: Vec<Crash>,
    /// What else alarmed on the same machines.
    also: Vec<About>,
    /// How often it came back.
    reopened: u32,
    /// How often people were told that it has grown tenfold since it was opened or came back.
    grown: u32,
    /// Who works on it; empty while nobody.
    acknowledged_by: String,
    /// The same over an incident's whole life.
    #[schemars(with = "String")]
    incident_id: Uuid,
    /// The one that it became part of.
    #[schemars(with = "Option<String>")]
    merged_into: Option<Uuid>,
    /// Number of this step in the incident's life.
    seq: u32,
    /// Where people see it.
    url: String,
    /// Why it was opened.
    reason: Why,
}

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Severe {
    Sev1,
    Sev2,
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Open,
    Acknowledged,
    Resolved,
    Merged,
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct About {
    /// Which series.
    kind: Counted,
    /// Of what: a driver's base name, a bug check's code, a build, a bucket; empty where there is only one.
    name: String,
}

/// Which series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Counted {
    /// Crashes blamed on one driver.
    Driver,
    /// Crashes of one bug check that no driver explains.
    BugCheck,
    /// Crashes on one build of Windows that no driver explains.
    OsBuild,
    /// Crashes of one bucket that no driver explains.
    Bucket,
    /// Crashes blamed on nobody.
    Unattributed,
    /// All crashes of a tenant.
    Everything,
    /// Machines that went dark and share a driver.
    Silence,
}

/// What the machines share.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Shared {
    /// What it comes from.
    origin: Cause,
    /// One sentence for people.
    sentence: String,
    /// Explanations, the best one first.
    claims: Vec<Claim>,
    /// Explanations that were cleared, because the fault was there before.
    vetoed: Vec<String>,
    /// The change that fits.
    change: Option<Change>,
    /// What else was changed within a day before the beginning.
    also_changed: Vec<Change>,
    /// Affected machines that were looked at.
    affected: u32,
    /// Machines that they were held against.
    reference: u32,
}

/// What an incident comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Cause {
    /// One build of the driver that the others do not run.
    NewVersion,
    /// A build of Windows.
    OsBuild,
    /// A model.
    Model,
    /// A site, or two.
    Site,
    /// A ring.
    Ring,
    /// Another image that is loaded beside the driver.
    Module,
    /// Several of these together.
    Slice,
    /// Every version at once: content, configuration or an outside trigger.
    AllVersions,
    /// Too few machines, or nothing to hold them against.
    Unknown,
}

/// Something that most affected machines share, and few others.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Claim {
    /// All of these together.
    elements: Vec<Element>,
    /// Affected machines that have it.
    affected: u32,
    /// Machines of the reference that have it.
    exposed: u32,
    /// Share of the excess that it explains, 0 to 1.
    share: f64,
    /// Its lower end (95 %).
    share_low: f64,
    /// Its upper end.
    share_high: f64,
    /// Odds ratio against the reference.
    odds: f64,
    /// Its lower end.
    odds_low: f64,
    /// Its upper end.
    odds_high: f64,
}

/// One value of a facet.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Element {
    /// Of what.
    facet: Side,
    /// In words.
    value: String,
}

/// What can be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Side {
    Version,
    OsBuild,
    Model,
    Site,
    Ring,
    Module,
    ModuleVersion,
}

/// Something that was changed on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Change {
    /// What.
    what: String,
    /// Its version in the owner's words.
    version: String,
    /// In which ring; empty for all.
    ring: String,
    /// When it began.
    at: String,
    /// How long before the first machine, s; negative where it came after.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_before: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct BugCheck {
    /// `0x50`.
    code: String,
    machines: u64,
    share: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Version {
    /// The PE timestamp, as symbol servers and `WinDbg` write it.
    timestamp: String,
    /// The same as a date. Reproducible builds have a hash there, and then it is nonsense.
    built: Option<String>,
    machines: u64,
    share: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct FaultSite {
    /// `csagent.sys+0xe14ed`.
    at: String,
    machines: u64,
    share: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Portion {
    name: String,
    machines: u64,
    share: f64,
}

/// A crash.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Crash {
    #[schemars(with = "String")]
    crash_id: Uuid,
    /// Name of the machine.
    machine: String,
    /// When it happened, where that is known.
    at: Option<String>,
    /// Where people see it.
    url: String,
}

/// The numbers of the chart that opened it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Why {
    /// Which multiple of the usual rate that chart looks for.
    rho: f64,
    /// Its value, the logarithm of a likelihood ratio.
    score: f64,
    /// The value that it had to reach.
    threshold: f64,
    /// Machines since the beginning, when it was opened.
    machines: u64,
    /// Of these, beyond the largest sites.
    spread_machines: u64,
    /// Sites.
    sites: u64,
    /// Machines that could be expected, at most.
    expected: f64,
    /// What the whole fleet did, as a multiple of its past.
    common_mode: f64,
    /// Whether the machines uploaded late.
    late: bool,
}

/// A rollout that must not go on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Rollout {
    /// One line.
    pub(crate) summary: String,
    /// Base name of the driver.
    pub(crate) driver: String,
    /// Which version.
    pub(crate) version: String,
    /// In which ring; empty for all.
    pub(crate) ring: String,
    /// Whose machines.
    pub(crate) tenant: String,
    /// Machines that run it.
    pub(crate) machines_exposed: u64,
    /// Of these, machines that crashed in it.
    pub(crate) machines_crashed: u64,
    /// Its rate of crashed machines against that of the version before it, where that is known.
    pub(crate) ratio: Option<f64>,
    /// It is surely at least this, where there is a bound.
    pub(crate) ratio_low: Option<f64>,
    /// It is surely at most this, where there is a bound.
    pub(crate) ratio_high: Option<f64>,
    /// Why, in words.
    pub(crate) reason: String,
    /// Where people see it.
    pub(crate) url: String,
}

/// A try.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Test {
    /// One line that says that nothing is wrong.
    pub(crate) summary: String,
    /// Name of the target.
    pub(crate) target: String,
    /// Where it was sent from.
    pub(crate) url: String,
}

/// JSON schema of the body.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Payload>().to_value()
}
