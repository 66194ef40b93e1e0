//! One incident as the detector follows it: its machines, what they share, and whether it is over. Every change of it is a
//! [`Transition`].

use std::collections::{BTreeMap, HashSet, VecDeque};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::attribution::{Attribution, Claim, Element, Facet, Origin, Profile};
use crate::incident::{Incident, Severity, State, Step, Subject, Tally, Transition};
use crate::names::Names;

/// Machines whose profile is kept.
pub(crate) const MOST_SAMPLE: usize = 2000;
const MOST_SITES: usize = 4096;
/// Values of each list.
const TOP: usize = 8;
/// A slow incident is calm when nothing came for so many times its usual gap.
const GAPS: i64 = 5;
const DAY_MS: i64 = 86_400_000;
/// When it has come back so often, each time within this of its end (ms), people are told only of growth and escalation,
/// and of its end.
const FLAPS: u32 = 3;
const FLAP_MS: i64 = 2 * 3_600_000;
/// Attribution is looked at again when there are so many times the machines, or after this long.
const AGAIN_SHARE: usize = 2;
const AGAIN_MS: i64 = 300_000;
const LATELY_MS: i64 = 900_000;

/// An incident that is open, or was lately.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) incident: Incident,
    /// Place of its tenant, and of its series there.
    pub(crate) tenant: usize,
    pub(crate) series: Vec<u32>,
    /// Number of its driver's name; empty where it is of no driver.
    pub(crate) driver: crate::names::NameId,
    pub(crate) sample: Vec<Profile>,
    bugchecks: Vec<u32>,
    known: HashSet<u64, FixedState>,
    sites: HashSet<u32, FixedState>,
    /// Machines of the last hours: (end of a stretch, machines).
    recent: VecDeque<(i64, u32)>,
    noted: u64,
    next_seq: u32,
    /// How often in a row it came back soon.
    flaps: u32,
    /// Whether anybody was told.
    told: bool,
    calm_since_ms: Option<i64>,
    looked: usize,
    looked_ms: i64,
    told_origin: Option<(Origin, Vec<Element>)>,
    pub(crate) reference: Option<Vec<Profile>>,
}

impl Case {
    pub(crate) fn new(
        incident: Incident,
        tenant: usize,
        driver: crate::names::NameId,
        sample: Vec<(Profile, u32)>,
    ) -> Self {
        let noted = incident.machines;
        let (sample, bugchecks): (Vec<_>, Vec<_>) = sample.into_iter().unzip();
        let known = sample.iter().map(|profile| profile.machine).collect();
        let recent = VecDeque::from([(incident.opened_at_ms, narrow(noted))]);
        Self {
            looked_ms: incident.opened_at_ms,
            incident,
            tenant,
            series: Vec::new(),
            driver,
            sample,
            bugchecks,
            known,
            sites: HashSet::default(),
            recent,
            noted,
            next_seq: 0,
            flaps: 0,
            told: false,
            calm_since_ms: None,
            looked: 0,
            told_origin: None,
            reference: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.incident.state, State::Open | State::Acknowledged)
    }

    /// Whether another machine's profile is wanted.
    pub(crate) fn wants_profiles(&self) -> bool {
        self.is_open() && self.sample.len() < MOST_SAMPLE
    }

    /// One more machine.
    /// One that uploads late says nothing of now: it does not keep the incident open.
    pub(crate) fn add(
        &mut self,
        at_ms: i64,
        site: u32,
        late: bool,
        profile: Option<&Profile>,
        bugcheck: u32,
    ) {
        self.incident.machines += 1;
        self.note_site(site);
        match self.recent.back_mut() {
            _ if late => {}
            Some((at, machines)) if *at == at_ms => *machines = machines.saturating_add(1),
            _ => self.recent.push_back((at_ms, 1)),
        }
        if let Some(profile) = profile {
            self.keep(profile, bugcheck);
        }
    }

    /// A machine that is affected without having crashed.
    pub(crate) fn add_profile(&mut self, profile: &Profile) {
        self.keep(profile, 0);
    }

    pub(crate) fn keep(&mut self, profile: &Profile, bugcheck: u32) {
        if self.sample.len() < MOST_SAMPLE && self.known.insert(profile.machine) {
            self.sample.push(profile.clone());
            self.bugchecks.push(bugcheck);
        }
    }

    /// Whether there is something to explain anew.
    pub(crate) fn sample_is_new(&self) -> bool {
        self.sample.len() >= (self.looked * AGAIN_SHARE).max(1)
    }

    /// It is not calm.
    pub(crate) fn disturb(&mut self) {
        self.calm_since_ms = None;
    }

