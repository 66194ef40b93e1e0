//! The load generator against the stand-in.

use std::time::Duration;

use axum::http::StatusCode;

use super::{Encoding, LoadConfig, LoadReport, run};
use crate::stand_in::{Manners, StandIn};

fn config(server: &StandIn) -> LoadConfig {
    LoadConfig {
        url: server.url.clone(),
        duration: Duration::from_millis(500),
        concurrency: 4,
        machines: 200,
        quiet: true,
        ..LoadConfig::default()
    }
}

fn check_sound(report: &LoadReport, server: &StandIn) {
    let seen = server.seen();
    assert!(report.accepted > 0);
    assert_eq!(report.errors, 0);
    assert_eq!(report.accepted, seen.uploads);
    assert_eq!(report.accepted, seen.crashes.len() as u64, "every upload is a crash of its own");
    assert!(report.p50 <= report.p99 && report.p99 <= report.max && report.max < Duration::from_secs(30));
    assert!(report.dump_bytes / report.accepted > 170 * 1024);
}

#[tokio::test]
async fn every_dump_is_another_crash() {
    for encoding in [Encoding::Raw, Encoding::Zstd] {
        let server = StandIn::start(Manners::default()).await;
        let report = run(LoadConfig { encoding, ..config(&server) }).await.unwrap();
        check_sound(&report, &server);
        assert_eq!(report.wire_bytes < report.dump_bytes / 4, encoding == Encoding::Zstd);
        assert!(server.seen().machines.len() > 1);
    }
}

#[tokio::test]
async fn a_rate_is_kept() {
    let server = StandIn::start(Manners::default()).await;
    let report = run(LoadConfig { rate: Some(60.0), ..config(&server) }).await.unwrap();
    check_sound(&report, &server);
    assert_eq!(report.accepted, 30, "half a second at 60 a second");
}

#[tokio::test]
async fn busy_answers_are_repeated_and_errors_counted() {
    let server = StandIn::start(Manners { busy: 3, ..Manners::default() }).await;
    let report = run(config(&server)).await.unwrap();
    check_sound(&report, &server);
    assert_eq!(report.busy, 3);
    let server = StandIn::start(Manners { refuses: Some(StatusCode::FORBIDDEN), ..Manners::default() }).await;
    let report = run(LoadConfig { rate: Some(20.0), ..config(&server) }).await.unwrap();
    assert_eq!((report.accepted, report.errors), (0, 10));
}
