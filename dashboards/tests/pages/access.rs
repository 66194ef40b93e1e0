//! Who may what, on the real routes. Signing in and the buttons of an incident have tests of their own.

use axum::http::{Method, StatusCode};
use bluescope_dashboards::{AccessConfig, Dashboards};
use tower::ServiceExt as _;

use crate::browser::{Browser, THERE};
use crate::fixture::Fixture;

pub(crate) const VIEWER: &str = "the-token-of-viewers";
pub(crate) const RESPONDER: &str = "the-token-of-responders";
pub(crate) const ADMIN: &str = "the-token-of-admins";

/// A sign-in with a token for each role, and a trusted proxy.
pub(crate) fn roles() -> AccessConfig {
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
