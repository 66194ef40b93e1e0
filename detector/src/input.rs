//! What the detector is told. Plain borrowed data; whoever feeds it has capped lengths already.

use serde::{Deserialize, Serialize};

/// A build of an image: what tells two versions of a driver apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// PE timestamp.
    pub timestamp: u32,
    /// PE size of the image; 0 where only the timestamp is known, which then matches any size.
    pub size: u32,
}

/// The number of a machine, from its name: the same in every process and every build.
#[must_use]
pub fn machine_number(name: &str) -> u64 {
    crate::stats::fnv64(name.as_bytes())
}

/// An image that was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Module<'a> {
    /// Base name, lower case.
    pub name: &'a str,
    /// Which build.
    pub version: Version,
}

/// One analysed crash.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crash<'a> {
    /// Whose machine.
    pub tenant: &'a str,
    /// Which machine: a hash of its name, all that is needed to tell two apart.
    pub machine: u64,
    /// When it happened by the machine's own clock, ms since 1970; 0 where unknown. Clocks lie.
    pub crashed_at_ms: i64,
    /// When it arrived, ms since 1970.
    pub arrived_at_ms: i64,
    /// Base name of the blamed image, lower case; empty where nobody is blamed.
    pub driver: &'a str,
    /// Its build.
    pub version: Version,
    /// Where in it.
    pub fault_offset: u64,
    /// Bug check code.
    pub bugcheck: u32,
    /// Build of Windows.
    pub os_build: u32,
    /// Bucket id.
    pub bucket: &'a str,
    /// Model of the machine.
    pub model: &'a str,
    /// Rollout ring; empty where unknown.
    pub ring: &'a str,
    /// Site: its tag, else the network it uploads from, else empty, which makes the machine a site of its own.
    pub site: &'a str,
    /// Third-party images that were loaded, the blamed one included.
    pub modules: &'a [Module<'a>],
    /// Whether the machine is known for bad hardware: its crashes count in no chart.
    pub suspect: bool,
}

/// A machine says that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat<'a> {
    /// Whose machine.
    pub tenant: &'a str,
    /// Which, as in [`Crash::machine`].
    pub machine: u64,
    /// When it arrived, ms since 1970.
    pub at_ms: i64,
    /// It says that it is going down on purpose: no silence follows from it.
    pub farewell: bool,
}

/// What a machine is and runs, in full: it replaces what was known of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Install<'a> {
    /// Whose machine.
    pub tenant: &'a str,
    /// Which.
    pub machine: u64,
    /// When it arrived, ms since 1970.
    pub at_ms: i64,
    /// As in [`Crash`].
    pub site: &'a str,
    /// As in [`Crash`].
    pub ring: &'a str,
    /// As in [`Crash`].
    pub model: &'a str,
    /// As in [`Crash`].
    pub os_build: u32,
    /// Third-party images that it loads.
    pub modules: &'a [Module<'a>],
}

/// Something that was changed on purpose: a rollout, a content update, a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// Whose fleet; empty in a single-tenant installation.
    pub tenant: String,
    /// When it began, ms since 1970.
    pub at_ms: i64,
    /// What: a driver's base name (`csagent.sys`), or any name people know (`channel file 291`).
    pub what: String,
    /// Its version in the owner's words; empty where there is none.
    pub version: String,
    /// PE timestamp of the new image, where it is one and known; else 0.
    pub timestamp: u32,
    /// Which ring; empty for all.
    pub ring: String,
    /// Who makes it, where told: changes of one vendor are shown together.
    pub vendor: String,
}

/// What a person does to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Which incident.
    pub incident: u128,
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Who.
    pub by: String,
    /// What.
    pub kind: ActKind,
}

/// What can be done to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    /// Somebody works on it.
    Acknowledge,
    /// It is over, whatever the counts say.
    Resolve,
    /// It pages nobody until then, ms since 1970.
    Mute(i64),
    /// It pages again.
    Unmute,
    /// Words.
    Comment(String),
}
