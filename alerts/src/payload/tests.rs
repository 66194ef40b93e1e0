//! Snapshots of whole bodies, and hostile names in them.

use storage::questions::{BugcheckRow, BuildRow, SiteRow, VersionRow};

use super::*;

fn evidence() -> Evidence {
    let share = |name: &str, machines| storage::questions::Share {
        name: name.to_owned(),
        machines,
        crashes: machines,
    };
    Evidence {
        machines: 1816,
        crashes: 1903,
        first_ms: 1_721_362_140_000,
        last_ms: 1_721_362_200_000,
        site_count: 3,
        versions: vec![VersionRow {
            timestamp: 0x6691_e5cc,
            size: 0x1f_6000,
            machines: 1816,
            crashes: 1903,
            first_seen_ms: 1,
            last_seen_ms: 2,
        }],
        bugchecks: vec![
            BugcheckRow {
                code: 0x50,
                name: "PAGE_FAULT_IN_NONPAGED_AREA".into(),
                machines: 1200,
                crashes: 1250,
            },
            BugcheckRow {
                code: 0x7e,
                name: "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED".into(),
                machines: 616,
                crashes: 653,
            },
        ],
        fault_sites: vec![SiteRow { timestamp: 0x6691_e5cc, offset: 0xe14ed, machines: 1816, crashes: 1903 }],
        sites: vec![share("Berlin", 1000), share("", 500), share("Lyon", 316)],
        rings: vec![share("", 1816)],
        builds: vec![BuildRow { build: 19045, ubr: 4651, machines: 1500, crashes: 1500 }],
        models: vec![],
        buckets: vec![],
        examples: vec![Uuid::from_u128(7)],
    }
}

fn reason() -> Reason {
    Reason {
        onset_ms: 1_721_362_140_000,
        machines: 12,
        sites: 2,
        span_s: 60,
        expected: 0.055,
        baseline_per_minute: 0.055,
        common_mode: 1.0,
        log10_chance: -24.5,
    }
}

fn facts<'a>(driver: &'a str, reason: &'a Reason) -> Facts<'a> {
    Facts {
        incident_id: Uuid::from_u128(0x1234),
        tenant: "acme",
        driver,
        reason,
        opened_at_ms: 1_721_362_200_000,
        resolved_at_ms: None,
        machines_per_minute: 1816,
        page_url: "https://bluescope.example/",
    }
}

#[test]
fn an_opened_incident() {
    insta::assert_json_snapshot!(payload(&facts("csagent.sys", &reason()), &evidence()));
}

#[test]
fn a_resolved_incident_says_so() {
    let reason = reason();
    let facts = Facts { resolved_at_ms: Some(1_721_366_880_000), ..facts("csagent.sys", &reason) };
    let said = payload(&facts, &evidence());
    assert_eq!(said.kind, "incident.resolved");
    assert_eq!(said.data.resolved_at.as_deref(), Some("2024-07-19T05:28:00Z"));
    assert_eq!(
        said.data.summary,
        "csagent.sys is back at its usual rate: 1816 machines went down since 2024-07-19T04:09:00Z"
    );
}

#[test]
fn hostile_names_stay_strings_and_short() {
    let name = "\u{202e}\0\"</script>../".repeat(400);
    let reason = reason();
    let text = serde_json::to_string(&payload(&facts(&name, &reason), &evidence())).unwrap();
    let back: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(back["data"]["driver"].as_str().unwrap().chars().count(), LONGEST + 1);
    assert!(text.len() < 8_000, "{} bytes", text.len());
}
