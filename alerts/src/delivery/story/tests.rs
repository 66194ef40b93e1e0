//! The words of every step, and hostile names in them.

use super::super::samples::{AT_MS, PAGES, examples, hostile, incident, transition};
use super::*;

fn line(transition: &Transition) -> String {
    story(transition, &[], PAGES, None).line
}

#[test]
fn the_line_says_what_an_engineer_needs_first() {
    let told = story(&transition(Step::Opened), &examples(), PAGES, None);
    assert_eq!(
        told.line,
        "SEV1 csagent.sys: 1,816 of 8,000 machines down (22.7 %) since 04:09 UTC, 900 in the last minute, up from 400; \
         All 3 versions of csagent.sys at once, on 4 models: suspect content, configuration or an outside trigger; \
         at csagent.sys+0xe14ed"
    );
    assert_eq!(told.title, "SEV1 csagent.sys");
    assert_eq!(told.link, "https://bluescope.example/incidents/00000000-0000-0000-0000-000000001234");
    let text: Vec<String> = told.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect();
    assert_eq!(
        text,
        [
            "Machines: 1,816 of 8,000 machines down (22.7 %), at 312 sites",
            "Since: 04:09 UTC (1 min)",
            "Growth: 900 machines in the last minute, 400 in the one before; usual are at most 0.06 a minute",
            "They share: All 3 versions of csagent.sys at once, on 4 models: suspect content, configuration or an outside \
             trigger",
            "Change before it: channel file 291 32, 1 s before the first machine",
            "Fault sites: csagent.sys+0xe14ed (1,816)",
            "Bug checks: 0x50 (1,200), 0x7e (616)",
            "Versions: 0x6691e5cc (1,816)",
            "Windows builds: 19045 (1,500)",
            "Also alarmed: bug check 0x50",
            "Tenant: acme",
        ]
    );
    let more: Vec<&str> = told.more.iter().map(|link| link.text.as_str()).collect();
    assert_eq!(more, ["Crash of PC-0001", "Crash of <!channel>\u{fffd}](x)"]);
}

#[test]
fn each_step_has_its_word() {
    let begins = |step, beginning: &str| {
        let line = line(&transition(step));
        assert!(line.starts_with(beginning), "{line}");
    };
    begins(Step::Escalated, "SEV1 csagent.sys: now a page, 1,816 of");
    begins(Step::Grew, "SEV1 csagent.sys: ten times more, 1,816 of");
    begins(
        Step::Attributed,
        "SEV1 csagent.sys: what they share is known. All 3 versions of csagent.sys at once",
    );
    begins(Step::Reopened, "SEV1 csagent.sys: is back, 1,816 of");
    begins(Step::Merged, "SEV1 csagent.sys: is part of another incident from now on, 1,816 of");
    let over = line(&transition(Step::Resolved));
    assert_eq!(over, "SEV1 csagent.sys: over after 79 min, 1,816 of 8,000 machines down (22.7 %)");
    let mut unknown = transition(Step::Opened);
    if let Some(found) = &mut unknown.incident.attribution {
        found.origin = Origin::Unknown;
        found.sentence = "Not known yet: 9 machines so far.".to_owned();
    }
    assert!(!line(&unknown).contains("Not known"), "{}", line(&unknown));
    assert!(facts(&unknown).iter().any(|fact| fact.value == "Not known yet: 9 machines so far"));
}

#[test]
fn lengths_and_growth_read_as_people_say_them() {
    let minutes = [0, 1, 119, 120, 2879, 2880].map(|minutes| span(minutes * 60_000));
    assert_eq!(minutes, ["less than a minute", "1 min", "119 min", "2 h 0 min", "47 h 59 min", "2 d 0 h"]);
    assert_eq!(span(i64::MIN), "less than a minute");
    let mut incident = incident();
    assert_eq!(pace(&incident), "900 in the last minute, up from 400");
    (incident.last_minute, incident.minute_before) = (3, 400);
    assert_eq!(pace(&incident), "3 in the last minute, down from 400");
    (incident.last_minute, incident.minute_before) = (60, 0);
    assert_eq!(pace(&incident), "60 in the last minute");
    assert_eq!(
        [0, 1, 3, 400].map(growth),
        [None, Some("x10".into()), Some("x1000".into()), Some("x1000000000".into())]
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut little = transition(Step::Opened);
    little.incident.exposed = None;
    little.incident.attribution = None;
    little.incident.fault_sites.clear();
    little.incident.onset_ms = AT_MS - 86_400_000;
    little.incident.subject = Subject::Silence("a.sys".to_owned(), None);
    let line = line(&little);
    assert_eq!(
        line,
        "SEV1 silence of a.sys: 1,816 machines dark since 2024-07-18 04:10 UTC, 900 in the last minute, up from 400"
    );
}

#[test]
fn every_subject_has_a_name() {
    for (found, name) in [
        (Subject::BugCheck(0x124), "bug check 0x124"),
        (Subject::OsBuild(22631), "Windows build 22631"),
        (Subject::Bucket("AV_x".to_owned()), "bucket AV_x"),
        (Subject::Unattributed, "crashes blamed on nobody"),
        (Subject::Everything, "all crashes"),
        (
            Subject::Silence("a.sys".to_owned(), Some(detector::Version { timestamp: 0x6690_2c2a, size: 0 })),
            "silence of a.sys 0x66902c2a",
        ),
    ] {
        assert_eq!(subject(&found), name);
    }
}

#[test]
fn a_template_replaces_the_line_and_can_hold_it() {
    let template: Template =
        "[{severity}] {driver}/{tenant} {step}: {machines} of {exposed} ({share}) at {sites} sites since {since}, \
         +{growth}, {bug_check} {version} {fault_site} {subject} {id} {link} <{line}> {attribution}"
            .parse()
            .unwrap();
    let told = story(&transition(Step::Grew), &[], PAGES, Some(&template)).line;
    assert_eq!(
        told,
        "[SEV1] csagent.sys/acme grew: 1,816 of 8,000 (22.7 %) at 312 sites since 04:09 UTC, +900, 0x50 0x6691e5cc \
         csagent.sys+0xe14ed csagent.sys 00000000-0000-0000-0000-000000001234 \
         https://bluescope.example/incidents/00000000-0000-0000-0000-000000001234 <SEV1 csagent.sys: ten times more, \
         1,816 of 8,000 machines down (22.7 %) since 04:09 UTC, 900 in the last minute, up from 400; All 3 versions of \
         csagent.sys at once, on 4 models: suspect content, configuration or an outside trigger; at \
         csagent.sys+0xe14ed> All 3 versions of csagent.sys at once, on 4 models: suspect content, configuration or an \
         outside trigger"
    );
}

#[test]
fn hostile_names_stay_on_their_line_and_short() {
    let template: Template = "{driver} {tenant} {fault_site} {attribution} {subject}".parse().unwrap();
    for template in [None, Some(&template)] {
        let told = story(&hostile(), &examples(), PAGES, template);
        let all = [&told.title, &told.line].into_iter().chain(told.facts.iter().map(|fact| &fact.value));
        for text in all {
            assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
            assert!(text.chars().count() < 2000, "{text}");
        }
    }
    assert_eq!(driver(&incident().subject), "csagent.sys");
}
