//! A machine whose own hardware is suspect, wherever it is shown.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::Value;
use storage::rows::CrashRow;

use crate::check_page;
use crate::fixture::{Fixture, crash, hostile, now_ms};

/// What bad memory makes of one machine: unlike bug checks at unlike places, none of them anybody else's.
fn bad_memory(machine: &str, number: u32) -> Vec<CrashRow> {
    let ways = [
        (0xBE, "ntoskrnl.exe"),
        (0x50, "ntoskrnl.exe"),
        (0x3B, "win32kfull.sys"),
        (0x13A, "wdfilter.sys"),
        (0x1A, "ntoskrnl.exe"),
        (0x139, "ntfs.sys"),
    ];
    let row = |(index, (bugcheck, driver)): (u32, (u32, &str))| {
        let mut row = crash(driver, number + index, now_ms() - 3_600_000 * i64::from(index));
        machine.clone_into(&mut row.machine);
        row.bugcheck = bugcheck;
        row.fault_offset = u64::from(number * 0x100 + index);
        row
    };
    (1..).zip(ways).map(row).collect()
}

async fn json(fixture: &Fixture, address: &str) -> Value {
    let page = fixture.get(address).await;
    assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.body);
    serde_json::from_str(&page.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_machine_is_told_from_bad_drivers() {
    let Some(fixture) = Fixture::new().await else { return };
    let rows = bad_memory("PC-BAD", 100);
    let mut checked = crash("", 300, now_ms() - 5_000);
    (checked.machine, checked.culprit) = ("PC-MCE".to_owned(), "hardware".to_owned());
    (checked.bugcheck, checked.hardware_sign) = (0x124, "machine check".to_owned());
    checked.parameters[0] = 0;
    let mut sound = crash("csagent.sys", 400, now_ms() - 5_000);
    sound.facts = r#"{"bugcheck":80}"#.to_owned();
    let mut all = rows.clone();
    all.extend([checked.clone(), sound.clone()]);
    fixture.insert(all).await;

    let page = fixture.get("/machines/PC-BAD?tenant=acme").await;
    check_page("a suspect machine", &page);
    for words in ["Suspect hardware", "likely", "5 unlike bug checks in 6 unlike places", "0x13A"] {
        assert!(page.body.contains(words), "{words:?} is not in {}", page.body);
    }
    assert!(rows.iter().all(|row| page.body.contains(&format!("/crashes/{}", row.crash_id))));
    let machine = json(&fixture, "/api/v1/machines/PC-BAD?tenant=acme").await;
    let hardware = &machine["hardware"];
    assert_eq!((&hardware["suspect"], &hardware["suspicion"]), (&true.into(), &"likely".into()));
    assert_eq!((&hardware["own_crashes"], &hardware["by_spread"]), (&6.into(), &true.into()));
    assert_eq!(hardware["evidence"].as_array().unwrap().len(), 6);
    assert_eq!(hardware["evidence"][0]["crash_id"], rows[0].crash_id.to_string());
    assert_eq!(machine["crashes"].as_array().unwrap().len(), 6);

    // Its crashes keep what the dump gave them, and are shown for what they are worth.
    let address = format!("/crashes/{}", rows[2].crash_id);
    let page = fixture.get(&address).await;
    check_page(&address, &page);
    assert!(page.body.contains("Confidence high, lowered to medium: "), "{}", page.body);
    assert!(page.body.contains("medium</bdi> confidence"), "{}", page.body);
    let shown = json(&fixture, &format!("/api/v1{address}")).await;
    assert_eq!((&shown["effective_confidence"], &shown["machine_suspect"]), (&"medium".into(), &true.into()));
    assert_eq!(shown["crash"]["confidence"], "high");
    assert_eq!(shown["machine_hardware"]["machine"], "PC-BAD");

    // What hardware is blamed for stays as sure as it was; so does everything on a sound machine.
    let shown = json(&fixture, &format!("/api/v1/crashes/{}", checked.crash_id)).await;
    assert_eq!((&shown["effective_confidence"], &shown["machine_suspect"]), (&"high".into(), &true.into()));
    let shown = json(&fixture, &format!("/api/v1/crashes/{}", sound.crash_id)).await;
    assert_eq!((&shown["effective_confidence"], &shown["machine_suspect"]), (&"high".into(), &false.into()));
    assert_eq!((&shown["facts"]["bugcheck"], &shown["crash"]["facts"]), (&80.into(), &"".into()));
    let machine = fixture.get(&format!("/machines/{}?tenant=acme", sound.machine)).await;
    assert!(!machine.body.contains("Suspect hardware"));

    let suspects = json(&fixture, "/api/v1/machines?suspect=true&tenant=acme").await;
    let names: Vec<&str> =
        suspects["machines"].as_array().unwrap().iter().map(|it| it["machine"].as_str().unwrap()).collect();
    assert_eq!((names, &suspects["more"]), (vec!["PC-MCE", "PC-BAD"], &false.into()));
    let theirs = json(&fixture, "/api/v1/machines?suspect=true&tenant=other").await;
    assert_eq!(theirs["machines"], Value::Array(Vec::new()));
    for address in ["/api/v1/machines", "/api/v1/machines?suspect=maybe"] {
        assert_eq!(fixture.get(address).await.status, StatusCode::BAD_REQUEST, "{address}");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_page_lists_suspect_machines_whatever_they_are_called() {
    let Some(fixture) = Fixture::new().await else { return };
    let names = hostile();
    let mut rows = Vec::new();
    for (index, name) in (1..).zip(&names) {
        rows.extend(bad_memory(name, index * 1000));
    }
    for row in &mut rows {
        (row.bugcheck_name, row.hardware_sign) = (row.machine.clone(), row.machine.clone());
    }
    fixture.insert(rows.clone()).await;
    // They are asked for beside the page, which does not wait for them long.
    let begun = Instant::now();
    let page = loop {
        let page = fixture.get("/").await;
        check_page("/", &page);
        if page.body.contains("Suspect hardware") {
            break page;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", page.body);
    };
    let fleet = json(&fixture, "/api/v1/fleet").await;
    let machines = fleet["suspects"]["machines"].as_array().unwrap();
    assert_eq!(machines.len(), names.len());
    assert!(page.body.matches("class=\"badge warn\">likely").count() == names.len());
    for row in &rows {
        let crash = format!("/crashes/{}", row.crash_id);
        let page = fixture.get(&crash).await;
        assert_eq!(page.status, StatusCode::OK);
        check_page(&crash, &page);
        assert!(page.body.contains("is suspect hardware"), "{}", page.body);
    }
    for link in crate::links(&page).into_iter().filter(|link| link.starts_with("/machines/")) {
        let page = fixture.get(&link).await;
        check_page(&link, &page);
        assert!(page.body.contains("Suspect hardware"), "{link}");
    }
    fixture.stop().await;
}
