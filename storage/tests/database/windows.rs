//! What is counted by arrival: what the detector reads, and the fleet now.

use bluescope_storage::questions::Casualties;
use bluescope_storage::rows::CrashRow;

use crate::fixture::{Fixture, crash, now};

/// A crash of a machine that arrives at one moment.
fn arrival(number: u64, driver: &str, machine: &str, received_at: i64) -> CrashRow {
    let mut row = crash(number, received_at - 5_000);
    (row.received_at, row.stored_at) = (received_at, received_at);
    row.driver = driver.to_owned();
    row.machine = machine.to_owned();
    row
}

#[tokio::test]
async fn the_fleet_now_counts_each_machine_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let end = now();
    assert_eq!(database.fleet_now(end - 1, 60).await.unwrap(), Casualties { machines: 0, crashes: 0 });
    let mut theirs = arrival(4, "a.sys", "m1", end - 1);
    theirs.tenant = "acme".to_owned();
    let mut user = arrival(5, "app.dll", "user", end - 1);
    (user.kind, user.culprit) = ("user".to_owned(), "module".to_owned());
    let rows = [
        // One machine: two drivers, two ticks, the first of which is the window's first.
        arrival(1, "a.sys", "m1", end - 60_000),
        arrival(2, "b.sys", "m1", end - 1),
        // Blamed on nothing, but the fleet's all the same.
        arrival(3, "", "m2", end - 30_000),
        // Another tenant's machine of the same name is another machine.
        theirs,
        // Not the kernel's; a tick too early; a tick too late.
        user,
        arrival(6, "a.sys", "early", end - 60_001),
        arrival(7, "a.sys", "late", end),
    ];
    fixture.insert(&rows).await;
    let minute = Casualties { machines: 3, crashes: 4 };
    assert_eq!(database.fleet_now(end - 1, 60).await.unwrap(), minute);
    // Wherever within the tick it is asked, and however the window is rounded up to ticks.
    assert_eq!(database.fleet_now(end - 10_000, 51).await.unwrap(), minute);
    assert_eq!(database.fleet_now(end - 1, 50).await.unwrap(), Casualties { machines: 3, crashes: 3 });
    assert_eq!(database.fleet_now(end - 1, 0).await.unwrap(), Casualties { machines: 2, crashes: 2 });
    assert_eq!(database.fleet_now(end, 70).await.unwrap(), Casualties { machines: 4, crashes: 5 });

    for row in rows.iter().rev() {
        fixture.insert(std::slice::from_ref(row)).await;
    }
    assert_eq!(database.fleet_now(end - 1, 60).await.unwrap(), minute);
    fixture.merge().await;
    assert_eq!(database.fleet_now(end - 1, 60).await.unwrap(), minute);
    fixture.stop().await;
}

#[tokio::test]
async fn casualties_are_counted_from_the_tick_that_holds_the_moment() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now();
    let mut user = arrival(4, "a.sys", "m", start);
    user.kind = "user".to_owned();
    fixture
        .insert(&[
            arrival(1, "a.sys", "m1", start),
            arrival(2, "a.sys", "m1", start + 9_999),
            arrival(3, "a.sys", "m2", start + 10_000),
            user,
            arrival(5, "", "m3", start),
        ])
        .await;
    let since = async |ms| fixture.database.casualties_since("", "a.sys", start + ms).await.unwrap();
    assert_eq!(since(9_000).await, Casualties { machines: 2, crashes: 3 });
    assert_eq!(since(10_000).await, Casualties { machines: 1, crashes: 1 });
    assert_eq!(since(20_000).await, Casualties { machines: 0, crashes: 0 });
    fixture.stop().await;
}

#[tokio::test]
async fn the_pulse_tells_an_outbreak_from_a_boot_loop() {
    let Some(fixture) = Fixture::new().await else { return };
    let now_ms = now() + 5_000;
    let minute = 60_000;
    let mut rows = Vec::new();
    // One machine crashes every minute for an hour.
    for back in 0..60 {
        rows.push(arrival(back, "loop.sys", "loop", now_ms - i64::try_from(back).unwrap() * minute));
    }
    // Eight machines in the last seconds, one of which crashed half an hour ago as well.
    rows.push(arrival(100, "bad.sys", "bad-0", now_ms - 30 * minute));
    rows.extend(
        (0..8u64).map(|number| arrival(200 + number, "bad.sys", &format!("bad-{number}"), now_ms - 10_000)),
    );
    // Another tenant's machine of the same name is another machine.
    let mut theirs = arrival(300, "bad.sys", "bad-1", now_ms);
    theirs.tenant = "acme".to_owned();
    // Nobody's fault, too old, not the kernel's: no driver's.
    let nobody = arrival(301, "", "nobody", now_ms);
    let old = arrival(302, "bad.sys", "old", now_ms - 62 * minute);
    let mut live = arrival(303, "bad.sys", "live", now_ms);
    live.kind = "live".to_owned();
    rows.extend([theirs, nobody, old, live]);
    fixture.insert(&rows).await;

    let pulse = fixture.database.pulse(now_ms).await.unwrap();
    let names: Vec<_> = pulse.drivers.iter().map(|row| (row.tenant.as_str(), row.driver.as_str())).collect();
    assert_eq!(names, [("", "bad.sys"), ("", "loop.sys"), ("acme", "bad.sys")]);
    let bad = &pulse.drivers[0];
    assert_eq!((bad.last_1, bad.last_5, bad.last_15, bad.sites), (8, 8, 8, 3));
    let mut minutes = bad.minutes.clone();
    minutes.sort_unstable();
    assert_eq!(minutes, [(0, 8), (30, 1)]);
    let looping = &pulse.drivers[1];
    assert_eq!((looping.last_1, looping.last_15, looping.minutes.len()), (1, 1, 60));
    assert_eq!((pulse.drivers[2].last_1, pulse.drivers[2].minutes.as_slice()), (1, [(0, 1)].as_slice()));
    assert_eq!(pulse.tenant_sites, [(String::new(), 3), ("acme".to_owned(), 1)]);
    let bad = fixture.database.casualties_since("", "bad.sys", now_ms - minute).await.unwrap();
    assert_eq!((bad.machines, bad.crashes), (8, 8));
    fixture.stop().await;
}
