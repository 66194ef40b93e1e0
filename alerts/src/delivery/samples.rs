//! Incidents for tests: an outage as that of 19 July 2024, and one whose every string is hostile.

use detector::attribution::{Attribution, Claim, Element, Facet, Origin};
use detector::incident::{Reason, Tally};
use detector::{Change, Incident, Severity, State, Step, Subject, Transition};

use uuid::Uuid;

use super::DeliveryConfig;
use super::story::Example;
use super::target::{Auth, PAGERDUTY_URL, Target, TargetKind};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const PAGES: &str = "https://bluescope.example/";
/// 19 July 2024, 04:10 UTC.
pub(crate) const AT_MS: i64 = 1_721_362_200_000;

pub(crate) fn target(name: &str, kind: TargetKind, url: &str) -> Target {
    Target { name: name.to_owned(), kind, url: url.into(), allow_private: true, template: None }
}

/// One target of each kind, all at this URL.
pub(crate) fn one_of_each(url: &str) -> DeliveryConfig {
    let targets = vec![
        target("hook", TargetKind::Webhook { secret: SECRET.into() }, url),
        target("pager", TargetKind::PagerDuty { routing_key: ROUTING_KEY.into() }, url),
        target("slack", TargetKind::Slack, url),
        target("teams", TargetKind::Teams, url),
        target("am", TargetKind::Alertmanager { auth: Auth::None }, url),
    ];
    assert_eq!(PAGERDUTY_URL.split('/').next(), Some("https:"));
    DeliveryConfig { targets, ..DeliveryConfig::default() }
}

pub(crate) fn tally(name: &str, machines: u64) -> Tally {
    Tally { name: name.to_owned(), machines }
}

pub(crate) fn incident() -> Incident {
    Incident {
        id: 0x1234,
        tenant: "acme".to_owned(),
        subject: Subject::Driver("csagent.sys".to_owned()),
        severity: Severity::Sev1,
        state: State::Open,
        onset_ms: AT_MS - 60_000,
        opened_at_ms: AT_MS,
        resolved_at_ms: None,
        muted_until_ms: None,
        acknowledged_by: String::new(),
        reopened: 0,
        grown: 0,
        merged_into: None,
        also: vec![Subject::BugCheck(0x50)],
        machines: 1816,
        exposed: Some(8000),
        sites: 312,
        last_minute: 900,
        minute_before: 400,
        reason: reason(),
        attribution: Some(attribution()),
        versions: vec![tally("0x6691e5cc", 1816)],
        fault_sites: vec![tally("csagent.sys+0xe14ed", 1816)],
        bug_checks: vec![tally("0x50", 1200), tally("0x7e", 616)],
        os_builds: vec![tally("19045", 1500)],
        models: vec![],
        rings: vec![tally("", 1816)],
        top_sites: vec![tally("Berlin", 1000), tally("", 500), tally("Lyon", 316)],
    }
}

fn reason() -> Reason {
    Reason {
        rho: 10.0,
        score: 41.3,
        threshold: 22.8,
        machines: 12,
        spread_machines: 10,
        sites: 9,
        expected: 0.055,
        usual_per_minute: 0.055,
        common_mode: 1.0,
        late: false,
    }
}

fn attribution() -> Attribution {
    let change = Change {
        tenant: "acme".to_owned(),
        at_ms: AT_MS - 61_000,
        what: "channel file 291".to_owned(),
        version: "32".to_owned(),
        timestamp: 0,
        ring: String::new(),
        vendor: "CrowdStrike".to_owned(),
    };
    Attribution {
        origin: Origin::AllVersions,
        claims: vec![Claim {
            elements: vec![Element { facet: Facet::OsBuild, value: "19045".to_owned() }],
            affected: 1500,
            exposed: 6000,
            share: 0.4,
            share_low: 0.3,
            share_high: 0.5,
            odds: f64::INFINITY,
            odds_low: 1.0,
            odds_high: f64::NAN,
        }],
        vetoed: vec![],
        change: Some((change.clone(), 1)),
        also_changed: vec![change],
        affected: 1816,
        reference: 4000,
        sentence: "All 3 versions of csagent.sys at once, on 4 models: suspect content, configuration or an outside \
                   trigger."
            .to_owned(),
    }
}

/// Two crashes of it, the second of a machine with a name that is meant to deceive.
pub(crate) fn examples() -> Vec<Example> {
    let example = |number: u128, machine: &str, at_ms| Example {
        crash_id: Uuid::from_u128(number),
        machine: machine.to_owned(),
        at_ms,
    };
    vec![example(0xE1, "PC-0001", AT_MS - 20_000), example(0xE2, "<!channel>\u{202e}](x)", 0)]
}

pub(crate) fn transition(step: Step) -> Transition {
    let mut incident = incident();
    match step {
        Step::Resolved => {
            incident.state = State::Resolved;
            incident.resolved_at_ms = Some(AT_MS + 4_680_000);
        }
        Step::Merged => {
            incident.state = State::Merged;
            incident.merged_into = Some(0x99);
        }
        Step::Acknowledged => incident.state = State::Acknowledged,
        _ => {}
    }
    let at_ms = incident.resolved_at_ms.unwrap_or(AT_MS);
    Transition { step, at_ms, seq: 0, tell: true, by: String::new(), words: String::new(), incident }
}

/// Every string as bad as it can be, every list as long.
pub(crate) fn hostile() -> Transition {
    let name = "\u{202e}\0\"</script>../<!channel>*[x](https://evil.example)`{driver}\u{1f4a3}".repeat(200);
    let mut transition = transition(Step::Opened);
    let incident = &mut transition.incident;
    let tallies: Vec<Tally> = (0..500).map(|number| tally(&format!("{number}{name}"), 7)).collect();
    incident.subject = Subject::Driver(name.clone());
    incident.tenant.clone_from(&name);
    incident.acknowledged_by.clone_from(&name);
    incident.also = vec![Subject::Bucket(name.clone()); 500];
    for list in [
        &mut incident.versions,
        &mut incident.fault_sites,
        &mut incident.bug_checks,
        &mut incident.os_builds,
        &mut incident.models,
        &mut incident.rings,
        &mut incident.top_sites,
    ] {
        list.clone_from(&tallies);
    }
    if let Some(found) = &mut incident.attribution {
        found.sentence.clone_from(&name);
        found.vetoed = vec![name.clone(); 500];
        found.claims = vec![found.claims[0].clone(); 500];
        found.claims[0].elements = vec![Element { facet: Facet::Model, value: name.clone() }; 500];
        found.also_changed = vec![found.also_changed[0].clone(); 500];
        found.also_changed[0].what.clone_from(&name);
        if let Some((change, _)) = &mut found.change {
            change.what.clone_from(&name);
        }
    }
    incident.machines = u64::MAX;
    incident.exposed = Some(0);
    incident.last_minute = u64::MAX;
    incident.onset_ms = i64::MIN;
    incident.opened_at_ms = i64::MAX;
    incident.reason.expected = f64::NAN;
    incident.reason.usual_per_minute = f64::NEG_INFINITY;
    transition.by.clone_from(&name);
    transition.words = name;
    transition
}
