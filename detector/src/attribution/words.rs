//! The answer in words: one line that somebody who was asleep a minute ago understands.

use super::changes::Fitting;
use super::search::Found;
use super::stats::Counts;
use super::table::Key;
use super::verdict::{Age, Cleared, ENOUGH, Unsure, Verdict, age, build, distinct};
use super::{Origin, Profile, Question};
use crate::input::{Change, Version};
use crate::names::NameId;

/// A name from outside, as part of one line.
fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The value of an element.
pub(super) fn value(question: &Question<'_>, key: Key) -> String {
    let name = |id: NameId| clean(question.names.name(id));
    match key {
        Key::Version(version) => hex(version),
        Key::OsBuild(build) => build.to_string(),
        Key::Model(id) | Key::Site(id) | Key::Ring(id) | Key::Module(id) => name(id),
        Key::ModuleVersion(id, version) => format!("{} {}", name(id), hex(version)),
    }
}

fn hex(version: Version) -> String {
    format!("{:#x}", version.timestamp)
}

/// Why a build was cleared.
pub(super) fn cleared(question: &Question<'_>, cleared: &Cleared) -> String {
    match *cleared {
        Cleared::Ran(version, age) => format!("{}: in use for {} without this", hex(version), span(age)),
        Cleared::Before(version, fault, pace) => {
            let driver = clean(question.driver);
            let pace = percent(pace.min(1.0));
            format!(
                "{}: {driver}+{fault:#x} failed before on other versions, at {pace} of this pace",
                hex(version)
            )
        }
        Cleared::Others(key, others) => {
            format!("{}: {others} affected machines run other builds of it", value(question, key))
        }
    }
}

/// The one sentence.
pub(super) fn sentence(
    question: &Question<'_>,
    verdict: &Verdict,
    fitting: &Fitting,
    within: Option<&Found>,
) -> String {
    match (verdict.origin, verdict.claims.first(), &verdict.unsure) {
        (Origin::AllVersions, _, _) => all_versions(question, fitting),
        (_, Some(claim), _) => claimed(question, claim, within, fitting),
        (_, None, Some(unsure)) => not_known(question, unsure, fitting),
        (_, None, None) => not_known(question, &Unsure::Nothing, fitting),
    }
}

fn all_versions(question: &Question<'_>, fitting: &Fitting) -> String {
    let count = |of: &dyn Fn(&Profile) -> u32| {
        let mut values: Vec<u32> = question.affected.iter().map(of).filter(|value| *value != 0).collect();
        values.sort_unstable();
        values.dedup();
        values.len()
    };
    let driver = clean(question.driver);
    let versions = match distinct(question.affected.iter()).len() {
        _ if driver.is_empty() => "Nothing sets these machines apart from others".to_owned(),
        0 | 1 => format!("The only version of {driver} in use, and not a new one"),
        2 => format!("Both versions of {driver} at once"),
        several => format!("All {several} versions of {driver} at once"),
    };
    let spread: Vec<String> = [
        (count(&|profile| profile.model.0), "model", "models"),
        (count(&|profile| profile.os_build), "build of Windows", "builds of Windows"),
    ]
    .into_iter()
    .filter(|(many, _, _)| *many > 0)
    .map(|(many, one, more)| if many == 1 { format!("1 {one}") } else { format!("{many} {more}") })
    .collect();
    let on = if spread.is_empty() { String::new() } else { format!(", on {}", spread.join(" and ")) };
    format!(
        "{versions}{on}: suspect content, configuration or an outside trigger.{}",
        changed(question, fitting)
    )
}

fn claimed(question: &Question<'_>, claim: &Found, within: Option<&Found>, fitting: &Fitting) -> String {
    let driver = clean(question.driver);
    let mut what: Vec<String> = claim.keys.iter().map(|key| thing(question, *key)).collect();
    if let Some(or) = claim.or {
        what.push(value(question, or));
    }
    let mut what = what.join(if claim.or.is_some() { " or " } else { " together with " });
    if let Some(first) = what.get(..1).map(str::to_uppercase) {
        what.replace_range(..1, &first);
    }
    let since = match build(claim).map(|version| age(question, version)) {
        Some(Age::New(age)) if age < 60_000 => ", first seen as it began".to_owned(),
        Some(Age::New(age)) => format!(", first seen {} before", span(age)),
        Some(Age::Old(age)) => format!(", in use for {} without this", span(age)),
        Some(Age::Unknown) | None => String::new(),
    };
    let share = percent(claim.share);
    let interval =
        format!("{}-{}", percent(claim.share_low).trim_end_matches(" %"), percent(claim.share_high));
    let others = match claim.single() {
        Some(Key::Version(_)) => "other versions".to_owned(),
        Some(Key::OsBuild(_)) => "other builds".to_owned(),
        Some(Key::Model(_)) => "other models".to_owned(),
        Some(Key::Site(_)) => "other sites".to_owned(),
        Some(Key::Ring(_)) => "other rings".to_owned(),
        _ if driver.is_empty() => "other machines".to_owned(),
        _ => format!("other machines with {driver}"),
    };
    let odds =
        format!("{} times the odds of {others} (at least {})", number(claim.odds), number(claim.odds_low));
    let only = within
        .and_then(Found::single)
        .map_or_else(String::new, |key| format!("; so far mostly on {}", thing(question, key)));
    format!("{what}{since}: {share} of the excess ({interval}), {odds}{only}.{}", changed(question, fitting))
}

