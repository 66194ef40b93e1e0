//! What is refused, with which status and code, and that nothing stays behind.

use std::time::Duration;

use ingest::SymbolIntakeConfig;
use reqwest::Body;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fixture::{FORM, Fixture, MIB, config, form, gzip, refused, sym, taken, zip};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_symbol_file_is_refused_with_the_reason() {
    let Some(fixture) = Fixture::new(config()).await else { return };
    let inner = zip(&[("crash.sym", &sym(10))]);
    let mut cut = inner.clone();
    cut.truncate(cut.len() / 2);
    for body in [
        Vec::new(),
        b"hello".to_vec(),
        b"MZ".to_vec(),
        b"PK\x03\x04 and no more".to_vec(),
        cut,
        zip(&[("in.zip", &inner)]),
    ] {
        let push = fixture.push("?name=%3Cb%3E%00.sym").body(body.clone());
        let why = refused(push.send().await.unwrap(), 422, "no_symbols").await;
        assert!(why.len() > "nothing in it is a symbol file: ".len() && !why.contains('\0'), "{why}");
    }
    // A symbol file whose name could leave its folder, or that the store cannot hold, has no place.
    for name in ["..", "a%2f..", "..%5C..", "x%00.dll", "a%231", "%2e", "nul%3a", "a%20"] {
        let push = fixture.push(&format!("?name={name}")).body(crate::fixture::image());
        refused(push.send().await.unwrap(), 422, "no_symbols").await;
    }
    let named = b"MODULE windows x86_64 3249D99D0C4049318610F4E4FB0B69361 ..\nFUNC 1 1 0 x\n".to_vec();
    refused(fixture.push("").body(named).send().await.unwrap(), 422, "no_symbols").await;
    let empty = fixture.push("").header("content-type", FORM).body(form(&[("a", None, b"x")]));
    refused(empty.send().await.unwrap(), 400, "no_file").await;
    let many: Vec<(&str, Option<&str>, &[u8])> =
        (0..300).map(|_| ("a", Some("a.sym"), b"".as_slice())).collect();
    let many = fixture.push("").header("content-type", FORM).body(form(&many));
    refused(many.send().await.unwrap(), 400, "bad_form").await;
    let cut = fixture.push("").header("content-type", FORM).body("--XXBOUND\r\nContent-Dis");
    refused(cut.send().await.unwrap(), 400, "bad_form").await;
    let bomb = zstd::encode_all(vec![b'M'; 6 * MIB].as_slice(), 19).unwrap();
    let push = fixture.push("").header("content-encoding", "zstd").body(bomb);
    refused(push.send().await.unwrap(), 413, "inflates_too_much").await;
    fixture.assert_untouched().await;
    let metrics = fixture.metrics();
    assert!(metrics.contains("ingest_symbol_uploads_total{outcome=\"no_symbols\"} 15"), "{metrics}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_sent_wrong() {
    // What is left of a body is drained up to 4 MiB, so that its sender gets to read the answer.
    let config = SymbolIntakeConfig { max_bytes: MIB as u64, ..config() };
    let Some(fixture) = Fixture::new(config).await else { return };
    let large = sym(3 * MIB);
    refused(fixture.push("").body(large.clone()).send().await.unwrap(), 413, "too_large").await;
    // Without a declared length, and in a form.
    let chunks =
        large.chunks(MIB / 2).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let body = Body::wrap_stream(futures_util::stream::iter(chunks));
    refused(fixture.push("").body(body).send().await.unwrap(), 413, "too_large").await;
    let parts = form(&[("a", Some("a.sym"), &large)]);
    let push = fixture.push("").header("content-type", FORM).body(parts);
    refused(push.send().await.unwrap(), 413, "too_large").await;
    let push = fixture.push("").header("content-encoding", "gzip").body(gzip(&large));
    refused(push.send().await.unwrap(), 413, "too_large").await;
    // An archive whose member is larger than any file may be.
    let push = fixture.push("").body(zip(&[("a.sym", &large)]));
    refused(push.send().await.unwrap(), 422, "no_symbols").await;

    let push = fixture.push("").header("content-encoding", "br").body(sym(10));
    refused(push.send().await.unwrap(), 415, "unsupported_encoding").await;
    let push = fixture.push("").header("content-type", "text/html").body(sym(10));
    refused(push.send().await.unwrap(), 415, "unsupported_type").await;
    let push = fixture.push("").header("content-encoding", "gzip").body(sym(10));
    refused(push.send().await.unwrap(), 400, "bad_encoding").await;
    let got = fixture.client.get(fixture.url("/v1/symbols")).send().await.unwrap();
    assert_eq!(got.headers()["allow"], "POST");
    refused(got, 405, "method_not_allowed").await;
    fixture.assert_untouched().await;
    taken(fixture.push("").body(sym(10)).send().await.unwrap()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sender_is_cut_off_and_holds_up_no_more_than_its_turn() {
    let config = SymbolIntakeConfig {
        at_once: 1,
        admission_wait: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(700),
        ..config()
    };
    let Some(fixture) = Fixture::new(config).await else { return };
    let mut slow = TcpStream::connect(fixture.address).await.unwrap();
    slow.write_all(b"POST /v1/symbols HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nMODULE ")
        .await
        .unwrap();
    // Busy as soon as the slow one has its turn.
    let busy = async {
        loop {
            let response = fixture.push("").body("x").send().await.unwrap();
            if response.status() == 503 {
                assert!(response.headers().contains_key("retry-after"));
                return refused(response, 503, "busy").await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), busy).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), slow.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"timeout\""), "{answer}");
    let free = async { while fixture.push("").body(sym(10)).send().await.unwrap().status() != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), free).await.unwrap();
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_while_the_database_is_away() {
    let Some(fixture) = Fixture::new(config()).await else { return };
    fixture.database.clone().close().await;
    let response = fixture.push("").body(sym(10)).send().await.unwrap();
    let retry_after = response.headers().contains_key("retry-after");
    let why = refused(response, 503, "unavailable").await;
    assert!(retry_after && !why.contains("ClickHouse"), "{why}");
    let url = fixture.url("/v1/symbols/missing");
    refused(fixture.client.get(url).send().await.unwrap(), 503, "unavailable").await;
}
