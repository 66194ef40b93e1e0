//! Every real dump in `../shared/samples` through the running pipeline: each ends as one row, none crashes anything.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::{Service, executable, samples};

/// Kernel samples whose manifest states the culprit.
const NAMED: &[(&str, &str)] =
    &[("rizinorg__triage_x64.dmp", "amdppm.sys"), ("r-techsupport__116_0.dmp", "nvlddmkm.sys")];

/// Four dumps of one PC in three hours, four unlike bug checks, four places, none of them a driver of a third party: its
/// memory is bad.
const BAD_MEMORY: [&str; 4] = [
    "r-techsupport__be_0.dmp",
    "r-techsupport__50_0.dmp",
    "r-techsupport__3b_0.dmp",
    "r-techsupport__13a.dmp",
];

/// Which machine a sample stands for.
fn machine(name: &str) -> &str {
    if BAD_MEMORY.contains(&name) { "pc-with-bad-memory" } else { name }
}

fn dumps(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "dmp"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_ends_as_one_row() {
    let (Some(kernel), Some(user)) = (samples("kernel"), samples("user")) else { return };
    let mut files = dumps(&kernel);
    files.extend(dumps(&user));
    let service = Service::start().await;

    let mut ids = BTreeMap::new();
    for (name, bytes) in &files {
        let id = service
            .upload(machine(name), bytes.clone())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        ids.insert(id, name.clone());
    }
    assert_eq!(ids.len(), files.len(), "two samples share an id");
    let ledger = service.settled().await;
    assert_eq!((ledger.accepted, ledger.crashes), (files.len() as u64, files.len() as u64));
    assert_eq!(ledger.dead_lettered, 0);

    for (id, name) in &ids {
        let row = service.json(&format!("/api/v1/crashes/{id}")).await.to_string();
        if let Some((_, driver)) = NAMED.iter().find(|(sample, _)| sample == name) {
            assert!(row.contains(driver), "{name}: {row}");
        }
        service.page(&format!("/crashes/{id}")).await;
    }
    bad_memory(&service).await;
}

/// The machine is flagged, alone, and its page says why; no driver is blamed for it with confidence.
async fn bad_memory(service: &Service) {
    let machine = service.json("/api/v1/machines/pc-with-bad-memory").await;
    assert_eq!(machine["hardware"]["suspect"], true, "{machine}");
    let page = service.page("/machines/pc-with-bad-memory").await;
    assert!(page.to_lowercase().contains("suspect hardware"), "{page}");
    let suspects = service.json("/api/v1/machines?suspect=true").await;
    let names: Vec<&str> =
        suspects["machines"].as_array().unwrap().iter().filter_map(|it| it["machine"].as_str()).collect();
    assert_eq!(names, ["pc-with-bad-memory"], "{suspects}");
    for crash in machine["crashes"].as_array().unwrap() {
        let crash = service.json(&format!("/api/v1/crashes/{}", crash["crash_id"].as_str().unwrap())).await;
        let confidence = crash["effective_confidence"].as_str().unwrap();
        assert!(["none", "low"].contains(&confidence), "{crash}");
    }
}

#[test]
fn explain_names_the_driver_where_the_manifest_states_one() {
    let Some(kernel) = samples("kernel") else { return };
    for (name, driver) in NAMED {
        let output = executable().arg("explain").arg("--json").arg(kernel.join(name)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["verdict"]["name"].as_str().unwrap().to_lowercase(), *driver, "{name}");

        let output = executable().arg("explain").arg(kernel.join(name)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.to_lowercase().contains(driver), "{name}:\n{text}");
        assert!(!text.contains('\x1b'), "colours in a pipe");
    }
}

#[test]
fn explain_reads_every_sample() {
    let (Some(kernel), Some(user)) = (samples("kernel"), samples("user")) else { return };
    let output = executable().args(["explain", "--json"]).arg(&kernel).arg(&user).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), dumps(&kernel).len() + dumps(&user).len());
}
