//! Bad machine or bad driver: who is suspect, and by what.

#[path = "suspects/left_out.rs"]
mod left_out;

use bluescope_storage::questions::{MachineHealth, Range, SUSPECT_WINDOW_MS, Suspicion};
use bluescope_storage::rows::CrashRow;

use crate::fixture::{Fixture, crash, now};

const MINUTE: i64 = 60_000;
/// What a PC with bad memory showed: seven bug checks in eight dumps, wherever the bad page happened to lie.
const BAD_MEMORY: [(u32, &str, u64); 8] = [
    (0xBE, "ntoskrnl.exe", 0x2E8E8C),
    (0x50, "ntoskrnl.exe", 0x290B9F),
    (0x3B, "win32kfull.sys", 0x10F183),
    (0x13A, "wdfilter.sys", 0x43284),
    (0x1A, "ntoskrnl.exe", 0x41F2C0),
    (0x139, "ntfs.sys", 0x1B2C3),
    (0xD1, "ks.sys", 0x1AE9),
    (0x50, "nvlddmkm.sys", 0xBA07AB),
];

/// A page table entry that is not what it must be: the kind, and where.
const WRONG_PAGE: [u64; 4] = [0x41790, 0xFFFF_FA80_0000_1000, 0x2A, 0];
const OTHER_PAGE: [u64; 4] = [0x41790, 0xFFFF_FA80_0000_8000, 0x2A, 0];
const DAY: i64 = 1440;

/// The past of a fleet, row by row.
struct Fleet {
    now: i64,
    rows: Vec<CrashRow>,
}

impl Fleet {
    fn new() -> Self {
        Self { now: now(), rows: Vec::new() }
    }

    /// A crash of `machine` so many minutes ago; every crash is another one.
    fn add(
        &mut self,
        machine: &str,
        ago: i64,
        (bugcheck, driver, offset): (u32, &str, u64),
    ) -> &mut CrashRow {
        let number = u64::try_from(self.rows.len()).unwrap();
        let mut row = crash(number, self.now - ago * MINUTE);
        row.machine = machine.to_owned();
        row.bugcheck = bugcheck;
        row.bugcheck_name = String::new();
        row.driver = driver.to_owned();
        row.fault_offset = offset;
        row.bucket = format!("0x{bugcheck:X}_{driver}!unknown_function");
        self.rows.push(row);
        self.rows.last_mut().unwrap()
    }

    /// Bad memory strikes at other places in every machine.
    fn bad_memory(&mut self, machine: &str, seed: u64) {
        for (index, (bugcheck, driver, offset)) in (1..).zip(BAD_MEMORY) {
            self.add(machine, index * 97, (bugcheck, driver, offset + seed * 0x1000));
        }
    }

    fn week(&self) -> Range {
        Range { from_ms: self.now + MINUTE - SUSPECT_WINDOW_MS, to_ms: self.now + MINUTE }
    }

    /// A crash at no place, with its sign and its parameters.
    fn sign(&mut self, machine: &str, ago: i64, bugcheck: u32, sign: &str, parameters: [u64; 4]) {
        let row = self.add(machine, ago, (bugcheck, "", 0));
        (row.hardware_sign, row.parameters) = (sign.to_owned(), parameters.to_vec());
        row.bucket = format!("0x{bugcheck:X}_{:x}", parameters[0]);
    }

    async fn suspects(&self, fixture: &Fixture) -> Vec<MachineHealth> {
        fixture.database.suspect_machines(None, self.week(), 100).await.unwrap()
    }

    async fn health(&self, fixture: &Fixture, machine: &str) -> MachineHealth {
        let mut found = fixture.database.machines_health(&[("", machine)], self.week()).await.unwrap();
        assert_eq!(found.len(), 1, "{machine}");
        let health = found.remove(0);
        // What clears nearly all machines at once says of none what is not so.
        let suspect = fixture.database.suspect_machine("", machine, self.week()).await.unwrap();
        assert_eq!(suspect, Some(health.clone()).filter(MachineHealth::suspect), "{machine}");
        health
    }
}

