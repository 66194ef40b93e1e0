//! One dump from upload to page: identity, durability, restarts, the pages, health and metrics.

use dump::synth::{SmallDump, UserDump, user_minidump};
use serde_json::Value;

use crate::support::{Crashes, Service, eventually};

async fn crash_row(service: &Service, id: &str) -> Value {
    let path = format!("/api/v1/crashes/{id}");
    eventually("the crash to be a row", || async {
        let response = service.http.get(service.url(&path)).send().await.unwrap();
        match response.status().as_u16() {
            200 => Some(response.json::<Value>().await.unwrap()),
            404 => None,
            other => panic!("{path}: {other}"),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_dump_becomes_a_row_a_page_and_survives_a_restart() {
    let mut service = Service::start().await;
    assert!(service.page("/").await.contains("curl"), "an empty page says how to begin");

    let id = service.upload("pc-0001", Crashes::of(&SmallDump::example()).number(0)).await.unwrap();
    let row = crash_row(&service, &id).await;
    let crash = &row["crash"];
    assert_eq!((&crash["driver"], &crash["machine"]), (&"rtwlane.sys".into(), &"pc-0001".into()), "{row}");
    // The fleet page is at most a second old.
    eventually("the fleet page to name the driver", || async {
        service.page("/").await.contains("rtwlane.sys").then_some(())
    })
    .await;

    for path in
        ["/".to_owned(), "/drivers/rtwlane.sys".to_owned(), format!("/crashes/{id}"), "/status".to_owned()]
    {
        let page = service.page(&path).await;
        assert!(
            path == "/status" || page.contains("rtwlane.sys"),
            "{path} does not name the driver:\n{page}"
        );
    }
    let ledger = service.settled().await;
    assert_eq!((ledger.accepted, ledger.analysed, ledger.crashes), (1, 1, 1));

    service.stop().await;
    service.start_again().await;
    assert_eq!(service.settled().await, ledger, "a second start finds everything it had");
    assert!(service.page(&format!("/crashes/{id}")).await.contains("rtwlane.sys"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_dump_raw_as_a_form_and_compressed_is_one_crash() {
    let service = Service::start().await;
    let bytes = SmallDump::example().to_bytes();
    let raw = service.upload("pc-0001", bytes.clone()).await.unwrap();
    let again = service.upload("pc-0001", bytes.clone()).await.unwrap();

    let form = reqwest::multipart::Form::new()
        .text("prod", "Windows")
        .text("ver", "10.0.19045")
        .text("guid", "pc-0001")
        .part("upload_file_minidump", reqwest::multipart::Part::bytes(bytes.clone()).file_name("mini.dmp"));
    let response = service.http.post(service.url("/v1/crashes")).multipart(form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains(&raw), "a form gets the same id");

    let compressed = zstd::bulk::compress(&bytes, 3).unwrap();
    let response = service
        .http
        .post(service.url("/v1/crashes"))
        .header("content-encoding", "zstd")
        .header("x-bluescope-machine", "pc-0001")
        .body(compressed)
        .send()
        .await
        .unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["crash_id"], raw.as_str());
    assert_eq!(raw, again);

    let ledger = service.settled().await;
    assert_eq!((ledger.accepted, ledger.crashes), (4, 1), "four uploads, one crash");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_minidump_becomes_a_row() {
    let service = Service::start().await;
    let id = service.upload("pc-0002", user_minidump(&UserDump::example())).await.unwrap();
    let text = crash_row(&service, &id).await.to_string();
    assert!(text.contains("shop.exe"), "{text}");
    assert_eq!(service.settled().await.analysed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_dump_takes_the_way_through_the_blob_store() {
    // Noise that does not compress: larger than the inline limit whatever zstd does.
    let mut dump = SmallDump::example();
    let noise = blake3::Hasher::new().finalize_xof();
    dump.blocks.push((0xffff_a000_0000_0000, noise_bytes(noise, 3 << 20)));
    let service = Service::start().await;
    let id = service.upload("pc-0003", dump.to_bytes()).await.unwrap();
    let text = crash_row(&service, &id).await.to_string();
    assert!(text.contains("rtwlane.sys"), "{text}");
    assert_eq!(service.settled().await.analysed, 1);
}

fn noise_bytes(mut source: blake3::OutputReader, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    source.fill(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_answer() {
    let service = Service::start().await;
    assert_eq!(service.page("/healthz").await, "ok\n");
    let crashes = Crashes::of(&SmallDump::example());
    for number in 0..5 {
        service.upload("pc-1", crashes.number(number)).await.unwrap();
    }
    service.settled().await;
    let metrics = service.page("/metrics").await;
    assert!(metrics.ends_with("# EOF\n"), "it is OpenMetrics text");
    for name in ["bluescope_ingest_", "bluescope_analyzer_", "bluescope_alerts_"] {
        assert!(metrics.contains(name), "no {name}* in:\n{metrics}");
    }
    for line in service.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_and_a_right_one_is_not() {
    let service =
        Service::configured("ingest.tokens = [{ token = \"correct-horse\", tenant = \"acme\" }]").await;
    let bytes = SmallDump::example().to_bytes();
    let post = |url: String| service.http.post(url).body(bytes.clone());
    assert_eq!(post(service.url("/v1/crashes")).send().await.unwrap().status(), 401);
    let wrong = post(service.url("/v1/crashes")).bearer_auth("battery-staple").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert!(wrong.text().await.unwrap().contains("\"code\""));
    let bearer = post(service.url("/v1/crashes")).bearer_auth("correct-horse").send().await.unwrap();
    assert_eq!(bearer.status(), 200);
    let query = post(service.url("/v1/crashes?token=correct-horse")).send().await.unwrap();
    assert_eq!(query.status(), 200);
    assert_eq!(service.settled().await.crashes, 1);
    assert!(!service.log().contains("correct-horse"), "a token is in the log");
}
