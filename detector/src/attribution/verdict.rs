//! From explanations to an origin: how old a build is, what clears it, which of several that look alike is meant, and
//! when "all versions at once" may be said.

use std::collections::BTreeMap;

use super::changes;
use super::search::{Found, Search, narrows};
use super::stats::{Counts, poisson_tail};
use super::table::{Bits, Key, Table, same};
use super::{Facet, Origin, Profile, Question};
use crate::input::Version;

const MINUTE_MS: i64 = 60_000;
const TEN_MINUTES_MS: i64 = 10 * MINUTE_MS;
const DAY_MS: i64 = 1_440 * MINUTE_MS;

/// A build that ran for longer without this is not what changed. Rollouts take days from ring to ring.
const NEW_FOR_MS: i64 = 14 * DAY_MS;
/// A build that was first seen together with the driver is as old as our knowledge of it, not new.
const AFTER_OTHERS_MS: i64 = 30 * MINUTE_MS;
/// After so long, a build that came with the driver's first sighting has proved itself.
const PROVED_MS: i64 = 3 * DAY_MS;
/// Machines on each side before "nothing in common" is a finding.
pub(super) const ENOUGH: u32 = 30;
/// Fewest machines that differ from the rest before they are called mixed.
const MIXED_LEAST: u32 = 5;
/// Affected machines of a bad build may bear another's name: updated since, or blamed wrongly.
const STRAYS: f64 = 0.03;
/// The fault was there before, if other builds had it at this share of the pace.
const SAME_PACE: f64 = 0.2;
/// And this often.
const SEEN_BEFORE: u32 = 5;

/// How long a build has been in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It came after others, not long ago: so long before the onset, ms.
    New(i64),
    /// It came when the driver was first seen, or nobody told us when.
    Unknown,
    /// It ran for so long without this, ms.
    Old(i64),
}

/// How old a build was at the onset.
pub(super) fn age(question: &Question<'_>, version: Version) -> Age {
    let first =
        question.first_seen.iter().filter(|(build, _)| same(*build, version)).map(|(_, at)| *at).min();
    let driver = question.first_seen.iter().map(|(_, at)| *at).min();
    if let Some(change) = changes::of_build(question, version) {
        let age =
            question.onset_ms.saturating_sub(first.map_or(change.at_ms, |first| first.max(change.at_ms)));
        return Age::New(age.max(0));
    }
    let (Some(first), Some(driver)) = (first, driver) else { return Age::Unknown };
    let age = question.onset_ms.saturating_sub(first).max(0);
    let after = first.saturating_sub(driver);
    match age {
        _ if age > NEW_FOR_MS => Age::Old(age),
        _ if after >= AFTER_OTHERS_MS => Age::New(age),
        _ if age > PROVED_MS => Age::Old(age),
        _ => Age::Unknown,
    }
}

/// Affected machines that would have crashed since the onset in any case, by the driver's own past: half of its crashes
/// are younger than the middle one. The oldest says nothing, since clocks of machines lie by years.
pub(super) fn expected(question: &Question<'_>) -> f64 {
    let mut before: Vec<i64> =
        question.history.iter().map(|crash| crash.at_ms).filter(|at| *at < question.onset_ms).collect();
    before.sort_unstable();
    let Some(middle) = before.get(before.len() / 2) else { return 0.0 };
    let younger = f64::from(small(before.len() - before.len() / 2));
    let span = ms(question.onset_ms.saturating_sub(*middle).max(TEN_MINUTES_MS));
    let affected = f64::from(small(question.affected.len()));
    (younger / span * ms(lasted(question))).min(affected / 2.0)
}

