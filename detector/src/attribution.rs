//! What do the affected machines share, that other machines with the same driver do not? Tables in, verdict out.

mod changes;
mod search;
pub(crate) mod stats;
mod table;
mod verdict;
mod words;

use serde::{Deserialize, Serialize};

use crate::input::{Change, Version};
use crate::names::{NameId, Names};

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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Element {
    /// Of what.
    pub facet: Facet,
    /// `0x66902c2a` for versions, `19045` for builds, `name` or `name 0x...` for modules; `one or other` where only both
    /// values together explain it.
    pub value: String,
}

/// Something that most affected machines share, and few others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Claim {
    /// What: all of these together.
    pub elements: Vec<Element>,
    /// Affected machines that have it.
    pub affected: u32,
    /// Machines of the reference that have it.
    pub exposed: u32,
    /// Share of the excess that it explains, 0 to 1.
    pub share: f64,
    /// Its lower end (95 %).
    pub share_low: f64,
    /// Its upper end.
    pub share_high: f64,
    /// Odds ratio against the reference.
    pub odds: f64,
    /// Its lower end (as far as three standard errors, by likelihood); 1e9 stands for more than can be said.
    pub odds_low: f64,
    /// Its upper end.
    pub odds_high: f64,
}

/// What an incident comes from, as far as the machines tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// One build of the driver that the others do not run, and that is new.
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
    /// Several of these together; or one build that has been in use for long, so that it is not what changed.
    Slice,
    /// Every version at once, and nothing in common: content, configuration or an outside trigger.
    AllVersions,
    /// Too few machines, or nothing to hold them against.
    Unknown,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// What is asked: who crashed, and who could have.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Base name of the incident's driver; empty where it is of no driver.
    pub driver: &'a str,
    /// When it began, ms since 1970.
    pub onset_ms: i64,
    /// Now, ms since 1970.
    pub now_ms: i64,
    /// Machines that crashed in it since the onset: a sample of at most 2,000, the first ones first.
    pub affected: &'a [Profile],
    /// Machines that have the driver loaded and did not crash in it, from other crashes and from inventory: at most
    /// 16,384, and none where none are known.
    pub reference: &'a [Profile],
    /// The driver's own crashes in the weeks before the onset: at most 200.
    pub history: &'a [Profile],
    /// When each build of the driver was first seen anywhere in the fleet, ms since 1970.
    pub first_seen: &'a [(Version, i64)],
    /// What was changed on purpose, as far as we were told.
    pub changes: &'a [Change],
    /// The names behind the numbers.
    pub names: &'a Names,
}

/// What the affected machines share that other machines with the driver do not, and what that means.
///
/// How many of them would have crashed in any case is taken from the pace of `history`, which has to be crashes as they
/// came. Neither the order of the machines nor that of the changes matters.
#[must_use]
pub fn attribute(question: &Question<'_>) -> Attribution {
    attribute_beyond(question, verdict::expected(question))
}

/// The same, where it is known how many of the affected machines would have crashed in any case.
#[must_use]
pub fn attribute_beyond(question: &Question<'_>, expected: f64) -> Attribution {
    let count = |machines: &[Profile]| u32::try_from(machines.len()).unwrap_or(u32::MAX);
    let half = f64::from(count(question.affected)) / 2.0;
    let expected = if expected.is_finite() { expected.clamp(0.0, half) } else { 0.0 };
    let table = table::Table::of(question);
    let verdict = verdict::judge(question, &table, search::search(&table, expected), expected);
    let first = verdict.claims.first();
    let fitting = changes::fitting(question, verdict.origin, first);
    let within = first.and_then(|first| verdict::seen_within(&table, first, &verdict.claims));
    let sentence = words::sentence(question, &verdict, &fitting, within);
    Attribution {
        origin: verdict.origin,
        claims: verdict.claims.iter().take(MOST_CLAIMS).map(|found| claim(question, found)).collect(),
        vetoed: verdict.cleared.iter().map(|cleared| words::cleared(question, cleared)).collect(),
        change: fitting.change,
        also_changed: fitting.also,
        affected: count(question.affected),
        reference: count(question.reference),
        sentence,
    }
}

/// Further ones are variations of the first.
const MOST_CLAIMS: usize = 5;

fn claim(question: &Question<'_>, found: &search::Found) -> Claim {
    let mut elements: Vec<Element> = found
        .keys
        .iter()
        .map(|key| Element { facet: key.facet(), value: words::value(question, *key) })
        .collect();
    if let (Some(or), Some(element)) = (found.or, elements.first_mut()) {
        element.value = format!("{} or {}", element.value, words::value(question, or));
    }
    Claim {
        elements,
        affected: found.counts.a,
        exposed: found.counts.b,
        share: found.share,
        share_low: found.share_low,
        share_high: found.share_high,
        odds: found.odds,
        odds_low: found.odds_low,
        odds_high: found.odds_high,
    }
}
