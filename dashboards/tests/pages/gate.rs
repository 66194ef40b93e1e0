//! `/api/v1/gate` against inventories, crashes and incidents.

use std::time::Instant;

use axum::http::StatusCode;
use detector::Subject;
use serde_json::Value;
use storage::questions::SignalRows;
use storage::rows::CrashRow;
use storage::signals::{DriverSignal, InstallSignal};

use crate::fixture::{Fixture, crash, now_ms};
use crate::incidents::incident;

const OLD: u32 = 0x6000_0001;
const NEW: u32 = 0x6690_2C2A;
const HOUR_MS: i64 = 3_600_000;

/// Of 6,000 machines, half got new builds of two drivers a day ago: one is sound, one is not.
async fn roll_out(fixture: &Fixture) {
    let now = now_ms();
    let install = |number: u32| {
        let is_new = number.is_multiple_of(2);
        let (timestamp, version) = if is_new { (NEW, "2.0") } else { (OLD, "1.0") };
        let driver = |name: &str| DriverSignal {
            name: name.to_owned(),
            version: version.to_owned(),
            timestamp,
            size: 0x10000,
        };
        InstallSignal {
            tenant: "acme".to_owned(),
            machine: format!("PC-{number:05}"),
            at_ms: now - if is_new { 24 } else { 30 } * HOUR_MS,
            site: "Berlin".to_owned(),
            ring: if number < 20 { "canary" } else { "broad" }.to_owned(),
            model: "Latitude 5420".to_owned(),
            os_build: 19045,
            drivers: vec![
                driver("sound.sys"),
                driver("sick.sys"),
                DriverSignal { timestamp: 0, ..driver("nameless.sys") },
            ],
        }
    };
    let mut rows = SignalRows::default();
    rows.installs(&(0..6000).map(install).collect::<Vec<_>>());
    fixture.database.put_signals(&rows).await.unwrap();
    let crashed = |number: u32| {
        let mut row = crash("sick.sys", number, now - 2 * HOUR_MS);
        row.driver_timestamp = if number.is_multiple_of(2) { NEW } else { OLD };
        row.ring = "broad".to_owned();
        row
    };
    // 60 of the new build, 3 of the old.
    let crashes: Vec<CrashRow> =
        (100..160).map(|number| crashed(2 * number)).chain([1001, 1003, 1005].map(crashed)).collect();
    fixture.insert(crashes).await;
}

async fn ask(fixture: &Fixture, query: &str) -> Value {
    let begun = Instant::now();
    let page = fixture.get(&format!("/api/v1/gate?{query}")).await;
    let took = begun.elapsed();
    assert_eq!(page.status, StatusCode::OK, "{query}: {}", page.body);
    assert_eq!(page.headers["cache-control"], "max-age=5", "{query}");
    let gate: Value = serde_json::from_str(&page.body).unwrap();
    println!("{query}: {} {} ({took:?})", gate["answer"], gate["why"]);
    gate
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_tells_a_sound_build_from_a_sick_one() {
    let Some(fixture) = Fixture::new().await else { return };
    roll_out(&fixture).await;
    let sound = ask(&fixture, "tenant=acme&driver=Sound.sys&version=0x66902C2A").await;
    assert_eq!(sound["answer"], "pass", "{sound}");
    assert_eq!((&sound["machines_exposed"], &sound["machines_crashed"]), (&3000.into(), &0.into()));
    assert_eq!((&sound["source"], &sound["incident"]), (&"inventory".into(), &Value::Null));
    assert_eq!(sound["previous"]["machines_exposed"], 3000);
    assert_eq!(sound["previous"]["versions"], serde_json::json!(["1.0"]));
    let again = ask(&fixture, "version=0x66902c2a&driver=sound.sys&tenant=acme").await;
    assert_eq!(again, sound, "the same question, so the same answer for some seconds");

    for version in ["0x66902c2a", "2.0"] {
        let sick = ask(&fixture, &format!("tenant=acme&driver=sick.sys&version={version}")).await;
        assert_eq!(sick["answer"], "stop", "{sick}");
        assert_eq!(
            (&sick["machines_crashed"], &sick["previous"]["machines_crashed"]),
            (&60.into(), &3.into())
        );
        assert!(sick["ratio_low"].as_f64().unwrap() > 2.0 && sick["rate"].as_f64().unwrap() > 0.0, "{sick}");
    }
    for (query, why) in [
        ("tenant=acme&driver=sick.sys&version=2.0&ring=canary", "0 of 10 machines"),
        ("tenant=acme&driver=sick.sys&version=3.0", "No machine has been seen"),
        ("tenant=acme&driver=nobody.sys&version=2.0", "No machine has been seen"),
        ("driver=sick.sys&version=2.0", "No machine has been seen"),
        ("tenant=acme&driver=nameless.sys&version=2.0", "PE timestamp"),
        (
            "tenant=acme&driver=%3Cscript%3E&version=%27%3B+DROP+TABLE+crashes%3B+--",
            "No machine has been seen",
        ),
    ] {
        let held = ask(&fixture, query).await;
        assert_eq!(held["answer"], "hold", "{held}");
        assert!(held["why"].as_str().unwrap().contains(why), "{held}");
        assert!(held["retry_after_s"].as_u64().unwrap() > 0, "{held}");
    }

    // An incident of the driver holds its rollouts; one that names this very build stops it.
    let mut open = incident(Subject::Driver("sound.sys".to_owned()), "x");
    fixture.steps(&open, &[("opened", "", "")]).await;
    let stopped = ask(&fixture, "tenant=acme&driver=sound.sys&version=0x66902c2a&ring=broad").await;
    assert_eq!((&stopped["answer"], &stopped["incident"]["blames_version"]), (&"stop".into(), &true.into()));
    assert_eq!(stopped["incident"]["severity"], "sev1");
    open.attribution = None;
    open.machines = 63;
    fixture.steps(&open, &[("opened", "", ""), ("grew", "", "")]).await;
    let held = ask(&fixture, "tenant=acme&driver=sound.sys&version=2.0&ring=broad").await;
    assert_eq!((&held["answer"], &held["incident"]["machines"]), (&"hold".into(), &63.into()), "{held}");
    let other = ask(&fixture, "tenant=acme&driver=sick.sys&version=2.0&ring=broad").await;
    assert_eq!((&other["answer"], &other["incident"]), (&"stop".into(), &Value::Null), "{other}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_not_whole_is_told_what_is_missing() {
    let Some(fixture) = Fixture::alone().await else { return };
    for (query, why) in [
        ("", "`driver` and `version` are missing. Parameters: driver"),
        ("?driver=a.sys", "`version` is missing. Parameters: driver"),
        ("?driver=a.sys&version=1&rings=canary", "rings"),
        ("?driver=a.sys&version=0xzz", "PE timestamp"),
    ] {
        let page = fixture.get(&format!("/api/v1/gate{query}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}: {}", page.body);
        let told: Value = serde_json::from_str(&page.body).unwrap();
        assert!(told["error"]["message"].as_str().unwrap().contains(why), "{query}: {told}");
    }
    fixture.database.clone().close().await;
    let page = fixture.get("/api/v1/gate?driver=a.sys&version=1").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
    assert_eq!(page.headers["cache-control"], "no-store");
    fixture.stop().await;
}
