//! The status page: what was given up on can be queued again, once, by whoever may.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use storage::questions::SymbolSourceRow;
use storage::queue::BatchLimits;

use crate::check_page;
use crate::fixture::{Fixture, Page, crash, message, now_ms};

/// As a program on this machine.
async fn post(fixture: &Fixture, address: &str) -> Page {
    let peer: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
    let request = Request::post(address)
        .header("host", "127.0.0.1:8080")
        .header("content-type", "application/json")
        .extension(ConnectInfo(peer));
    fixture.send(request.body(Body::from(r#"{"by":"ada"}"#)).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_queued_again() {
    let Some(fixture) = Fixture::new().await else { return };
    let row = crash("csagent.sys", 7, now_ms());
    fixture.queue.append(message(&row)).await.unwrap();
    let mut consumer = fixture.queue.consumer().await.unwrap();
    let limits = BatchLimits { messages: 10, bytes: 1 << 20, wait: std::time::Duration::from_secs(5) };
    let batch = consumer.next(limits).await.unwrap();
    consumer.dead_letter(&batch[0], "the analyzer fell over it").await.unwrap();
    consumer.commit(&[batch[0].position]).await.unwrap();

    let page = fixture.get("/status").await;
    check_page("/status", &page);
    for words in ["the analyzer fell over it", "no row yet", "free", "migrations", "ClickHouse 2"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    let offset = batch[0].position.offset;
    let address = format!("/api/v1/dead-letters/0/{offset}/retry");
    let page = post(&fixture, &address).await;
    assert_eq!(page.status, StatusCode::ACCEPTED, "{}", page.body);
    let again = consumer.next(limits).await.unwrap();
    assert_eq!(again[0].message.as_ref().unwrap(), &message(&row));
    assert_eq!(fixture.queue.state().await.unwrap().accepted, 2);
    let nothing = post(&fixture, "/api/v1/dead-letters/0/4711/retry").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND, "{}", nothing.body);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symbol_server_that_fails_is_shown() {
    let Some(fixture) = Fixture::new().await else { return };
    let page = fixture.get("/status").await;
    assert!(page.body.contains("No server is asked"), "{}", page.body);
    let source = |source: &str, state: &str| SymbolSourceRow {
        source: source.to_owned(),
        state: state.to_owned(),
        updated_at_ms: now_ms(),
        ..SymbolSourceRow::default()
    };
    let failed = SymbolSourceRow {
        failed_at_ms: Some(now_ms()),
        last_error: "HTTP 503 <b>".to_owned(),
        ..source("https://symbols.example/", "left alone")
    };
    let answers = SymbolSourceRow { answered_at_ms: Some(now_ms()), ..source("/srv/symbols", "asked") };
    let idle = source("s3://symbols", "asked");
    let gone =
        SymbolSourceRow { updated_at_ms: now_ms() - 600_000, ..source("https://gone.example/", "asked") };
    fixture.database.put_symbol_sources(&[failed, answers, idle, gone]).await.unwrap();
    let page = fixture.get("/status").await;
    check_page("/status", &page);
    for words in ["left alone after failures", "HTTP 503 &lt;b&gt;", "answers", "not asked yet"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains("gone.example"), "it is configured no more");
    fixture.stop().await;
}
