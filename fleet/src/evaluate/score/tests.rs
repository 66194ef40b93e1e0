//! Hand-made transitions and alarms against hand-made truths.

use detector::attribution::{Attribution, Claim};
use detector::incident::Reason;
use detector::{Incident, Step};

use super::*;

const MINUTE: i64 = 60_000;

fn truth() -> Truth {
    Truth {
        id: "one".to_owned(),
        class: OutageClass::NewVersion,
        tenant: String::new(),
        drivers: vec!["bad.sys".to_owned()],
        subjects_any: false,
        begin_ms: 100 * MINUTE,
        end_ms: 160 * MINUTE,
        first_upload_ms: Some(101 * MINUTE),
        rate: 1.8,
        machines: 6480,
        origin: Origin::NewVersion,
        elements: vec![Element { facet: Facet::Version, value: "0x5".to_owned() }],
        page: Expect::Page,
    }
}

fn incident(driver: &str, severity: Severity) -> Incident {
    Incident {
        id: 7,
        tenant: String::new(),
        subject: Subject::Driver(driver.to_owned()),
        severity,
        state: State::Open,
        onset_ms: 0,
        opened_at_ms: 0,
        resolved_at_ms: None,
        muted_until_ms: None,
        acknowledged_by: String::new(),
        reopened: 0,
        grown: 0,
        merged_into: None,
        also: Vec::new(),
        machines: 60,
        exposed: None,
        sites: 12,
        last_minute: 0,
        minute_before: 0,
        reason: Reason {
            rho: 10.0,
            score: 25.0,
            threshold: 22.8,
            machines: 60,
            spread_machines: 55,
            sites: 12,
            expected: 0.2,
            usual_per_minute: 0.1,
            common_mode: 1.0,
            late: false,
        },
        attribution: None,
        versions: Vec::new(),
        fault_sites: Vec::new(),
        bug_checks: Vec::new(),
        os_builds: Vec::new(),
        models: Vec::new(),
        rings: Vec::new(),
        top_sites: Vec::new(),
    }
}

fn step(step: Step, minute: i64, incident: Incident) -> Transition {
    Transition {
        step,
        at_ms: minute * MINUTE,
        seq: 0,
        tell: true,
        by: String::new(),
        words: String::new(),
        incident,
    }
}

fn attribution(origin: Origin, facet: Facet, value: &str) -> Attribution {
    Attribution {
        origin,
        claims: vec![Claim {
            elements: vec![Element { facet, value: value.to_owned() }],
            affected: 60,
            exposed: 1,
            share: 0.99,
            share_low: 0.9,
            share_high: 1.0,
            odds: 100.0,
            odds_low: 50.0,
            odds_high: 200.0,
        }],
        vetoed: Vec::new(),
        change: None,
        also_changed: Vec::new(),
        affected: 60,
        reference: 100,
        sentence: String::new(),
    }
}

fn alarm(minute: i64, severity: Severity, subject: Subject) -> Alarm {
    let why = String::new();
    Alarm { at_ms: minute * MINUTE, severity, tenant: String::new(), subject, machines: 20, sites: 0, why }
}

fn driver(name: &str) -> Subject {
    Subject::Driver(name.to_owned())
}

#[test]
fn a_ticket_that_becomes_a_page_is_both() {
    let score = Score::of_transitions(
        &[truth()],
        &[
            step(Step::Opened, 102, incident("bad.sys", Severity::Sev2)),
            step(Step::Escalated, 104, incident("bad.sys", Severity::Sev1)),
            step(Step::Grew, 110, incident("bad.sys", Severity::Sev1)),
            step(Step::Reopened, 170, incident("bad.sys", Severity::Sev1)),
        ],
    );
    let found = &score.truths[0];
    assert_eq!((found.alarm_s, found.page_s, found.repetitions), (Some(60.0), Some(180.0), 1));
    assert_eq!(found.delay_s(), Some(180.0));
    assert!(score.false_alarms.is_empty());
}

#[test]
fn what_nobody_is_told_is_no_alarm() {
    let mut opened = step(Step::Opened, 102, incident("bad.sys", Severity::Sev1));
    opened.tell = false;
    let score = Score::of_transitions(&[truth()], &[opened]);
    assert_eq!((score.truths[0].page_s, score.false_alarms.len()), (None, 0));
}

#[test]
fn another_driver_tenant_or_time_is_false() {
    let late = |minute| alarm(minute, Severity::Sev1, driver("bad.sys"));
    let mut foreign = late(120);
    foreign.tenant = "other".to_owned();
    let alarms = vec![
        late(99),
        alarm(120, Severity::Sev1, driver("good.sys")),
        alarm(120, Severity::Sev1, Subject::Everything),
        foreign,
        late(191),
    ];
    let score = Score::of_alarms(&[truth()], alarms);
    assert_eq!((score.false_alarms.len(), score.truths[0].alarm_s), (5, None));
    let score = Score::of_alarms(&[truth()], vec![late(190)]);
    assert_eq!((score.false_alarms.len(), score.truths[0].page_s), (0, Some(89.0 * 60.0)));
}