    pub(crate) fn note_site(&mut self, site: u32) {
        if self.sites.len() < MOST_SITES {
            self.sites.insert(site);
        }
        self.incident.sites = self.incident.sites.max(self.sites.len() as u64);
    }

    /// How many of these machines are its own.
    pub(crate) fn shares(&self, machines: impl Iterator<Item = u64>) -> usize {
        machines.filter(|machine| self.known.contains(machine)).count()
    }

    /// Ends a tick: what is recent, and growth.
    pub(crate) fn tick(&mut self, at_ms: i64) {
        while self.recent.front().is_some_and(|(at, _)| at_ms - at >= DAY_MS) || self.recent.len() > 20_000 {
            self.recent.pop_front();
        }
        self.incident.last_minute = self.machines_between(at_ms - 60_000, at_ms);
        self.incident.minute_before = self.machines_between(at_ms - 120_000, at_ms - 60_000);
        if self.incident.muted_until_ms.is_some_and(|until| until <= at_ms) {
            self.incident.muted_until_ms = None;
        }
    }

    fn machines_between(&self, after_ms: i64, until_ms: i64) -> u64 {
        let newest_first = self.recent.iter().rev().skip_while(|(at, _)| *at > until_ms);
        newest_first.take_while(|(at, _)| *at > after_ms).map(|(_, machines)| u64::from(*machines)).sum()
    }

    /// Machines of the last quarter of an hour.
    pub(crate) fn lately(&self, at_ms: i64) -> u64 {
        self.machines_between(at_ms - LATELY_MS, at_ms)
    }

    /// Whether it has grown tenfold since it was last said.
    pub(crate) fn has_grown(&mut self) -> bool {
        let grown = self.incident.machines >= self.noted.saturating_mul(10).max(10);
        if grown {
            self.noted = self.incident.machines;
        }
        grown
    }

    /// How long is looked back to tell whether it is calm, ms: a slow one looks calm by the minute.
    pub(crate) fn patience_ms(&self, resolve_after_ms: i64) -> i64 {
        let machines = i64::try_from(self.incident.reason.machines.max(1)).unwrap_or(i64::MAX);
        let gap = (self.incident.opened_at_ms - self.incident.onset_ms).max(0) / machines;
        (gap * GAPS).max(resolve_after_ms / 3).min(DAY_MS)
    }

    /// Whether it is over: calm, where `usual` machines may be expected within its patience, for long enough. One that
    /// came back must be calm for twice as long each time.
    pub(crate) fn is_over(&mut self, at_ms: i64, patience_ms: i64, most: f64, resolve_after_ms: i64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a count of machines")]
        let machines = self.machines_between(at_ms - patience_ms, at_ms) as f64;
        if machines > most {
            self.calm_since_ms = None;
            return false;
        }
        let since = *self.calm_since_ms.get_or_insert(at_ms);
        let needed = resolve_after_ms.saturating_mul(1 << self.flaps.min(4)).max(patience_ms);
        at_ms - since >= needed
    }

    /// Whether what the machines share is to be looked at again.
    pub(crate) fn is_due(&self, at_ms: i64) -> bool {
        self.sample_is_new()
            || self.reference.is_some()
            || (self.sample.len() > self.looked && at_ms - self.looked_ms >= AGAIN_MS)
    }

    /// Takes in an answer; whether it says something else than the last one that was told.
    pub(crate) fn attribute(&mut self, at_ms: i64, attribution: Attribution) -> bool {
        self.looked = self.sample.len();
        self.looked_ms = at_ms;
        if self.knew_better(&attribution) {
            return false;
        }
        let lead = attribution.claims.first().map(|claim| claim.elements.clone()).unwrap_or_default();
        let said = (attribution.origin, lead);
        self.incident.attribution = Some(attribution);
        let news = said.0 != Origin::Unknown && self.told_origin.as_ref() != Some(&said);
        if news {
            self.told_origin = Some(said);
        }
        news
    }

    /// Whether the last answer says more than this one. Evidence goes away: when a bad build has reached everybody, nobody
    /// is left who does not run it.
    fn knew_better(&self, now: &Attribution) -> bool {
        let Some(before) = &self.incident.attribution else { return false };
        match (before.origin, now.origin) {
            (Origin::Unknown, _) => false,
            (_, Origin::Unknown) => true,
            (_, Origin::AllVersions) => before.claims.first().is_some_and(|claim| self.still_share(claim)),
            _ => false,
        }
    }

    /// Whether the affected machines still run the one build of a claim.
    fn still_share(&self, claim: &Claim) -> bool {
        let [element] = claim.elements.as_slice() else { return false };
        let builds = self.sample.iter().map(|profile| profile.version.timestamp).filter(|build| *build != 0);
        let known = builds.clone().count();
        let have = builds.filter(|build| format!("{build:#x}") == element.value).count();
        element.facet == Facet::Version && have * 10 >= known * 9
    }

