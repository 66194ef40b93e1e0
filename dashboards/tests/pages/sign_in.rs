//! Signing in and out, guessing, trusted proxies, and what the audit log says of it.

use axum::http::{Method, StatusCode};
use detector::Subject;
use serde_json::Value;
use storage::questions::AuditFilter;

use crate::access::{ADMIN, RESPONDER, VIEWER, roles};
use crate::browser::{Browser, PROXY, THERE};
use crate::check_page;
use crate::fixture::{Fixture, hostile};
use crate::incidents::incident;

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_come_back_to_where_they_were_and_sign_out() {
    let Some(fixture) = Fixture::with_access(roles()).await else { return };
    let mut browser = Browser::at(THERE);
    let page = browser.get(&fixture, "/crashes?driver=a%2Fb").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.headers["location"], "/login?then=%2Fcrashes%3Fdriver%3Da%252Fb");
    check_page("/login", &browser.get(&fixture, "/login?then=%2Fcrashes").await);

    // An id that somebody else chose never becomes a session.
    browser.cookies.push(("bluescope_session".to_owned(), "chosen".to_owned()));
    let done = browser.sign_in(&fixture, "ada", RESPONDER).await;
    assert_eq!(
        (done.status, &done.headers["location"]),
        (StatusCode::SEE_OTHER, &"/incidents".parse().unwrap())
    );
    let first = browser.cookies.clone();
    assert!(first[0].1.len() == 64 && first[0].1 != "chosen", "{first:?}");
    let page = browser.get(&fixture, "/incidents").await;
    check_page("/incidents", &page);
    assert!(
        page.body.contains("ada") && page.body.contains("Sign out") && !page.body.contains("/audit"),
        "{}",
        page.body
    );
    let refused = browser.get(&fixture, "/audit").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.body.contains("you are a responder") && refused.body.contains("Sign out"),
        "{}",
        refused.body
    );

    let token = browser.form_token(&fixture, "/incidents").await;
    let other_site =
        [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.example")];
    let body = format!("csrf={token}");
    let page = browser.send(&fixture, Method::POST, "/logout", &other_site, body).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post(&fixture, "/logout", &[]).await.status, StatusCode::FORBIDDEN);
    let page = browser.post(&fixture, "/logout", &[("csrf", &token)]).await;
    assert_eq!((page.status, &page.headers["location"]), (StatusCode::SEE_OTHER, &"/login".parse().unwrap()));
    // The cookie that was there is worth nothing now, whoever kept it.
    assert_eq!(browser.get(&fixture, "/incidents").await.status, StatusCode::SEE_OTHER);
    browser.keep(&page.headers);
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);

    // By https the cookie stays there.
    let by_https =
        Browser { headers: vec![("x-forwarded-proto".to_owned(), "https".to_owned())], ..Browser::at(PROXY) };
    let csrf = by_https.form_token(&fixture, "/login").await;
    let fields = [("csrf", csrf.as_str()), ("name", "ada"), ("token", VIEWER), ("then", "//evil.example")];
    let page = by_https.post(&fixture, "/login", &fields).await;
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-bluescope_session=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(page.headers["location"], "/", "nobody is sent elsewhere");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_waits_and_what_was_done_is_written_down() {
    let Some(fixture) = Fixture::with_access(roles()).await else { return };
    let mut guesser = Browser::at(THERE);
    let mut seen = Vec::new();
    for _ in 0..8 {
        let page = guesser.sign_in(&fixture, "<b>eve</b>", "a-guess").await;
        assert!(!page.body.contains("a-guess") && !page.body.contains("<b>eve"), "{}", page.body);
        check_page("/login", &page);
        seen.push(page.status.as_u16());
    }
    assert_eq!(seen, [401, 401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(guesser.sign_in(&fixture, "eve", ADMIN).await.status, StatusCode::TOO_MANY_REQUESTS);
    let mut admin = Browser::at("192.0.2.2:5000");
    assert_eq!(admin.sign_in(&fixture, "ada", ADMIN).await.status, StatusCode::SEE_OTHER);

    let page = admin.get(&fixture, "/audit").await;
    check_page("/audit", &page);
    assert!(page.body.contains("&lt;b&gt;eve") && page.body.contains("192.0.2.1"), "{}", page.body);
    assert!(
        page.body.contains("was refused at the sign-in") && !page.body.contains("a-guess"),
        "{}",
        page.body
    );
    let json: Value =
        serde_json::from_str(&admin.get(&fixture, "/api/v1/audit?action=sign_in").await.body).unwrap();
    let line = &json["lines"][0];
    assert_eq!(
        (&line["who"], &line["role"], &line["peer"]),
        (&"ada".into(), &"admin".into(), &"192.0.2.2".into())
    );
    assert_eq!(json["lines"].as_array().unwrap().len(), 1);
    assert_eq!(admin.get(&fixture, "/api/v1/audit?before=yesterday").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        admin.get(&fixture, "/api/v1/search/export?q=nonsense%3A").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(admin.get(&fixture, "/api/v1/search/export?q=driver%3Ax.sys").await.status, StatusCode::OK);
    let exports = AuditFilter { who: None, action: Some("export".to_owned()) };
    let exports = fixture.database.audit(&exports, 10, None).await.unwrap();
    assert_eq!(exports.len(), 1, "{exports:?}");
    assert_eq!((exports[0].subject.as_str(), exports[0].detail.as_str()), ("driver:x.sys", "csv"));
    for name in hostile() {
        let mut browser = Browser::at("192.0.2.3:5000");
        let page = browser.sign_in(&fixture, &name, VIEWER).await;
        if page.status == StatusCode::SEE_OTHER {
            check_page("/incidents", &browser.get(&fixture, "/incidents").await);
        } else {
            check_page("/login", &page);
        }
    }
    check_page("/audit", &admin.get(&fixture, "/audit").await);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_names_people_and_nobody_else_does() {
    let Some(fixture) = Fixture::with_access(roles()).await else { return };
    let me = |browser: Browser| {
        let fixture = &fixture;
        async move { browser.get(fixture, "/api/v1/me").await }
    };
    let ada =
        [("x-forwarded-user", "ada"), ("x-bluescope-role", "responder"), ("x-forwarded-for", "203.0.113.9")];
    let page = me(Browser::behind(&ada)).await;
    let json: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(
        (&json["name"], &json["role"], &json["means"]),
        (&"ada".into(), &"responder".into(), &"proxy".into())
    );
    let stranger = Browser { peer: THERE.parse().unwrap(), ..Browser::behind(&ada) };
    assert_eq!(me(stranger).await.status, StatusCode::UNAUTHORIZED);
    let twice = [("x-forwarded-user", "ada"), ("x-forwarded-user", "root")];
    assert_eq!(me(Browser::behind(&twice)).await.status, StatusCode::FORBIDDEN);

    let begun = incident(Subject::Everything, "x");
    let id = fixture.steps(&begun, &[("opened", "", "")]).await;
    let page = format!("/incidents/{id}");
    for name in hostile() {
        let headers = [("x-forwarded-user", name.as_str()), ("x-bluescope-role", "responder")];
        // A header holds no line ends and no NUL: no proxy can send those.
        if name.chars().any(char::is_control) {
            continue;
        }
        let browser = Browser::behind(&headers);
        let shown = browser.get(&fixture, &page).await;
        check_page(&page, &shown);
        if shown.status == StatusCode::OK {
            let csrf = browser.form_token(&fixture, &page).await;
            let fields = [("csrf", csrf.as_str()), ("words", name.as_str())];
            let done = browser.post(&fixture, &format!("{page}/comment"), &fields).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
        }
    }
    let browser = Browser::behind(&ada);
    check_page(&page, &browser.get(&fixture, &page).await);
    let csrf = browser.form_token(&fixture, &page).await;
    let done = browser.post(&fixture, &format!("{page}/acknowledge"), &[("csrf", &csrf)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let filter = AuditFilter { who: Some("ada".to_owned()), action: None };
    let audit = fixture.database.audit(&filter, 10, None).await.unwrap();
    assert_eq!((audit.len(), audit[0].peer.as_str()), (1, "203.0.113.9"));
    fixture.stop().await;
}
