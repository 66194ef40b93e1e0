//! From the detector's incident to the published contract. A match names every variant, so that a new one of the
//! detector's does not compile until it has a published name.

use detector::attribution::{self, Attribution, Facet, Origin};
use detector::incident::{Reason, Tally};
use detector::{Severity, State, Step, Subject, Transition};
use uuid::Uuid;

use super::{
    About, BugCheck, Cause, Change, Claim, Counted, Crash, Data, Element, FaultSite, News, Payload, Portion,
    Severe, Shared, Side, Standing, Version, Why,
};
use crate::delivery::plain::{cut, rfc3339, share};
use crate::delivery::story::{self, Example, LONGEST, LONGEST_SENTENCE, Story};

/// Entries of each list.
const TOP: usize = 5;
/// Machines that the lists of an incident are counted from, at most.
const SAMPLE: u64 = 2000;

/// The body for one step of an incident; none for steps that this contract does not tell.
pub(in crate::delivery) fn body(
    transition: &Transition,
    examples: &[Example],
    page_url: &str,
    story: &Story,
) -> Option<Payload> {
    let data = || {
        let examples = examples.iter().take(TOP).map(|example| crash(example, page_url)).collect();
        Box::new(Data { examples, ..data(transition, story) })
    };
    let news = match transition.step {
        Step::Opened => News::Opened(data()),
        Step::Escalated => News::Escalated(data()),
        Step::Grew => News::Grew(data()),
        Step::Attributed => News::Attributed(data()),
        Step::Resolved | Step::Merged => News::Resolved(data()),
        Step::Reopened => News::Reopened(data()),
        Step::Joined | Step::Acknowledged | Step::Muted | Step::Unmuted | Step::Commented => return None,
    };
    Some(Payload { timestamp: rfc3339(transition.at_ms), news })
}

fn data(transition: &Transition, story: &Story) -> Data {
    let incident = &transition.incident;
    let sample = incident.machines.min(SAMPLE);
    let signed = |machines: u64| i64::try_from(machines).unwrap_or(i64::MAX);
    let bug_check = |code, machines, share| BugCheck { code, machines, share };
    let fault_site = |at, machines, share| FaultSite { at, machines, share };
    let version = |timestamp: String, machines, share| {
        let built = built(&timestamp);
        Version { timestamp, built, machines, share }
    };
    let portion = |name, machines, share| Portion { name, machines, share };
    Data {
        summary: story.line.clone(),
        severity: severe(incident.severity),
        state: standing(incident.state),
        subject: about(&incident.subject),
        driver: story::driver(&incident.subject),
        tenant: cut(&incident.tenant, LONGEST),
        machines: incident.machines,
        exposed: incident.exposed,
        exposed_share: incident.exposed.map(|exposed| share(incident.machines, exposed)),
        since: rfc3339(incident.onset_ms),
        opened_at: rfc3339(incident.opened_at_ms),
        resolved_at: incident.resolved_at_ms.map(rfc3339),
        machines_per_minute: incident.last_minute,
        growth_per_minute: signed(incident.last_minute).saturating_sub(signed(incident.minute_before)),
        usual_per_minute: (finite(incident.reason.usual_per_minute) * 100.0).round() / 100.0,
        attribution: incident.attribution.as_ref().map(shared),
        bug_checks: each(&incident.bug_checks, sample, bug_check),
        versions: each(&incident.versions, sample, version),
        fault_sites: each(&incident.fault_sites, sample, fault_site),
        site_count: incident.sites,
        sites: each(&incident.top_sites, sample, portion),
        rings: each(&incident.rings, sample, portion),
        builds: each(&incident.os_builds, sample, portion),
        models: each(&incident.models, sample, portion),
        examples: Vec::new(),
        also: incident.also.iter().take(TOP).map(about).collect(),
        reopened: incident.reopened,
        grown: incident.grown,
        acknowledged_by: cut(&incident.acknowledged_by, LONGEST),
        incident_id: Uuid::from_u128(incident.id),
        merged_into: incident.merged_into.map(Uuid::from_u128),
        seq: transition.seq,
        url: story.link.clone(),
        reason: why(&incident.reason),
    }
}

fn crash(example: &Example, page_url: &str) -> Crash {
    Crash {
        crash_id: example.crash_id,
        machine: cut(&example.machine, LONGEST),
        at: (example.at_ms > 0).then(|| rfc3339(example.at_ms)),
        url: example.url(page_url),
    }
}

