//! Which of the changes that we were told of fits an incident, and what else was changed shortly before.

use super::search::Found;
use super::table::{Key, same};
use super::{Origin, Question};
use crate::input::{Change, Version};

/// Clocks of those who tell us differ from those of the machines: a change may seem to follow what it caused.
const SKEW_MS: i64 = 10 * 60_000;
/// Rollouts of a build take days from ring to ring.
const ROLLOUT_MS: i64 = 14 * 24 * 3_600_000;
/// Everything else is at work within a day.
const NEARBY_MS: i64 = 24 * 3_600_000;
/// More is not read at four in the morning.
const MOST_LISTED: usize = 10;

/// `CSAgent.sys` and `csagent` are one.
fn bare(name: &str) -> String {
    let name = name.rsplit(['\\', '/']).next().unwrap_or(name).trim().to_lowercase();
    name.strip_suffix(".sys").map(str::to_owned).unwrap_or(name)
}

fn is_named(change: &Change, name: &str) -> bool {
    !name.is_empty() && bare(&change.what) == bare(name)
}

/// Whether a change brought this build; `None` where it does not say which build it brought.
fn brings(change: &Change, version: Version) -> Option<bool> {
    let told = match change.timestamp {
        0 => u32::from_str_radix(change.version.trim().strip_prefix("0x")?, 16).ok()?,
        timestamp => timestamp,
    };
    Some(same(Version { timestamp: told, size: 0 }, version))
}

fn age_ms(question: &Question<'_>, change: &Change) -> i64 {
    question.onset_ms.saturating_sub(change.at_ms)
}

fn is_within(question: &Question<'_>, change: &Change, longest_ms: i64) -> bool {
    (-SKEW_MS..=longest_ms).contains(&age_ms(question, change))
}

/// The latest change that brought this build of the driver.
pub(super) fn of_build<'a>(question: &Question<'a>, version: Version) -> Option<&'a Change> {
    let brought = question.changes.iter().filter(|change| {
        is_named(change, question.driver)
            && brings(change, version) == Some(true)
            && is_within(question, change, ROLLOUT_MS)
    });
    brought.max_by_key(|change| change.at_ms)
}

/// What fits, with its age at the onset in s, and what else.
#[derive(Debug, Default)]
pub(super) struct Fitting {
    pub(super) change: Option<(Change, i64)>,
    pub(super) also: Vec<Change>,
    /// How many of those at the head of `also` are of the driver's vendor.
    pub(super) same_vendor: usize,
}

/// Looks through the changes. `claim`: what the affected machines share.
pub(super) fn fitting(question: &Question<'_>, origin: Origin, claim: Option<&Found>) -> Fitting {
    let vendor = vendor(question);
    let of_vendor =
        |change: &Change| vendor.is_some_and(|vendor| vendor.eq_ignore_ascii_case(&change.vendor));
    let fit = question
        .changes
        .iter()
        .filter_map(|change| fit(question, origin, claim, change, of_vendor(change)).map(|fit| (fit, change)))
        // The best, and of equals the latest before.
        .max_by_key(|(fit, change)| (*fit, change.at_ms, &change.what, &change.version))
        .map(|(_, change)| change);
    let mut also: Vec<&Change> = question
        .changes
        .iter()
        .filter(|change| is_within(question, change, NEARBY_MS) && Some(*change) != fit)
        .collect();
    also.sort_by_key(|change| (!of_vendor(change), age_ms(question, change).abs(), change.what.clone()));
    also.dedup();
    also.truncate(MOST_LISTED);
    Fitting {
        change: fit.map(|change| (change.clone(), age_ms(question, change) / 1000)),
        same_vendor: also.iter().filter(|change| of_vendor(change)).count(),
        also: also.into_iter().cloned().collect(),
    }
}

/// Who makes the driver, as far as a change of it ever said.
fn vendor<'a>(question: &Question<'a>) -> Option<&'a str> {
    let own = question.changes.iter().filter(|change| is_named(change, question.driver));
    own.map(|change| change.vendor.as_str()).find(|vendor| !vendor.is_empty())
}

/// How well a change fits, more being better; `None` where it does not.
fn fit(
    question: &Question<'_>,
    origin: Origin,
    claim: Option<&Found>,
    change: &Change,
    of_vendor: bool,
) -> Option<u8> {
    let keys = claim.map_or(&[][..], |claim| &claim.keys);
    let ring = keys.iter().find_map(|key| match key {
        Key::Ring(ring) => Some(question.names.name(*ring)),
        _ => None,
    });
    if let (Some(ring), false) = (ring, change.ring.is_empty())
        && !ring.eq_ignore_ascii_case(&change.ring)
    {
        return None;
    }
    let nearby = is_within(question, change, NEARBY_MS);
    let told = keys.iter().filter_map(|key| told(question, *key, change)).max();
    if told.is_some() {
        return told;
    }
    if is_named(change, question.driver) {
        let builds = keys.iter().filter_map(|key| match key {
            Key::Version(version) => brings(change, *version),
            _ => None,
        });
        // It brought another build than the one that crashes.
        if builds.clone().any(|brought| !brought) {
            return None;
        }
        return nearby.then_some(if ring.is_some() { 4 } else { 3 });
    }
    // Content of the same vendor: `channel file 291` does not bear the driver's name.
    let open = matches!(origin, Origin::AllVersions | Origin::Unknown | Origin::Ring | Origin::Site);
    (open && of_vendor && nearby).then_some(2)
}

/// How well a change fits one thing that the machines share.
fn told(question: &Question<'_>, key: Key, change: &Change) -> Option<u8> {
    match key {
        Key::Version(version) => {
            let named = is_named(change, question.driver) && is_within(question, change, ROLLOUT_MS);
            match brings(change, version) {
                Some(true) if named => Some(6),
                None if named => Some(5),
                _ => None,
            }
        }
        Key::Module(name) => {
            let named = is_named(change, question.names.name(name));
            (named && is_within(question, change, ROLLOUT_MS)).then_some(5)
        }
        Key::ModuleVersion(name, version) => {
            let named = is_named(change, question.names.name(name)) && brings(change, version) != Some(false);
            (named && is_within(question, change, ROLLOUT_MS)).then_some(5)
        }
        Key::OsBuild(build) => {
            let build = build.to_string();
            let says = |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|number| number == build);
            let told = says(&change.what) || says(&change.version);
            (told && is_within(question, change, ROLLOUT_MS)).then_some(5)
        }
        Key::Model(_) | Key::Site(_) | Key::Ring(_) => None,
    }
}
