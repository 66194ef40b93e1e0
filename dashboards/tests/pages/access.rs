//! Who may what, on the real routes: sign-in, roles, forms, the audit log.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bluescope_dashboards::{AccessConfig, Dashboards};
use detector::Subject;
use serde_json::Value;
use storage::questions::AuditFilter;
use tower::ServiceExt as _;

use crate::check_page;
use crate::fixture::{Fixture, Page, hostile};
use crate::incidents::incident;

const HERE: &str = "127.0.0.1:5000";
const THERE: &str = "192.0.2.1:5000";
const PROXY: &str = "10.0.0.7:5000";
const VIEWER: &str = "the-token-of-viewers";
const RESPONDER: &str = "the-token-of-responders";
const ADMIN: &str = "the-token-of-admins";

/// A browser with its cookies.
pub(crate) struct Browser {
    peer: SocketAddr,
    headers: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn here() -> Self {
        Self::at(HERE)
    }

    fn at(peer: &str) -> Self {
        Self { peer: peer.parse().unwrap(), headers: Vec::new(), cookies: Vec::new() }
    }

    /// Behind a proxy that says this.
    fn behind(headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { headers, ..Self::at(PROXY) }
    }

    async fn send(
        &self,
        fixture: &Fixture,
        method: Method,
        address: &str,
        extra: &[(&str, &str)],
        body: String,
    ) -> Page {
        fixture.send(self.request(method, address, extra, body)).await
    }