    /// Opens it again.
    pub(crate) fn reopen(&mut self, at_ms: i64) {
        let soon = self.incident.resolved_at_ms.is_some_and(|at| at_ms - at < FLAP_MS);
        self.flaps = if soon { self.flaps.saturating_add(1) } else { 0 };
        if !soon {
            // Another day, maybe another cause.
            self.sample.clear();
            self.bugchecks.clear();
            self.known.clear();
            self.looked = 0;
            self.told_origin = None;
            self.incident.attribution = None;
        }
        self.incident.state = State::Open;
        self.incident.resolved_at_ms = None;
        self.incident.acknowledged_by.clear();
        self.incident.reopened = self.incident.reopened.saturating_add(1);
        self.incident.grown = 0;
        self.calm_since_ms = None;
    }

    /// Ends it as part of another.
    pub(crate) fn merge(&mut self, into: u128, at_ms: i64) {
        self.incident.state = State::Merged;
        self.incident.merged_into = Some(into);
        self.incident.resolved_at_ms = Some(at_ms);
    }

    pub(crate) fn resolve(&mut self, at_ms: i64) {
        self.incident.state = State::Resolved;
        self.incident.resolved_at_ms = Some(at_ms);
        self.calm_since_ms = None;
    }

    /// The next step of its life, as it is now.
    pub(crate) fn step(&mut self, step: Step, at_ms: i64, names: &Names) -> Transition {
        self.tally(names);
        let muted = self.incident.muted_until_ms.is_some();
        let loud = matches!(step, Step::Resolved | Step::Escalated | Step::Grew);
        let flapping = self.flaps >= FLAPS && !loud;
        let tell = match step {
            Step::Opened | Step::Escalated | Step::Grew | Step::Reopened => !muted && !flapping,
            Step::Attributed => self.told && !muted && !flapping,
            Step::Resolved | Step::Acknowledged | Step::Merged => self.told,
            Step::Joined | Step::Muted | Step::Unmuted | Step::Commented => false,
        };
        self.told |= tell;
        if tell && step == Step::Grew {
            self.incident.grown = self.incident.grown.saturating_add(1);
        }
        let seq = self.next_seq;
        self.next_seq = seq.saturating_add(1);
        Transition {
            step,
            at_ms,
            seq,
            tell,
            by: String::new(),
            words: String::new(),
            incident: self.incident.clone(),
        }
    }

    pub(crate) fn escalate(&mut self) -> bool {
        let louder = self.incident.severity == Severity::Sev2;
        self.incident.severity = Severity::Sev1;
        louder
    }

    /// The incident with its lists as they are now.
    pub(crate) fn view(&self, names: &Names) -> Incident {
        let mut incident = self.incident.clone();
        incident.fill(&self.sample, &self.bugchecks, names);
        incident
    }

    fn tally(&mut self, names: &Names) {
        self.incident.fill(&self.sample, &self.bugchecks, names);
    }
}

impl Incident {
    fn fill(&mut self, sample: &[Profile], bugchecks: &[u32], names: &Names) {
        let driver = match &self.subject {
            Subject::Driver(driver) | Subject::Silence(driver, _) => driver.as_str(),
            _ => "",
        };
        let known = |name: crate::names::NameId| (name.0 != 0).then(|| names.name(name).to_owned());
        let of_driver = sample.iter().filter(|profile| profile.version.timestamp != 0);
        self.versions = top(of_driver.map(|profile| Some(format!("0x{:08x}", profile.version.timestamp))));
        self.fault_sites = top(sample.iter().map(|profile| {
            (!driver.is_empty() && profile.fault_offset != 0)
                .then(|| format!("{driver}+0x{:x}", profile.fault_offset))
        }));
        self.bug_checks = top(bugchecks.iter().map(|code| (*code != 0).then(|| format!("0x{code:X}"))));
        self.os_builds = top(sample.iter().map(|p| (p.os_build != 0).then(|| p.os_build.to_string())));
        self.models = top(sample.iter().map(|profile| known(profile.model)));
        self.rings = top(sample.iter().map(|profile| known(profile.ring)));
        self.top_sites = top(sample.iter().map(|profile| known(profile.site)));
    }
}

/// The most frequent values; those that are unknown are left out.
fn top(values: impl Iterator<Item = Option<String>>) -> Vec<Tally> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for value in values.flatten() {
        *counts.entry(value).or_default() += 1;
    }
    let mut list: Vec<Tally> = counts.into_iter().map(|(name, machines)| Tally { name, machines }).collect();
    list.sort_by(|a, b| b.machines.cmp(&a.machines).then_with(|| a.name.cmp(&b.name)));
    list.truncate(TOP);
    list
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
