//! Drills against the stand-in: one that goes well, and every way to go wrong.

use std::net::TcpListener;
use std::time::Duration;

use axum::http::StatusCode;
use detector::attribution::Origin;

use super::{DrillConfig, DrillReport, Page, Told, run};
use crate::client::Shared;
use crate::stand_in::{Manners, StandIn};

fn config(server: &StandIn) -> DrillConfig {
    DrillConfig {
        url: server.url.clone(),
        machines: 40,
        sites: 12,
        background: Duration::from_millis(300),
        outage: Duration::from_millis(700),
        background_per_s: 10.0,
        patience: Duration::from_secs(20),
        linger: Duration::ZERO,
        quiet: true,
        ..DrillConfig::default()
    }
}

async fn drill(manners: Manners) -> (DrillReport, StandIn) {
    let server = StandIn::start(manners).await;
    (run(config(&server)).await.unwrap(), server)
}

/// A drill that cannot come to what it waits for.
async fn short(manners: Manners) -> DrillReport {
    let server = StandIn::start(manners).await;
    run(DrillConfig { patience: Duration::from_millis(600), ..config(&server) }).await.unwrap()
}

/// A drill that hears its pages.
async fn heard(manners: Manners) -> (DrillReport, StandIn) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = StandIn::start(Manners { webhook: Some(address), ..manners }).await;
    let within = Duration::from_secs(if manners.resolves { 20 } else { 0 });
    let config = DrillConfig {
        receive: Some(address),
        resolved_within: Some(within),
        machines: 60,
        patience: Duration::from_secs(if manners.severity == "sev1" { 20 } else { 1 }),
        ..config(&server)
    };
    (run(config).await.unwrap(), server)
}

#[tokio::test]
async fn a_page_for_the_right_driver_passes() {
    let (report, server) = heard(Manners::default()).await;
    assert!(report.passed(), "{report}");
    assert_eq!(report.page.as_ref().unwrap().driver, "csagent.sys");
    assert_eq!(report.victims, 60);
    let seen = server.seen();
    assert_eq!((report.sent, report.accepted), (seen.uploads, seen.uploads));
    assert_eq!(report.distinct_crashes, seen.crashes.len() as u64);
    assert_eq!(report.rows, report.distinct_crashes);
    assert!(report.accepted > report.distinct_crashes, "nothing was sent twice");
    assert!(seen.forms > 0, "nothing was sent by form");
    assert_eq!(seen.told.len(), 100, "every machine tells what it runs");
    assert!(seen.machines.is_subset(&seen.told));
    let (first, tenth) = (report.first_crash_ms.unwrap(), report.tenth_machine_ms.unwrap());
    assert!(first <= tenth && report.told.as_ref().unwrap().at_ms >= first);
    assert_eq!(report.told.as_ref().unwrap().summary, "SEV1 csagent.sys: 10 machines down");
}

#[tokio::test]
async fn a_ticket_is_no_page() {
    let (report, _) = heard(Manners { severity: "sev2", ..Manners::default() }).await;
    assert_eq!(report.faults(), ["no page for csagent.sys came"]);
}

#[tokio::test]
async fn a_wrong_cause_fails() {
    let manners = Manners { origin: "site", severity: "sev2", ..Manners::default() };
    let (report, _) = heard(manners).await;
    let wrong = "the machines share all versions at once: content, configuration or outside trigger, but the incident \
                 says: a site. As the stand-in says.";
    assert!(report.faults().iter().any(|fault| fault == wrong), "{report}");
}

#[tokio::test]
async fn an_incident_without_an_end_fails() {
    let (report, _) = heard(Manners { resolves: false, ..Manners::default() }).await;
    assert_eq!(report.faults(), ["the incident was not over 0 s after the last upload"]);
}

#[tokio::test]
async fn a_second_drill_finds_the_incident_that_comes_back() {
    let server = StandIn::start(Manners::default()).await;
    server.open_incident("csagent.sys");
    server.resolve_incidents();
    let report = run(config(&server)).await.unwrap();
    assert!(report.passed(), "{report}");
    let first = report.first_crash_ms.unwrap();
    assert!(report.page.as_ref().unwrap().opened_at_ms >= first, "the time it came back, not its first");
    let other = StandIn::start(Manners::default()).await;
    run(config(&other)).await.unwrap();
    assert!(server.seen().told.is_disjoint(&other.seen().told), "a round of other machines");
}

/// A report as a person reads it, with numbers that are the same each time.
fn report() -> DrillReport {
    DrillReport {
        sent: 2752,
        accepted: 2752,
        retries: 3,
        rejected: std::collections::BTreeMap::new(),
        bytes: 269_000_000,
        sending: Duration::from_millis(50_100),
        distinct_crashes: 2561,
        misnamed: 0,
        rows: 2561,
        queued: 0,
        lost: 0,
        balanced: true,
        victims: 2000,
        outage: true,
        blamed: vec!["csagent.sys".to_owned()],
        page: Some(Page {
            incident_id: "b7f3".to_owned(),
            driver: "csagent.sys".to_owned(),
            opened_at_ms: 21_300,
            machines: 2000,
            shared: Some(Shared {
                origin: Origin::AllVersions,
                sentence: "All 3 versions of csagent.sys at once, on 8 models and 3 builds of Windows: suspect content, \
                           configuration or an outside trigger."
                    .to_owned(),
            }),
        }),
        told: Some(Told {
            at_ms: 21_400,
            severity: "sev1".to_owned(),
            machines: 57,
            summary: "SEV1 csagent.sys: 57 of 2,709 machines down (2.1 %) since 10:00 UTC, 57 in the last minute; at \
                      csagent.sys+0xe14ed"
                .to_owned(),
        }),
        webhook_expected: true,
        truth: Some(Origin::AllVersions),
        resolved_ms: Some(66_000),
        resolved_within: Some(Duration::from_secs(90)),
        strangers: Vec::new(),
        fair: Vec::new(),
        first_crash_ms: Some(20_000),
        tenth_machine_ms: Some(20_150),
        last_upload_ms: 50_000,
    }
}