    fn request(&self, method: Method, address: &str, extra: &[(&str, &str)], body: String) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(address).header("host", "127.0.0.1:8080");
        for (name, value) in &self.headers {
            request = request.header(name, value.as_bytes());
        }
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        request.extension(ConnectInfo(self.peer)).body(Body::from(body)).unwrap()
    }

    pub(crate) async fn get(&self, fixture: &Fixture, address: &str) -> Page {
        self.send(fixture, Method::GET, address, &[], String::new()).await
    }

    /// Sends a form of our own page.
    pub(crate) async fn post(&self, fixture: &Fixture, address: &str, fields: &[(&str, &str)]) -> Page {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", "http://127.0.0.1:8080"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(fixture, Method::POST, address, &headers, encoded(fields)).await
    }

    /// The token of the forms of a page; empty where it has none.
    pub(crate) async fn form_token(&self, fixture: &Fixture, page: &str) -> String {
        let body = self.get(fixture, page).await.body;
        let found = body.split_once("name=\"csrf\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
        found.map(|(token, _)| token.to_owned()).unwrap_or_default()
    }

    pub(crate) async fn sign_in(&mut self, fixture: &Fixture, name: &str, token: &str) -> Page {
        let csrf = self.form_token(fixture, "/login?then=%2Fincidents").await;
        let fields = [("csrf", csrf.as_str()), ("name", name), ("token", token), ("then", "/incidents")];
        let page = self.post(fixture, "/login", &fields).await;
        self.keep(&page.headers);
        page
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all("set-cookie") {
            let (pair, attributes) = line.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"), "{line:?}");
            self.cookies.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0;") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let quoted = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    pairs.join("&")
}

fn roles() -> AccessConfig {
    AccessConfig {
        viewer_tokens: vec![VIEWER.into()],
        responder_tokens: vec![RESPONDER.into()],
        admin_tokens: vec![ADMIN.into()],
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..AccessConfig::default()
    }
}

/// Every route, and the least role that may read and write it. A route that is not here fails the test below: say who may.
const ROUTES: &[(&str, &str, &str)] = &[
    ("/", "viewer", "none"),
    ("/audit", "admin", "none"),
    ("/drivers/{name}", "viewer", "none"),
    ("/crashes", "viewer", "none"),
    ("/buckets/{bucket}", "viewer", "none"),
    ("/buckets/{bucket}/notes", "none", "responder"),
    ("/crashes/{id}", "viewer", "none"),
    ("/crashes/{id}/dump", "responder", "none"),
    ("/crashes/{id}/analyse", "none", "responder"),
    ("/incidents", "viewer", "none"),
    ("/incidents/{id}", "viewer", "none"),
    ("/incidents/{id}/{act}", "none", "responder"),
    ("/login", "anyone", "anyone"),
    ("/logout", "none", "anyone"),
    ("/machines/{machine}", "viewer", "none"),
    ("/symbols", "viewer", "none"),
    ("/status", "viewer", "none"),
    ("/status/dead-letters/{partition}/{offset}", "none", "responder"),
    ("/targets", "viewer", "none"),
    ("/targets/{name}/test", "none", "responder"),
    ("/search", "viewer", "none"),
    ("/api", "viewer", "none"),
    ("/live", "viewer", "none"),
    ("/style.css", "anyone", "none"),
    ("/uplot.css", "anyone", "none"),
    ("/htmx.js", "anyone", "none"),
    ("/uplot.js", "anyone", "none"),
    ("/app.js", "anyone", "none"),
    ("/favicon.svg", "anyone", "none"),
    ("/api/v1/openapi.json", "viewer", "none"),
    ("/api/v1/search", "viewer", "none"),
    ("/api/v1/search/complete", "viewer", "none"),
    ("/api/v1/search/export", "viewer", "none"),
    ("/api/v1/audit", "admin", "none"),
    ("/api/v1/fleet", "viewer", "none"),
    ("/api/v1/drivers", "viewer", "none"),
    ("/api/v1/drivers/{name}", "viewer", "none"),
    ("/api/v1/crashes", "viewer", "none"),
    ("/api/v1/buckets/{bucket}", "viewer", "none"),
    ("/api/v1/buckets/{bucket}/notes", "none", "responder"),
    ("/api/v1/crashes/{id}", "viewer", "none"),
    ("/api/v1/crashes/{id}/facts", "viewer", "none"),
    ("/api/v1/crashes/{id}/analyse", "none", "responder"),
    ("/api/v1/incidents", "viewer", "none"),
    ("/api/v1/incidents/{id}", "viewer", "none"),
    ("/api/v1/incidents/{id}/{act}", "none", "responder"),
    ("/api/v1/gate", "viewer", "none"),
    ("/api/v1/dead-letters/{partition}/{offset}/retry", "none", "responder"),
    ("/api/v1/me", "viewer", "none"),
    ("/api/v1/machines", "viewer", "none"),
    ("/api/v1/machines/{machine}", "viewer", "none"),
    ("/api/v1/symbols/missing", "viewer", "none"),
    ("/api/v1/status", "viewer", "none"),
    ("/api/v1/targets", "viewer", "none"),
    ("/api/v1/targets/{name}/test", "none", "responder"),
];

/// A rank for comparing: what nobody may is above all.
fn rank(role: &str) -> usize {
    ["anyone", "viewer", "responder", "admin", "none"].iter().position(|known| *known == role).unwrap()
}

#[test]
fn every_route_says_who_may() {
    let mut found = Dashboards::paths();
    let mut known: Vec<String> = ROUTES.iter().map(|(path, _, _)| (*path).to_owned()).collect();
    found.sort();
    known.sort();
    assert_eq!(found, known, "a route without its line in the table of who may, or a line without its route");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_gets_what_it_may_on_each_route_and_nothing_else() {
    let Some(fixture) = Fixture::with_access(roles()).await else { return };
    let program = Browser::at(THERE);
    for (path, read, write) in ROUTES {
        let address = path.replace("{id}", &uuid::Uuid::nil().to_string()).replace("{act}", "comment");
        let address = address
            .replace("{bucket}", "AV_x")
            .replace("{name}", "x.sys")
            .replace("{partition}/{offset}", "0/7")
            .replace("{machine}", "pc-1");
        for (method, needed) in [(Method::GET, *read), (Method::POST, *write)] {
            for (role, token) in
                [("anyone", ""), ("viewer", VIEWER), ("responder", RESPONDER), ("admin", ADMIN)]
            {
                let bearer = format!("Bearer {token}");
                let mut headers = vec![("content-type", "application/json")];
                if !token.is_empty() {
                    headers.push(("authorization", &bearer));
                }
                let body = if method == Method::POST { "{}" } else { "" };
                let request = program.request(method.clone(), &address, &headers, body.to_owned());
                // Its head only: what is live never ends.
                let page = fixture.router.clone().oneshot(request).await.unwrap();
                let what = format!("{method} {path} as {role}: {}", page.status());
                let to_login = page
                    .headers()
                    .get("location")
                    .is_some_and(|to| to.to_str().unwrap().starts_with("/login?then="));
                let refused =
                    matches!(page.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || to_login;
                if needed == "none" {
                    assert!(refused || page.status() == StatusCode::METHOD_NOT_ALLOWED, "{what}");
                } else {
                    assert_eq!(refused, rank(role) < rank(needed), "{what}");
                }
            }
        }
    }
    // What has no route is nobody's business either.
    let page = program.get(&fixture, "/no/such/page").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(program.get(&fixture, "/api/v1/no/such").await.status, StatusCode::UNAUTHORIZED);
    fixture.stop().await;
}

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
    for button in [
        "Acknowledge",
        "Comment",
        "Resolve",
        "Mute 30 minutes",
        "Mute 2 hours",
        "Mute 8 hours",
        "Link ticket",
    ] {
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