fn not_known(question: &Question<'_>, unsure: &Unsure, fitting: &Fitting) -> String {
    let driver = clean(question.driver);
    let why = match unsure {
        Unsure::Affected(machines) => {
            format!(
                "Not known yet: {machines} machines with a known version so far, {ENOUGH} are needed to tell."
            )
        }
        Unsure::Reference(0) => {
            format!("Not known: no machine that has {driver} and did not crash is known to compare with.")
        }
        Unsure::Reference(1) => {
            format!(
                "Not known: only one machine that has {driver} and did not crash is known to compare with."
            )
        }
        Unsure::Reference(machines) => format!(
            "Not known: only {machines} machines that have {driver} and did not crash are known to compare with."
        ),
        Unsure::Common(key, Counts { a, n1, b, n0 }) => {
            let others = percent(f64::from(*b) / f64::from((*n0).max(1)));
            let what = thing(question, *key);
            format!(
                "Not sure: {a} of {n1} affected machines have {what}, but so have {others} of the others."
            )
        }
        Unsure::OneBuild(version) => format!(
            "Not sure: every machine runs {} of {driver}, which has not been known for long.",
            hex(*version)
        ),
        Unsure::Nothing => "Nothing found that these machines share and others do not.".to_owned(),
    };
    format!("{why}{}", changed(question, fitting))
}

fn thing(question: &Question<'_>, key: Key) -> String {
    let value = value(question, key);
    match key {
        Key::Version(_) => format!("version {value}"),
        Key::OsBuild(_) => format!("build {value} of Windows"),
        Key::Model(_) => format!("model {value}"),
        Key::Site(_) => format!("site {value}"),
        Key::Ring(_) => format!("ring {value}"),
        Key::Module(_) | Key::ModuleVersion(..) => format!("loaded {value}"),
    }
}

/// What was changed, as further sentences; empty where nothing was.
fn changed(question: &Question<'_>, fitting: &Fitting) -> String {
    let mut words = String::new();
    if let Some((change, age_s)) = &fitting.change {
        let when = match age_s {
            ..0 => format!(
                "{} after the onset by its own clock",
                span(age_s.saturating_abs().saturating_mul(1000))
            ),
            _ => format!("{} before the onset", span(age_s.saturating_mul(1000))),
        };
        words.push_str(&format!(" Changed: {}, {when}.", told(change)));
    }
    let (listed, whose) = match fitting.same_vendor {
        0 => (fitting.also.len(), ""),
        same => (same, " of the same vendor"),
    };
    if listed > 0 {
        let ago = |change: &Change| span(question.onset_ms.saturating_sub(change.at_ms).max(0));
        let first: Vec<String> = fitting
            .also
            .iter()
            .take(listed.min(3))
            .map(|change| format!("{} ({})", told(change), ago(change)))
            .collect();
        let (also, plural) =
            (if words.is_empty() { "" } else { "other " }, if listed == 1 { "" } else { "s" });
        let more = if listed > 3 { ", .." } else { "" };
        let first = first.join(", ");
        words.push_str(&format!(" {listed} {also}change{plural}{whose} in the 24 h before: {first}{more}."));
    }
    words
}

fn told(change: &Change) -> String {
    let mut words = clean(&change.what);
    if !change.version.is_empty() {
        words.push_str(&format!(" {}", clean(&change.version)));
    }
    if !change.ring.is_empty() {
        words.push_str(&format!(" in ring {}", clean(&change.ring)));
    }
    words
}

fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).clamp(0.0, 100.0))
}

/// As many digits as anybody reads.
fn number(value: f64) -> String {
    match value {
        _ if value > 1000.0 => "> 1,000".to_owned(),
        _ if value >= 9.5 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

/// A span of time in the unit that people would use.
fn span(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        ..1 => format!("{} s", ms / 1000),
        1..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        2_880..30_240 => format!("{} days", minutes / 1_440),
        _ => format!("{} weeks", minutes / 10_080),
    }
}
