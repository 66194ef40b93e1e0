//! The driver's page: versions side by side, what stands out, what was released; and the numbers behind.

use serde_json::Value;
use storage::questions::SignalRows;
use storage::rows::CrashRow;
use storage::signals::{ChangeSignal, DriverSignal, InstallSignal};
use uuid::Uuid;

use crate::check_page;
use crate::fixture::{Fixture, crash, history, hostile, now_ms};

const OLD: u32 = 0x6000_0001;
const NEW: u32 = 0x6690_2C2A;
const HOUR_MS: i64 = 3_600_000;

pub(crate) fn install(number: u32, at_ms: i64, name: &str, timestamp: u32, version: &str) -> InstallSignal {
    InstallSignal {
        tenant: "acme".to_owned(),
        machine: format!("PC-{number:05}"),
        at_ms,
        site: "Berlin".to_owned(),
        ring: "broad".to_owned(),
        model: "Latitude 5420".to_owned(),
        os_build: 19045,
        drivers: vec![DriverSignal {
            name: name.to_owned(),
            version: version.to_owned(),
            timestamp,
            size: 0x35_0000,
        }],
    }
}

/// 400 machines have the old version and 200 of them got the new one an hour and a half ago; 60 of these crash, on one
/// model, and 2 of the old. The fleet has crashes of other drivers on another model.
async fn rolled_out(fixture: &Fixture) {
    let now = now_ms();
    let mut signals = SignalRows::default();
    let old = (10_000..10_400).map(|number| install(number, now - 48 * HOUR_MS, "csagent.sys", OLD, "7.10"));
    let new = (10_000..10_200).map(|number| install(number, now - 90 * 60_000, "csagent.sys", NEW, "7.11"));
    signals.installs(&old.chain(new).collect::<Vec<_>>());
    signals.change(&ChangeSignal {
        id: Uuid::from_u128(1),
        tenant: "acme".to_owned(),
        at_ms: now - 100 * 60_000,
        what: "CSAgent".to_owned(),
        version: "7.11".to_owned(),
        timestamp: NEW,
        ring: "broad".to_owned(),
        vendor: "CrowdStrike".to_owned(),
    });
    fixture.database.put_signals(&signals).await.unwrap();
    let mut rows: Vec<CrashRow> = history(60);
    for row in rows.iter_mut().filter(|row| row.driver != "csagent.sys") {
        row.model = "OptiPlex 7090".to_owned();
    }
    for number in [10_300, 10_301] {
        let mut row = crash("csagent.sys", number, now - 2 * HOUR_MS);
        row.driver_timestamp = OLD;
        rows.push(row);
    }
    // One machine again and again, and one that has no inventory.
    rows.push(crash("csagent.sys", 10_000, now - 80 * 60_000));
    rows.push(crash("csagent.sys", 77_777, now - 70 * 60_000));
    fixture.insert(rows).await;
}

