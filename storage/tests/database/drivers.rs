//! What a driver's page and an incident's ask: who has which build, what stands out, what arrives now, and the rollup
//! behind them on a database that was there before it.

use bluescope_storage::questions::{
    BuildExposure, DriverNow, FacetKind, IncidentEvent, IncidentSpan, Ours, Range,
};
use bluescope_storage::rows::CrashRow;
use uuid::Uuid;

use crate::fixture::{Fixture, crash, now};
use crate::signals::{driver, install, put};

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn crashes_from_before_this_schema_are_in_the_rollup_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 600_000;
    for table in ["driver_minutes_of_crashes", "driver_minutes"] {
        fixture.client.query_raw(&format!("DROP TABLE {table}")).execute().await.unwrap();
    }
    fixture
        .client
        .query_raw("ALTER TABLE migrations DELETE WHERE number = 13 SETTINGS mutations_sync = 2")
        .execute()
        .await
        .unwrap();
    let rows: Vec<CrashRow> = (0..9).map(|number| crash(number, start)).collect();
    fixture.insert(&rows).await;
    // Before a merge: a form that lost and named another driver.
    let mut lost = crash(3, start);
    (lost.driver, lost.revision) = ("other.sys".to_owned(), 0);
    fixture.insert(&[lost]).await;
    let upgraded = bluescope_storage::database::Database::open(&fixture.config).await.unwrap();
    upgraded.insert_crashes(&rows[..5]).await.unwrap();
    let range = Range { from_ms: start, to_ms: start + 60_000 };
    let of = async |driver: &str| {
        let evidence = upgraded.driver_evidence(driver, range).await.unwrap();
        (evidence.machines, evidence.crashes, evidence.facets.machines)
    };
    assert_eq!((of("csagent.sys").await, of("other.sys").await), ((9, 9, 9), (0, 0, 0)));
    fixture.merge().await;
    assert_eq!(of("csagent.sys").await, (9, 9, 9));
    fixture.stop().await;
}

#[tokio::test]
async fn a_build_is_exposed_where_it_is_or_was_within_the_range() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    let names: Vec<String> = (0..6).map(|number| format!("machine-{number}")).collect();
    let old = |name: &String, at_ms| install(name, at_ms, vec![driver("csagent.sys", 6, "6.9")]);
    let new = |name: &String, at_ms| install(name, at_ms, vec![driver("csagent.sys", 7, "7.0")]);
    put(
        &fixture,
        &[
            // Two days ago all had the old one, except one that was silent since long.
            old(&names[0], at - 2 * DAY),
            old(&names[1], at - 2 * DAY),
            old(&names[2], at - 2 * DAY),
            old(&names[3], at - 20 * DAY),
            new(&names[0], at - DAY - 3_600_000),
            // Within the range: had both.
            old(&names[4], at - DAY + 3_600_000),
            new(&names[4], at - 3_600_000),
            install(&names[5], at - 60_000, vec![driver("csagent.sys", 0, "8.0-beta")]),
        ],
    )
    .await;
    let mut rows: Vec<CrashRow> = [0_u64, 1, 99].map(|number| crash(number, at - 60_000)).into();
    for (row, timestamp) in rows.iter_mut().zip([7, 6, 7]) {
        (row.tenant, row.driver_timestamp) = ("acme".to_owned(), timestamp);
    }
    fixture.insert(&rows).await;
    let exposure = fixture
        .database
        .driver_exposure("csagent.sys", Range { from_ms: at - DAY, to_ms: at })
        .await
        .unwrap();
    let of = |timestamp, version: &str, machines, crashed| BuildExposure {
        timestamp,
        version: version.to_owned(),
        machines,
        crashed,
    };
    assert_eq!(exposure.one_in, 1);
    // The crashed machine 99 sends no inventory: it is on neither side of the line.
    assert_eq!(exposure.builds, [of(6, "6.9", 3, 1), of(7, "7.0", 2, 1), of(0, "8.0-beta", 1, 0)]);
    let nobody =
        fixture.database.driver_exposure("nobody.sys", Range { from_ms: 0, to_ms: at }).await.unwrap();
    assert!(nobody.builds.is_empty());
    fixture.stop().await;
}

