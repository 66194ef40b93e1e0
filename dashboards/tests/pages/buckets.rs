//! Buckets, what can be done with a crash's dump, and the machine's page.

use std::io::Write as _;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::response::Parts;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};
use storage::blobs::kept_key;
use storage::queue::BatchLimits;
use storage::rows::CrashRow;

use crate::check_page;
use crate::fixture::{Fixture, Page, crash, history, hostile, hostile_rows, now_ms, report};

const BUCKET: &str = "AV_R_INVALID_csagent!unknown_function";
const ADDRESS: &str = "/buckets/AV_R_INVALID_csagent%21unknown_function";
const LIMITS: BatchLimits =
    BatchLimits { messages: 10, bytes: 1 << 20, wait: std::time::Duration::from_secs(5) };
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OURS: (&str, &str) = ("origin", "http://127.0.0.1:8080");

impl Fixture {
    /// As somebody at this machine, who may do everything.
    async fn here(&self, address: &str) -> (Parts, Bytes) {
        let peer: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let request = Request::get(address).header("host", "127.0.0.1:8080").extension(ConnectInfo(peer));
        self.raw(request.body(Body::empty()).unwrap()).await
    }

    /// Sends the form of a page, with what its hidden field has.
    async fn send_form(&self, page: &str, to: &str, fields: &str) -> Page {
        let (_, body) = self.here(page).await;
        let body = String::from_utf8(body.to_vec()).unwrap();
        let (_, token) = body.split_once("name=\"csrf\" value=\"").unwrap();
        let token = token.split('"').next().unwrap();
        assert!(
            body.contains(&format!("action=\"{}\"", to.replace('&', "&amp;"))),
            "{to} is no form of {body}"
        );
        self.post(to, &[FORM, OURS], &format!("csrf={token}&{fields}")).await
    }
}

