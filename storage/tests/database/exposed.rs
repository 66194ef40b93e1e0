//! Who else runs a driver: inventories first, then other crashes, and each machine once.

use std::collections::BTreeSet;

use bluescope_storage::questions::ExposedMachine;
use bluescope_storage::rows::CrashRow;

use crate::fixture::{Fixture, crash, now};
use crate::signals::{driver, install, put};

const DAY: i64 = 86_400_000;

/// A crash of another driver, with `a.sys` loaded.
fn loaded(number: u64, machine: &str, timestamp: u32, at_ms: i64) -> CrashRow {
    let mut row = crash(number, at_ms);
    (row.tenant, row.machine) = ("acme".to_owned(), machine.to_owned());
    row.third_party = vec!["a.sys".to_owned(), "csagent.sys".to_owned()];
    row.third_party_timestamps = vec![timestamp, 0x6690_2C2A];
    row.third_party_sizes = vec![0x1000, 0x0035_0000];
    row.drivers.push("a.sys".to_owned());
    row.driver_timestamps.push(timestamp);
    row.driver_sizes.push(0x1000);
    row
}

fn names(machines: &[ExposedMachine]) -> BTreeSet<&str> {
    machines.iter().map(|machine| machine.machine.as_str()).collect()
}

#[tokio::test]
async fn the_newest_that_is_known_of_each_machine() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let at = now() - DAY;
    let mut own = loaded(4, "victim", 7, at);
    own.driver = "a.sys".to_owned();
    let mut theirs = loaded(5, "other", 7, at);
    theirs.tenant = String::new();
    let mut unread = loaded(6, "unread", 7, at);
    unread.outcome = "unreadable".to_owned();
    fixture
        .insert(&[
            loaded(1, "crashed", 6, at - 1_000),
            loaded(2, "crashed", 7, at),
            loaded(3, "old", 7, at - 40 * DAY),
            own,
            theirs,
            unread,
        ])
        .await;
    let found = database.exposed_machines("acme", "a.sys", 100).await.unwrap();
    assert_eq!(names(&found), BTreeSet::from(["crashed"]));
    let modules = vec![("a.sys".to_owned(), 7, 0x1000), ("csagent.sys".to_owned(), 0x6690_2C2A, 0x0035_0000)];
    let expected = ExposedMachine {
        machine: "crashed".to_owned(),
        seen_at_ms: at + 10_000,
        timestamp: 7,
        size: 0x1000,
        version: String::new(),
        os_build: 19045,
        model: "Box 3".to_owned(),
        ring: "broad".to_owned(),
        site: "site-2".to_owned(),
        modules,
    };
    assert_eq!(found, [expected]);

    put(
        &fixture,
        &[
            install("crashed", at, vec![driver("b.sys", 3, ""), driver("a.sys", 8, "1.1")]),
            install("removed", at - DAY, vec![driver("a.sys", 7, "1.0")]),
            install("updated", at - DAY, vec![driver("a.sys", 7, "1.0")]),
            install("gone", at - 40 * DAY, vec![driver("a.sys", 7, "1.0")]),
        ],
    )
    .await;
    let later = [
        install("removed", at, vec![driver("b.sys", 3, "")]),
        install("updated", at, vec![driver("a.sys", 8, "1.1")]),
    ];
    put(&fixture, &later).await;
    let mut found = database.exposed_machines("acme", "a.sys", 100).await.unwrap();
    assert_eq!(names(&found), BTreeSet::from(["crashed", "updated"]));
    found.sort_by(|a, b| a.machine.cmp(&b.machine));
    assert!(
        found.iter().all(|machine| (machine.timestamp, machine.version.as_str()) == (8, "1.1")),
        "{found:?}"
    );
    assert_eq!(found[0].modules, [("b.sys".to_owned(), 3, 0x1000), ("a.sys".to_owned(), 8, 0x1000)]);
    assert_eq!(database.exposed_machines("acme", "a.sys", 1).await.unwrap().len(), 1);
    assert!(database.exposed_machines("acme", "a.sys", 0).await.unwrap().is_empty());
    assert!(database.exposed_machines("acme", "x.sys", 10).await.unwrap().is_empty());

    // Windows' own are found where nothing else lists them, and so are rows from before third-party images were listed.
    let found = database.exposed_machines("acme", "ntoskrnl.exe", 100).await.unwrap();
    assert_eq!(names(&found), BTreeSet::from(["crashed", "victim"]));
    assert_eq!(found[0].timestamp, 1);
    fixture.stop().await;
}