#[tokio::test]
async fn unlike_crashes_of_one_machine_are_its_own_fault() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    fleet.bad_memory("bad-memory", 0);
    // The four of them that came first, within three hours.
    for (index, what) in (1..).zip(BAD_MEMORY.into_iter().take(4)) {
        fleet.add("three-hours", index * 50, (what.0, what.1, what.2 + 0x123));
    }
    // One driver, by two roads, again and again.
    for round in 0..70 {
        let bugcheck = [0x50, 0x19][round % 2];
        fleet.add("boot-loop", i64::try_from(round).unwrap(), (bugcheck, "csagent.sys", 0xE14ED));
    }
    // A display driver that fails in every way that there is, the kernel as its witness twice.
    for (ago, bugcheck, driver) in [
        (1, 0x116, "nvlddmkm.sys"),
        (2, 0xD1, "nvlddmkm.sys"),
        (3, 0x133, "nvlddmkm.sys"),
        (4, 0x139, "ntoskrnl.exe"),
        (5, 0x1A, "ntoskrnl.exe"),
        (6, 0x3B, "dxgkrnl.sys"),
    ] {
        fleet.add("one-driver", ago, (bugcheck, driver, u64::from(bugcheck)));
    }
    // Unlike bug checks enough, but only two places.
    for (ago, bugcheck) in [0x50, 0x19, 0x139, 0x1A].into_iter().enumerate() {
        let driver = ["ntoskrnl.exe", "other.sys"][usize::from(ago == 3)];
        fleet.add("two-places", i64::try_from(ago).unwrap(), (bugcheck, driver, 0x77));
    }
    // Nobody is blamed for anything.
    for (ago, bugcheck) in [0x50, 0x19, 0x139, 0x1A].into_iter().enumerate() {
        let row = fleet.add("nobody", 7 + i64::try_from(ago).unwrap(), (bugcheck, "", 0));
        row.culprit = "unknown".to_owned();
    }
    // The same kind of fault under different names is one kind.
    for (ago, bugcheck) in [0xA, 0xD1, 0x50, 0x3B, 0x7E, 0x8E, 0x1E].into_iter().enumerate() {
        let driver = format!("driver{ago}.sys");
        fleet.add("bad-address", i64::try_from(ago).unwrap(), (bugcheck, &driver, 7));
    }
    fixture.insert(&fleet.rows).await;

    let suspects = fleet.suspects(&fixture).await;
    let names: Vec<&str> = suspects.iter().map(|health| health.machine.as_str()).collect();
    assert_eq!(names, ["bad-memory", "nobody", "three-hours"]);
    let bad = &suspects[0];
    assert_eq!((bad.suspicion(), bad.by_spread, bad.by_memory), (Suspicion::Likely, true, false));
    assert_eq!(
        (bad.crashes, bad.bugchecks, bad.places, bad.most_of_one_driver, bad.days > 0),
        (8, 5, 8, 1, true)
    );
    assert_eq!(bad.evidence.len(), 8);
    assert_eq!((bad.evidence[0].bugcheck, bad.evidence[0].driver.as_str()), (0xBE, "ntoskrnl.exe"));
    assert!(bad.reasons()[0].contains("5 unlike bug checks in 8 unlike places"), "{:?}", bad.reasons());
    assert_eq!(fleet.health(&fixture, "bad-memory").await, *bad);

    let looping = fleet.health(&fixture, "boot-loop").await;
    assert_eq!((looping.crashes, looping.bugchecks, looping.places), (70, 2, 1));
    let newest: Vec<i64> = (0..50).map(|ago| fleet.now - ago * MINUTE).collect();
    let shown: Vec<i64> = looping.evidence.iter().map(|crash| crash.happened_at_ms).collect();
    assert_eq!(shown, newest);
    let one = fleet.health(&fixture, "one-driver").await;
    assert_eq!((one.bugchecks, one.most_of_one_driver, one.suspect()), (5, 3, false));
    let two = fleet.health(&fixture, "two-places").await;
    assert_eq!((two.bugchecks, two.places, two.suspect()), (4, 2, false));
    assert_eq!(fleet.health(&fixture, "nobody").await.places, 4);
    assert_eq!(fleet.health(&fixture, "bad-address").await.bugchecks, 1);
    fixture.stop().await;
}