/// A crash whose dump held the code around its fault.
fn with_code(row: CrashRow) -> CrashRow {
    let mut report: Value = serde_json::from_str(&row.report).unwrap();
    report["code"] = json!({ "address": "0xfffff8021dc414e8", "fault": "0xfffff8021dc414ed", "bytes": "4d85c0740b458b08e900" });
    CrashRow { report: report.to_string(), ..row }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_page_is_this() {
    let Some(fixture) = Fixture::new().await else { return };
    let row = with_code(crash("csagent.sys", 7, 1_721_362_200_000));
    fixture.insert(vec![row]).await;
    let page = fixture.get(&format!("{ADDRESS}?tenant=acme")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    check_page(ADDRESS, &page);
    // One element a line, so that a change shows as a change; how long ago it was is not told twice the same, and the
    // frame's files have their hashes in their addresses.
    let body = page.body.split_once("<main").unwrap().1.replace("><", ">\n<");
    let lines: Vec<&str> = body.lines().filter(|line| !line.contains(" ago)")).collect();
    insta::assert_snapshot!(lines.join("\n"));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_says_how_much_there_is_of_it_and_what_it_goes_with() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut rows = history(60);
    // What none of few others has may be chance.
    rows.extend((0..120).map(|number| crash("other.sys", 30_000 + number, now_ms() - 120_000)));
    let mut again = crash("csagent.sys", 10_003, now_ms() - 3_000);
    again.fault_offset = 0xB709E;
    rows.push(again);
    for row in rows.iter_mut().filter(|row| row.driver == "csagent.sys") {
        row.third_party.push("vpn.sys".to_owned());
        row.third_party_timestamps.push(5);
        row.third_party_sizes.push(6);
    }
    let mut kin = crash("csagent.sys", 20_000, now_ms() - 5_000);
    kin.bucket = "0x50_csagent!Read".to_owned();
    rows.push(kin);
    fixture.insert(rows).await;
    let page = fixture.get(ADDRESS).await;
    check_page(ADDRESS, &page);
    for words in [
        "FAILURE_ID_HASH",
        "vpn.sys",
        "0x50_csagent!Read",
        "same driver and bug check",
        "Memory referenced",
        "rip",
    ] {
        assert!(page.body.contains(words), "{words} is not in {}", page.body);
    }
    let json = fixture.json(&format!("/api/v1{ADDRESS}")).await;
    assert_eq!((&json["machines"], &json["crashes"]), (&60.into(), &61.into()));
    assert_eq!(json["recurrence"]["recurring"], 1);
    assert_eq!(json["fault_sites"].as_array().unwrap().len(), 2);
    assert_eq!(json["similar"][0]["bucket"], "0x50_csagent!Read");
    let fault = json["fault_sites"][1]["fault"].as_str().unwrap();
    let narrow = fixture.json(&format!("/api/v1{ADDRESS}?fault={fault}")).await;
    assert_eq!((&narrow["machines"], &narrow["crashes"]), (&1.into(), &1.into()));
    let nobody = fixture.get(&format!("{ADDRESS}?tenant=nobody")).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&format!("{ADDRESS}?fault=x")).await.status, StatusCode::BAD_REQUEST);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_added_and_the_newest_link_stands() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(vec![crash("csagent.sys", 7, now_ms() - 60_000)]).await;
    let notes = format!("/api/v1{ADDRESS}/notes?tenant=acme");
    let json = [("content-type", "application/json")];
    let first = r#"{"by":"ada","note":"rolled <b>back</b>\nat 04:20","link":"https://tracker.example/1"}"#;
    assert_eq!(fixture.post(&notes, &json, first).await.status, StatusCode::CREATED);
    let second = "by=bob&note=&link=https%3A%2F%2Ftracker.example%2F2";
    let page = format!("{ADDRESS}?tenant=acme");
    let form = format!("{ADDRESS}/notes?tenant=acme");
    let done = fixture.send_form(&page, &form, second).await;
    assert_eq!(
        (done.status, done.headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, format!("{ADDRESS}?tenant=acme").as_str())
    );
    let shown = fixture.get(&page).await;
    assert!(shown.body.contains("rolled &lt;b&gt;back&lt;/b&gt;<br>at 04:20"), "{}", shown.body);
    let bucket = fixture.json(&format!("/api/v1{ADDRESS}")).await;
    assert_eq!(bucket["known_issue"], "https://tracker.example/2");
    assert_eq!((&bucket["notes"][0]["who"], &bucket["notes"][1]["who"]), (&"bob".into(), &"ada".into()));
    for (to, headers, body, status) in [
        (
            &notes,
            &json[..],
            r#"{"by":"ada","note":"x","link":"javascript:alert(1)"}"#,
            StatusCode::BAD_REQUEST,
        ),
        (&notes, &json[..], r#"{"by":"ada"}"#, StatusCode::BAD_REQUEST),
        (&notes, &json[..], r#"{"note":"x"}"#, StatusCode::BAD_REQUEST),
        (&form, &[FORM, OURS][..], "by=a&note=b", StatusCode::FORBIDDEN),
        (&form, &[FORM, ("origin", "https://evil.example")][..], "by=a&note=b", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(fixture.post(to, headers, body).await.status, status, "{headers:?} {body}");
    }
    assert!(!fixture.get(&page).await.body.contains("name=\"note\""), "who only looks has no form");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_buckets_have_pages() {
    let Some(fixture) = Fixture::new().await else { return };
    let rows = hostile_rows();
    fixture.insert(rows.clone()).await;
    for (row, name) in rows.iter().zip(hostile()) {
        fixture.analyse(row, report(&name), &[&name]).await;
        let crash = fixture.get(&format!("/crashes/{}?drivers=%3Cb%3E%E2%80%AE", row.crash_id)).await;
        check_page("a crash", &crash);
        let own = crash.body.split("href=\"").filter_map(|part| part.split_once('"')).map(|(link, _)| link);
        let Some(link) = own.into_iter().find(|link| link.starts_with("/buckets/")) else {
            assert_eq!(name, "..");
            continue;
        };
        let page = fixture.get(&link.replace("&amp;", "&")).await;
        assert_eq!(page.status, StatusCode::OK, "{link}: {}", page.body);
        check_page(link, &page);
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_dump_is_given_out_and_analysed_again() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut row = crash("csagent.sys", 7, now_ms() - 60_000);
    row.machine = "../PC 7\"\r\n".to_owned();
    let dump = b"PAGEDU64".repeat(40_000);
    row.raw_len = dump.len() as u64;
    row.blob = kept_key(row.crash_id);
    let mut compressed = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    compressed.write_all(&dump).unwrap();
    fixture.blobs.put(&row.blob, compressed.finish().unwrap().into()).await.unwrap();
    let (id, key) = (row.crash_id, row.blob.clone());
    fixture.insert(vec![row]).await;

    let (parts, body) = fixture.here(&format!("/crashes/{id}/dump")).await;
    assert_eq!(parts.status, StatusCode::OK);
    assert_eq!(
        parts.headers["content-disposition"],
        format!("attachment; filename=\"PC7-{id}.dmp\"").as_str()
    );
    assert_eq!(parts.headers["content-length"], dump.len().to_string().as_str());
    assert!(body == dump, "{} bytes", body.len());
    assert_eq!(fixture.get(&format!("/crashes/{id}/dump")).await.status, StatusCode::FORBIDDEN);

    let page = fixture.get(&format!("/crashes/{id}?drivers=CROWD")).await;
    check_page("the crash", &page);
    assert!(!page.body.contains("Analyse again") && page.body.contains("Responders may download"));
    assert!(!page.body.contains(">ntoskrnl.exe</bdi></td>"), "narrowed to the vendor");
    let done = fixture.send_form(&format!("/crashes/{id}"), &format!("/crashes/{id}/analyse"), "").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let mut consumer = fixture.queue.consumer().await.unwrap();
    let next = consumer.next(LIMITS).await.unwrap();
    let again = next.last().unwrap().message.as_ref().unwrap();
    assert_eq!((next.len(), again.meta.crash_id, again.meta.raw_len), (2, id, dump.len() as u64));
    let storage::message::Content::Blob(spooled) = &again.meta.content else { panic!("{again:?}") };
    fixture.blobs.delete(spooled).await.unwrap();
    assert!(fixture.blobs.get(&key, 1 << 20).await.is_ok(), "the worker's copy is another one");

    let other = crash("csagent.sys", 8, now_ms() - 60_000);
    let other_id = other.crash_id;
    fixture.insert(vec![other]).await;
    let json = [("content-type", "application/json")];
    let asked = fixture.post(&format!("/api/v1/crashes/{other_id}/analyse"), &json, r#"{"by":"ada"}"#).await;
    assert_eq!(asked.status, StatusCode::CONFLICT);
    assert_eq!(fixture.here(&format!("/crashes/{other_id}/dump")).await.0.status, StatusCode::NOT_FOUND);
    let audit = fixture.here("/api/v1/audit").await.1;
    let audit = String::from_utf8(audit.to_vec()).unwrap();
    assert!(audit.contains("\"download\"") && audit.contains("\"reanalyse\""), "{audit}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_has_a_past() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut rows: Vec<CrashRow> = (0..4)
        .map(|number| crash("csagent.sys", number, now_ms() - i64::from(number) * 3_600_000 - 60_000))
        .collect();
    rows.iter_mut().for_each(|row| row.machine = "PC-1".to_owned());
    fixture.insert(rows).await;
    let page = fixture.get("/machines/PC-1?tenant=acme").await;
    check_page("the machine", &page);
    for words in [
        "up before a crash (median)",
        "from crash to crash (median)",
        "As its newest crash found them",
        BUCKET,
    ] {
        assert!(page.body.contains(words), "{words} is not in {}", page.body);
    }
    let json = fixture.json("/api/v1/machines/PC-1?tenant=acme").await;
    assert_eq!(json["uptime"], json!({ "median_s": 41, "shortest_s": 41, "median_gap_ms": 3_600_000 }));
    assert_eq!((&json["buckets"][0]["bucket"], &json["buckets"][0]["crashes"]), (&BUCKET.into(), &4.into()));
    assert_eq!(json["drivers"]["drivers"][0]["name"], "csagent.sys");
    fixture.stop().await;
}
