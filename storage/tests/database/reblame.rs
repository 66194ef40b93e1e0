//! Judged again: pages of facts, rows written over, and rollups that forget without a gap.

use std::sync::atomic::{AtomicBool, Ordering};

use bluescope_storage::questions::{Range, ReplayCursor, ReplayFilter};
use bluescope_storage::reblame::{Mended, next_revision};
use bluescope_storage::rows::CrashRow;

use crate::fixture::{Fixture, crash, now};

const OLD: &str = "csagent.sys";
const NEW: &str = "fltlib.sys";

/// Ten crashes a minute over eight minutes, of 40 machines.
fn outage(start: i64) -> Vec<CrashRow> {
    let row = |number: u64| {
        let mut row = crash(number, start + i64::try_from(number).unwrap() * 6_000);
        row.machine = format!("machine-{}", number % 40);
        row.facts = format!(r#"{{"bugcheck_code":"0x50","os_build":{number}}}"#);
        row
    };
    (0..80).map(row).collect()
}

/// One crash in three is somebody else's, and one in four of the others has another bucket.
fn judged_again(rows: &[CrashRow]) -> Vec<CrashRow> {
    let mut rows = rows.to_vec();
    for (number, row) in rows.iter_mut().enumerate() {
        if number % 3 == 0 {
            (row.driver, row.bucket) = (NEW.to_owned(), "AV_fltlib!unknown_function".to_owned());
        } else if number % 4 == 0 {
            row.bucket = "0x50_csagent".to_owned();
        } else {
            continue;
        }
        row.revision = next_revision(row.revision, 3);
    }
    rows
}

fn hour(start: i64) -> Range {
    Range { from_ms: start - 1_200_000, to_ms: start + 1_200_000 }
}

/// Everything that counts by driver: what pages draw and what the detector reads.
async fn counts(fixture: &Fixture, start: i64) -> Vec<String> {
    let database = &fixture.database;
    let mut pulse = database.pulse(start + 600_000).await.unwrap();
    pulse.drivers.iter_mut().for_each(|driver| driver.minutes.sort_unstable());
    let mut counts = vec![format!("{pulse:?}")];
    for driver in [OLD, NEW] {
        counts.push(format!("{:?}", database.driver_series(driver, hour(start), 60).await.unwrap()));
        counts.push(format!("{:?}", database.casualties_since("", driver, start).await.unwrap()));
        let mut evidence = database.driver_evidence(driver, hour(start)).await.unwrap();
        // Which crashes are kept as examples is left to the order of inserts.
        evidence.examples.clear();
        counts.push(format!("{evidence:?}"));
    }
    counts.push(format!("{:?}", database.top_drivers(hour(start), 10).await.unwrap()));
    counts.push(format!("{:?}", database.fleet_series(hour(start), 60).await.unwrap()));
    // And by the hour, as long ranges are drawn.
    let day =
        Range { from_ms: (start / 3_600_000 - 12) * 3_600_000, to_ms: (start / 3_600_000 + 12) * 3_600_000 };
    counts.push(format!("{:?}", database.top_drivers(day, 10).await.unwrap()));
    counts.push(format!("{:?}", database.fleet_series(day, 7_200).await.unwrap()));
    counts.push(format!("{:?}", database.new_drivers(day, 10).await.unwrap()));
    counts.push(format!("{:?}", database.ledger("queue").await.unwrap()));
    counts.push(format!("{:?}", database.distinct_crashes("queue").await.unwrap()));
    // From before the first crash, and from between: only what is seen first is new.
    for from_ms in [start - 60_000, start + 7_000] {
        let range = Range { from_ms, to_ms: start + 1_200_000 };
        counts.push(format!("{:?}", database.new_drivers(range, 10).await.unwrap()));
        counts.push(format!("{:?}", database.new_buckets(range, 10).await.unwrap()));
    }
    counts
}

/// What the counts are where the new verdicts were the first.
async fn truth(start: i64, rows: &[CrashRow]) -> Option<Vec<String>> {
    let fixture = Fixture::new().await?;
    fixture.insert(rows).await;
    let counts = counts(&fixture, start).await;
    fixture.stop().await;
    Some(counts)
}

async fn mend(fixture: &Fixture, start: i64) -> Mended {
    fixture.database.mend_rollups(hour(start)).await.unwrap()
}

#[tokio::test]
async fn pages_have_each_crash_once_in_its_best_form() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 900_000;
    let mut rows = outage(start);
    // No time of their own: these share the first part of the key.
    for row in rows.iter_mut().take(7) {
        row.crash_id = crate::fixture::crash_id(0, row.queue_offset.unsigned_abs());
        row.crashed_at = 0;
    }
    rows[7].facts = String::new();
    rows[8].outcome = "unreadable".to_owned();
    rows[9].tenant = "acme".to_owned();
    rows[10].driver = NEW.to_owned();
    // A form that loses and names another driver, and one that wins.
    let mut forms = vec![rows[11].clone(), rows[12].clone()];
    (forms[0].driver, forms[0].revision) = (NEW.to_owned(), 0);
    (forms[1].driver, forms[1].revision) = (NEW.to_owned(), 2);
    fixture.insert(&rows).await;
    fixture.insert(&forms).await;

    let whole = ReplayFilter { range: hour(start), tenant: None, driver: None };
    let mut seen = Vec::new();
    let mut next = Some(ReplayCursor::default());
    while let Some(after) = next {
        let page = fixture.database.replay_page(&whole, after, 9).await.unwrap();
        assert!(page.rows.len() <= 9);
        next = page.next;
        seen.extend(page.rows);
    }
    assert_eq!(seen.len(), 79, "all but the unreadable one");
    let mut ids: Vec<_> = seen.iter().map(|row| row.crash_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 79);
    assert_eq!(fixture.database.replay_count(&whole).await.unwrap(), 79);
    assert_eq!(seen.iter().filter(|row| row.facts.is_empty()).count(), 1);
    assert!(seen.iter().all(|row| row.happened_at >= start && row.machine.starts_with("machine-")));

    let only = |tenant: Option<&str>, driver: Option<&str>| ReplayFilter {
        tenant: tenant.map(str::to_owned),
        driver: driver.map(str::to_owned),
        ..whole.clone()
    };
    let page = async |filter: &ReplayFilter| {
        let page = fixture.database.replay_page(filter, ReplayCursor::default(), 1_000).await.unwrap();
        assert_eq!(page.next, None);
        page.rows
    };
    assert_eq!(page(&only(Some("acme"), None)).await.len(), 1);
    let new: Vec<_> = page(&only(None, Some(NEW))).await.iter().map(|row| row.crash_id).collect();
    assert_eq!(new, [rows[10].crash_id, rows[12].crash_id]);
    let early = Range { from_ms: start - 600_000, to_ms: start };
    assert!(page(&ReplayFilter { range: early, ..whole.clone() }).await.is_empty());

    let ids = [rows[12].crash_id, rows[0].crash_id, uuid::Uuid::max()];
    let whole_rows = fixture.database.these_crashes(&ids).await.unwrap();
    assert_eq!(whole_rows, [rows[0].clone(), forms[1].clone()]);
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_written_over_moves_every_count_and_again_changes_nothing() {
    let start = now() - 900_000;
    let (before, after) = (outage(start), judged_again(&outage(start)));
    let Some(truth) = truth(start, &after).await else { return };
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(&before).await;
    let moved: Vec<CrashRow> =
        after.iter().zip(&before).filter(|(new, old)| new != old).map(|(new, _)| new.clone()).collect();

    // As after a kill: the rows are written, the rollups hold both.
    fixture.database.rewrite_crashes(&moved[..10]).await.unwrap();
    assert_ne!(counts(&fixture, start).await, truth);
    fixture.database.rewrite_crashes(&moved).await.unwrap();
    let mended = mend(&fixture, start).await;
    assert!(mended.minutes >= 8 && mended.arrivals >= 27 && mended.drivers >= 8, "{mended:?}");
    assert_eq!(counts(&fixture, start).await, truth);

    // A second run, and merges, change nothing.
    assert_eq!(mend(&fixture, start).await, Mended::default());
    fixture.database.rewrite_crashes(&moved).await.unwrap();
    fixture.merge().await;
    assert_eq!(mend(&fixture, start).await, Mended::default());
    assert_eq!(counts(&fixture, start).await, truth);
    let crash = fixture.database.crash(moved[0].crash_id).await.unwrap().unwrap();
    assert_eq!(crash, moved[0]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_inserted_meanwhile_is_lost_and_no_count_dips() {
    let start = now() - 900_000;
    let before = outage(start);
    let after = judged_again(&before);
    // Crashes of the same minutes that arrive while the rollups are made anew.
    let late: Vec<CrashRow> = (0..60u64)
        .map(|number| {
            let mut row = crash(1_000 + number, start + i64::try_from(number).unwrap() * 8_000 + 1);
            row.stored_at = start + 300_000;
            row
        })
        .collect();
    let all: Vec<CrashRow> = after.iter().chain(&late).cloned().collect();
    let Some(truth) = truth(start, &all).await else { return };
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(&before).await;
    fixture.database.rewrite_crashes(&after).await.unwrap();

    let least = |rows: &[CrashRow], driver: &str| rows.iter().filter(|row| row.driver == driver).count();
    let (old, new) = (least(&after, OLD), least(&after, NEW));
    let done = AtomicBool::new(false);
    let inserts = async {
        for row in &late {
            fixture.insert(std::slice::from_ref(row)).await;
        }
    };
    let mends = async {
        // Merges on the way, as a busy server has them.
        for _ in 0..6 {
            tokio::join!(mend(&fixture, start), async {
                fixture.client.query_raw("OPTIMIZE TABLE crash_minutes").execute().await.unwrap();
                fixture.client.query_raw("OPTIMIZE TABLE arrivals").execute().await.unwrap();
                fixture.client.query_raw("OPTIMIZE TABLE driver_minutes").execute().await.unwrap();
            });
        }
    };
    let watch = async {
        let mut looks = 0u32;
        while !done.load(Ordering::Relaxed) {
            for (driver, least) in [(OLD, old), (NEW, new)] {
                let arrived = fixture.database.casualties_since("", driver, start).await.unwrap().crashes;
                let series = fixture.database.driver_series(driver, hour(start), 60).await.unwrap();
                let happened: u64 = series.iter().map(|point| point.crashes).sum();
                let least = u64::try_from(least).unwrap();
                assert!(arrived >= least && happened >= least, "{driver}: {arrived}, {happened} of {least}");
            }
            looks += 1;
        }
        looks
    };
    let work = async {
        tokio::join!(inserts, mends);
        done.store(true, Ordering::Relaxed);
    };
    let (looks, ()) = tokio::join!(watch, work);
    assert!(looks > 3, "looked {looks} times");
    mend(&fixture, start).await;
    assert_eq!(counts(&fixture, start).await, truth);
    fixture.stop().await;
}
