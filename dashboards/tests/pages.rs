//! Every page and every endpoint against the embedded engine: they render, they link, and no name gets out of hand.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test's helpers fail and speak as tests do"
)]

#[path = "pages/access.rs"]
mod access;
#[path = "pages/browser.rs"]
mod browser;
#[path = "pages/buckets.rs"]
mod buckets;
#[path = "pages/buttons.rs"]
mod buttons;
#[path = "pages/driver.rs"]
mod driver;
#[path = "pages/fixture.rs"]
mod fixture;
#[path = "pages/gate.rs"]
mod gate;
#[path = "pages/hardware.rs"]
mod hardware;
#[path = "pages/incidents.rs"]
mod incidents;
#[path = "pages/intake.rs"]
mod intake;
#[path = "pages/named.rs"]
mod named;
#[path = "pages/openapi.rs"]
mod openapi;
#[path = "pages/search.rs"]
mod search;
#[path = "pages/sign_in.rs"]
mod sign_in;
#[path = "pages/status.rs"]
mod status;
#[path = "pages/targets.rs"]
mod targets;

use std::collections::{BTreeSet, VecDeque};

use axum::http::StatusCode;
use fixture::{Fixture, Page, crash, history, hostile, hostile_rows, report};
use storage::rows::SymbolFileRow;

/// The addresses in a page, unescaped.
fn links(page: &Page) -> Vec<String> {
    let parts = page.body.split("href=\"").skip(1);
    parts.filter_map(|part| part.split_once('"')).map(|(link, _)| link.replace("&amp;", "&")).collect()
}

