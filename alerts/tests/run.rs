//! The whole role against real stores, the embedded engine and real receivers on loopback: from a signal to a verified
//! webhook.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helpers fail and speak as tests do")]

#[path = "run/fixture.rs"]
mod fixture;
#[path = "run/receiver.rs"]
mod receiver;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use bluescope_alerts::{AlertsConfig, AlertsError, AlertsMetrics};
use prometheus_client::registry::Registry;
use storage::alert_store::AlertStore;
use storage::questions::ActRow;
use storage::signals::{Signals, SignalsConfig};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use fixture::{Fixture, Role, eventually, now_ms, quick};
use receiver::{Answer, Receiver};

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_pages_once_and_says_when_it_is_over() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    let config = quick(vec![receiver.hook("pager")]);
    let role = Role::start(&fixture, config.clone());
    role.ticked(1).await;

    let told = Instant::now();
    fixture.crash("csagent.sys", 0..60).await;
    let opened = receiver.request(0).await;
    let delay = told.elapsed();
    println!("from signal to webhook: {delay:?}");
    assert!(delay < Duration::from_secs(5), "{delay:?}");
    assert_eq!(opened.body["type"], "incident.opened");
    let data = &opened.body["data"];
    assert_eq!((&data["driver"], &data["machines"]), (&"csagent.sys".into(), &60.into()));
    assert_eq!(data["severity"], "sev1");

    // A restart in the middle neither pages again nor forgets.
    role.stop().await;
    let role = Role::start(&fixture, config);
    role.ticked(3).await;
    let resolved = receiver.request(1).await;
    assert_eq!(resolved.body["type"], "incident.resolved");
    assert_eq!(resolved.body["data"]["incident_id"], data["incident_id"]);
    role.ticked(3).await;
    assert_eq!(receiver.count(), 2);

    // The pages' copy.
    let copied = async || {
        let incidents = fixture.database.incidents(false, 10).await.unwrap();
        incidents.first().filter(|incident| incident.state == "resolved").cloned()
    };
    let incident = eventually("the steps are in ClickHouse", copied).await;
    assert_eq!((incident.machines, incident.driver.as_str()), (60, "csagent.sys"));
    let delivered = async || {
        let rows = fixture.notifications().await;
        (rows.len() == 2 && rows.iter().all(|row| row.state == "delivered")).then_some(())
    };
    eventually("the notifications are in ClickHouse", delivered).await;
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_pages_while_clickhouse_is_away() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.cut();
    let role = Role::start(&fixture, quick(vec![receiver.hook("pager")]));
    role.ticked(1).await;
    fixture.crash("csagent.sys", 0..60).await;
    assert_eq!(receiver.request(0).await.body["data"]["driver"], "csagent.sys");
    fixture.mend();
    let copied = async || fixture.database.incidents(false, 10).await.ok()?.first().cloned();
    eventually("the copy follows when ClickHouse is back", copied).await;
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_with_bad_memory_are_no_outage_of_a_driver() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.bad_memory(0..60).await;
    let role = Role::start(&fixture, quick(vec![receiver.hook("pager")]));
    let known = async || role.metric("alerts_suspect_machines 60").then_some(());
    eventually("they are known as suspect", known).await;
    fixture.crash("csagent.sys", 0..60).await;
    let counted = async || role.metric("alerts_suspect_crashes_total 60").then_some(());
    eventually("their crashes were read", counted).await;
    role.ticked(3).await;
    assert_eq!(receiver.count(), 0);
    // The same driver on sound machines.
    fixture.crash("csagent.sys", 100..160).await;
    assert_eq!(receiver.request(0).await.body["data"]["machines"], 60);
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_delivered_goes_out_after_a_restart() {
    let Some(fixture) = Fixture::new().await else { return };
    let down = Receiver::start(&[Answer::Status(StatusCode::BAD_GATEWAY, &[]); 50]).await;
    let role = Role::start(&fixture, quick(vec![down.hook("pager")]));
    role.ticked(1).await;
    fixture.crash("csagent.sys", 0..60).await;
    let tried = down.request(0).await;
    role.stop().await;

    let up = Receiver::start(&[]).await;
    let role = Role::start(&fixture, quick(vec![up.hook("pager")]));
    let request = up.request(0).await;
    assert_eq!((request.id, request.body), (tried.id, tried.body));
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_becomes_a_step() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    let config = AlertsConfig {
        detector: detector::DetectorConfig { resolve_after_s: 3600, ..detector::DetectorConfig::default() },
        ..quick(vec![receiver.hook("pager")])
    };
    let role = Role::start(&fixture, config);
    role.ticked(1).await;
    fixture.crash("csagent.sys", 0..60).await;
    let opened = receiver.request(0).await;
    let incident_id: Uuid = opened.body["data"]["incident_id"].as_str().unwrap().parse().unwrap();
    let act = ActRow {
        act_id: Uuid::new_v4(),
        incident_id,
        at_ms: now_ms(),
        by: "ada".to_owned(),
        kind: "acknowledge".to_owned(),
        detail: "{}".to_owned(),
        written_at_ms: 0,
    };
    fixture.database.put_act(&act).await.unwrap();
    let acknowledged = async || {
        let events = fixture.database.incident_events(incident_id).await.unwrap();
        events.into_iter().find(|event| event.kind == "acknowledged")
    };
    let step = eventually("it is acknowledged", acknowledged).await;
    assert!(step.detail.contains("\"by\":\"ada\""), "{}", step.detail);
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_at_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let dir = tempfile::TempDir::new().unwrap();
    let signals = Signals::open(&SignalsConfig::log(dir.path().join("signals"))).await.unwrap();
    let store = AlertStore::open(&dir.path().join("alerts")).await.unwrap();
    let mut registry = Registry::default();
    let config = AlertsConfig { tick: Duration::ZERO, ..AlertsConfig::default() };
    let metrics = AlertsMetrics::new(&mut registry);
    let (database, stop) = (fixture.database.clone(), CancellationToken::new());
    let refused = bluescope_alerts::run(config, signals, store, database, metrics, stop).await;
    assert!(matches!(refused, Err(AlertsError::Config(faults)) if faults.len() == 1));
    fixture.stop().await;
}
