//! What do the affected machines share, that other machines with the same driver do not? Tables in, verdict out.

use serde::{Deserialize, Serialize};

use crate::input::{Change, Version};
use crate::names::NameId;

/// One machine as attribution looks at it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Which machine.
    pub machine: u64,
    /// When it crashed, ms since 1970.
    pub at_ms: i64,
    /// Build of the incident's driver that it runs; zeros where unknown.
    pub version: Version,
    /// Where it failed; 0 in machines of the reference.
    pub fault_offset: u64,
    /// Build of Windows.
    pub os_build: u32,
    /// Model.
    pub model: NameId,
    /// Ring.
    pub ring: NameId,
    /// Site.
    pub site: NameId,
    /// Other third-party images that were loaded.
    pub modules: Vec<(NameId, Version)>,
}

/// What can be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    /// Build of the incident's driver.
    Version,
    /// Build of Windows.
    OsBuild,
    /// Model.
    Model,
    /// Site.
    Site,
    /// Ring.
    Ring,
    /// Another image, whatever its build.
    Module,
    /// Another image in one build.
    ModuleVersion,
}

/// One value of a facet, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Of what.
    pub facet: Facet,
    /// `0x66902c2a` for versions, `19045` for builds, `name` or `name 0x...` for modules.
    pub value: String,
}

/// Something that most affected machines share, and few others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// What: all of these together.
    pub elements: Vec<Element>,
    /// Affected machines that have it.
    pub affected: u32,
    /// Machines of the reference that have it.
    pub exposed: u32,
    /// Share of the excess that it explains, 0 to 1.
    pub share: f64,
    /// Odds ratio against the reference.
    pub odds: f64,
    /// Its lower end (three standard errors).
    pub odds_low: f64,
    /// Its upper end.
    pub odds_high: f64,
}

/// What an incident comes from, as far as the machines tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
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
    /// Every version at once, and nothing in common: content, configuration or an outside trigger.
    AllVersions,
    /// Too few machines, or nothing to hold them against.
    Unknown,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// What it comes from.
    pub origin: Origin,
    /// The best explanation first.
    pub claims: Vec<Claim>,
    /// Explanations that were cleared because the fault was there before: in words.
    pub vetoed: Vec<String>,
    /// The change that fits, and how long before the onset it was, s.
    pub change: Option<(Change, i64)>,
    /// What else was changed within a day before the onset.
    pub also_changed: Vec<Change>,
    /// Affected machines that were looked at.
    pub affected: u32,
    /// Machines of the reference.
    pub reference: u32,
    /// One sentence for people.
    pub sentence: String,
}
