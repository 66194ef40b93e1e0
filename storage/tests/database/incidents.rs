//! Incidents and the outbox.

use bluescope_storage::questions::{IncidentEvent, NotificationRow};
use uuid::Uuid;

use crate::fixture::{Fixture, now};

#[tokio::test]
async fn an_incident_is_what_its_events_leave() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let at = now();
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let event = |incident_id, seq: u32, kind: &str, detail: &str| IncidentEvent {
        incident_id,
        seq,
        at_ms: at + i64::from(seq) * 1000,
        kind: kind.to_owned(),
        tenant: "acme".to_owned(),
        driver: "csagent.sys".to_owned(),
        detail: detail.to_owned(),
    };
    assert!(database.incidents(false, 10).await.unwrap().is_empty());
    let events = [
        event(first, 1, "opened", r#"{"machines":12,"crashes":20}"#),
        event(first, 2, "notified", r#"{"target":"pager"}"#),
        event(first, 3, "grew", r#"{"machines":120,"crashes":220}"#),
    ];
    for event in events.iter().chain(&events[..1]) {
        database.put_incident_event(event).await.unwrap();
    }
    assert_eq!(database.incident_events(first).await.unwrap(), events);
    let open = database.incidents(true, 10).await.unwrap();
    assert_eq!(open.len(), 1);
    let summary = &open[0];
    assert_eq!((summary.incident_id, summary.state.as_str(), summary.resolved_at_ms), (first, "open", None));
    assert_eq!((summary.opened_at_ms, summary.machines, summary.crashes), (at + 1000, 120, 220));
    assert_eq!((summary.tenant.as_str(), summary.driver.as_str()), ("acme", "csagent.sys"));
    assert_eq!(summary.detail, events[2].detail);

    database.put_incident_event(&event(first, 4, "acknowledged", "{}")).await.unwrap();
    assert_eq!(database.incidents(true, 10).await.unwrap()[0].state, "acknowledged");
    database.put_incident_event(&event(first, 5, "resolved", "not JSON")).await.unwrap();
    database.put_incident_event(&event(second, 9, "opened", "{}")).await.unwrap();
    let open = database.incidents(true, 10).await.unwrap();
    assert_eq!(open.iter().map(|row| row.incident_id).collect::<Vec<_>>(), [second]);
    let all = database.incidents(false, 10).await.unwrap();
    assert_eq!(all.iter().map(|row| row.incident_id).collect::<Vec<_>>(), [second, first]);
    assert_eq!((all[1].state.as_str(), all[1].resolved_at_ms), ("resolved", Some(at + 5000)));
    assert_eq!(database.incidents(false, 1).await.unwrap().len(), 1);
    fixture.stop().await;
}

/// What a step's detail looks like.
fn detail(machines: u64, severity: &str, sentence: &str) -> String {
    format!(
        r#"{{"machines":{machines},"severity":"{severity}","tell":true,"by":"","words":"","incident":{{
            "id":"87248a48-12e9-4e04-9c14-7d0a5d3c6a85","tenant":"acme","subject":{{"kind":"bug_check","name":26}},
            "exposed":8000,"sites":41,"acknowledged_by":"ada","muted_until_ms":1721362140000,
            "attribution":{{"origin":"all_versions","sentence":"{sentence}"}}}}}}"#
    )
}