/// How long the affected machines took to crash.
fn lasted(question: &Question<'_>) -> i64 {
    let last = question.affected.iter().map(|profile| profile.at_ms).max().unwrap_or_default();
    last.min(question.now_ms).saturating_sub(question.onset_ms).max(MINUTE_MS)
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Exact below 142,000 years.
fn ms(span: i64) -> f64 {
    std::time::Duration::from_millis(span.unsigned_abs()).as_secs_f64() * 1e3
}

/// Why a build was cleared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cleared {
    /// It ran for so long without this, ms.
    Ran(Version, i64),
    /// Other builds had the same fault before, at this share of the pace.
    Before(Version, u64, f64),
    /// So many affected machines run another build of the same.
    Others(Key, u32),
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unsure {
    /// Too few affected machines, or affected machines whose build is known.
    Affected(u32),
    /// Too few others.
    Reference(u32),
    /// Nearly all machines have it, affected or not, and it is new.
    Common(Key, Counts),
    /// One build only, and we have not known it for long.
    OneBuild(Version),
    /// It is of no driver.
    Nothing,
}

/// The verdict.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) origin: Origin,
    pub(super) claims: Vec<Found>,
    pub(super) cleared: Vec<Cleared>,
    pub(super) unsure: Option<Unsure>,
}

/// Decides.
pub(super) fn judge(question: &Question<'_>, table: &Table, search: Search, expected: f64) -> Verdict {
    let bench = Bench { question, table, expected };
    let mut cleared = Vec::new();
    let mut claims = search.claims;
    claims.retain(|claim| match bench.clear(claim) {
        Some(why) => {
            cleared.push(why);
            false
        }
        None => true,
    });
    bench.own_build_first(&mut claims);
    for (version, age) in claims.iter().filter_map(|claim| old_build(question, claim)) {
        cleared.push(Cleared::Ran(version, age));
    }
    let origin = claims.first().map(|claim| origin(question, claim));
    let (origin, unsure) = match origin {
        Some(origin) => (origin, None),
        None => match bench.all_versions(&search.singles) {
            Ok(()) => (Origin::AllVersions, None),
            Err(unsure) => (Origin::Unknown, Some(unsure)),
        },
    };
    Verdict { origin, claims, cleared, unsure }
}

fn origin(question: &Question<'_>, claim: &Found) -> Origin {
    match claim.single().map(Key::facet) {
        Some(Facet::Version) if old_build(question, claim).is_some() => Origin::Slice,
        Some(Facet::Version) => Origin::NewVersion,
        Some(Facet::OsBuild) => Origin::OsBuild,
        Some(Facet::Model) => Origin::Model,
        Some(Facet::Site) => Origin::Site,
        Some(Facet::Ring) => Origin::Ring,
        Some(Facet::Module | Facet::ModuleVersion) => Origin::Module,
        None => Origin::Slice,
    }
}

/// The build of a claim about one build, where it is not new, with how long it ran.
fn old_build(question: &Question<'_>, claim: &Found) -> Option<(Version, i64)> {
    let version = build(claim)?;
    match age(question, version) {
        Age::Old(age) => Some((version, age)),
        Age::New(_) | Age::Unknown => None,
    }
}

/// The build of a claim about a build and nothing else.
pub(super) fn build(claim: &Found) -> Option<Version> {
    match claim.single() {
        Some(Key::Version(version)) => Some(version),
        _ => None,
    }
}

struct Bench<'a> {
    question: &'a Question<'a>,
    table: &'a Table,
    expected: f64,
}

