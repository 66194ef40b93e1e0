//! The whole role against real stores, the embedded engine and real receivers on loopback: from a signal to a verified
//! webhook.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail and speak as tests do")]

#[path = "run/fixture.rs"]
mod fixture;
#[path = "run/receiver.rs"]
mod receiver;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use bluescope_alerts::{AlertsConfig, AlertsError, AlertsMetrics};
use prometheus_client::registry::Registry;
use storage::alert_store::AlertStore;
use storage::database::Database;
use storage::questions::{ActRow, SignalRows, TargetRow};
use storage::signals::{ChangeSignal, Signals, SignalsConfig};
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
    fixture.stop();
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
    fixture.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_and_pages_while_clickhouse_does_not_answer() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.cut();
    let database = Database::open_or_wait(&fixture.config).await.unwrap();
    let failed = database.put_targets(&[TargetRow::default()]).await.unwrap_err();
    assert!(failed.retryable(), "{failed}");
    let role = Role::on(&fixture, database.clone(), quick(vec![receiver.hook("pager")]));
    role.ticked(1).await;
    assert!(role.metric("alerts_without_past 1"));
    fixture.crash("csagent.sys", 0..60).await;
    let data = receiver.request(0).await.body["data"].clone();
    assert_eq!(
        (&data["driver"], data["examples"].as_array().map(Vec::len)),
        (&"csagent.sys".into(), Some(5))
    );
    fixture.mend();
    let copied = async || fixture.database.incidents(false, 10).await.ok()?.first().cloned();
    eventually("the copy follows when ClickHouse is back", copied).await;
    // What it saw without a past stands: it learns it once that incident is forgotten.
    assert!(role.metric("alerts_without_past 1"));
    role.stop().await;
    let role = Role::on(&fixture, database, quick(vec![receiver.hook("pager")]));
    role.ticked(1).await;
    assert!(role.metric("alerts_without_past 1"), "a restart does not make it forget that");
    role.stop().await;
    fixture.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clickhouse_did_not_tell_at_the_start_is_learnt_later() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.bad_memory(0..60).await;
    fixture.cut();
    let role = Role::start(&fixture, quick(vec![receiver.hook("pager")]));
    role.ticked(1).await;
    fixture.crash("early.sys", 200..203).await;
    fixture.mend();
    let learnt = async || role.metric("alerts_without_past 0").then_some(());
    eventually("it has learnt", learnt).await;
    fixture.crash("csagent.sys", 300..360).await;
    assert_eq!(receiver.request(0).await.body["data"]["driver"], "csagent.sys");
    role.stop().await;
    // Five drivers of the past, the early one that was read again, and the outage's.
    let (state, _) = fixture.store.checkpoint().await.unwrap().unwrap();
    let detector = detector::Detector::restore(detector::DetectorConfig::default(), &state).unwrap();
    assert!(detector.series() >= 7, "{}", detector.series());
    fixture.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_the_gate_is_pushed_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.roll_out("sick.sys").await;
    let change = |id: u128, what: &str, version: &str| ChangeSignal {
        id: Uuid::from_u128(id),
        tenant: "acme".to_owned(),
        at_ms: now_ms() - 3_600_000,
        what: what.to_owned(),
        version: version.to_owned(),
        ..ChangeSignal::default()
    };
    let mut rows = SignalRows::default();
    // The gate holds the others: a build that nobody has, and something that is no driver.
    for change in
        [change(1, "Sick.sys", "2.0"), change(2, "sick.sys", "3.0"), change(3, "channel file 291", "33")]
    {
        rows.change(&change);
    }
    fixture.database.put_signals(&rows).await.unwrap();
    let role = Role::start(&fixture, quick(vec![receiver.hook("deploy")]));
    let told = receiver.request(0).await;
    assert_eq!(told.body["type"], "rollout.stop", "{}", told.body);
    let data = &told.body["data"];
    assert_eq!((&data["driver"], &data["version"]), (&"sick.sys".into(), &"2.0".into()));
    assert_eq!((&data["machines_exposed"], &data["machines_crashed"]), (&2000.into(), &60.into()));
    assert!(data["reason"].as_str().unwrap().contains("times the rate"), "{data}");
    role.stop().await;
    let role = Role::start(&fixture, quick(vec![receiver.hook("deploy")]));
    role.ticked(5).await;
    assert_eq!(receiver.count(), 1);
    role.stop().await;
    fixture.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_tried_when_somebody_asks_and_its_state_is_shown() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    let role = Role::start(&fixture, quick(vec![receiver.hook("pager")]));
    let shown = async || fixture.database.targets().await.unwrap().pop();
    let before = eventually("the target is shown", shown).await;
    assert_eq!(
        (before.name.as_str(), before.health.as_str(), before.tested_at_ms),
        ("pager", "working", None)
    );
    let act = ActRow {
        act_id: Uuid::new_v4(),
        incident_id: Uuid::nil(),
        at_ms: now_ms(),
        by: "ada".to_owned(),
        kind: "test".to_owned(),
        detail: r#"{"target":"pager"}"#.to_owned(),
        written_at_ms: 0,
    };
    fixture.database.put_act(&act).await.unwrap();
    assert_eq!(receiver.request(0).await.body["type"], "test");
    let tried =
        async || fixture.database.targets().await.unwrap().pop().filter(|row| row.tested_at_ms.is_some());
    let row = eventually("what came of it is shown", tried).await;
    assert!(row.test_outcome.starts_with("took it: 204") && row.tested_by == "ada", "{row:?}");
    role.stop().await;
    fixture.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_an_alert_burning_is_no_notification_on_a_page() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    let role = Role::start(&fixture, quick(vec![receiver.alertmanager("am")]));
    role.ticked(1).await;
    fixture.crash("csagent.sys", 0..60).await;
    receiver.request(0).await;
    let marker = async || {
        let pending = fixture.store.pending().await.unwrap();
        pending.into_iter().find(|row| row.notification_id.contains("-repeat-"))
    };
    eventually("the marker is kept", marker).await;
    let copied = async || {
        let rows = fixture.notifications().await;
        let all = fixture.store.uncopied(10).await.unwrap().is_empty();
        (all && !rows.is_empty() && rows.iter().all(|row| row.state == "delivered")).then_some(rows)
    };
    let rows = eventually("what was delivered is on the page", copied).await;
    assert!(rows.iter().all(|row| !row.notification_id.contains("-repeat-")), "{rows:#?}");
    role.stop().await;
    fixture.stop();
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
    fixture.stop();
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
    fixture.stop();
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
    fixture.stop();
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
    fixture.stop();
}
