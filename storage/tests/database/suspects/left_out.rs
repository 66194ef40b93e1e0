//! What is left of a driver without its suspect machines.

use bluescope_storage::questions::SoundPulse;

use super::Fleet;
use crate::fixture::{Fixture, crash_id};

#[tokio::test]
async fn a_driver_is_counted_without_its_suspect_machines() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    for number in 0..3 {
        fleet.bad_memory(&format!("bad-{number}"), number + 1);
        fleet.add(&format!("bad-{number}"), 0, (0x50, "csagent.sys", 0x1000 + number));
    }
    // Crashed a minute, three minutes and ten minutes ago; the last one is somebody else's.
    for (machine, ago) in
        [("sound-0", 0), ("sound-1", 3), ("sound-2", 10), ("theirs", 0), ("other-driver", 0)]
    {
        let row = fleet.add(machine, ago, (0x50, "csagent.sys", 0xE14ED));
        row.site = String::new();
        match machine {
            "theirs" => row.tenant = "acme".to_owned(),
            "other-driver" => row.driver = "other.sys".to_owned(),
            _ => {}
        }
    }
    fixture.insert(&fleet.rows).await;
    let sound = fixture.database.sound_pulse("", "csagent.sys", fleet.now + 20_000).await.unwrap();
    assert_eq!(sound, SoundPulse { last_1: 1, last_5: 2, last_15: 3, sites: 3 });
    let pulse = fixture.database.pulse(fleet.now + 20_000).await.unwrap();
    let whole =
        pulse.drivers.iter().find(|row| row.tenant.is_empty() && row.driver == "csagent.sys").unwrap();
    assert_eq!((whole.last_1, whole.last_5, whole.last_15), (4, 5, 6));
    let nobody = fixture.database.sound_pulse("", "nobody.sys", fleet.now).await.unwrap();
    assert_eq!(nobody, SoundPulse { last_1: 0, last_5: 0, last_15: 0, sites: 0 });
    fixture.stop().await;
}

#[tokio::test]
async fn a_suspect_machine_counts_where_others_fail_too() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    for number in 0..9 {
        let machine = format!("bad-{number}");
        fleet.bad_memory(&machine, number + 1);
        // All at one place but for three, one of which is there as well.
        if number >= 2 {
            fleet.add(&machine, 0, (0x50, "csagent.sys", 0xE14ED));
        }
        if number < 3 {
            fleet.add(&machine, 0, (0x50, "csagent.sys", number));
        }
    }
    fixture.insert(&fleet.rows).await;
    assert_eq!(fleet.suspects(&fixture).await.len(), 9);
    let sound = fixture.database.sound_pulse("", "csagent.sys", fleet.now + 20_000).await.unwrap();
    assert_eq!((sound.last_1, sound.last_15), (7, 7));
    // As many at a place in another tenant do not speak for this one.
    let mut theirs = Fleet::new();
    for number in 0..9 {
        theirs.bad_memory(&format!("bad-{number}"), number + 1);
        theirs.add(&format!("bad-{number}"), 0, (0x50, "other.sys", 4));
    }
    for (number, row) in (1_000..).zip(&mut theirs.rows) {
        (row.tenant, row.crash_id) = ("acme".to_owned(), crash_id(row.crashed_at, number));
    }
    fixture.insert(&theirs.rows).await;
    let mut ours = Fleet::new();
    ours.add("bad-0", 0, (0x50, "other.sys", 4)).crash_id = crash_id(ours.now, 5_000);
    fixture.insert(&ours.rows).await;
    let sound = fixture.database.sound_pulse("", "other.sys", fleet.now + 20_000).await.unwrap();
    assert_eq!(sound.last_15, 0);
    let sound = fixture.database.sound_pulse("acme", "other.sys", fleet.now + 20_000).await.unwrap();
    assert_eq!(sound.last_15, 9);
    fixture.stop().await;
}