impl Bench<'_> {
    /// Affected machines of a set that nothing accounts for: more than come from the usual crashes and from strays.
    fn unexplained(&self, set: &Bits) -> Option<u32> {
        let (all, others) = self.table.count(self.table.everyone());
        let (left, exposed) = self.table.count(set);
        let usual = if others == 0 { 0.0 } else { self.expected * f64::from(exposed) / f64::from(others) };
        let strays = STRAYS * f64::from(all);
        (poisson_tail(left, usual + strays) < 0.01).then_some(left)
    }

    /// What clears a claim about a build alone, be it of the driver, of another image or of Windows.
    fn clear(&self, claim: &Found) -> Option<Cleared> {
        let key = claim.single()?;
        if !matches!(key, Key::Version(_) | Key::ModuleVersion(..) | Key::OsBuild(_)) {
            return None;
        }
        // A build that crashes leaves the others alone. Where one in ten affected machines runs another, they merely
        // updated: the machines of the reference were seen before that.
        if let Some(others) = self.unexplained(&self.known_without(claim))
            && f64::from(others) > 0.1 * f64::from(claim.counts.n1)
        {
            return Some(Cleared::Others(key, others));
        }
        let version = build(claim)?;
        let (fault, pace) = self.before(claim, version)?;
        Some(Cleared::Before(version, fault, pace))
    }

    fn known_without(&self, claim: &Found) -> Bits {
        claim.known().without(&claim.has)
    }

    /// The fault site that most affected machines of a build share, if others had it before, at a pace that one machine
    /// of them can be compared with one of these.
    fn before(&self, claim: &Found, version: Version) -> Option<(u64, f64)> {
        let question = self.question;
        let fault = leading_fault(question.affected.iter().filter(|profile| same(profile.version, version)))?;
        let earlier: Vec<&Profile> = question
            .history
            .iter()
            .filter(|crash| crash.at_ms < question.onset_ms && crash.fault_offset == fault)
            .filter(|crash| crash.version != Version::default() && !same(crash.version, version))
            .collect();
        let begin = earlier.iter().map(|crash| crash.at_ms).min()?;
        if small(earlier.len()) < SEEN_BEFORE {
            return None;
        }
        let counts = claim.counts;
        let share = (f64::from(counts.b) + 0.5) / (f64::from(counts.n0) + 1.0);
        let span = ms(question.onset_ms.saturating_sub(begin).max(MINUTE_MS));
        let then = f64::from(small(earlier.len())) / span / (1.0 - share);
        let now = f64::from(counts.a) / ms(lasted(question)) / share;
        let pace = then / now.max(f64::MIN_POSITIVE);
        (pace >= SAME_PACE).then_some((fault, pace))
    }

    /// A ring, a site, a model or an image may be no more than where the new build is: the driver's own build is meant,
    /// unless they account for machines that do not run it, or tell apart machines that do.
    fn own_build_first(&self, claims: &mut Vec<Found>) {
        let new = |claim: &Found| build(claim).is_some() && old_build(self.question, claim).is_none();
        let Some(best) = claims.first() else { return };
        if let Some(own) = claims.iter().position(new)
            && own > 0
            && best.is_without(Facet::Version)
            && self.unexplained(&best.has.and(&self.known_without_at(claims, own))).is_none()
        {
            let claim = claims.remove(own);
            claims.insert(0, claim);
            return;
        }
        // A model that ships with an old build: the build did not change, so what else is as good is meant.
        if old_build(self.question, best).is_some()
            && let Some(other) = claims.iter().position(|claim| build(claim).is_none())
            && claims.get(other).is_some_and(|claim| claim.score >= 0.9 * best.score)
        {
            let claim = claims.remove(other);
            claims.insert(0, claim);
        }
    }

    fn known_without_at(&self, claims: &[Found], at: usize) -> Bits {
        claims.get(at).map_or_else(|| self.table.everyone().clone(), |claim| self.known_without(claim))
    }

    /// Whether "all versions at once" may be said: enough machines on both sides, and no new build that could be it.
    fn all_versions(&self, singles: &[Found]) -> Result<(), Unsure> {
        let question = self.question;
        let of_driver = !question.driver.is_empty();
        let known = |machines: &[Profile]| {
            let known = |profile: &&Profile| !of_driver || profile.version != Version::default();
            small(machines.iter().filter(known).count())
        };
        let (affected, reference) = (known(question.affected), known(question.reference));
        if affected < ENOUGH {
            return Err(Unsure::Affected(affected));
        }
        // Where nearly everybody is affected nobody is left to compare with: then the affected speak for themselves.
        if reference < ENOUGH && !self.is_mixed() {
            return Err(Unsure::Reference(reference));
        }
        for found in singles {
            let Some(key) = found.single() else { continue };
            let possible = match key {
                Key::Version(version) if matches!(age(question, version), Age::New(_)) => {
                    found.share >= 0.7 && found.counts.odds_interval(2.0).1 >= 3.0
                }
                Key::Version(_) => false,
                _ => found.is_suspect(singles.len()),
            };
            if possible && self.unexplained(&self.known_without(found)).is_none() {
                return Err(Unsure::Common(key, found.counts));
            }
        }
        if !of_driver {
            return if self.is_mixed() { Ok(()) } else { Err(Unsure::Nothing) };
        }
        match builds(question).as_slice() {
            [only] if !self.is_known_long(*only) => Err(Unsure::OneBuild(*only)),
            _ => Ok(()),
        }
    }

    /// Whether the affected machines differ in all that could set them apart: no one build, Windows or model is most of
    /// them, and rings and sites are several, where the fleet has several.
    fn is_mixed(&self) -> bool {
        let question = self.question;
        let (affected, reference) = (question.affected, question.reference);
        let others = |value: &dyn Fn(&Profile) -> u32| {
            let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
            for one in affected.iter().map(value).filter(|one| *one != 0) {
                *counts.entry(one).or_default() += 1;
            }
            counts.values().sum::<u32>() - counts.values().max().copied().unwrap_or(0)
        };
        let all = small(affected.len());
        let differ = |value: &dyn Fn(&Profile) -> u32, share: u32| {
            others(value) >= MIXED_LEAST.max(all.saturating_mul(share) / 100)
        };
        let only_one = |value: &dyn Fn(&Profile) -> u32| {
            let mut values = affected.iter().chain(reference).map(value).filter(|one| *one != 0);
            values.next().is_none_or(|first| values.all(|one| one == first))
        };
        let places: [&dyn Fn(&Profile) -> u32; 2] = [&|one| one.ring.0, &|one| one.site.0];
        (question.driver.is_empty() || differ(&|one| one.version.timestamp, 10))
            && differ(&|one| one.os_build, 10)
            && differ(&|one| one.model.0, 10)
            && places.into_iter().all(|place| differ(place, 3) || only_one(place))
    }

    fn is_known_long(&self, version: Version) -> bool {
        let first = self.question.first_seen.iter().filter(|(build, _)| same(*build, version));
        first.map(|(_, at)| *at).min().is_some_and(|at| self.question.onset_ms.saturating_sub(at) > DAY_MS)
    }
}