#[test]
fn a_report_of_a_drill_that_passed() {
    insta::assert_snapshot!(report());
}

#[test]
fn a_report_of_a_drill_that_failed() {
    let passed = report();
    let page = passed.page.clone().map(|page| Page { shared: None, ..page });
    let rejected = [("413 Payload Too Large".to_owned(), 7)].into();
    insta::assert_snapshot!(DrillReport {
        page,
        told: None,
        resolved_ms: None,
        rejected,
        rows: 2560,
        ..passed
    });
}

#[tokio::test]
async fn a_page_for_another_driver_fails() {
    let report = short(Manners { blames: "ntfs.sys", ..Manners::default() }).await;
    assert!(!report.passed());
    assert_eq!(report.strangers, ["ntfs.sys"]);
    assert!(report.to_string().contains("no incident for csagent.sys was opened"), "{report}");
}

#[tokio::test]
async fn a_lost_row_fails() {
    let report = short(Manners { forgets: 20, ..Manners::default() }).await;
    assert!(report.rows < report.distinct_crashes);
    let text = report.to_string();
    assert!(text.contains("distinct crashes accepted, but") && text.ends_with("failed"), "{text}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let (report, server) = drill(Manners { busy: 7, ..Manners::default() }).await;
    assert!(report.passed(), "{report}");
    assert_eq!(report.retries, 7);
    assert_eq!(report.accepted, server.seen().uploads);
}

#[tokio::test]
async fn a_refusal_is_counted() {
    let report = short(Manners { refuses: Some(StatusCode::PAYLOAD_TOO_LARGE), ..Manners::default() }).await;
    assert_eq!(report.accepted, 0);
    assert_eq!(report.rejected.values().sum::<u64>(), report.sent);
    assert!(report.to_string().contains("413"), "{report}");
}

#[tokio::test]
async fn tokens_are_sent() {
    let server = StandIn::start(Manners { token: Some("secret"), ..Manners::default() }).await;
    let report = run(DrillConfig { token: Some("secret".into()), ..config(&server) }).await.unwrap();
    assert!(report.passed(), "{report}");
}

#[tokio::test]
async fn an_open_incident_leaves_nothing_to_drill() {
    let server = StandIn::start(Manners::default()).await;
    server.open_incident("csagent.sys");
    let error = run(config(&server)).await.unwrap_err();
    assert!(error.to_string().contains("still open"), "{error}");
    assert_eq!(server.seen().uploads, 0);
}

#[tokio::test]
async fn without_an_outage_nobody_is_paged() {
    let server = StandIn::start(Manners::default()).await;
    let report = run(DrillConfig { machines: 0, ..config(&server) }).await.unwrap();
    assert!(report.passed(), "{report}");
    assert!(report.sent > 0 && report.victims == 0);
}

/// Uploads of an outage that names no driver; the stand-in's incident, if any, names whom it is told to.
async fn nameless(id: &str, blames: Option<&'static str>) -> DrillReport {
    let server = StandIn::start(Manners::default()).await;
    let linger = Duration::from_millis(600);
    let running = tokio::spawn(run(DrillConfig { scenario: crate::outage(id), linger, ..config(&server) }));
    if let Some(driver) = blames {
        // the drill has seen what was open before once it uploads
        while server.seen().uploads == 0 {
            tokio::task::yield_now().await;
        }
        server.open_incident(driver);
    }
    running.await.unwrap().unwrap()
}

#[tokio::test]
async fn an_outage_that_names_nobody_pages_nobody() {
    let report = nameless("kb5055523-2025", None).await;
    assert!(report.passed(), "{report}");
    assert_eq!((report.victims, report.outage, report.page.clone()), (40, true, None));
    assert!(report.to_string().contains("no dump of this outage names a driver"), "{report}");
    let report = nameless("kb5055523-2025", Some("ntfs.sys")).await;
    assert_eq!(report.strangers, ["ntfs.sys"]);
    assert!(!report.passed(), "{report}");
}

#[tokio::test]
async fn what_broken_machines_break_in_is_fair_and_nothing_else() {
    let report = nameless("intel-raptorlake-2023", Some("nvlddmkm.sys")).await;
    assert_eq!(report.fair, ["nvlddmkm.sys"]);
    let report = nameless("intel-raptorlake-2023", Some("tcpip.sys")).await;
    assert_eq!(report.strangers, ["tcpip.sys"]);
}

#[tokio::test]
async fn whoever_hides_may_be_found() {
    let report = nameless("carbonblack-2022", Some("ctifile.sys")).await;
    assert!(report.passed(), "{report}");
    assert_eq!((report.strangers.len(), report.fair.as_slice()), (0, &["ctifile.sys".to_owned()][..]));
    assert!(report.to_string().contains("ctifile.sys: no dump"), "{report}");
    let report = nameless("carbonblack-2022", Some("ntoskrnl.exe")).await;
    assert!(report.passed(), "{report}");
}