#[test]
fn a_ticket_is_not_the_page_that_is_owed() {
    let ticket = alarm(102, Severity::Sev2, driver("bad.sys"));
    let score = Score::of_alarms(&[truth()], vec![ticket.clone()]);
    assert_eq!((score.truths[0].delay_s(), score.truths[0].alarm_s), (None, Some(60.0)));
    let owed_a_ticket = Truth { page: Expect::Ticket, ..truth() };
    let score = Score::of_alarms(&[owed_a_ticket], vec![ticket.clone()]);
    assert_eq!(score.truths[0].delay_s(), Some(60.0));
    let small = Truth { page: Expect::Nothing, ..truth() };
    let score = Score::of_alarms(&[small], vec![ticket]);
    assert_eq!((score.truths[0].delay_s(), score.false_alarms.len()), (None, 0), "neither owed nor wrong");
}

#[test]
fn spread_blame_is_explained_by_anything_but_another_driver() {
    let spread = Truth { subjects_any: true, ..truth() };
    let alarms = vec![
        alarm(103, Severity::Sev1, Subject::BugCheck(0x50)),
        alarm(104, Severity::Sev1, driver("good.sys")),
        alarm(105, Severity::Sev1, Subject::Unattributed),
    ];
    let score = Score::of_alarms(&[spread], alarms);
    assert_eq!((score.truths[0].page_s, score.truths[0].repetitions), (Some(120.0), 1));
    assert_eq!(score.false_alarms.len(), 1);
}

#[test]
fn two_outages_share_no_alarm() {
    let spread = Truth { id: "spread".to_owned(), subjects_any: true, drivers: Vec::new(), ..truth() };
    let second = Truth { id: "two".to_owned(), drivers: vec!["two.sys".to_owned()], ..truth() };
    let alarms = vec![
        alarm(102, Severity::Sev1, driver("bad.sys")),
        alarm(103, Severity::Sev1, driver("two.sys")),
        alarm(104, Severity::Sev1, Subject::Everything),
    ];
    let score = Score::of_alarms(&[truth(), second, spread], alarms);
    let delays: Vec<_> = score.truths.iter().map(|truth| truth.page_s).collect();
    assert_eq!(delays, [Some(60.0), Some(120.0), Some(180.0)]);
}

#[test]
fn machines_that_went_dark_are_timed_from_the_beginning() {
    let dark = Truth { first_upload_ms: Some(150 * MINUTE), ..truth() };
    let alarms = vec![alarm(110, Severity::Sev1, Subject::Silence("bad.sys".to_owned(), None))];
    assert_eq!(Score::of_alarms(&[dark], alarms).truths[0].page_s, Some(600.0));
    let never = Truth { first_upload_ms: None, ..truth() };
    let alarms = vec![alarm(110, Severity::Sev1, driver("bad.sys"))];
    assert_eq!(Score::of_alarms(&[never], alarms).truths[0].page_s, Some(600.0));
}

/// What an incident said at two moments, and whether that is judged right.
fn attributed_as(truth: &Truth, said: &[(i64, Attribution)], machines: u64) -> Vec<bool> {
    let mut steps = vec![step(Step::Opened, 102, incident("bad.sys", Severity::Sev1))];
    for (minute, attribution) in said {
        let told = Incident {
            attribution: Some(attribution.clone()),
            machines,
            ..incident("bad.sys", Severity::Sev1)
        };
        steps.push(step(Step::Attributed, *minute, told));
    }
    let score = Score::of_transitions(std::slice::from_ref(truth), &steps);
    score.truths[0].attributed.iter().map(|attributed| attributed.right).collect()
}

#[test]
fn the_last_word_on_the_cause_counts() {
    let right = attribution(Origin::NewVersion, Facet::Version, "0x5");
    let other = attribution(Origin::NewVersion, Facet::Version, "0x6");
    let model = attribution(Origin::Model, Facet::Model, "latitude");
    let check = |said: &[(i64, Attribution)], machines| attributed_as(&truth(), said, machines);
    assert_eq!(check(&[(103, model.clone()), (105, right.clone())], 60), [true]);
    assert_eq!(check(&[(103, right.clone()), (105, model.clone())], 60), [false]);
    assert_eq!(check(&[(103, other)], 60), [false]);
    assert_eq!(check(&[], 60), [false], "saying nothing with 60 machines is wrong");
    assert_eq!(check(&[(103, model.clone())], 49), Vec::<bool>::new(), "too few machines to say anything");
    assert_eq!(check(&[(103, right), (161, model)], 60), [true], "after the end nothing counts");
}

#[test]
fn a_module_may_be_named_with_its_build() {
    let module = Element { facet: Facet::Module, value: "hook.sys".to_owned() };
    let beside = Truth { origin: Origin::Module, elements: vec![module], ..truth() };
    let narrower = attribution(Origin::Module, Facet::ModuleVersion, "hook.sys 0x77");
    let another = attribution(Origin::Module, Facet::ModuleVersion, "hooks.sys 0x77");
    assert_eq!(attributed_as(&beside, &[(103, narrower)], 60), [true]);
    assert_eq!(attributed_as(&beside, &[(103, another)], 60), [false]);
}