/// Builds in use, on affected machines and on others.
fn builds(question: &Question<'_>) -> Vec<Version> {
    distinct(question.affected.iter().chain(question.reference))
}

/// The builds that these machines run, each once.
pub(super) fn distinct<'a>(machines: impl Iterator<Item = &'a Profile>) -> Vec<Version> {
    let mut builds: Vec<Version> =
        machines.map(|profile| profile.version).filter(|version| *version != Version::default()).collect();
    builds.sort_unstable();
    // Sorted, a build whose size is not known stands right before those it may be.
    builds.dedup_by(|right, left| same(*left, *right));
    builds
}

/// The offset that at least half of them failed at.
fn leading_fault<'a>(machines: impl Iterator<Item = &'a Profile>) -> Option<u64> {
    let mut faults: Vec<u64> = machines.map(|profile| profile.fault_offset).collect();
    faults.sort_unstable();
    // What half of them share is in the middle.
    let middle = *faults.get(faults.len() / 2)?;
    let share = faults.iter().filter(|fault| **fault == middle).count();
    (middle != 0 && share * 2 >= faults.len()).then_some(middle)
}

/// Whether a claim about a build is at its most visible within something else, to be said beside it.
pub(super) fn seen_within<'a>(table: &Table, first: &Found, claims: &'a [Found]) -> Option<&'a Found> {
    build(first)?;
    claims.iter().find(|claim| {
        let place = claim.is(Facet::Ring) || claim.is(Facet::Site) || claim.is(Facet::Model);
        place && narrows(table, first, claim, 0.001)
    })
}