#[tokio::test]
async fn hardware_that_reports_itself_is_believed() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    fleet.sign("mce", 10, 0x124, "machine check", [0, 1, 2, 3]);
    fleet.sign("mce-of-old-rows", 11, 0x124, "", [1, 1, 2, 3]);
    fleet.sign("mce-of-old-windows", 11, 0x9C, "", [4, 1, 2, 3]);
    // Not the processor: a bus device, and a driver of a disk.
    fleet.sign("bus", 11, 0x124, "machine check", [4, 1, 2, 3]);
    fleet.sign("disk", 11, 0x124, "machine check", [0x10, 1, 2, 3]);
    fleet.sign("disk-of-old-rows", 11, 0x124, "", [0x10, 1, 2, 3]);
    fleet.add("one-bit", 12, (0x50, "a.sys", 1)).hardware_sign = "single bit".to_owned();
    fleet.sign("one-sign", 13, 0x1A, "memory", WRONG_PAGE);
    fleet.add("one-0x1a", 14, (0x1A, "ntoskrnl.exe", 1));
    fleet.sign("two-signs", 15, 0x1A, "memory", WRONG_PAGE);
    fleet.add("two-signs", 3 * DAY, (0x50, "a.sys", 2)).hardware_sign = "single bit".to_owned();
    fleet.sign("long-ago", 16, 0x1A, "memory", WRONG_PAGE);
    fleet.sign("long-ago", 8 * DAY, 0x1A, "memory", OTHER_PAGE);
    for what in BAD_MEMORY {
        fleet.add("live", 17, what).kind = "live".to_owned();
        fleet.add("by-hand", 18, what).culprit = "manual".to_owned();
        fleet.add("process", 19, what).kind = "user".to_owned();
        fleet.add("", 20, what);
    }
    let live = fleet.add("live", 21, (0x124, "", 0));
    (live.kind, live.hardware_sign) = ("live".to_owned(), "machine check".to_owned());
    fixture.insert(&fleet.rows).await;

    let suspects = fleet.suspects(&fixture).await;
    let names: Vec<&str> = suspects.iter().map(|health| health.machine.as_str()).collect();
    assert_eq!(names, ["two-signs", "mce", "mce-of-old-rows", "mce-of-old-windows"]);
    assert!(suspects.iter().all(|health| health.suspicion() == Suspicion::Strong));
    let two = &suspects[0];
    assert_eq!((two.by_memory, two.memory_signs, two.single_bits, two.days), (true, 2, 1, 2));
    assert_eq!(fixture.database.suspect_machines(Some("acme"), fleet.week(), 10).await.unwrap(), []);
    assert_eq!(fixture.database.suspect_machines(Some(""), fleet.week(), 2).await.unwrap().len(), 2);
    let mut named = fixture.database.suspect_names(fleet.now + MINUTE).await.unwrap();
    named.sort_unstable();
    let expected = ["mce", "mce-of-old-rows", "mce-of-old-windows", "two-signs"]
        .map(|name| (String::new(), name.to_owned()));
    assert_eq!(named, expected);
    let none =
        fixture.database.machines_health(&[("", "live"), ("", "by-hand")], fleet.week()).await.unwrap();
    assert_eq!(none, []);
    fixture.stop().await;
}

#[tokio::test]
async fn damaged_memory_is_sure_by_one_bit_or_by_other_values_on_another_day() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    for (machine, second, ago) in [
        // A driver that gives back what it has not locked, in a program that is started twice.
        ("again", WRONG_PAGE, DAY),
        ("one-boot", OTHER_PAGE, 0),
        ("other-page", OTHER_PAGE, DAY),
    ] {
        fleet.sign(machine, 0, 0x1A, "memory", WRONG_PAGE);
        fleet.sign(machine, ago, 0x1A, "memory", second);
    }
    fleet.sign("one-bit", 0, 0x1A, "memory", WRONG_PAGE);
    fleet.sign("one-bit", 0, 0x1A, "single bit", WRONG_PAGE);
    fixture.insert(&fleet.rows).await;
    for (machine, sure) in [("again", false), ("one-boot", false), ("other-page", true), ("one-bit", true)] {
        let health = fleet.health(&fixture, machine).await;
        assert_eq!((health.by_memory, health.memory_is_sure), (true, sure), "{machine}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn bad_machines_of_one_bucket_do_not_clear_each_other() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    for number in 0..6 {
        let machine = format!("bad-{number}");
        fleet.sign(&machine, 5, 0x1A, "memory", WRONG_PAGE);
        fleet.sign(&machine, DAY + 5, 0x1A, "memory", OTHER_PAGE);
        // Nor do they where Windows is what failed, at no place in it.
        let machine = format!("kernel-{number}");
        for ago in [7, DAY + 7] {
            fleet.add(&machine, ago, (0x1A, "ntoskrnl.exe", 0)).hardware_sign = "memory".to_owned();
        }
    }
    fixture.insert(&fleet.rows).await;
    let suspects = fleet.suspects(&fixture).await;
    assert_eq!(suspects.len(), 12);
    for health in &suspects {
        // What so many show is not sure of any of them.
        assert_eq!((health.suspicion(), health.memory_signs, health.own_crashes), (Suspicion::Likely, 2, 0));
        assert_eq!(health.evidence.len(), 2, "{health:?}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn what_many_machines_report_marks_none_of_them() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    for number in 0..6 {
        let machine = format!("pc-{number}");
        // Microcode that all of them were given.
        fleet.sign(&machine, 3, 0x124, "machine check", [0, 1, 2, 3]);
        // A driver that sets a flag in what is not its own.
        for ago in [DAY, 2 * DAY] {
            fleet.add(&machine, ago, (0x50, "flags.sys", 8)).hardware_sign = "single bit".to_owned();
        }
    }
    let row = fleet.add("pc-3", 9, (0x124, "", 0));
    (row.hardware_sign, row.bucket) = ("machine check".to_owned(), "0x124_0_CACHE".to_owned());
    row.parameters = vec![0, 1, 2, 3];
    fixture.insert(&fleet.rows).await;
    let suspects = fleet.suspects(&fixture).await;
    assert_eq!(suspects.iter().map(|health| health.machine.as_str()).collect::<Vec<_>>(), ["pc-3"]);
    assert_eq!((suspects[0].machine_checks, suspects[0].single_bits), (1, 0));
    fixture.stop().await;
}

#[tokio::test]
async fn a_driver_that_goes_wrong_everywhere_explains_the_odd_crashes_besides() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    for number in 0..6_u64 {
        let machine = format!("pc-{number}");
        for ago in 1..4 {
            fleet.add(&machine, ago, (0x50, "spoiler.sys", 0x77));
        }
        for (ago, what) in (4..).zip(BAD_MEMORY.into_iter().take(7)) {
            fleet.add(&machine, ago, (what.0, what.1, what.2 + number * 0x1000));
        }
    }
    fleet.bad_memory("bad-memory", 60);
    fixture.insert(&fleet.rows).await;
    let suspects = fleet.suspects(&fixture).await;
    assert_eq!(suspects.iter().map(|health| health.machine.as_str()).collect::<Vec<_>>(), ["bad-memory"]);
    let victim = fleet.health(&fixture, "pc-2").await;
    assert_eq!((victim.own_crashes, victim.places, victim.most_of_one_driver), (7, 7, 3));
    fixture.stop().await;
}