/// The first few named values; a nameless one says nothing.
fn each<T>(list: &[Tally], sample: u64, one: impl Fn(String, u64, f64) -> T) -> Vec<T> {
    list.iter()
        .filter(|tally| !tally.name.is_empty())
        .take(TOP)
        .map(|tally| one(cut(&tally.name, LONGEST), tally.machines, share(tally.machines, sample)))
        .collect()
}

/// The date in a timestamp such as `0x66902c2a`.
fn built(timestamp: &str) -> Option<String> {
    let digits = timestamp.strip_prefix("0x")?;
    let seconds = u32::from_str_radix(digits, 16).ok().filter(|seconds| *seconds != 0)?;
    Some(rfc3339(i64::from(seconds) * 1000))
}

/// JSON has no other numbers; an odds ratio against nothing is endless.
fn finite(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.clamp(-1e12, 1e12) }
}

fn severe(severity: Severity) -> Severe {
    match severity {
        Severity::Sev1 => Severe::Sev1,
        Severity::Sev2 => Severe::Sev2,
    }
}

fn standing(state: State) -> Standing {
    match state {
        State::Open => Standing::Open,
        State::Acknowledged => Standing::Acknowledged,
        State::Resolved => Standing::Resolved,
        State::Merged => Standing::Merged,
    }
}

fn about(subject: &Subject) -> About {
    let (kind, name) = match subject {
        Subject::Driver(name) => (Counted::Driver, cut(name, LONGEST)),
        Subject::BugCheck(code) => (Counted::BugCheck, format!("0x{code:x}")),
        Subject::OsBuild(build) => (Counted::OsBuild, build.to_string()),
        Subject::Bucket(name) => (Counted::Bucket, cut(name, LONGEST)),
        Subject::Unattributed => (Counted::Unattributed, String::new()),
        Subject::Everything => (Counted::Everything, String::new()),
        Subject::Silence(name, _) => (Counted::Silence, cut(name, LONGEST)),
    };
    About { kind, name }
}

fn why(reason: &Reason) -> Why {
    Why {
        rho: finite(reason.rho),
        score: finite(reason.score),
        threshold: finite(reason.threshold),
        machines: reason.machines,
        spread_machines: reason.spread_machines,
        sites: reason.sites,
        expected: finite(reason.expected),
        common_mode: finite(reason.common_mode),
        late: reason.late,
    }
}

fn shared(found: &Attribution) -> Shared {
    Shared {
        origin: cause(found.origin),
        sentence: cut(&found.sentence, LONGEST_SENTENCE),
        claims: found.claims.iter().take(TOP).map(claim).collect(),
        vetoed: found.vetoed.iter().take(TOP).map(|words| cut(words, LONGEST_SENTENCE)).collect(),
        change: found.change.as_ref().map(|(change, before)| changed(change, Some(*before))),
        also_changed: found.also_changed.iter().take(TOP).map(|change| changed(change, None)).collect(),
        affected: found.affected,
        reference: found.reference,
    }
}

fn cause(origin: Origin) -> Cause {
    match origin {
        Origin::NewVersion => Cause::NewVersion,
        Origin::OsBuild => Cause::OsBuild,
        Origin::Model => Cause::Model,
        Origin::Site => Cause::Site,
        Origin::Ring => Cause::Ring,
        Origin::Module => Cause::Module,
        Origin::Slice => Cause::Slice,
        Origin::AllVersions => Cause::AllVersions,
        Origin::Unknown => Cause::Unknown,
    }
}

fn claim(claim: &attribution::Claim) -> Claim {
    let element = |element: &attribution::Element| Element {
        facet: match element.facet {
            Facet::Version => Side::Version,
            Facet::OsBuild => Side::OsBuild,
            Facet::Model => Side::Model,
            Facet::Site => Side::Site,
            Facet::Ring => Side::Ring,
            Facet::Module => Side::Module,
            Facet::ModuleVersion => Side::ModuleVersion,
        },
        value: cut(&element.value, LONGEST),
    };
    Claim {
        elements: claim.elements.iter().take(TOP).map(element).collect(),
        affected: claim.affected,
        exposed: claim.exposed,
        share: finite(claim.share),
        share_low: finite(claim.share_low),
        share_high: finite(claim.share_high),
        odds: finite(claim.odds),
        odds_low: finite(claim.odds_low),
        odds_high: finite(claim.odds_high),
    }
}

fn changed(change: &detector::Change, seconds_before: Option<i64>) -> Change {
    Change {
        what: cut(&change.what, LONGEST),
        version: cut(&change.version, LONGEST),
        ring: cut(&change.ring, LONGEST),
        at: rfc3339(change.at_ms),
        seconds_before,
    }
}
