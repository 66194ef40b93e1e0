//! Drills against the stand-in: one that goes well, and every way to go wrong.

use std::net::TcpListener;
use std::time::Duration;

use axum::http::StatusCode;

use super::{DrillConfig, DrillReport, run};
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

#[tokio::test]
async fn a_page_for_the_right_driver_passes() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = StandIn::start(Manners { webhook: Some(address), ..Manners::default() }).await;
    let report = run(DrillConfig { receive: Some(address), ..config(&server) }).await.unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.page.as_ref().unwrap().driver, "csagent.sys");
    assert_eq!(report.victims, 40);
    let seen = server.seen();
    assert_eq!((report.sent, report.accepted), (seen.uploads, seen.uploads));
    assert_eq!(report.distinct_crashes, seen.crashes.len() as u64);
    assert_eq!(report.rows, report.distinct_crashes);
    assert!(report.accepted > report.distinct_crashes, "nothing was sent twice");
    assert!(seen.forms > 0, "nothing was sent by form");
    let (first, tenth) = (report.first_crash_ms.unwrap(), report.tenth_machine_ms.unwrap());
    assert!(first <= tenth && report.webhook_ms.unwrap() >= first);
    let text = report.to_string();
    assert!(text.contains("after the tenth machine") && text.ends_with("passed"), "{text}");
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
