//! Both arms of a rollout: who had which build for how long, and who crashed in it.

use bluescope_storage::questions::{ArmCounts, BuildName, ExposureSource, RolloutCounts, SignalRows};
use bluescope_storage::rows::CrashRow;
use bluescope_storage::signals::{ChangeSignal, InstallSignal};
use uuid::Uuid;

use crate::fixture::{Fixture, crash, now};
use crate::signals::{driver, install, put};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn with(machine: &str, at_ms: i64, timestamp: u32, version: &str) -> InstallSignal {
    install(machine, at_ms, vec![driver("a.sys", timestamp, version)])
}

/// A machine of the tenant crashes in a build of `a.sys`.
fn in_build(number: u64, machine: &str, timestamp: u32, at_ms: i64) -> CrashRow {
    let mut row = crash(number, at_ms);
    (row.tenant, row.machine, row.driver) = ("acme".to_owned(), machine.to_owned(), "a.sys".to_owned());
    (row.driver_timestamp, row.driver_size) = (timestamp, 0x1000);
    row.third_party = vec!["a.sys".to_owned()];
    (row.third_party_timestamps, row.third_party_sizes) = (vec![timestamp], vec![0x1000]);
    row
}

async fn ask(fixture: &Fixture, build: BuildName<'_>, ring: Option<&str>, now_ms: i64) -> RolloutCounts {
    fixture.database.rollout_counts("acme", "a.sys", build, ring, now_ms).await.unwrap().unwrap()
}

fn arm(machines: u64, machine_hours: f64, crashed: u64) -> ArmCounts {
    ArmCounts { machines, machine_hours, crashed }
}

#[tokio::test]
async fn hours_are_counted_from_inventories() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    let begin = at - 10 * HOUR;
    let mut canary = with("moved", begin, 8, "1.1");
    canary.ring = "canary".to_owned();
    put(
        &fixture,
        &[
            // An old build long before; it moves when the rollout begins.
            with("moved", at - 5 * DAY, 7, "1.0"),
            // Stays with the old one.
            with("stays", at - 5 * DAY, 7, "1.0"),
            // Moves half-way, and goes back two hours before the end.
            with("returns", at - 5 * DAY, 7, "1.0"),
            with("late", at - 5 * DAY, 6, "0.9"),
            // Not heard of for a week, and never in the rollout's time.
            with("dead", at - 9 * DAY, 7, "1.0"),
        ],
    )
    .await;
    put(&fixture, &[canary.clone(), with("stays", begin + HOUR, 7, "1.0")]).await;
    put(&fixture, &[with("returns", at - 5 * HOUR, 8, "1.1"), with("late", at - HOUR, 8, "1.1")]).await;
    put(&fixture, &[with("returns", at - 3 * HOUR, 8, "1.1")]).await;
    put(&fixture, &[with("returns", at - 2 * HOUR, 7, "1.0"), canary]).await;
    // A build that came later is another rollout.
    put(&fixture, &[with("next", at - HOUR, 9, "1.2")]).await;
    let mut rows = vec![
        in_build(1, "moved", 8, at - 4 * HOUR),
        in_build(2, "moved", 8, at - 3 * HOUR),
        in_build(3, "stays", 7, at - 4 * HOUR),
        // Before the rollout: not over the same hours.
        in_build(4, "late", 7, at - 20 * HOUR),
        in_build(5, "next", 9, at - HOUR),
    ];
    rows[0].ring = "canary".to_owned();
    rows[1].ring = "canary".to_owned();
    fixture.insert(&rows).await;
    for merged in [false, true] {
        if merged {
            fixture.merge().await;
        }
        let counts = ask(&fixture, BuildName::Timestamp(8), None, at).await;
        assert_eq!((counts.first_seen_ms, counts.source), (begin, ExposureSource::Inventory));
        assert_eq!(counts.timestamps, [8]);
        let old: Vec<&str> = counts.old_builds.iter().map(|build| build.version.as_str()).collect();
        assert_eq!(old, ["0.9", "1.0"]);
        // New: moved 10 h, returns 2 h, late 1 h. Old: stays 10 h, returns 5 + 3 h, late 9 h.
        assert_eq!((counts.new, counts.old), (arm(3, 13.0, 1), arm(3, 27.0, 1)), "merged {merged}");
        assert_eq!(ask(&fixture, BuildName::Version("1.1"), None, at).await, counts);
    }
    let counts = ask(&fixture, BuildName::Timestamp(8), Some("canary"), at).await;
    assert_eq!((counts.new, counts.old), (arm(1, 10.0, 1), arm(0, 0.0, 0)));
    let none = fixture.database.rollout_counts("acme", "a.sys", BuildName::Timestamp(99), None, at).await;
    assert_eq!(none.unwrap(), None);
    let none = fixture.database.rollout_counts("", "a.sys", BuildName::Timestamp(8), None, at).await;
    assert_eq!(none.unwrap(), None);
    fixture.stop().await;
}

#[tokio::test]
async fn without_inventories_other_crashes_tell_who_has_what() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    let begin = at - 10 * HOUR;
    let other = |number, machine: &str, timestamp, at_ms| {
        let mut row = in_build(number, machine, timestamp, at_ms);
        row.driver = "b.sys".to_owned();
        row
    };
    fixture
        .insert(&[
            other(1, "m1", 7, at - DAY),
            other(2, "m1", 8, begin),
            other(3, "m2", 7, at - 2 * DAY),
            in_build(4, "m3", 8, at - HOUR),
            in_build(5, "m3", 8, at - HOUR + 1),
            in_build(6, "m2", 7, at - HOUR),
        ])
        .await;
    let counts = ask(&fixture, BuildName::Timestamp(8), None, at).await;
    assert_eq!((counts.first_seen_ms, counts.source), (begin, ExposureSource::Crashes));
    assert_eq!((counts.new, counts.old), (arm(1, 10.0, 1), arm(1, 10.0, 1)));

    // A version that no inventory knows is known by a change that says its time stamp.
    let asked = fixture.database.rollout_counts("acme", "a.sys", BuildName::Version("1.1"), None, at).await;
    assert_eq!(asked.unwrap(), None);
    let mut rows = SignalRows::default();
    rows.change(&ChangeSignal {
        id: Uuid::from_u128(1),
        tenant: "acme".to_owned(),
        at_ms: begin,
        what: "A.SYS".to_owned(),
        version: "1.1".to_owned(),
        timestamp: 8,
        ..ChangeSignal::default()
    });
    fixture.database.put_signals(&rows).await.unwrap();
    assert_eq!(ask(&fixture, BuildName::Version("1.1"), None, at).await, counts);
    fixture.stop().await;
}

#[tokio::test]
async fn a_build_without_a_time_stamp_is_known_by_its_version() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    put(&fixture, &[with("m1", at - DAY, 0, "1.0"), with("m2", at - DAY, 0, "1.0")]).await;
    put(&fixture, &[with("m1", at - 4 * HOUR, 0, "1.1")]).await;
    fixture.insert(&[in_build(1, "m1", 8, at - HOUR)]).await;
    let counts = ask(&fixture, BuildName::Version("1.1"), None, at).await;
    assert_eq!((counts.timestamps.as_slice(), counts.new), ([].as_slice(), arm(1, 4.0, 0)));
    assert_eq!(counts.old, arm(1, 4.0, 0));
    fixture.stop().await;
}
