//! What the detector's stream leaves behind, and what a detector without a past learns from.

use bluescope_storage::questions::{BuildSeen, ChangeRow, DriverHour, FleetDay, Range, SignalRows};
use bluescope_storage::signals::{BeatSignal, ChangeSignal, DriverSignal, InstallSignal};
use uuid::Uuid;

use crate::fixture::{Fixture, crash, now};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

pub(crate) fn driver(name: &str, timestamp: u32, version: &str) -> DriverSignal {
    DriverSignal {
        name: name.to_owned(),
        version: version.to_owned(),
        timestamp,
        size: if timestamp == 0 { 0 } else { 0x1000 },
    }
}

pub(crate) fn install(machine: &str, at_ms: i64, drivers: Vec<DriverSignal>) -> InstallSignal {
    InstallSignal {
        tenant: "acme".to_owned(),
        machine: machine.to_owned(),
        at_ms,
        site: "Bonn".to_owned(),
        ring: "broad".to_owned(),
        model: "Box 3".to_owned(),
        os_build: 19045,
        drivers,
    }
}

pub(crate) async fn put(fixture: &Fixture, installs: &[InstallSignal]) {
    let mut rows = SignalRows::default();
    rows.installs(installs);
    fixture.database.put_signals(&rows).await.unwrap();
}

#[tokio::test]
async fn machines_are_counted_by_day_whatever_comes_twice() {
    let Some(fixture) = Fixture::new().await else { return };
    let day = now() / DAY * DAY;
    let beat = |tenant: &str, machine: &str, at_ms| BeatSignal {
        tenant: tenant.to_owned(),
        machine: machine.to_owned(),
        at_ms,
        farewell: false,
    };
    let beats = [
        beat("", "a", day - 1),
        beat("", "a", day),
        beat("", "a", day + HOUR),
        beat("", "b", day + 1),
        beat("acme", "a", day + 2),
    ];
    let mut rows = SignalRows::default();
    assert!(rows.is_empty());
    fixture.database.put_signals(&rows).await.unwrap();
    rows.beats(&beats);
    for _ in 0..2 {
        fixture.database.put_signals(&rows).await.unwrap();
    }
    let of = |tenant: &str, day_ms, machines| FleetDay { tenant: tenant.to_owned(), day_ms, machines };
    let days = fixture.database.fleet_days(day - 1).await.unwrap();
    assert_eq!(days, [of("", day - DAY, 1), of("", day, 2), of("acme", day, 1)]);
    assert_eq!(fixture.database.fleet_days(day).await.unwrap(), days[1..]);
    fixture.stop().await;
}

#[tokio::test]
async fn changes_are_listed_once_newest_first() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    let change = |number: u128, tenant: &str, at_ms| ChangeSignal {
        id: Uuid::from_u128(number),
        tenant: tenant.to_owned(),
        at_ms,
        what: "channel file 291".to_owned(),
        version: "33".to_owned(),
        timestamp: 0,
        ring: "broad".to_owned(),
        vendor: "CrowdStrike".to_owned(),
    };
    let mut rows = SignalRows::default();
    for change in [change(1, "", at), change(1, "", at), change(2, "", at + 1), change(3, "acme", at + 2)] {
        rows.change(&change);
    }
    fixture.database.put_signals(&rows).await.unwrap();
    let range = Range { from_ms: at, to_ms: at + 2 };
    let found = fixture.database.changes(None, range, 10).await.unwrap();
    let expected = ChangeRow {
        change_id: Uuid::from_u128(2),
        tenant: String::new(),
        at_ms: at + 1,
        what: "channel file 291".to_owned(),
        version: "33".to_owned(),
        timestamp: 0,
        ring: "broad".to_owned(),
        vendor: "CrowdStrike".to_owned(),
    };
    assert_eq!(found, [expected.clone(), ChangeRow { change_id: Uuid::from_u128(1), at_ms: at, ..expected }]);
    let all = Range { from_ms: 0, to_ms: at + DAY };
    assert_eq!(fixture.database.changes(Some("acme"), all, 10).await.unwrap().len(), 1);
    assert_eq!(fixture.database.changes(None, all, 1).await.unwrap()[0].change_id, Uuid::from_u128(3));
    fixture.stop().await;
}

