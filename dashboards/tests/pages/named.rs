//! Names from analyses with symbols: on a crash's page, in lists, and the page of what is missing.

use axum::http::StatusCode;
use serde_json::{Value, json};
use storage::rows::{CrashRow, SymbolFileRow};

use crate::check_page;
use crate::fixture::{Fixture, crash, now_ms};

const PDB: &str = "csagent.pdb/3249d99d0c4049318610f4e4fb0b69361";
const KERNEL: &str = "ntkrnlmp.pdb/0123456789abcdef0123456789abcdef1";

/// What the deep path finds of the same fault: a true stack with names.
fn report() -> String {
    json!({
        "verdict": { "culprit": "driver", "name": "csagent.sys", "bucket": "AV_R_INVALID_csagent!CSFalcon::Read",
            "evidence": ["The fault is in csagent.sys."] },
        "stack": [
            { "address": "0xfffff8021dc414ed", "module": "csagent.sys", "offset": 0xE14ED, "trust": "context",
                "sp": "0xffffb60f3c6f1a30", "function": "CSFalcon::Field", "file": "d:\\src\\falcon\\field.h", "line": 17, "inlined": true },
            { "address": "0xfffff8021dc414ed", "module": "csagent.sys", "offset": 0xE14ED, "trust": "context",
                "sp": "0xffffb60f3c6f1a30", "function": "CSFalcon::Read", "function_offset": 0x1D, "file": "d:\\src\\falcon\\read.cpp", "line": 35 },
            { "address": "0xfffff80218c2a5b1", "module": "ntoskrnl.exe", "offset": 0x22A5B1, "trust": "unwind-info",
                "sp": "0xffffb60f3c6f1b00", "args": ["0x1"] },
            { "address": "0xfffff80218e3d1f8", "module": "", "offset": 0, "trust": "scan" },
        ],
    })
    .to_string()
}

/// Two crashes of one fault site; the second one's dump is analysed.
async fn two(fixture: &Fixture, received_at: i64) -> (CrashRow, CrashRow) {
    let (first, second) = (crash("csagent.sys", 7, received_at), crash("csagent.sys", 8, received_at));
    fixture.insert(vec![first.clone(), second.clone()]).await;
    fixture.analyse(&second, report(), &[PDB, KERNEL]).await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_shown_with_the_names_that_its_fault_site_has() {
    let Some(fixture) = Fixture::new().await else { return };
    let (first, second) = two(&fixture, 1_721_362_200_000).await;
    let address = format!("/crashes/{}", first.crash_id);
    let page = fixture.get(&address).await;
    check_page(&address, &page);
    let main = page.body.split("<main").nth(1).unwrap().split("<h2>Machine</h2>").next().unwrap();
    // One element a line, so that a change shows as a change.
    insta::assert_snapshot!(main.replace("><", ">\n<"));

    let own = fixture.get(&format!("/crashes/{}", second.crash_id)).await;
    assert!(own.body.contains("analysed with symbols at") && !own.body.contains("without symbols"));
    let deep = |crash: &CrashRow| {
        let address = format!("/api/v1/crashes/{}", crash.crash_id);
        let fixture = &fixture;
        async move {
            let json: Value = serde_json::from_str(&fixture.get(&address).await.body).unwrap();
            json["deep"].clone()
        }
    };
    let (of_first, of_second) = (deep(&first).await, deep(&second).await);
    assert_eq!((&of_first["own"], &of_second["own"]), (&json!(false), &json!(true)));
    assert_eq!(of_first["crash_id"], second.crash_id.to_string());
    assert_eq!(of_first["report"]["stack"][1]["function"], "CSFalcon::Read");
    assert_eq!(of_first["missing"][0], json!({ "id": PDB, "kind": "pdb" }));

    // An analysis that failed says nothing, and what is no report hides no page.
    for (number, text) in [(0xA, ""), (0xB, "{"), (0xC, r#"{"stack":7}"#)] {
        let mut other = crash("csagent.sys", number, 1_721_362_200_000);
        other.fault_offset = u64::from(number);
        fixture.insert(vec![other.clone()]).await;
        fixture.analyse(&other, text.to_owned(), &[]).await;
        let page = fixture.get(&format!("/crashes/{}", other.crash_id)).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("csagent.sys") && !page.body.contains("With symbols"));
        assert_eq!(deep(&other).await, Value::Null);
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_the_function_beside_the_driver() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut other = crash("ntfs.sys", 9, now_ms() - 60_000);
    other.fault_offset = 9;
    fixture.insert(vec![other]).await;
    let (first, _) = two(&fixture, now_ms() - 120_000).await;
    let id = fixture.incident("csagent.sys", false).await;
    let machine = format!("/machines/{}?tenant=acme", first.machine);
    for address in ["/search", "/drivers/csagent.sys", &machine, &format!("/incidents/{id}")] {
        let page = fixture.get(address).await;
        check_page(address, &page);
        assert!(page.body.contains("csagent!CSFalcon::Read"), "{address}: {}", page.body);
        assert!(!page.body.contains(">AV_R_INVALID_csagent!CSFalcon"), "{address}: the function is enough");
    }
    let list: Value = serde_json::from_str(&fixture.get("/api/v1/crashes").await.body).unwrap();
    let names: Vec<_> = list["crashes"].as_array().unwrap().iter().map(|line| &line["deep_bucket"]).collect();
    assert_eq!(names.iter().filter(|name| **name == "AV_R_INVALID_csagent!CSFalcon::Read").count(), 2);
    assert_eq!(names.iter().filter(|name| name.is_null()).count(), 1);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_missing_files_says_which_and_how_to_push_them() {
    let Some(fixture) = Fixture::new().await else { return };
    let page = fixture.get("/symbols").await;
    check_page("/symbols", &page);
    let command = "bluescope symbols push --url http://bluescope.example:8080 ";
    assert!(page.body.contains(command) && page.body.contains("Nobody has pushed"), "{}", page.body);

    let (_, second) = two(&fixture, now_ms() - 120_000).await;
    let file = SymbolFileRow {
        tenant: "acme".to_owned(),
        id: PDB.to_owned(),
        kind: "pdb".to_owned(),
        file_name: "csagent.pdb".to_owned(),
        bytes: 21_000_000,
        arrived_at: second.received_at + 60_001,
    };
    let ask = async |address: &str| -> Value {
        serde_json::from_str(&fixture.get(&format!("/api/v1/symbols/missing{address}")).await.body).unwrap()
    };
    let all = ask("").await;
    let ids: Vec<_> = all["missing"].as_array().unwrap().iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, [PDB, KERNEL]);
    assert_eq!((&all["missing"][0]["machines"], &all["missing"][0]["sites"]), (&json!(2), &json!(1)));
    assert_eq!(ask("?tenant=other").await["missing"], json!([]));
    let rest = ask(&format!("?before=2/{PDB}/acme")).await;
    assert_eq!(rest["missing"], ask(&format!("?after=2/{PDB}/acme")).await["missing"], "its older name");
    assert_eq!(rest["missing"].as_array().unwrap().len(), 1);
    fixture.database.insert_symbol_files(&[file]).await.unwrap();
    assert_eq!(ask("").await["missing"].as_array().unwrap().len(), 1);
    let page = fixture.get("/symbols").await;
    check_page("/symbols", &page);
    assert!(page.body.contains("21.0 MB") && page.body.contains("ntkrnlmp.pdb"), "{}", page.body);
    for wrong in ["?before=x", "?after=-1/a/b/c", "?after=1/a/b"] {
        assert_eq!(fixture.get(&format!("/symbols{wrong}")).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    fixture.stop().await;
}
