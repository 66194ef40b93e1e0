//! What the detector reads.

use bluescope_storage::questions::Arrival;
use bluescope_storage::rows::CrashRow;

use crate::fixture::{Fixture, crash, now};

/// A crash of a machine that arrives at one moment.
fn arrival(number: u64, driver: &str, machine: &str, received_at: i64) -> CrashRow {
    let mut row = crash(number, received_at - 5_000);
    row.received_at = received_at;
    row.driver = driver.to_owned();
    row.machine = machine.to_owned();
    row
}

#[tokio::test]
async fn arrivals_come_in_ticks() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now();
    let mut user = arrival(4, "app.dll", "m", start);
    (user.kind, user.culprit) = ("user".to_owned(), "module".to_owned());
    fixture
        .insert(&[
            arrival(1, "a.sys", "m1", start),
            arrival(2, "a.sys", "m1", start + 9_999),
            arrival(3, "a.sys", "m2", start + 10_000),
            user,
            arrival(5, "", "m3", start),
        ])
        .await;
    let tick = |tick_ms, crashes, sites| Arrival {
        tenant: String::new(),
        driver: "a.sys".to_owned(),
        tick_ms,
        machines: 1,
        crashes,
        sites,
    };
    let all = fixture.database.arrivals(start, start + 60_000).await.unwrap();
    assert_eq!(all, [tick(start, 2, 2), tick(start + 10_000, 1, 1)]);
    // A tick that began before the stretch belongs to it, one that begins at its end does not.
    assert_eq!(fixture.database.arrivals(start + 9_000, start + 10_000).await.unwrap(), [tick(start, 2, 2)]);
    fixture.stop().await;
}

#[tokio::test]
async fn windows_tell_an_outbreak_from_a_boot_loop() {
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
    // Nobody's fault counts for the fleet; too old, or not the kernel's, for nothing.
    let nobody = arrival(301, "", "nobody", now_ms);
    let old = arrival(302, "bad.sys", "old", now_ms - 62 * minute);
    let mut live = arrival(303, "bad.sys", "live", now_ms);
    live.kind = "live".to_owned();
    rows.extend([theirs, nobody, old, live]);
    fixture.insert(&rows).await;

    let windows = fixture.database.driver_windows(None, now_ms, 60, 3600).await.unwrap();
    assert_eq!((windows.window_s, windows.history_len, windows.end_ms), (60, 60, now_ms + 5_000));
    let names: Vec<_> =
        windows.drivers.iter().map(|row| (row.tenant.as_str(), row.driver.as_str())).collect();
    assert_eq!(names, [("", "bad.sys"), ("", "loop.sys"), ("acme", "bad.sys")]);

    let bad = &windows.drivers[0].counts;
    assert_eq!((bad.machines, bad.crashes, bad.sites, bad.new_machines, bad.all_machines), (8, 8, 3, 7, 8));
    assert_eq!((bad.history.len(), bad.history.iter().sum::<u64>(), bad.history[30]), (60, 1, 1));
    let looping = &windows.drivers[1].counts;
    assert_eq!((looping.machines, looping.new_machines, looping.all_machines), (1, 0, 1));
    assert_eq!(looping.history.iter().sum::<u64>(), 59);
    assert_eq!(looping.history[0], 0);
    assert_eq!((windows.fleet.machines, windows.fleet.history[30]), (11, 2));

    let pulse = fixture.database.pulse(now_ms).await.unwrap();
    let bad = &pulse.drivers[0];
    assert_eq!((bad.last_1, bad.last_5, bad.last_15, bad.sites), (8, 8, 8, 3));
    let mut minutes = bad.minutes.clone();
    minutes.sort_unstable();
    assert_eq!(minutes, [(0, 8), (30, 1)]);
    let looping = &pulse.drivers[1];
    assert_eq!((looping.last_1, looping.last_15, looping.minutes.len()), (1, 1, 60));
    assert_eq!(pulse.tenant_sites, [(String::new(), 3), ("acme".to_owned(), 1)]);
    assert_eq!(fixture.database.machines_since("", "bad.sys", now_ms - minute).await.unwrap(), 8);

    let theirs = fixture.database.driver_windows(Some("acme"), now_ms, 60, 3600).await.unwrap();
    assert_eq!((theirs.drivers.len(), theirs.fleet.machines), (1, 1));
    let empty = fixture.database.driver_windows(Some("nobody"), now_ms, 7, 60).await.unwrap();
    assert_eq!((empty.window_s, empty.drivers.len(), empty.fleet.history.len()), (10, 0, 6));
    fixture.stop().await;
}