#[tokio::test]
async fn builds_are_known_from_inventories_and_crashes() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    let mut seen = crash(1, at - 3 * HOUR);
    seen.tenant = "acme".to_owned();
    seen.third_party = vec!["a.sys".to_owned(), "b.sys".to_owned()];
    (seen.third_party_timestamps, seen.third_party_sizes) = (vec![7, 9], vec![0x1000, 0x2000]);
    // A clock that is years ahead is not believed.
    let mut liar = crash(2, at + 900 * DAY);
    liar.received_at = at;
    (liar.tenant, liar.third_party) = ("acme".to_owned(), vec!["a.sys".to_owned()]);
    (liar.third_party_timestamps, liar.third_party_sizes) = (vec![7], vec![0x1000]);
    fixture.insert(&[seen, liar]).await;
    let inventories = [
        install("m1", at - HOUR, vec![driver("a.sys", 7, "1.0"), driver("a.sys", 0, "0.9")]),
        install("m2", at - 2 * HOUR, vec![driver("a.sys", 8, "1.1"), driver("a.sys", 0, "0.8")]),
    ];
    put(&fixture, &inventories).await;
    let build = |timestamp, version: &str, first_seen_ms, last_seen_ms| BuildSeen {
        timestamp,
        size: if timestamp == 0 { 0 } else { 0x1000 },
        version: version.to_owned(),
        first_seen_ms,
        last_seen_ms,
    };
    let found = fixture.database.builds("acme", "a.sys").await.unwrap();
    let mut expected = vec![
        build(0, "0.9", at - HOUR, at - HOUR),
        build(0, "0.8", at - 2 * HOUR, at - 2 * HOUR),
        build(8, "1.1", at - 2 * HOUR, at - 2 * HOUR),
        build(7, "1.0", at - 3 * HOUR, at),
    ];
    assert_eq!(found, expected);
    fixture.merge().await;
    expected.sort_by_key(|build| (-build.first_seen_ms, build.timestamp));
    assert_eq!(fixture.database.builds("acme", "a.sys").await.unwrap(), expected);
    assert!(fixture.database.builds("", "a.sys").await.unwrap().is_empty());
    assert_eq!(fixture.database.builds("acme", "b.sys").await.unwrap().len(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn the_past_is_told_by_hours_and_machines() {
    let Some(fixture) = Fixture::new().await else { return };
    let hour = now() / HOUR * HOUR - 5 * HOUR;
    let at = |number, machine: &str, driver: &str, stored_at| {
        let mut row = crash(number, stored_at - 5_000);
        (row.stored_at, row.machine, row.driver) = (stored_at, machine.to_owned(), driver.to_owned());
        row
    };
    let mut live = at(8, "m9", "a.sys", hour);
    live.kind = "live".to_owned();
    let rows = [
        at(1, "m1", "a.sys", hour),
        at(2, "m1", "a.sys", hour + HOUR - 1),
        at(3, "m2", "a.sys", hour + 10_000),
        at(4, "m1", "a.sys", hour + HOUR),
        at(5, "m1", "", hour + HOUR),
        at(6, "m1", "a.sys", hour - 1),
        live,
    ];
    fixture.insert(&rows).await;
    fixture.insert(&rows[..2]).await;
    let of = |driver: &str, hour_ms, machines| DriverHour {
        tenant: String::new(),
        driver: driver.to_owned(),
        hour_ms,
        machines,
    };
    let past = fixture.database.driver_history(hour + 60_000).await.unwrap();
    assert_eq!(past, [of("a.sys", hour, 2), of("", hour + HOUR, 1), of("a.sys", hour + HOUR, 1)]);
    assert_eq!(fixture.database.driver_history(hour - 1).await.unwrap().len(), 4);
    fixture.stop().await;
}