fn version(driver: &Value, timestamp: u32) -> &Value {
    driver["versions"].as_array().unwrap().iter().find(|version| version["timestamp"] == timestamp).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_stand_side_by_side_with_who_has_them() {
    let Some(fixture) = Fixture::new().await else { return };
    rolled_out(&fixture).await;
    let driver = fixture.json("/api/v1/drivers/csagent.sys?range=24h").await;
    let (old, new) = (version(&driver, OLD), version(&driver, NEW));
    assert_eq!((&new["machines"], &new["crashes"], &new["exposed"]), (&61.into(), &62.into(), &200.into()));
    // Those that got the new version had the old one until then, outside of the range.
    assert_eq!(
        (&old["machines"], &old["exposed"], &old["version"]),
        (&2.into(), &200.into(), &"7.10".into())
    );
    // 60 of 200: the machine without an inventory crashed too, and says nothing about those that have one.
    let rate = &new["rate"];
    assert_eq!(rate["rate"], 0.3);
    assert!(rate["low"].as_f64().unwrap() > 0.23 && rate["high"].as_f64().unwrap() < 0.37, "{rate}");
    assert_eq!(old["rate"]["rate"], 0.01);
    assert!(old["rate"]["high"].as_f64().unwrap() < rate["low"].as_f64().unwrap());
    assert_eq!(driver["versions"][0]["timestamp"], NEW, "the newest first");

    let releases: Vec<(&str, &str)> = driver["releases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|release| (release["source"].as_str().unwrap(), release["ring"].as_str().unwrap()))
        .collect();
    assert!(releases.contains(&("told", "broad")), "{releases:?}");
    assert_eq!(driver["known"]["vendor"], "CrowdStrike");
    assert_eq!(
        (&driver["top_machines"][0]["machine"], &driver["top_machines"][0]["crashes"]),
        (&"PC-10000".into(), &2.into())
    );
    let found = driver["stands_out"].as_array().unwrap();
    let model = found.iter().find(|one| one["name"] == "Latitude 5420").unwrap();
    assert_eq!(
        (&model["facet"], &model["machines"], &model["others"]),
        (&"model".into(), &63.into(), &0.into())
    );
    assert!(model["low"].as_f64().unwrap() > 1.0, "{model}");
    assert!(found.iter().all(|one| one["name"] != "canary"), "a third of either side");
    fixture.stop().await;
}

/// What differs from run to run: times, and ids that are made of them.
fn steady(body: &str) -> String {
    let (_, main) = body.split_once("<main").unwrap();
    let mut text = main.replace("><", ">\n<");
    for (begin, end) in [("<figure", "</figure>"), ("<time", "</time>"), ("/crashes/0", "\"")] {
        let mut rest = text.as_str();
        let mut kept = String::new();
        while let Some(at) = rest.find(begin) {
            let (before, from) = rest.split_at(at);
            kept.push_str(before);
            kept.push_str(begin);
            kept.push_str("..");
            rest = from.find(end).map_or("", |at| from.get(at..).unwrap_or_default());
        }
        text = kept + rest;
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_page_is_this() {
    let Some(fixture) = Fixture::new().await else { return };
    rolled_out(&fixture).await;
    let address = "/drivers/csagent.sys?range=24h";
    let page = fixture.get(address).await;
    check_page(address, &page);
    for words in ["class=\"marks\"", "Released", "ring <bdi class=\"name\">broad</bdi>", "First seen"] {
        assert!(page.body.contains(words), "{words:?} is not in {}", page.body);
    }
    insta::assert_snapshot!(steady(&page.body));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_inventory_no_rate_is_claimed() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(history(12)).await;
    let page = fixture.get("/drivers/csagent.sys").await;
    check_page("/drivers/csagent.sys", &page);
    assert!(page.body.contains("not known without inventory"), "{}", page.body);
    let driver = fixture.json("/api/v1/drivers/csagent.sys").await;
    assert_eq!((&driver["exposure_known"], &driver["versions"][0]["rate"]), (&false.into(), &Value::Null));
    assert_eq!(driver["versions"][0]["exposed"], Value::Null);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_driver_shows_its_newest_crashes_whatever_the_range() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert((0..30).map(|number| crash("quiet.sys", number, now_ms() - 26 * HOUR_MS)).collect()).await;
    let page = fixture.get("/drivers/quiet.sys").await;
    check_page("/drivers/quiet.sys", &page);
    assert!(page.body.contains("No crash in the last hour"), "{}", page.body);
    let driver = fixture.json("/api/v1/drivers/quiet.sys").await;
    assert_eq!(driver["evidence"]["crashes"], 0);
    assert_eq!(driver["recent"].as_array().unwrap().len(), 20);
    assert_eq!(driver["known"], Value::Null);
    let week = fixture.json("/api/v1/drivers/quiet.sys?range=7d").await;
    assert_eq!(week["evidence"]["machines"], 30);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_versions_rings_and_changes_are_only_text() {
    let Some(fixture) = Fixture::new().await else { return };
    let now = now_ms();
    for (name, number) in hostile().into_iter().zip(1_u32..) {
        let mut signals = SignalRows::default();
        signals.installs(&[
            install(number, now - 60_000, &name, NEW, &name),
            install(number + 500, now - 90_000, &name, OLD, &name),
        ]);
        signals.change(&ChangeSignal {
            id: Uuid::from_u128(number.into()),
            tenant: name.clone(),
            at_ms: now - 120_000,
            what: name.clone(),
            version: name.clone(),
            timestamp: 0,
            ring: name.clone(),
            vendor: name.clone(),
        });
        fixture.database.put_signals(&signals).await.unwrap();
        let mut rows: Vec<CrashRow> =
            (0..8).map(|one| crash(&name, number * 10 + one, now - 30_000)).collect();
        for row in &mut rows {
            for field in [
                &mut row.tenant,
                &mut row.ring,
                &mut row.site,
                &mut row.model,
                &mut row.bucket,
                &mut row.bugcheck_name,
            ] {
                field.clone_from(&name);
            }
        }
        fixture.insert(rows).await;
        if matches!(name.as_str(), "..") {
            continue;
        }
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let address = format!("/drivers/{encoded}");
        let page = fixture.get(&address).await;
        assert_eq!(page.status, axum::http::StatusCode::OK, "{address}: {}", page.body);
        check_page(&address, &page);
        let json = fixture.json(&format!("/api/v1{address}")).await;
        assert_eq!(json["evidence"]["machines"], 8);
    }
    fixture.stop().await;
}