#[tokio::test]
async fn a_summary_says_what_the_newest_step_knew() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let (at, incident_id) = (now(), Uuid::new_v4());
    let put = async |seq: u32, kind: &str, detail: String| {
        let event = IncidentEvent {
            incident_id,
            seq,
            at_ms: at + i64::from(seq) * 1000,
            kind: kind.to_owned(),
            tenant: "acme".to_owned(),
            driver: "bug check 0x1A".to_owned(),
            detail,
        };
        database.put_incident_event(&event).await.unwrap();
        database.incidents(false, 10).await.unwrap().remove(0)
    };
    let opened = put(0, "opened", detail(30, "sev2", "")).await;
    assert_eq!((opened.state.as_str(), opened.severity.as_str(), opened.machines), ("open", "sev2", 30));
    assert_eq!(
        (opened.subject.as_str(), opened.is_of_driver(), opened.detail.as_str()),
        ("bug_check", false, "")
    );

    put(1, "grew", detail(500, "sev1", "All 6 versions at once.")).await;
    put(2, "notified", r#"{"target":"pager"}"#.to_owned()).await;
    let joined = put(3, "joined", detail(400, "sev1", "All 7 versions at once.")).await;
    assert_eq!((joined.severity.as_str(), joined.machines, joined.exposed), ("sev1", 500, Some(8000)));
    assert_eq!((joined.sites, joined.sentence.as_str()), (41, "All 7 versions at once."));
    assert_eq!((joined.acknowledged_by.as_str(), joined.muted_until_ms), ("ada", Some(1_721_362_140_000)));

    for (seq, (kind, state)) in (4..).zip([
        ("acknowledged", "acknowledged"),
        ("commented", "acknowledged"),
        ("resolved", "resolved"),
        ("reopened", "open"),
        ("merged", "merged"),
    ]) {
        let summary = put(seq, kind, detail(400, "sev1", "")).await;
        let over = matches!(state, "resolved" | "merged");
        assert_eq!((summary.state.as_str(), summary.is_over()), (state, over), "{kind}");
        assert_eq!(summary.resolved_at_ms, over.then_some(at + i64::from(seq) * 1000), "{kind}");
        assert_eq!(database.incidents(true, 10).await.unwrap().is_empty(), over, "{kind}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn the_newest_state_of_a_notification_wins() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let at = now();
    let incident_id = Uuid::new_v4();
    let pending = |number: i64| NotificationRow {
        notification_id: format!("msg_{number}"),
        incident_id,
        target: "pager".to_owned(),
        payload: r#"{"driver":"csagent.sys"}"#.to_owned(),
        state: "pending".to_owned(),
        attempts: 0,
        last_error: String::new(),
        created_at_ms: at + number,
        updated_at_ms: at + number,
        severity: "sev1".to_owned(),
        target_kind: "webhook".to_owned(),
    };
    let delivered = NotificationRow {
        state: "delivered".to_owned(),
        attempts: 2,
        last_error: "timed out".to_owned(),
        updated_at_ms: at + 10,
        ..pending(1)
    };
    for row in [pending(1), delivered.clone(), pending(2), pending(1)] {
        database.put_notification(&row).await.unwrap();
    }
    assert_eq!(database.pending_notifications().await.unwrap(), [pending(2)]);
    assert_eq!(database.notifications(incident_id).await.unwrap(), [delivered, pending(2)]);
    assert!(database.notifications(Uuid::new_v4()).await.unwrap().is_empty());
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_known_of_open_incidents_is_given_whole() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let at = now();
    let put = async |incident: u128, tenant: &str, seq: u32, kind: &str, detail: String| {
        let event = IncidentEvent {
            incident_id: Uuid::from_u128(incident),
            seq,
            at_ms: at + i64::from(seq) + i64::try_from(incident).unwrap() * 1000,
            kind: kind.to_owned(),
            tenant: tenant.to_owned(),
            driver: "csagent.sys".to_owned(),
            detail,
        };
        database.put_incident_event(&event).await.unwrap();
    };
    put(1, "acme", 0, "opened", detail(12, "sev2", "first")).await;
    put(1, "acme", 1, "attributed", detail(40, "sev1", "then")).await;
    put(2, "acme", 0, "opened", detail(9, "sev1", "newer")).await;
    put(3, "acme", 0, "opened", detail(9, "sev1", "over")).await;
    put(3, "acme", 1, "resolved", detail(9, "sev1", "over")).await;
    put(4, "other", 0, "opened", detail(9, "sev1", "another tenant's")).await;
    put(5, "acme", 0, "opened", r#"{"machines":5}"#.to_owned()).await;
    let found = database.open_incidents("acme", 10).await.unwrap();
    let sentences: Vec<String> = found
        .iter()
        .map(|text| {
            let incident: serde_json::Value = serde_json::from_str(text).unwrap();
            incident["attribution"]["sentence"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(sentences, ["newer", "then"]);
    assert_eq!(database.open_incidents("acme", 1).await.unwrap().len(), 1);
    fixture.stop().await;
}
