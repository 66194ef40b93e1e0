//! The whole role against the embedded engine and real receivers on loopback: from a row to a verified webhook.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helpers fail and speak as tests do")]

#[path = "run/fixture.rs"]
mod fixture;
#[path = "run/receiver.rs"]
mod receiver;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use bluescope_alerts::{AlertsConfig, AlertsError, AlertsMetrics};
use prometheus_client::registry::Registry;
use storage::questions::NotificationRow;
use tokio_util::sync::CancellationToken;

use fixture::{Fixture, Role, eventually, now_ms};
use receiver::{Answer, Receiver};

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_pages_once_and_says_when_it_is_over() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config.clone());
    role.ticked(1).await;

    // Nearly a minute old on arrival, so that the window that pages empties soon.
    let (arrived, inserted) = (now_ms() - 48_000, Instant::now());
    fixture.arrive("csagent.sys", 0..24, arrived).await;
    let opened = receiver.request(0).await;
    let delay = inserted.elapsed();
    println!("from insert to webhook: {delay:?}");
    assert!(delay < Duration::from_secs(5), "{delay:?}");
    assert_eq!(opened.body["type"], "incident.opened");
    let data = &opened.body["data"];
    assert_eq!(
        (&data["driver"], &data["machines"], &data["crashes"]),
        (&"csagent.sys".into(), &24.into(), &24.into())
    );
    assert_eq!(data["bug_checks"][0]["code"], "0x50");
    assert_eq!(data["versions"][0]["timestamp"], "0x66902c2a");
    assert_eq!(data["fault_sites"][0]["at"], "csagent.sys+0xe14ed");
    assert_eq!(data["site_count"], 3);

    // A restart in the middle neither pages again nor forgets.
    role.stop().await;
    let role = Role::start(&fixture, config);
    role.ticked(3).await;
    let resolved = receiver.request(1).await;
    assert_eq!(resolved.body["type"], "incident.resolved");
    assert_eq!(resolved.body["data"]["incident_id"], data["incident_id"]);
    assert!(opened.id.contains("opened") && resolved.id.contains("resolved"));
    role.ticked(3).await;
    assert_eq!(receiver.count(), 2);

    let incidents = fixture.database.incidents(false, 10).await.unwrap();
    assert_eq!(incidents.len(), 1);
    assert_eq!((incidents[0].state.as_str(), incidents[0].machines), ("resolved", 24));
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_the_analyzer_hides_no_outage() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config);
    role.ticked(1).await;
    fixture.catch_up("csagent.sys", 0..40, now_ms() - 5_400_000).await;
    let opened = receiver.request(0).await;
    assert_eq!(
        (&opened.body["type"], &opened.body["data"]["machines"]),
        (&"incident.opened".into(), &40.into())
    );
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_crashes_and_boot_loops_page_nobody() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.arrive("yesterday.sys", 0..500, now_ms() - 7_200_000).await;
    for round in 0..40 {
        fixture.again("loop.sys", 1, round).await;
    }
    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config);
    role.ticked(5).await;
    assert_eq!(fixture.database.incidents(false, 10).await.unwrap(), []);
    assert_eq!(receiver.count(), 0);
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_with_bad_memory_are_no_outage_of_a_driver() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.bad_memory(0..30).await;
    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config);
    role.ticked(1).await;
    fixture.arrive_anywhere("csagent.sys", 0..30, now_ms()).await;
    eventually("it is held back", async || role.metric("alerts_incidents_withheld_total 1").then_some(()))
        .await;
    role.ticked(3).await;
    assert_eq!(fixture.database.incidents(false, 10).await.unwrap(), []);
    assert!(role.metric("alerts_incidents_withheld_total 1"), "it is said once");

    // The same driver on sound machines, few of which would not do either.
    fixture.arrive("csagent.sys", 100..105, now_ms()).await;
    role.ticked(3).await;
    assert_eq!((receiver.count(), fixture.database.incidents(false, 10).await.unwrap()), (0, Vec::new()));
    fixture.arrive("csagent.sys", 105..130, now_ms()).await;
    let opened = receiver.request(0).await;
    assert_eq!(
        (&opened.body["type"], &opened.body["data"]["driver"]),
        (&"incident.opened".into(), &"csagent.sys".into())
    );
    assert!(role.metric("alerts_unvetted_incidents_total 0"));
    role.stop().await;
    fixture.stop().await;
}

