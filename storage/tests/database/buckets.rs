//! Buckets: how much there is of one, what it goes with, and that a crash stands in the one that its best form names.

use bluescope_storage::questions::{BucketFilter, NoteRow, Range};
use bluescope_storage::reblame::next_revision;
use bluescope_storage::rows::CrashRow;
use uuid::Uuid;

use crate::fixture::{Fixture, crash, now};

const READ: &str = "AV_R_INVALID_csagent!Read";
const WRITE: &str = "AV_W_csagent!Read";

fn of(bucket: &str) -> BucketFilter<'_> {
    BucketFilter { bucket, tenant: None, fault: None }
}

fn within(start: i64) -> Range {
    Range { from_ms: start - 3_600_000, to_ms: start + 3_600_000 }
}

/// A crash a minute of ten machines in one bucket, five of another one, and 40 machines that crash otherwise.
fn fleet(start: i64) -> Vec<CrashRow> {
    let mut rows = Vec::new();
    for number in 0..30_u32 {
        let mut row = crash(u64::from(number), start + i64::from(number) * 60_000);
        row.machine = format!("machine-{}", number % 10);
        row.bucket = READ.to_owned();
        row.driver_timestamp = 0x6690_2C2A + number % 2;
        row.model = "Latitude 5420".to_owned();
        row.third_party = vec!["csagent.sys".to_owned(), "vpn.sys".to_owned()];
        (row.third_party_timestamps, row.third_party_sizes) = (vec![1; 2], vec![2; 2]);
        rows.push(row);
    }
    for number in 100..105 {
        let mut row = crash(number, start);
        row.bucket = WRITE.to_owned();
        rows.push(row);
    }
    for number in 200..240 {
        let mut row = crash(number, start + 1_000);
        (row.driver, row.bucket) = ("ntfs.sys".to_owned(), "0x24_ntfs!unknown_function".to_owned());
        row.third_party = vec!["other.sys".to_owned()];
        rows.push(row);
    }
    rows
}

#[tokio::test]
async fn a_bucket_is_counted_by_itself_and_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 7_200_000;
    let rows = fleet(start);
    let (first, newest) = (rows[0].crash_id, rows[29].crash_id);
    fixture.insert(&rows).await;
    fixture.insert(&rows).await;
    let (database, range) = (&fixture.database, within(start));
    for _ in 0..2 {
        let ends = database.bucket_ends(of(READ)).await.unwrap().unwrap();
        assert_eq!((ends.first_ms, ends.last_ms), (start, start + 29 * 60_000));
        assert_eq!((ends.newest.len(), ends.newest[0], ends.newest[29]), (30, newest, first));
        let totals = database.bucket_totals(of(READ), range).await.unwrap();
        assert_eq!((totals.machines, totals.crashes), (10, 30));
        let series = database.bucket_series(of(READ), range, 60).await.unwrap();
        assert_eq!((series.len(), series.iter().map(|point| point.crashes).sum::<u64>()), (120, 30));
        let versions = database.bucket_versions(of(READ), range).await.unwrap();
        assert_eq!(versions.iter().map(|row| (row.machines, row.crashes)).collect::<Vec<_>>(), [(5, 15); 2]);
        let recurrence = database.bucket_recurrence(of(READ), range, 10).await.unwrap();
        assert_eq!((recurrence.machines, recurrence.recurring, recurrence.most), (10, 10, 3));
        assert_eq!((recurrence.median_gap_ms, recurrence.one_in), (Some(600_000), 1));
        let sampled = database.bucket_recurrence(of(READ), range, 200_000).await.unwrap();
        assert!(sampled.one_in == 4 && sampled.machines < 10, "{sampled:?}");
        fixture.merge().await;
    }
    let empty = Range { from_ms: 0, to_ms: 1_000 };
    assert_eq!(database.bucket_totals(of(READ), empty).await.unwrap().crashes, 0);
    assert_eq!(database.bucket_recurrence(of(READ), empty, 0).await.unwrap().median_gap_ms, None);
    assert_eq!(database.bucket_ends(of("'; DROP TABLE crashes; --")).await.unwrap(), None);
    let other = BucketFilter { tenant: Some("other"), ..of(READ) };
    assert_eq!(database.bucket_ends(other).await.unwrap(), None);
    fixture.stop().await;
}

#[tokio::test]
async fn a_fault_site_narrows_a_bucket() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 7_200_000;
    fixture.insert(&fleet(start)).await;
    let (database, range) = (&fixture.database, within(start));
    let sites = database.bucket_sites(of(READ), range).await.unwrap();
    assert_eq!(sites.len(), 2);
    for site in &sites {
        let narrow = BucketFilter { fault: Some(&site.fault), ..of(READ) };
        let totals = database.bucket_totals(narrow, range).await.unwrap();
        assert_eq!((totals.machines, totals.crashes), (site.machines, site.crashes));
        let ends = database.bucket_ends(narrow).await.unwrap().unwrap();
        let lines = database.bucket_crashes(&ends).await.unwrap();
        assert!(lines.len() == 15 && lines.iter().all(|line| line.fault_site == site.fault), "{lines:?}");
        assert!(lines.is_sorted_by(|a, b| a.happened_at_ms >= b.happened_at_ms));
    }
    let odd = BucketFilter { fault: Some("00000000000000000000000000000000"), ..of(READ) };
    assert_eq!(database.bucket_ends(odd).await.unwrap(), None);
    fixture.stop().await;
}

