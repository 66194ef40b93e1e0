//! The buttons of an incident's page, with and without a sign-in.

use axum::http::StatusCode;
use detector::Subject;
use serde_json::Value;
use storage::questions::AuditFilter;

use crate::access::{RESPONDER, roles};
use crate::browser::{Browser, THERE};
use crate::check_page;
use crate::fixture::Fixture;
use crate::incidents::incident;

#[tokio::test(flavor = "multi_thread")]
async fn each_button_of_an_incident_does_what_it_says() {
    let Some(fixture) = Fixture::with_access(roles()).await else { return };
    let mut begun = incident(Subject::Driver("csagent.sys".to_owned()), "x");
    begun.muted_until_ms = None;
    let id = fixture.steps(&begun, &[("opened", "", "")]).await;
    let page = format!("/incidents/{id}");
    let mut browser = Browser::at(THERE);
    browser.sign_in(&fixture, "ada", RESPONDER).await;
    let shown = browser.get(&fixture, &page).await;
    check_page(&page, &shown);
    for button in ["Acknowledge", "Comment", "Resolve", "Mute 30 min", "Mute 2 h", "Mute 8 h", "Link ticket"]
    {
        assert!(shown.body.contains(button), "{button} is not in {}", shown.body);
    }
    assert!(!shown.body.contains("Your name"), "who signs in has one");
    let csrf = browser.form_token(&fixture, &page).await;
    for (act, fields, said) in [
        ("acknowledge", vec![("words", "on it\r\nsince 04:09")], "You have acknowledged"),
        ("mute", vec![("for", "30m"), ("until", "")], "The incident is muted"),
        ("unmute", vec![], "muted no more"),
        ("comment", vec![("words", "<script>alert(1)</script>")], "Your comment"),
        ("ticket", vec![("ticket", "https://jira.example/browse/OPS-7")], "The ticket is linked"),
        ("ticket", vec![("ticket", "OPS-8")], "The ticket is linked"),
        ("resolve", vec![("by", "somebody else")], "You have resolved"),
    ] {
        let fields = [&fields[..], &[("csrf", csrf.as_str())]].concat();
        let done = browser.post(&fixture, &format!("{page}/{act}"), &fields).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{act}: {}", done.body);
        assert_eq!(done.headers["location"], format!("{page}?did={act}"));
        let shown = browser.get(&fixture, &format!("{page}?did={act}")).await;
        assert!(shown.body.contains(said), "{act}: {}", shown.body);
        assert!(!shown.body.contains("<script>alert"), "{act}");
    }
    let acts = fixture.database.incident_acts(id).await.unwrap();
    assert!(acts.len() == 8 && acts.iter().all(|act| act.by == "ada"), "{acts:#?}");
    let json: Value =
        serde_json::from_str(&browser.get(&fixture, &format!("/api/v1{page}")).await.body).unwrap();
    assert_eq!(json["tickets"].as_array().unwrap().len(), 2);
    assert_eq!(json["waiting"].as_array().unwrap().len(), 6, "no alerts role takes them here: {json}");
    let shown = browser.get(&fixture, &page).await.body;
    let link = "<a href=\"https://jira.example/browse/OPS-7\" rel=\"noopener noreferrer\">";
    assert!(shown.contains(link) && shown.contains("takes effect within seconds"), "{shown}");
    assert!(shown.contains("on it<br>since 04:09"), "{shown}");

    for (act, fields, status) in [
        ("acknowledge", vec![], StatusCode::FORBIDDEN),
        ("acknowledge", vec![("csrf", "0123")], StatusCode::FORBIDDEN),
        ("ticket", vec![("csrf", csrf.as_str()), ("ticket", "javascript:alert(1)")], StatusCode::BAD_REQUEST),
        ("mute", vec![("csrf", csrf.as_str()), ("for", "until")], StatusCode::BAD_REQUEST),
        ("praise", vec![("csrf", csrf.as_str())], StatusCode::NOT_FOUND),
    ] {
        let refused = browser.post(&fixture, &format!("{page}/{act}"), &fields).await;
        assert_eq!(refused.status, status, "{act}: {}", refused.body);
        check_page(&page, &refused);
    }
    let audit = fixture.database.audit(&AuditFilter::default(), 100, None).await.unwrap();
    let mut actions: Vec<&str> = audit.iter().map(|line| line.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        ["acknowledge", "comment", "mute", "resolve", "sign_in", "ticket", "ticket", "unmute"]
    );
    assert!(
        audit.iter().all(|line| line.who == "ada" && line.role == "responder" && line.peer == "192.0.2.1")
    );
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sign_in_people_say_who_they_are_and_viewers_have_no_buttons() {
    let Some(fixture) = Fixture::new().await else { return };
    let begun = incident(Subject::Driver("csagent.sys".to_owned()), "x");
    let id = fixture.steps(&begun, &[("opened", "", "")]).await;
    let page = format!("/incidents/{id}");
    let mut browser = Browser::here();
    let shown = browser.get(&fixture, &page).await;
    check_page(&page, &shown);
    assert!(shown.body.contains("Your name") && shown.body.contains("Acknowledge"), "{}", shown.body);
    let csrf = browser.form_token(&fixture, &page).await;
    let nobody = browser.post(&fixture, &format!("{page}/acknowledge"), &[("csrf", &csrf)]).await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST, "{}", nobody.body);
    let fields = [("csrf", csrf.as_str()), ("by", "Grüße \"<b>")];
    let done = browser.post(&fixture, &format!("{page}/acknowledge"), &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    browser.keep(&done.headers);
    let shown = browser.get(&fixture, &page).await;
    assert!(shown.body.contains("value=\"Grüße &quot;&lt;b&gt;\""), "it is remembered: {}", shown.body);

    let stranger = Browser::at(THERE).get(&fixture, &page).await;
    check_page(&page, &stranger);
    assert!(
        !stranger.body.contains("method=\"post\"") && stranger.body.contains("[access]"),
        "{}",
        stranger.body
    );
    let fields = [("csrf", csrf.as_str()), ("by", "eve")];
    let refused = Browser::at(THERE).post(&fixture, &format!("{page}/acknowledge"), &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(Browser::here().get(&fixture, "/login").await.body.contains("nothing to sign in with"));
    fixture.stop().await;
}
