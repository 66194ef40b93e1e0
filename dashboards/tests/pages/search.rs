//! The search: each key finds its crash, facets count, pages and exports hold the same, and nothing hostile gets out.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::Value;
use storage::rows::CrashRow;

use super::fixture::{Fixture, crash, history, hostile_rows, now_ms};
use super::{check_page, links};

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn json(fixture: &Fixture, address: &str) -> Value {
    let page = fixture.get(address).await;
    assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.body);
    serde_json::from_str(&page.body).unwrap()
}

async fn search(fixture: &Fixture, query: &str) -> Value {
    json(fixture, &format!("/api/v1/search?q={}", encode(query))).await
}

fn ids(search: &Value) -> BTreeSet<String> {
    search["crashes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["crash_id"].as_str().unwrap().to_owned())
        .collect()
}

/// One crash that is like no other in anything.
fn odd(now: i64) -> CrashRow {
    let mut row = crash("odd.sys", 777, now - 3_600_000);
    (row.driver_timestamp, row.driver_size, row.fault_offset) = (0x1234_5678, 1, 0xBEEF);
    (row.bugcheck, row.bugcheck_name) = (0x1E, "KMODE_EXCEPTION_NOT_HANDLED".to_owned());
    row.bucket = "0x1E_odd!unknown_function".to_owned();
    row.bucket_hash = "{00000000-0000-0000-0000-000000000001}".to_owned();
    (row.tenant, row.machine) = ("umbrella".to_owned(), "ODD-PC".to_owned());
    (row.ring, row.site) = ("odd ring".to_owned(), "Oddville".to_owned());
    (row.model, row.vendor) = ("Odd Model 1".to_owned(), "Odd Inc.".to_owned());
    (row.bios, row.cpu, row.arch) = ("9.9".to_owned(), "Odd CPU".to_owned(), "arm64".to_owned());
    (row.os_build, row.os_ubr, row.uptime_s) = (26100, 7, 7_200);
    (row.kind, row.culprit) = ("live".to_owned(), "module".to_owned());
    (row.confidence, row.rule) = ("low".to_owned(), "odd-rule".to_owned());
    (row.process, row.hardware_sign) = ("odd.exe".to_owned(), "memory".to_owned());
    row.outcome = "analysed".to_owned();
    row.tags = vec![("odd".to_owned(), "yes".to_owned())];
    row.stack_modules = vec!["oddstack.sys".to_owned(), "odd.sys".to_owned()];
    (row.drivers, row.driver_timestamps) = (vec!["oddloaded.sys".to_owned()], vec![0xABCD]);
    row.driver_sizes = vec![1];
    row
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn each_key_finds_its_crash_and_its_negation_does_not() {
    let Some(fixture) = Fixture::new().await else { return };
    let now = now_ms();
    let (odd, other) = (odd(now), crash("csagent.sys", 1, now - 60_000));
    let mut unreadable = crash("", 2, now - 60_000);
    unreadable.outcome = "unreadable".to_owned();
    fixture.insert(vec![odd.clone(), other.clone(), unreadable]).await;
    let all = search(&fixture, "").await;
    let fault = all["crashes"].as_array().unwrap().iter().find(|row| row["driver"] == "odd.sys").unwrap();
    let fault = fault["fault_site"].as_str().unwrap();
    let fault_term = format!("fault:{fault}");
    for term in [
        "driver:ODD.sys",
        "driver:odd*",
        "driver:*dd.sys",
        "driver:*DD*",
        "version:12345678",
        "version:0x12345678",
        "version:305419896",
        "bugcheck:0x1e",
        "bugcheck:KMODE_EXCEPTION_NOT_HANDLED",
        "bugcheck:*kmode*",
        "bugcheck:0x10..0x20",
        "bucket:0x1E_odd!unknown_function",
        "bucket:{00000000-0000-0000-0000-000000000001}",
        fault_term.as_str(),
        "offset:0xbeef",
        "module:OddStack.sys",
        "module:oddst*",
        "loaded:oddloaded.sys",
        "loaded:oddloaded.sys@0xabcd",
        "build:26100",
        "build:26100.7",
        "build:>20000",
        "model:\"odd model 1\"",
        "vendor:odd*",
        "bios:9.9",
        "cpu:\"Odd CPU\"",
        "arch:arm64",
        "ring:\"odd ring\"",
        "site:oddville",
        "tag:odd=yes",
        "tag:odd",
        "tag:odd=y*",
        "tenant:umbrella",
        "machine:odd-pc",
        "uptime:2h",
        "uptime:1h..3h",
        "confidence:low",
        "process:odd.exe",
        "kind:live",
        "culprit:module",
        "rule:odd-rule",
        "hardware:memory",
        "odd.sys",
        "ODD-P",
        "0x1E_odd",
    ] {
        let found = search(&fixture, term).await;
        assert_eq!(ids(&found), BTreeSet::from([odd.crash_id.to_string()]), "{term}");
        assert_eq!(
            (&found["totals"]["crashes"], &found["totals"]["machines"]),
            (&1.into(), &1.into()),
            "{term}"
        );
        let without = search(&fixture, &format!("-{term}")).await;
        assert_eq!(without["totals"]["crashes"], 2, "-{term}");
        assert!(!ids(&without).contains(&odd.crash_id.to_string()), "-{term}");
    }
    for (query, count) in [
        ("outcome:unreadable", 1),
        ("-outcome:unreadable", 2),
        ("time:30m", 2),
        ("time:2h..30m", 1),
        ("loaded:oddloaded.sys@1", 0),
        ("tag:odd=no", 0),
        ("tag:none=\"\"", 0),
        ("ring:\"odd ring\",canary,early", 2),
        ("driver:odd.sys driver:csagent.sys", 0),
        ("driver:odd.sys,csagent.sys -kind:live", 1),
        ("driver:\"\"", 1),
        ("driver:*", 2),
        ("uptime:<1m", 2),
    ] {
        let found = search(&fixture, query).await;
        assert_eq!((ids(&found).len(), &found["totals"]["crashes"]), (count, &count.into()), "{query}");
        let steps: u64 =
            found["series"].as_array().unwrap().iter().map(|at| at["crashes"].as_u64().unwrap()).sum();
        assert_eq!(steps, count as u64, "{query}");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facets_count_machines_and_lead_on() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(history(120)).await;
    let found = search(&fixture, "driver:csagent.sys").await;
    let facet = |found: &Value, name: &str| -> Vec<Value> {
        let facets = found["facets"].as_array().unwrap();
        let facet = facets.iter().find(|facet| facet["facet"] == name).unwrap_or_else(|| panic!("no {name}"));
        facet["values"].as_array().unwrap().clone()
    };
    assert_eq!(found["facets"].as_array().unwrap().len(), 10);
    assert_eq!(found["facets_one_in"], 1);
    let sites = facet(&found, "site");
    assert_eq!(sites.iter().map(|site| site["machines"].as_u64().unwrap()).collect::<Vec<_>>(), [30; 4]);
    let builds: Vec<(&str, u64)> = facet(&found, "build")
        .iter()
        .map(|row| (row["value"].as_str().unwrap().to_owned(), row["machines"].as_u64().unwrap()))
        .map(|(value, machines)| (if value == "19045" { "19045" } else { "22631" }, machines))
        .collect();
    assert_eq!(builds, [("19045", 96), ("22631", 24)]);
    let driver = &facet(&found, "driver")[0];
    assert_eq!((&driver["chosen"], &driver["toggle"]), (&true.into(), &"".into()));
    for name in
        ["driver", "version", "bugcheck", "bucket", "build", "model", "ring", "site", "kind", "confidence"]
    {
        for value in facet(&found, name) {
            let chosen = value["chosen"].as_bool().unwrap();
            let with = if chosen { "driver:csagent.sys" } else { value["toggle"].as_str().unwrap() };
            let narrowed = search(&fixture, with).await;
            assert_eq!(narrowed["totals"]["machines"], value["machines"], "{with}");
        }
    }
    let excluded = search(&fixture, builds_exclude(&found)).await;
    assert_eq!(excluded["totals"]["machines"], 24);
    let bare = json(&fixture, "/api/v1/search?q=driver%3Acsagent.sys&facets=false").await;
    assert_eq!(ids(&bare), ids(&found));
    assert_eq!(bare["facets"].as_array().unwrap().len(), 0);
    fixture.stop().await;
}

fn builds_exclude(found: &Value) -> &str {
    let facets = found["facets"].as_array().unwrap();
    let builds = facets.iter().find(|facet| facet["facet"] == "build").unwrap();
    builds["values"][0]["exclude"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_over_equal_times_and_exports_hold_the_same() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now_ms() - 600_000;
    // All at the same moment, some of them in two forms of which the better one is somebody else's.
    let mut rows: Vec<CrashRow> = (0..130).map(|number| crash("same.sys", number, at)).collect();
    for number in 0..10 {
        let mut better = rows[number].clone();
        (better.revision, better.driver) = (2, "better.sys".to_owned());
        rows.push(better);
    }
    fixture.insert(rows).await;
    let mut found = BTreeSet::new();
    let (mut address, mut pages) = ("/api/v1/search?q=driver%3Asame.sys".to_owned(), 0);
    loop {
        let page = json(&fixture, &address).await;
        assert_eq!(page["totals"]["crashes"], 120);
        for id in ids(&page) {
            assert!(found.insert(id), "twice");
        }
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        address = format!("/api/v1/search?q=driver%3Asame.sys&before={next}");
    }
    assert_eq!((found.len(), pages), (120, 3));

    let export = json(&fixture, "/api/v1/search/export?q=driver%3Asame.sys&format=json").await;
    assert_eq!((ids(&export), &export["rows"], &export["cut"]), (found.clone(), &120.into(), &false.into()));
    let csv = fixture.get("/api/v1/search/export?q=driver%3Asame.sys").await;
    assert_eq!(csv.headers["content-disposition"], "attachment; filename=\"bluescope-crashes.csv\"");
    let lines: Vec<&str> = csv.body.split_terminator("\r\n").collect();
    assert!(lines[0].starts_with("crash_id,happened_at,"), "{}", lines[0]);
    let exported: BTreeSet<String> =
        lines[1..].iter().map(|line| line.split(',').next().unwrap().to_owned()).collect();
    assert_eq!((exported, lines.len()), (found, 121));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_values_are_filters_like_any_other() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut formula = crash("=cmd|' /C calc'!A0", 5, now_ms() - 5_000);
    (formula.machine, formula.site) = ("@SUM(1+1)".to_owned(), "a,\"b\"\r\n=1".to_owned());
    let mut rows = hostile_rows();
    rows.push(formula);
    fixture.insert(rows.clone()).await;
    let all = search(&fixture, "").await;
    for facet in all["facets"].as_array().unwrap() {
        for value in facet["values"].as_array().unwrap() {
            let toggle = value["toggle"].as_str().unwrap();
            let narrowed = search(&fixture, toggle).await;
            // One code with another name in each crash is counted by the first of them.
            if facet["facet"] != "bugcheck" {
                assert_eq!(narrowed["totals"]["machines"], value["machines"], "{toggle}");
            }
            let address = format!("/search?q={}", encode(toggle));
            check_page(&address, &fixture.get(&address).await);
        }
    }
    for row in &rows {
        let quoted = row.machine.replace('\\', "\\\\").replace('"', "\\\"");
        let found = search(&fixture, &format!("machine:\"{quoted}\"")).await;
        assert_eq!(ids(&found), BTreeSet::from([row.crash_id.to_string()]), "{:?}", row.machine);
        // As a query it may make no sense, but it stays text.
        let address = format!("/search?q={}", encode(&row.machine));
        let page = fixture.get(&address).await;
        assert!([StatusCode::OK, StatusCode::BAD_REQUEST].contains(&page.status), "{address}");
        check_page(&address, &page);
    }
    let csv = fixture.get("/api/v1/search/export?q=").await;
    assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(csv.headers["x-content-type-options"], "nosniff");
    for cell in [",'@SUM(1+1),", ",'=cmd|' /C calc'!A0,", ",\"a,\"\"b\"\"\r\n=1\","] {
        assert!(csv.body.contains(cell), "{cell} is not in {}", csv.body);
    }
    let export = json(&fixture, "/api/v1/search/export?format=json").await;
    assert_eq!(ids(&export).len(), rows.len());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_query_is_marked_and_a_better_one_offered() {
    let Some(fixture) = Fixture::new().await else { return };
    let address = format!("/search?q={}", encode("ring:a drvier:<b>"));
    let page = fixture.get(&address).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    check_page(&address, &page);
    assert!(page.body.contains("ring:a <mark>drvier</mark>:&lt;b&gt;"), "{}", page.body);
    assert!(links(&page).contains(&"/search?q=ring%3Aa%20driver%3A%3Cb%3E".to_owned()), "{:?}", links(&page));
    for path in ["/api/v1/search", "/api/v1/search/export"] {
        let answer = fixture.get(&format!("{path}?q={}", encode("ring:a drvier:<b>"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let error = &body["error"];
        assert_eq!(
            (&error["code"], &error["at"], &error["length"]),
            (&"bad_query".into(), &7.into(), &6.into())
        );
        assert_eq!(error["suggestion"], "ring:a driver:<b>");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_values_are_completed() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(history(40)).await;
    let complete = async |query: &str| -> Vec<(String, Option<u64>)> {
        let found = json(&fixture, &format!("/api/v1/search/complete?q={}", encode(query))).await;
        let suggestions = found["suggestions"].as_array().unwrap().clone();
        suggestions
            .iter()
            .map(|it| (it["text"].as_str().unwrap().to_owned(), it["machines"].as_u64()))
            .collect()
    };
    assert_eq!(complete("dri").await[0], ("driver:".to_owned(), None));
    assert_eq!(complete("csag").await, [("driver:csagent.sys".to_owned(), Some(40))]);
    assert_eq!(complete("driver:csa").await, [("csagent.sys".to_owned(), Some(40))]);
    assert_eq!(complete("site:ber").await[0].0, "Berlin");
    assert_eq!(complete("x model:lat").await[0].0, "\"Latitude 5420\"");
    assert_eq!(complete("tag:").await[0].0, "asset=");
    assert!(complete("version:6690").await[0].0 == "66902c2a");
    for query in ["module:cs", "loaded:cs", "build:19", "bugcheck:PAGE", "machine:PC-1000"] {
        assert!(!complete(query).await.is_empty(), "{query}");
    }
    let tooth = fixture.get(&format!("/api/v1/search/complete?q={}", "a".repeat(5_000))).await;
    assert_eq!(tooth.status, StatusCode::BAD_REQUEST);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_list_leads_to_the_search() {
    let Some(fixture) = Fixture::new().await else { return };
    for (old, new) in [
        ("/crashes", "/search"),
        ("/crashes?driver=a.sys&outcome=", "/search?q=driver%3Aa.sys"),
        ("/crashes?tenant=t&machine=..", "/search?q=machine%3A%22..%22%20tenant%3At"),
    ] {
        let page = fixture.get(old).await;
        assert_eq!(
            (page.status, page.headers["location"].to_str().unwrap()),
            (StatusCode::PERMANENT_REDIRECT, new)
        );
    }
    fixture.stop().await;
}
