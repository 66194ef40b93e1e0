//! Counts: what they are, and that nothing written twice changes them.

use bluescope_storage::questions::{CrashFilter, LedgerCounts, Range, Ranking, SeriesPoint};
use bluescope_storage::rows::CrashRow;

use crate::fixture::{Fixture, crash, now};

/// 40 crashes over four minutes: two drivers, hardware, one boot loop, unreadable ones.
fn outage(start: i64) -> Vec<CrashRow> {
    (0..40u64)
        .map(|number| {
            let mut row = crash(number, start + i64::try_from(number).unwrap() * 6_000);
            match number {
                // One machine, ten crashes.
                0..10 => row.machine = "loop".to_owned(),
                10..15 => row.driver = "other.sys".to_owned(),
                15..18 => (row.culprit, row.driver) = ("hardware".to_owned(), String::new()),
                18..20 => {
                    row.outcome = "unreadable".to_owned();
                    row.problem = "truncated".to_owned();
                    (row.kind, row.culprit, row.driver) = Default::default();
                }
                20..25 => row.tenant = "acme".to_owned(),
                _ => {}
            }
            row
        })
        .collect()
}

/// Everything that counts.
async fn counts(fixture: &Fixture, start: i64) -> Vec<String> {
    let database = &fixture.database;
    let range = Range { from_ms: start, to_ms: start + 600_000 };
    let end = start + 600_000;
    let mut pulse = database.pulse(end).await.unwrap();
    pulse.drivers.iter_mut().for_each(|driver| driver.minutes.sort_unstable());
    let drivers = ["csagent.sys".to_owned(), "other.sys".to_owned()];
    let mut sparklines = database.sparklines(&drivers, range, 60).await.unwrap();
    sparklines.sort_unstable();
    vec![
        format!("{pulse:?}"),
        format!("{sparklines:?}"),
        format!("{:?}", database.casualties_since("", "csagent.sys", start).await.unwrap()),
        format!("{:?}", database.fleet_series(range, 60).await.unwrap()),
        format!("{:?}", database.driver_series("csagent.sys", range, 120).await.unwrap()),
        format!("{:?}", database.top_drivers(range, 10).await.unwrap()),
        format!("{:?}", database.crashes(&CrashFilter::default(), 100, None).await.unwrap()),
        format!("{:?}", database.ledger("queue").await.unwrap()),
        format!("{:?}", database.distinct_crashes("queue").await.unwrap()),
        format!("{:?}", database.fleet_now(end, 600).await.unwrap()),
        format!("{:?}", database.incident_evidence(None, "csagent.sys", start, end).await.unwrap()),
    ]
}

#[tokio::test]
async fn inserting_twice_changes_no_count() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 600_000;
    let rows = outage(start);
    fixture.insert(&rows).await;
    let once = counts(&fixture, start).await;
    // The same batch again; other batches of the same rows, backwards; then merged.
    fixture.insert(&rows).await;
    for batch in rows.rchunks(7) {
        fixture.insert(batch).await;
    }
    let often = counts(&fixture, start).await;
    assert_eq!(once, often);
    fixture.merge().await;
    assert_eq!(once, counts(&fixture, start).await);
    let rows: u64 = fixture.client.query_raw("SELECT count() FROM crashes").fetch_one().await.unwrap();
    assert_eq!(rows, 40);
    fixture.stop().await;
}