#[tokio::test]
async fn what_goes_with_a_bucket_is_found() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 7_200_000;
    let rows = fleet(start);
    fixture.insert(&rows).await;
    let (database, range) = (&fixture.database, within(start));
    let kin = database.kin_buckets(of(READ), &rows[0].driver, rows[0].bugcheck, range, 10).await.unwrap();
    let kin: Vec<(&str, u64)> = kin.iter().map(|row| (row.bucket.as_str(), row.machines)).collect();
    assert_eq!(kin, [(WRITE, 5)]);
    let found = database.bucket_correlations(of(READ), "kernel", range).await.unwrap();
    assert_eq!((found.ours, found.others), (10, 45));
    let vpn = found.rows.iter().find(|row| row.value == "vpn.sys").unwrap();
    assert_eq!((vpn.facet.as_str(), vpn.ours, vpn.others), ("driver", 10, 0));
    assert!(found.rows.iter().any(|row| row.facet == "model" && row.value == "Latitude 5420"));
    assert!(found.rows.iter().all(|row| row.value != "other.sys"));
    let user = database.bucket_correlations(of(READ), "user", range).await.unwrap();
    assert_eq!((user.ours, user.others), (10, 0));
    fixture.stop().await;
}

#[tokio::test]
async fn a_crash_that_is_judged_again_leaves_its_bucket() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 7_200_000;
    let rows = fleet(start);
    fixture.insert(&rows).await;
    let (database, range) = (&fixture.database, within(start));
    let mut moved: Vec<CrashRow> = rows[..30].iter().step_by(3).cloned().collect();
    for row in &mut moved {
        (row.bucket, row.revision) = (WRITE.to_owned(), next_revision(row.revision, 9));
    }
    database.rewrite_crashes(&moved).await.unwrap();
    for _ in 0..2 {
        database.mend_rollups(range).await.unwrap();
        let read = database.bucket_totals(of(READ), range).await.unwrap();
        let write = database.bucket_totals(of(WRITE), range).await.unwrap();
        assert_eq!((read.crashes, write.crashes), (20, 15));
        fixture.merge().await;
    }
    fixture.stop().await;
}

#[tokio::test]
async fn notes_are_kept_by_tenant_newest_first() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let note = |number: u128, tenant: &str, at_ms| NoteRow {
        note_id: Uuid::from_u128(number),
        tenant: tenant.to_owned(),
        bucket: READ.to_owned(),
        at_ms,
        who: "ada".to_owned(),
        note: "<script>\n\u{202e}'".to_owned(),
        link: "https://tracker.example/1".to_owned(),
    };
    for row in [note(1, "acme", 1_000), note(2, "", 3_000), note(1, "acme", 1_000)] {
        database.put_bucket_note(&row).await.unwrap();
    }
    let all = database.bucket_notes(None, READ).await.unwrap();
    assert_eq!(all, [note(2, "", 3_000), note(1, "acme", 1_000)]);
    assert_eq!(database.bucket_notes(Some("acme"), READ).await.unwrap(), [note(1, "acme", 1_000)]);
    assert_eq!(database.bucket_notes(None, WRITE).await.unwrap(), []);
    fixture.stop().await;
}

#[tokio::test]
async fn a_machine_has_its_crashes_once_and_its_drivers() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 7_200_000;
    let mut rows = fleet(start);
    rows[20].drivers = vec!["ntoskrnl.exe".to_owned(), "vpn.sys".to_owned()];
    (rows[20].driver_timestamps, rows[20].driver_sizes) = (vec![1, 2], vec![3, 4]);
    fixture.insert(&rows).await;
    let mut larger = rows[20].clone();
    (larger.revision, larger.received_at, larger.bucket) =
        (rows[20].revision + 2, larger.received_at + 5_000, "LARGER".to_owned());
    fixture.insert(&[larger]).await;
    let database = &fixture.database;
    let found = database.machine_crashes("", "machine-0", 10).await.unwrap();
    let buckets: Vec<&str> = found.iter().map(|line| line.bucket.as_str()).collect();
    assert_eq!(buckets, ["LARGER", READ, READ]);
    let (best, forms) = database.crash_and_forms(rows[20].crash_id).await.unwrap().unwrap();
    assert_eq!(database.crash(rows[20].crash_id).await.unwrap(), Some(best));
    assert_eq!(forms.iter().map(|form| form.bucket.as_str()).collect::<Vec<_>>(), ["LARGER", READ]);
    let drivers = database.machine_drivers("", "machine-0", Some(rows[20].crash_id)).await.unwrap().unwrap();
    let names: Vec<(&str, Option<bool>)> =
        drivers.drivers.iter().map(|driver| (driver.name.as_str(), driver.inbox)).collect();
    assert_eq!(drivers.source, "crash");
    assert_eq!(names, [("vpn.sys", Some(false)), ("ntoskrnl.exe", Some(true))]);
    assert_eq!(database.machine_drivers("", "nobody", None).await.unwrap(), None);
    assert_eq!(database.crash_and_forms(Uuid::nil()).await.unwrap(), None);
    assert_eq!(database.kept_dump(rows[20].crash_id).await.unwrap(), None);
    fixture.stop().await;
}
