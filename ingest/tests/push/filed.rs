//! What is taken: alone, in forms, in archives, compressed; and what is told of it.

use serde_json::json;
use storage::questions::AuditFilter;
use storage::rows::{CrashRow, DeepRow};
use uuid::Uuid;

use crate::fixture::{
    FORM, Fixture, IMAGE_KEY, KEY, config, form, gzip, image, refused, sym, taken, token, zip,
};

fn pdb_id() -> String {
    format!("crash.pdb/{KEY}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_filed_under_what_it_is_and_the_arrival_noted() {
    let Some(fixture) = Fixture::new(config()).await else { return };
    let answer = taken(fixture.push("?name=whatever.txt").body(sym(100)).send().await.unwrap()).await;
    let expected = json!({ "id": pdb_id(), "kind": "sym", "name": "crash.sym", "bytes": sym(100).len() });
    assert_eq!(answer, json!({ "files": [expected], "refused": [] }));
    assert_eq!(fixture.stored("", "crash.pdb", KEY, "crash.sym").await, Some(sym(100)));
    assert_eq!(fixture.noted().await, [(String::new(), pdb_id(), "sym".to_owned())]);
    let lines = fixture.database.audit(&AuditFilter::default(), 10, None).await.unwrap();
    let told: Vec<_> = lines.iter().map(|line| (line.action.as_str(), line.detail.as_str())).collect();
    assert_eq!(told, [("symbol_push", pdb_id().as_str())]);

    // Compressed on the wire, and a newer one of the same name.
    for (encoding, body) in
        [("gzip", gzip(&sym(3_000_000))), ("zstd", zstd::encode_all(sym(4_000_000).as_slice(), 1).unwrap())]
    {
        let push = fixture.push("").header("content-encoding", encoding).body(body);
        let answer = taken(push.send().await.unwrap()).await;
        let stored = fixture.stored("", "crash.pdb", KEY, "crash.sym").await.unwrap();
        assert_eq!(answer["files"][0]["bytes"], stored.len());
        assert!(stored.len() >= 3_000_000);
    }
    let image_answer =
        taken(fixture.push("?name=C%3A%5Cx%5CCrash.EXE").body(image()).send().await.unwrap()).await;
    assert_eq!(image_answer["files"][0]["id"], format!("crash.exe/{IMAGE_KEY}"));
    assert_eq!(fixture.stored("", "crash.exe", IMAGE_KEY, "crash.exe").await, Some(image()));
    assert_eq!(std::fs::read_dir(fixture.dir.path().join("blobs/tmp")).unwrap().count(), 0);
    let metrics = fixture.metrics();
    assert!(metrics.contains("ingest_symbol_uploads_total{outcome=\"accepted\"} 4"), "{metrics}");
    assert!(metrics.contains("ingest_symbol_files_total{kind=\"image\"} 1"), "{metrics}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_and_archives_hold_several() {
    let Some(fixture) = Fixture::new(config()).await else { return };
    let (one, other) = (sym(50), image());
    let parts: [(&str, Option<&str>, &[u8]); 4] = [
        ("build", None, b"1234"),
        ("a", Some("crash.sym"), &one),
        ("b", Some("../../etc/crash.exe"), &other),
        ("c", Some("readme.txt"), b"hello"),
    ];
    let push = fixture.push("").header("content-type", FORM).body(form(&parts));
    let answer = taken(push.send().await.unwrap()).await;
    let ids: Vec<_> = answer["files"].as_array().unwrap().iter().map(|file| file["id"].clone()).collect();
    assert_eq!(ids, [json!(pdb_id()), json!(format!("crash.exe/{IMAGE_KEY}"))]);
    assert_eq!(answer["refused"].as_array().unwrap().len(), 1);
    assert_eq!(answer["refused"][0]["name"], "readme.txt");

    let archive = zip(&[("../../../up.exe", &other), ("sub/crash.sym", &one), ("notes.md", b"# no")]);
    let answer = taken(fixture.push("?name=symbols.zip").body(archive).send().await.unwrap()).await;
    assert_eq!(
        (answer["files"].as_array().unwrap().len(), answer["refused"].as_array().unwrap().len()),
        (2, 1)
    );
    assert_eq!(fixture.stored("", "up.exe", IMAGE_KEY, "up.exe").await, Some(other));
    assert_eq!(fixture.noted().await.len(), 3);
    // Whatever they were called, they are where they belong and nowhere else.
    let outside = std::fs::read_dir(fixture.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut outside: Vec<_> = outside.collect();
    outside.sort();
    assert_eq!(outside, ["blobs", "clickhouse"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_pushes_for_its_own_and_sees_what_its_own_crashes_lack() {
    let tokens = vec![token("red", "red"), token("blue", "blue")];
    let config = ingest::SymbolIntakeConfig { tokens, ..config() };
    let Some(fixture) = Fixture::new(config).await else { return };
    refused(fixture.push("").body(sym(10)).send().await.unwrap(), 401, "unauthorized").await;
    refused(fixture.push("").bearer_auth("green").body(sym(10)).send().await.unwrap(), 401, "unauthorized")
        .await;
    fixture.assert_untouched().await;
    taken(fixture.push("").bearer_auth("red").body(sym(10)).send().await.unwrap()).await;
    taken(fixture.push("?token=blue&name=a.exe").body(image()).send().await.unwrap()).await;
    assert!(fixture.stored("red", "crash.pdb", KEY, "crash.sym").await.is_some());
    assert!(fixture.stored("blue", "crash.pdb", KEY, "crash.sym").await.is_none());
    let tenants: Vec<_> = fixture.noted().await.into_iter().map(|(tenant, ..)| tenant).collect();
    assert_eq!(tenants, ["blue", "red"]);

    let now_ms = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    for number in 0..3_u32 {
        lacking(&fixture, "red", number, now_ms).await;
    }
    let url = fixture.url("/v1/symbols/missing");
    refused(fixture.client.get(&url).send().await.unwrap(), 401, "unauthorized").await;
    let ask = async |query: &str, token: &str| {
        let url = format!("{url}{query}");
        taken(fixture.client.get(url).bearer_auth(token).send().await.unwrap()).await
    };
    assert_eq!(ask("", "blue").await, json!({ "missing": [], "next": null }));
    let all = ask("", "red").await;
    let line = &all["missing"][0];
    assert_eq!(
        (&line["kind"], &line["crashes"], &line["drivers"]),
        (&json!("pdb"), &json!(1), &json!(["d0.sys"]))
    );
    assert_eq!((all["missing"].as_array().unwrap().len(), &all["next"]), (3, &json!(null)));
    let (mut paged, mut query) = (Vec::new(), "?limit=2".to_owned());
    for _ in 0..2 {
        let page = ask(&query, "red").await;
        paged.extend(page["missing"].as_array().unwrap().clone());
        query = format!("?limit=2&after={}", page["next"].as_str().unwrap_or_default());
    }
    assert_eq!(json!(paged), all["missing"]);
    for wrong in ["?limit=many", "?after=x", "?after=-1:a"] {
        let asked = fixture.client.get(format!("{url}{wrong}")).bearer_auth("red").send().await.unwrap();
        refused(asked, 400, "bad_value").await;
    }
    let posted = fixture.client.post(&url).send().await.unwrap();
    assert_eq!(posted.headers()["allow"], "GET");
    fixture.stop().await;
}

/// A crash whose analysis lacks a PDB of its own.
async fn lacking(fixture: &Fixture, tenant: &str, number: u32, now_ms: i64) {
    let driver = format!("d{number}.sys");
    let crash_id = Uuid::from_u128(u128::from(number) + 1);
    let crash = CrashRow {
        crash_id,
        crashed_at: now_ms,
        received_at: now_ms,
        stored_at: now_ms,
        tenant: tenant.to_owned(),
        machine: "m".to_owned(),
        outcome: "analysed".to_owned(),
        kind: "kernel".to_owned(),
        culprit: "driver".to_owned(),
        driver: driver.clone(),
        bucket: "B".to_owned(),
        ..CrashRow::default()
    };
    fixture.database.insert_crashes(&[crash]).await.unwrap();
    let deep = DeepRow {
        crash_id,
        crashed_at: now_ms,
        analysed_at: now_ms,
        tenant: tenant.to_owned(),
        kind: "kernel".to_owned(),
        driver,
        bucket: "B".to_owned(),
        missing: vec![format!("d{number}.pdb/{KEY}")],
        missing_kinds: vec!["pdb".to_owned()],
        ..DeepRow::default()
    };
    fixture.database.insert_deep(&[deep]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_pdb_is_filed_under_the_key_that_its_image_has() {
    let folder = "../shared/samples/symbols/crash.pdb/3249D99D0C4049318610F4E4FB0B69361";
    let Ok(pdb) = std::fs::read(format!("../{folder}/crash.pdb")) else {
        return println!("skipped: ../shared is not there");
    };
    let Some(fixture) = Fixture::new(config()).await else { return };
    for (name, body) in [("crash.pdb", pdb.clone()), ("all.zip", zip(&[("x/crash.pdb", &pdb)]))] {
        let answer = taken(fixture.push(&format!("?name={name}")).body(body).send().await.unwrap()).await;
        assert_eq!(answer["files"][0]["id"], pdb_id());
        assert_eq!(answer["files"][0]["bytes"], pdb.len());
        assert_eq!(fixture.stored("", "crash.pdb", KEY, "crash.pdb").await.as_ref(), Some(&pdb));
    }
    // Half of it begins like one, and is none.
    let half = pdb[..pdb.len() / 2].to_vec();
    let why =
        refused(fixture.push("?name=crash.pdb").body(half).send().await.unwrap(), 422, "no_symbols").await;
    assert!(why.contains("crash.pdb: PDB"), "{why}");
    fixture.stop().await;
}