#[tokio::test]
async fn a_tenant_is_measured_by_its_own_machines() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    // Enough for six crashing machines in a hundred to be more than five.
    for number in 0..700 {
        fleet.add(&format!("theirs-{number}"), number % 50, (0x9F, "usb.sys", 5)).tenant = "large".to_owned();
    }
    for (tenant, machines) in [("small", 5), ("large", 5), ("tiny", 4)] {
        for machine in 0..machines {
            for (ago, what) in (1..).zip(BAD_MEMORY) {
                fleet.add(&format!("pc-{machine}"), ago, what).tenant = tenant.to_owned();
            }
        }
    }
    fixture.insert(&fleet.rows).await;
    for (tenant, suspects) in [("small", 0), ("large", 5), ("tiny", 4)] {
        let found = fixture.database.suspect_machines(Some(tenant), fleet.week(), 100).await.unwrap();
        assert_eq!(found.len(), suspects, "{tenant}");
        assert!(found.iter().all(|health| health.tenant == tenant));
        let health = fixture.database.machines_health(&[(tenant, "pc-0")], fleet.week()).await.unwrap();
        assert_eq!((health.len(), health[0].suspect()), (1, suspects > 0), "{tenant}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn what_many_machines_share_is_held_against_none() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    // A driver that damages the pool fails in as many ways as bad memory, and at the same places everywhere.
    for machine in 0..12 {
        for (ago, what) in (1..).zip(BAD_MEMORY) {
            fleet.add(&format!("victim-{machine}"), ago, what);
        }
    }
    // One of them has bad memory besides.
    fleet.bad_memory("victim-3", 9);
    fixture.insert(&fleet.rows).await;
    let suspects = fleet.suspects(&fixture).await;
    assert_eq!(suspects.iter().map(|health| health.machine.as_str()).collect::<Vec<_>>(), ["victim-3"]);
    assert_eq!((suspects[0].crashes, suspects[0].own_crashes), (16, 8));
    fixture.stop().await;
}

#[tokio::test]
async fn the_verdict_is_of_crashes_not_of_rows() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut fleet = Fleet::new();
    fleet.bad_memory("bad-memory", 0);
    fleet.add("once", 5, (0x1A, "", 0)).hardware_sign = "memory".to_owned();
    // Rules of an earlier version saw other things in one and the same crash.
    let again = fleet.add("once", 6, (0x50, "a.sys", 1)).clone();
    for (number, what) in (2..).zip(BAD_MEMORY) {
        let mut row = again.clone();
        (row.bugcheck, row.driver, row.fault_offset) = (what.0, what.1.to_owned(), what.2);
        (row.hardware_sign, row.revision) = ("memory".to_owned(), number);
        fleet.rows.push(row);
    }
    let mut newest = again;
    newest.revision = 100;
    fleet.rows.push(newest);
    fixture.insert(&fleet.rows).await;
    let once = fleet.suspects(&fixture).await;
    assert_eq!(once.iter().map(|health| health.machine.as_str()).collect::<Vec<_>>(), ["bad-memory"]);
    for row in fleet.rows.iter().rev() {
        fixture.insert(std::slice::from_ref(row)).await;
    }
    assert_eq!(fleet.suspects(&fixture).await, once);
    fixture.merge().await;
    assert_eq!(fleet.suspects(&fixture).await, once);
    let machine = fleet.health(&fixture, "once").await;
    assert_eq!((machine.crashes, machine.memory_signs), (2, 1));
    fixture.stop().await;
}