/// What holds for every page, whatever it shows.
fn check_page(address: &str, page: &Page) {
    let header = |name: &str| page.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert!(header("content-security-policy").starts_with("default-src 'none'"), "{address}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{address}");
    assert_eq!(header("referrer-policy"), "same-origin", "{address}");
    assert_eq!(header("content-type"), "text/html; charset=utf-8", "{address}");
    assert_eq!(header("cache-control"), "no-store", "{address}");
    let body = &page.body;
    assert!(body.starts_with("<!DOCTYPE html>") && body.ends_with("</html>"), "{address}");
    // Ours are all from files of ours, and stand in the head.
    let (head, body) = body.split_once("<body>").unwrap();
    assert!(head.matches("<script").count() == head.matches("<script src=\"/").count(), "{address}");
    for raw in ["<script", "<img", " style=", "javascript:", "\0", "\u{202e}", "\u{2066}", "\u{1b}"] {
        assert!(!body.contains(raw), "{address} has {raw:?}");
    }
    // A place within the page is one of ours, too.
    for link in links(page)
        .iter()
        .map(|link| link.strip_prefix('#').map_or(link.clone(), |place| format!("/{place}")))
    {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/%?&=-_.".contains(c);
        assert!(
            link.starts_with('/') && !link.starts_with("//") && link.chars().all(plain),
            "{address}: {link}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_of_a_fleet_with_hostile_names_leads_to_a_page() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut rows = history(40);
    let theirs = hostile_rows();
    rows.extend(theirs.clone());
    fixture.insert(rows).await;
    for (row, name) in theirs.iter().zip(hostile()) {
        fixture.analyse(row, report(&name), &[&name]).await;
        let file = SymbolFileRow {
            tenant: name.clone(),
            id: name.clone(),
            kind: name.clone(),
            file_name: name,
            bytes: 1,
            arrived_at: 1,
        };
        fixture.database.insert_symbol_files(&[file]).await.unwrap();
    }
    fixture.incident("csagent.sys", false).await;
    for name in hostile() {
        fixture.incident(&name, true).await;
    }
    let mut todo: VecDeque<String> =
        ["/", "/?range=24h", "/?range=7d", "/incidents", "/search", "/symbols", "/status"]
            .map(str::to_owned)
            .into();
    let mut seen: BTreeSet<String> = todo.iter().cloned().collect();
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    while let Some(address) = todo.pop_front() {
        let page = fixture.get(&address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.body);
        if address.contains("format=csv") {
            assert!(page.body.starts_with("crash_id,"), "{address}");
        } else if address.starts_with("/api/") {
            serde_json::from_str::<serde_json::Value>(&page.body).unwrap();
        } else if !address.contains("?v=") && address != "/favicon.svg" {
            check_page(&address, &page);
            // The list of crashes is as long as the fleet's history: a few of each kind are enough.
            kinds.insert(address.split('/').nth(1).unwrap_or_default().to_owned());
            for link in links(&page).into_iter().filter(|link| link.starts_with('/')) {
                if seen.len() < 400 && seen.insert(link.clone()) {
                    todo.push_back(link);
                }
            }
        }
    }
    println!("{} pages were read", seen.len());
    let kinds_of_pages =
        ["drivers", "buckets", "crashes", "incidents", "machines", "search", "symbols", "targets", "status"];
    for kind in kinds_of_pages {
        assert!(kinds.contains(kind), "no page of {kind} was reached");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_page_shows_what_burns() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(history(40)).await;
    let id = fixture.incident("csagent.sys", false).await;
    let page = fixture.get("/").await;
    assert!(page.body.contains("hx-trigger=\"live from:body\""));
    assert!(page.body.contains(&format!("href=\"/incidents/{id}\"")));
    assert!(page.body.contains("1 open incident") && page.body.contains("ledger holds"), "{}", page.body);

    let fleet: serde_json::Value = serde_json::from_str(&fixture.get("/api/v1/fleet").await.body).unwrap();
    assert_eq!(fleet["drivers"][0]["driver"], "csagent.sys");
    assert_eq!(fleet["drivers"][0]["machines"], 40);
    let spark: u64 =
        fleet["drivers"][0]["spark"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(spark, 40);
    assert_eq!(fleet["series"].as_array().unwrap().len(), 60);
    assert_eq!((&fleet["ledger"]["balanced"], &fleet["ledger"]["unreadable"]), (&true.into(), &1.into()));

    let incident = fixture.get(&format!("/api/v1/incidents/{id}")).await;
    let incident: serde_json::Value = serde_json::from_str(&incident.body).unwrap();
    assert_eq!((&incident["state"], &incident["driver"]), (&"open".into(), &"csagent.sys".into()));
    assert_eq!(incident["evidence"]["bugchecks"].as_array().unwrap().len(), 2);
    assert_eq!(incident["notifications"].as_array().unwrap().len(), 2);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_page_is_this() {
    let Some(fixture) = Fixture::new().await else { return };
    let row = crash("csagent.sys", 7, 1_721_362_200_000);
    let address = format!("/crashes/{}", row.crash_id);
    fixture.insert(vec![row]).await;
    let page = fixture.get(&address).await;
    check_page(&address, &page);
    // One element a line, so that a change shows as a change; the frame's files have hashes in their addresses.
    let (_, main) = page.body.split_once("<main").unwrap();
    insta::assert_snapshot!(main.replace("><", ">\n<"));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_installation_says_what_to_do() {
    let Some(fixture) = Fixture::new().await else { return };
    for address in ["/", "/search"] {
        let page = fixture.get(address).await;
        check_page(address, &page);
        assert!(page.body.contains("curl -H 'X-Bluescope-Machine: pc-0001'"), "{address}");
        assert!(page.body.contains("http://bluescope.example:8080/v1/crashes"), "{address}");
    }
    assert!(fixture.get("/incidents").await.body.contains("bluescope drill"));
    let status = fixture.get("/status").await;
    assert!(status.body.contains("the sum holds"), "{}", status.body);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_makes_no_sense_is_said_in_a_page_and_in_json() {
    let Some(fixture) = Fixture::new().await else { return };
    let id = uuid::Uuid::from_u128(7);
    for path in [
        format!("/crashes/{id}"),
        "/crashes/x".to_owned(),
        format!("/incidents/{id}"),
        "/incidents/..%2f".to_owned(),
        "/drivers/nobody.sys".to_owned(),
        "/machines/nobody?tenant=".to_owned(),
        "/buckets/nothing".to_owned(),
    ] {
        check(&fixture, &path, StatusCode::NOT_FOUND, "not_found").await;
    }
    for path in ["/search?before=tomorrow", "/drivers/%ff", "/machines/%ff"] {
        check(&fixture, path, StatusCode::BAD_REQUEST, "bad_request").await;
    }
    check(&fixture, "/drivers/x.sys?range=5y", StatusCode::BAD_REQUEST, "bad_request").await;
    let page = fixture.get("/no/such/page").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    check_page("/no/such/page", &page);
    let json = fixture.get("/api/v1/no/such").await;
    assert_eq!((json.status, json.body.contains("not_found")), (StatusCode::NOT_FOUND, true));
    fixture.stop().await;
}

async fn check(fixture: &Fixture, path: &str, status: StatusCode, code: &str) {
    let page = fixture.get(path).await;
    assert_eq!(page.status, status, "{path}");
    check_page(path, &page);
    let json = fixture.get(&format!("/api/v1{path}")).await;
    assert_eq!(json.status, status, "{path}");
    let body: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(body["error"]["code"], code, "{path}");
    assert!(body["error"]["message"].as_str().unwrap().ends_with(|c: char| !c.is_whitespace()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(history(120)).await;
    let mut address = "/api/v1/crashes?driver=CSAgent.sys&outcome=".to_owned();
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut pages = 0;
    loop {
        let list: serde_json::Value = serde_json::from_str(&fixture.get(&address).await.body).unwrap();
        for crash in list["crashes"].as_array().unwrap() {
            assert_eq!(crash["driver"], "csagent.sys");
            assert!(found.insert(crash["crash_id"].as_str().unwrap().to_owned()), "twice");
        }
        pages += 1;
        let Some(next) = list["next"].as_str() else { break };
        address = format!("/api/v1/crashes?driver=csagent.sys&before={next}");
    }
    assert_eq!((found.len(), pages), (120, 3));
    let unreadable: serde_json::Value =
        serde_json::from_str(&fixture.get("/api/v1/crashes?outcome=unreadable").await.body).unwrap();
    assert_eq!(unreadable["crashes"].as_array().unwrap().len(), 1);
    let machine: serde_json::Value =
        serde_json::from_str(&fixture.get("/api/v1/machines/PC-10003?tenant=acme").await.body).unwrap();
    assert_eq!(machine["crashes"].as_array().unwrap().len(), 1);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_a_503() {
    let Some(fixture) = Fixture::alone().await else { return };
    fixture.database.clone().close().await;
    for address in
        ["/", "/search", "/status", "/symbols", "/incidents", "/drivers/x.sys", "/buckets/x", "/machines/x"]
    {
        let page = fixture.get(address).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{address}");
        check_page(address, &page);
        assert!(!page.body.contains("ClickHouse failed"), "the log has the cause, people have a sentence");
    }
    fixture.stop().await;
}