#[tokio::test]
async fn both_sides_of_a_comparison_are_machines() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 600_000;
    let mut rows: Vec<CrashRow> = (0..40).map(|number| crash(number, start)).collect();
    for (index, row) in rows.iter_mut().enumerate() {
        if index % 2 == 0 {
            (row.driver, row.bugcheck, row.bucket) = ("other.sys".to_owned(), 0x9F, "0x9F_other".to_owned());
        }
        if index < 10 {
            row.ring = "canary".to_owned();
        }
        // No time of its own: at its arrival.
        if index == 1 {
            (row.crashed_at, row.crash_id) = (0, crate::fixture::crash_id(0, 1));
        }
    }
    // A machine that crashes twice is one.
    let mut again = crash(1, start + 5_000);
    again.ring = "canary".to_owned();
    rows.push(again);
    fixture.insert(&rows).await;
    for ours in [
        Ours::Driver("csagent.sys".to_owned()),
        Ours::BugCheck(0x50),
        Ours::Bucket("AV_R_INVALID_csagent!unknown_function".to_owned()),
    ] {
        let facets = fixture.database.incident_facets(Some(""), &ours, start, start + 60_000).await.unwrap();
        assert_eq!((facets.machines, facets.others, facets.since_ms), (20, 20, None), "{ours:?}");
        assert_eq!((facets.sites, facets.others_one_in), (3, 1));
        let canary = facets.values.iter().find(|value| value.name == "canary").unwrap();
        assert_eq!(
            (canary.facet, canary.machines, canary.crashes, canary.others),
            (FacetKind::Ring, 5, 6, 5)
        );
        let build = facets.values.iter().find(|value| value.facet == FacetKind::OsBuild).unwrap();
        assert_eq!((build.name.as_str(), build.machines), ("19045.4651", 20));
    }
    let theirs = Ours::Driver("csagent.sys".to_owned());
    let none = fixture.database.incident_facets(Some("acme"), &theirs, start, start + 60_000).await.unwrap();
    assert_eq!((none.machines, none.others), (0, 0));
    fixture.stop().await;
}

#[tokio::test]
async fn of_very_many_others_a_sample_is_counted() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 600_000;
    let fill = format!(
        "INSERT INTO crashes (crash_id, crashed_at, received_at, stored_at, machine, ring, outcome, kind, driver, queue_offset)
        SELECT generateUUIDv4(), at, at, at, concat('pc-', toString(number)), if(number % 10 = 0, 'canary', 'broad'),
            'analysed', 'kernel', if(number % 41 = 0, 'csagent.sys', 'other.sys'), -1
        FROM (SELECT number, fromUnixTimestamp64Milli({start} + number % 50000, 'UTC') AS at FROM numbers(120000))"
    );
    fixture.client.query_raw(&fill).execute().await.unwrap();
    let ours = Ours::Driver("csagent.sys".to_owned());
    let facets = fixture.database.incident_facets(Some(""), &ours, start, start + 60_000).await.unwrap();
    assert_eq!((facets.machines, facets.others_one_in, facets.since_ms), (2_927, 16, None), "all of ours");
    assert!((6_900..7_700).contains(&facets.others), "a sixteenth of 117,073: {}", facets.others);
    let canary = facets.values.iter().find(|value| value.name == "canary").unwrap();
    assert_eq!(canary.machines, 293);
    assert!((600..860).contains(&canary.others), "a tenth of them: {}", canary.others);
    fixture.stop().await;
}

#[tokio::test]
async fn what_arrives_now_is_new_or_not() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    // Machine, and how many seconds before now its crash became a row.
    let arrivals = [(1_u64, 30), (2, 20), (2, 90), (3, 100), (4, 200), (5, 400), (3, 500), (6, 4_000)];
    let rows: Vec<CrashRow> = arrivals
        .into_iter()
        .zip(0_u64..)
        .map(|((machine, ago_s), number)| {
            let mut row = crash(number, at - ago_s * 1000 - 10_000);
            row.machine = format!("m{machine}");
            row
        })
        .collect();
    fixture.insert(&rows).await;
    let now_is = fixture.database.driver_now("", "csagent.sys", at - 3_600_000, at - 1).await.unwrap();
    // 1, 2 and 4 are new within five minutes; 3 was there before, 6 before the incident.
    assert_eq!(now_is, DriverNow { last_minute: 2, minute_before: 2, growth_per_minute: 0.6 });
    // It is counted by steps of ten seconds: the one in which an incident begins is whole.
    let mid_tick = (at - 30_000) / 10_000 * 10_000 + 9_999;
    let begun = fixture.database.driver_now("", "csagent.sys", mid_tick, at - 1).await.unwrap();
    assert_eq!((begun.last_minute, begun.growth_per_minute), (2, 0.4));
    let nobody = fixture.database.driver_now("", "nobody.sys", at - 3_600_000, at).await.unwrap();
    assert_eq!(nobody, DriverNow::default());

    let event = IncidentEvent {
        incident_id: Uuid::from_u128(1),
        seq: 0,
        at_ms: at,
        kind: "opened".to_owned(),
        tenant: String::new(),
        driver: "csagent.sys".to_owned(),
        detail: "{}".to_owned(),
    };
    fixture.database.put_incident_event(&event).await.unwrap();
    let span = |from_ms| IncidentSpan { incident_id: event.incident_id, from_ms, to_ms: at };
    let counted = fixture.database.incident_counts(&[span(at - 3_600_000)]).await.unwrap();
    assert_eq!((counted[0].machines, counted[0].crashes), (5, 7));
    let late = fixture.database.incident_counts(&[span(at - 150_000)]).await.unwrap();
    assert_eq!((late[0].machines, late[0].crashes), (3, 4));
    assert!(fixture.database.incident_counts(&[]).await.unwrap().is_empty());

    let newest = fixture.database.newest_of_driver(None, "csagent.sys", None, 3).await.unwrap();
    assert_eq!(newest.iter().map(|line| line.machine.as_str()).collect::<Vec<_>>(), ["m2", "m1", "m2"]);
    fixture.stop().await;
}
