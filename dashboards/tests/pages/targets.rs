//! `/targets`: who is told, how they are doing, and the button that tries one.

use axum::http::StatusCode;
use serde_json::Value;
use storage::questions::{ActCursor, TargetRow};
use uuid::Uuid;

use crate::browser::Browser;
use crate::check_page;
use crate::fixture::{Fixture, Page, hostile, now_ms};

fn target(name: &str, health: &str) -> TargetRow {
    TargetRow {
        name: name.to_owned(),
        kind: "pagerduty".to_owned(),
        health: health.to_owned(),
        updated_at_ms: now_ms(),
        ..TargetRow::default()
    }
}

/// Presses the button of a target, as a browser does.
async fn press(fixture: &Fixture, browser: &Browser, target: &str) -> Page {
    let token = browser.form_token(fixture, "/targets").await;
    browser.post(fixture, &format!("/targets/{target}/test"), &[("csrf", &token)]).await
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OURS: (&str, &str) = ("origin", "http://127.0.0.1:8080");

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_shown_as_they_are_doing() {
    let Some(fixture) = Fixture::new().await else { return };
    let empty = fixture.get("/targets").await;
    check_page("/targets", &empty);
    assert!(empty.body.contains("Nobody is told of incidents"), "{}", empty.body);
    let dead = TargetRow {
        pending: 17,
        failing_since_ms: Some(now_ms() - 3_600_000),
        last_error: "answered 502 Bad Gateway".to_owned(),
        ..target("on-call", "dead")
    };
    let tried = TargetRow {
        tested_at_ms: Some(now_ms() - 1000),
        tested_by: "ada".to_owned(),
        test_outcome: "took it: 202 after 31 ms".to_owned(),
        ..target("channel", "working")
    };
    let gone = TargetRow { updated_at_ms: now_ms() - 3_600_000, ..target("removed", "working") };
    fixture.database.put_targets(&[dead, tried, gone]).await.unwrap();
    let page = Browser::here().get(&fixture, "/targets").await;
    check_page("/targets", &page);
    for words in ["dead", "502 Bad Gateway", "17", "took it: 202", "/targets/on-call/test", "Send a test"] {
        assert!(page.body.contains(words), "{words:?} is not in {}", page.body);
    }
    assert!(!page.body.contains("removed") && !page.body.contains("type=\"password\""), "{}", page.body);
    assert!(!fixture.get("/targets").await.body.contains("Send a test"), "not for those who only look");
    let json = fixture.json("/api/v1/targets").await;
    let names: Vec<&str> =
        json["targets"].as_array().unwrap().iter().map(|target| target["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["channel", "on-call"]);
    let rows: Vec<TargetRow> =
        hostile().iter().map(|name| TargetRow { last_error: name.clone(), ..target(name, name) }).collect();
    fixture.database.put_targets(&rows).await.unwrap();
    check_page("/targets", &Browser::here().get(&fixture, "/targets").await);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_written_down_for_the_alerts_role() {
    let Some(fixture) = Fixture::new().await else { return };
    let just_now = TargetRow { tested_at_ms: Some(now_ms()), ..target("just-now", "working") };
    fixture.database.put_targets(&[target("on-call", "working"), just_now]).await.unwrap();
    let json = [("content-type", "application/json")];
    let done = fixture.post("/api/v1/targets/on-call/test", &json, r#"{"by":"ada"}"#).await;
    assert_eq!(done.status, StatusCode::ACCEPTED, "{}", done.body);
    let accepted: Value = serde_json::from_str(&done.body).unwrap();
    assert_eq!(accepted["target"], "on-call");
    let form = press(&fixture, &Browser::here(), "on-call").await;
    assert_eq!(
        (form.status, &form.headers["location"]),
        (StatusCode::SEE_OTHER, &"/targets?asked".parse().unwrap())
    );
    for (target, headers, body, status) in [
        ("nobody", &json[..], r#"{"by":"ada"}"#, StatusCode::NOT_FOUND),
        ("just-now", &json[..], r#"{"by":"ada"}"#, StatusCode::CONFLICT),
        ("on-call", &json[..], "{}", StatusCode::BAD_REQUEST),
        ("on-call", &[][..], "", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("on-call", &[FORM][..], "", StatusCode::FORBIDDEN),
        ("on-call", &[FORM, OURS][..], "", StatusCode::FORBIDDEN),
        ("on-call", &[FORM, ("origin", "https://evil.example")][..], "", StatusCode::FORBIDDEN),
    ] {
        let refused = fixture.post(&format!("/api/v1/targets/{target}/test"), headers, body).await;
        assert_eq!(refused.status, status, "{target} {headers:?}: {}", refused.body);
    }
    let acts = fixture.database.incident_acts(Uuid::nil()).await.unwrap();
    let mut who: Vec<&str> = acts.iter().map(|act| act.by.as_str()).collect();
    who.sort_unstable();
    assert_eq!(who, ["ada", "somebody on the page of targets"]);
    assert!(
        acts.iter().all(|act| act.kind == "test" && act.detail == r#"{"target":"on-call"}"#),
        "{acts:#?}"
    );
    assert!(fixture.database.acts_since(&ActCursor::default()).await.unwrap().len() <= 2);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_acts_need_a_token_the_button_needs_a_sign_in() {
    let Some(fixture) = Fixture::with_acts_token("a-long-secret").await else { return };
    fixture.database.put_targets(&[target("on-call", "working")]).await.unwrap();
    let mut browser = Browser::here();
    let page = browser.get(&fixture, "/targets").await;
    assert!(
        !page.body.contains("Send a test") && page.body.contains("/login?then=%2Ftargets"),
        "{}",
        page.body
    );
    assert_eq!(press(&fixture, &browser, "on-call").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.sign_in(&fixture, "ada", "a-long-secre").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.sign_in(&fixture, "ada", "a-long-secret").await.status, StatusCode::SEE_OTHER);
    assert_eq!(press(&fixture, &browser, "on-call").await.status, StatusCode::SEE_OTHER);
    let acts = fixture.database.incident_acts(Uuid::nil()).await.unwrap();
    assert_eq!((acts.len(), acts[0].by.as_str()), (1, "ada"));
    fixture.stop().await;
}