/// A driver that also damages memory leaves odd crashes on all of its machines, which makes each of them suspect.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_at_one_place_pages_whatever_its_machines_are_suspected_of() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.bad_memory(0..30).await;
    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config);
    role.ticked(1).await;
    fixture.arrive("csagent.sys", 0..30, now_ms()).await;
    let opened = receiver.request(0).await;
    assert_eq!(
        (&opened.body["type"], &opened.body["data"]["machines"]),
        (&"incident.opened".into(), &30.into())
    );
    assert!(role.metric("alerts_incidents_withheld_total 0"));
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_suspects_at_once_are_an_outage_at_whatever_places() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.bad_memory(0..300).await;
    fixture.arrive_anywhere("csagent.sys", 0..300, now_ms()).await;
    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config);
    assert_eq!(receiver.request(0).await.body["data"]["machines"], 300);
    assert!(role.metric("alerts_incidents_withheld_total 0"));
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_say_who_is_suspect_it_pages() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    fixture.bad_memory(0..30).await;
    fixture.arrive_anywhere("csagent.sys", 0..30, now_ms()).await;
    fixture.forget_hardware().await;
    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config);
    assert_eq!(receiver.request(0).await.body["data"]["machines"], 30);
    assert!(role.metric("alerts_unvetted_incidents_total 1"));
    assert!(role.metric("alerts_incidents_withheld_total 0"));
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_misbehave_are_tried_again_or_given_up() {
    let Some(fixture) = Fixture::new().await else { return };
    let late = Answer::Status(StatusCode::TOO_MANY_REQUESTS, &[("retry-after", "3")]);
    let error = Answer::Status(StatusCode::INTERNAL_SERVER_ERROR, &[]);
    let flaky = Receiver::start(&[error, error]).await;
    let limited = Receiver::start(&[late]).await;
    let hanging = Receiver::start(&[Answer::Hang]).await;
    let gone = Receiver::start(&[Answer::Status(StatusCode::GONE, &[])]).await;
    let inner = Receiver::start(&[]).await;
    let redirecting = Receiver::start(&[Answer::Redirect(inner.url())]).await;
    let private = Receiver::start(&[]).await;
    let mut refused = private.hook("private");
    refused.allow_private = false;
    let mut closed = private.hook("closed");
    closed.url = "http://127.0.0.1:1/".to_owned();

    let config = AlertsConfig {
        webhooks: vec![
            flaky.hook("flaky"),
            limited.hook("limited"),
            hanging.hook("hanging"),
            gone.hook("gone"),
            redirecting.hook("redirecting"),
            refused,
            closed,
        ],
        webhook_timeout: Duration::from_millis(700),
        ..fixture::quick()
    };
    let role = Role::start(&fixture, config);
    fixture.arrive("csagent.sys", 0..30, now_ms()).await;

    let settled = async || {
        let rows = fixture.notifications().await;
        let done =
            |row: &NotificationRow| row.state != "pending" || row.target == "closed" && row.attempts >= 2;
        (rows.len() == 7 && rows.iter().all(done)).then_some(rows)
    };
    let rows = eventually("all are settled", settled).await;
    let of = |target: &str| rows.iter().find(|row| row.target == target).unwrap();
    let said = |target: &str| (of(target).state.as_str(), of(target).attempts);
    assert_eq!(said("flaky"), ("delivered", 3));
    assert_eq!(said("limited"), ("delivered", 2));
    assert_eq!(said("hanging"), ("delivered", 2));
    assert_eq!(said("gone"), ("failed", 1));
    assert_eq!(said("redirecting"), ("failed", 1));
    assert_eq!(said("private"), ("failed", 1));
    assert_eq!(said("closed").0, "pending");
    assert!(of("gone").last_error.contains("410"), "{}", of("gone").last_error);
    assert!(of("redirecting").last_error.contains("redirect"), "{}", of("redirecting").last_error);
    assert!(of("private").last_error.contains("allow_private"), "{}", of("private").last_error);
    assert_eq!((inner.count(), private.count(), gone.count()), (0, 0, 1));

    // One id over all attempts, and the pause that was asked for.
    assert_eq!(flaky.request(0).await.id, flaky.request(2).await.id);
    let pause = limited.request(1).await.at - limited.request(0).await.at;
    assert!(pause >= Duration::from_secs(3), "{pause:?}");
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_delivered_goes_out_after_a_restart() {
    let Some(fixture) = Fixture::new().await else { return };
    let down = Receiver::start(&[Answer::Status(StatusCode::BAD_GATEWAY, &[]); 50]).await;
    let config =
        |receiver: &Receiver| AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config(&down));
    fixture.arrive("csagent.sys", 0..30, now_ms()).await;
    let tried = async || {
        let rows = fixture.notifications().await;
        rows.first().is_some_and(|row| row.attempts >= 1).then_some(())
    };
    eventually("a first attempt is recorded", tried).await;
    role.stop().await;

    let up = Receiver::start(&[]).await;
    let role = Role::start(&fixture, config(&up));
    let request = up.request(0).await;
    assert_eq!(request.id, down.request(0).await.id);
    assert_eq!(request.body, down.request(0).await.body);
    let delivered = async || {
        let rows = fixture.notifications().await;
        rows.iter().all(|row| row.state == "delivered").then_some(rows.len())
    };
    assert_eq!(eventually("it is recorded as delivered", delivered).await, 1);
    role.ticked(2).await;
    assert_eq!(up.count(), 1);
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_a_crash_swallowed_is_written_after_the_restart() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    // The process before knew of no webhook: the same rows as if it had died between event and notification.
    let role = Role::start(&fixture, fixture::quick());
    fixture.arrive("csagent.sys", 0..30, now_ms()).await;
    let opened = async || fixture.database.incidents(true, 10).await.unwrap().first().cloned();
    let incident = eventually("an incident is opened", opened).await;
    role.stop().await;

    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config);
    let request = receiver.request(0).await;
    assert_eq!(request.body["data"]["incident_id"], incident.incident_id.to_string());
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_clickhouse_is_outlived() {
    let Some(fixture) = Fixture::new().await else { return };
    let receiver = Receiver::start(&[]).await;
    let config = AlertsConfig { webhooks: vec![receiver.hook("pager")], ..fixture::quick() };
    let role = Role::start(&fixture, config);
    role.ticked(2).await;
    assert!(role.metric("alerts_database_up 1"));
    fixture.cut();
    eventually("the metric says that it is away", async || role.metric("alerts_database_up 0").then_some(()))
        .await;
    fixture.mend();
    fixture.arrive("csagent.sys", 0..30, now_ms()).await;
    assert_eq!(receiver.request(0).await.body["data"]["machines"], 30);
    assert!(role.metric("alerts_database_up 1"));
    role.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_at_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut registry = Registry::default();
    let config = AlertsConfig { tick: Duration::ZERO, ..AlertsConfig::default() };
    let metrics = AlertsMetrics::new(&mut registry);
    let stop = CancellationToken::new();
    let refused = bluescope_alerts::run(config, fixture.database.clone(), metrics, stop).await;
    assert!(matches!(refused, Err(AlertsError::Config(faults)) if faults.len() == 1));
    fixture.stop().await;
}