#[tokio::test]
async fn series_and_ranking_count_machines_not_dumps() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 600_000;
    fixture.insert(&outage(start)).await;
    let database = &fixture.database;
    let range = Range { from_ms: start, to_ms: start + 300_000 };

    let point =
        |minute: i64, machines, crashes| SeriesPoint { at_ms: start + minute * 60_000, machines, crashes };
    let series = database.fleet_series(range, 60).await.unwrap();
    // In the first minute the boot loop, in the second 10..20 without the two unreadable ones.
    assert_eq!(series, [point(0, 1, 10), point(1, 8, 8), point(2, 10, 10), point(3, 10, 10), point(4, 0, 0)]);
    let whole =
        database.driver_series("csagent.sys", Range { from_ms: start, to_ms: start + 60_000 }, 3600).await;
    assert_eq!(whole.unwrap().iter().map(|point| point.crashes).sum::<u64>(), 10);

    let Ranking { drivers: top, unattributed: nobody } = database.top_drivers(range, 10).await.unwrap();
    let short: Vec<_> =
        top.iter().map(|row| (row.driver.as_str(), row.machines, row.crashes, row.buckets)).collect();
    assert_eq!(short, [("csagent.sys", 21, 30, 1), ("other.sys", 5, 5, 1)]);
    assert_eq!((top[0].first_seen_ms, top[0].last_seen_ms), (start, start + 39 * 6_000));
    assert_eq!(database.top_drivers(range, 1).await.unwrap().drivers.len(), 1);
    assert_eq!(
        nobody.iter().map(|row| (row.culprit.as_str(), row.machines)).collect::<Vec<_>>(),
        [("hardware", 3)]
    );
    fixture.stop().await;
}

#[tokio::test]
async fn clocks_that_lie_are_not_believed() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 60_000;
    let day = 86_400_000;
    let mut rows: Vec<CrashRow> = (0..5).map(|number| crash(number, start)).collect();
    for (row, crashed_at) in rows.iter_mut().zip([0, start - 31 * day, start + day, start - 29 * day, start])
    {
        row.crash_id = crate::fixture::crash_id(crashed_at, row.queue_offset.unsigned_abs());
        row.crashed_at = crashed_at;
    }
    fixture.insert(&rows).await;
    let series =
        fixture.database.fleet_series(Range { from_ms: start, to_ms: start + 60_000 }, 60).await.unwrap();
    // Without a time, too old, in the future: at their arrival, 10 s later. The last one at its own time.
    assert_eq!(series, [SeriesPoint { at_ms: start, machines: 4, crashes: 4 }]);
    for row in &rows {
        assert_eq!(fixture.database.crash(row.crash_id).await.unwrap().as_ref(), Some(row));
    }
    fixture.stop().await;
}

#[tokio::test]
async fn the_ledger_counts_each_delivery_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now();
    let mut rows = Vec::new();
    // Three partitions, offsets on both sides of a block's border, and far beyond 32 bits.
    for (number, offset) in [0, 1, (1 << 20) - 1, 1 << 20, 1 << 40].into_iter().enumerate() {
        for partition in 0..3 {
            let mut row = crash(u64::try_from(number).unwrap(), start);
            (row.queue_partition, row.queue_offset) = (partition, offset);
            rows.push(row);
        }
    }
    // Deliveries that ended otherwise, one of them analysed at the second try.
    for (number, outcome) in
        [(100, "unreadable"), (101, "dead_letter"), (102, "dead_letter"), (102, "analysed")]
    {
        let mut row = crash(number, start);
        row.outcome = outcome.to_owned();
        rows.push(row);
    }
    // From no queue, and from another one.
    let mut by_hand = crash(103, start);
    by_hand.queue_offset = -1;
    let mut other = crash(104, start);
    other.queue_id = "another".to_owned();
    rows.extend([by_hand, other]);
    for row in &rows {
        fixture.insert(std::slice::from_ref(row)).await;
    }
    fixture.insert(&rows).await;
    let ledger = fixture.database.ledger("queue").await.unwrap();
    assert_eq!(ledger, LedgerCounts { analysed: 16, unreadable: 1, dead_lettered: 1 });
    assert_eq!(fixture.database.distinct_crashes("queue").await.unwrap(), 7);
    assert_eq!(fixture.database.distinct_crashes("nothing").await.unwrap(), 0);
    assert_eq!(fixture.database.ledger("nothing").await.unwrap(), LedgerCounts::default());
    fixture.stop().await;
}
