//! What is new: seen within a range and never before, by any tenant.

use bluescope_storage::questions::Range;
use bluescope_storage::rows::CrashRow;

use crate::fixture::{Fixture, crash, now};

const HOUR_MS: i64 = 3_600_000;

fn of(number: u64, at_ms: i64, driver: &str, bucket: &str) -> CrashRow {
    CrashRow { driver: driver.to_owned(), bucket: bucket.to_owned(), ..crash(number, at_ms) }
}

#[tokio::test]
async fn new_is_what_was_never_seen_before_the_range() {
    let Some(fixture) = Fixture::new().await else { return };
    let end = now();
    let range = Range { from_ms: end - HOUR_MS, to_ms: end };
    let mut rows = vec![
        // Known of old, and again within the range.
        of(1, end - 40 * HOUR_MS, "old.sys", "OLD"),
        of(2, end - HOUR_MS / 2, "old.sys", "OLD"),
        // A known driver in a new bucket; twice on one machine.
        of(3, end - 1_800_000, "old.sys", "FRESH"),
        of(4, end - 1_700_000, "old.sys", "FRESH"),
        // Two machines, at both edges of the range.
        of(5, range.from_ms, "new.sys", "NEW"),
        of(6, range.to_ms - 1, "new.sys", "NEW"),
        // Another tenant knows it already.
        of(7, end - 1_000_000, "theirs.sys", "THEIRS"),
        of(8, end - 9 * HOUR_MS, "theirs.sys", "THEIRS"),
        // After the range, and blamed on nobody.
        of(9, range.to_ms, "late.sys", "LATE"),
        of(10, end - 600_000, "", "NOBODY"),
        of(11, end - 600_000, "broken.sys", "BROKEN"),
    ];
    rows[3].machine = rows[2].machine.clone();
    rows[7].tenant = "acme".to_owned();
    rows[9].culprit = "unknown".to_owned();
    rows[10].outcome = "unreadable".to_owned();
    fixture.insert(&rows).await;
    fixture.insert(&rows[4..6]).await;
    for _ in 0..2 {
        let drivers = fixture.database.new_drivers(range, 10).await.unwrap();
        let found: Vec<_> =
            drivers.iter().map(|new| (new.driver.as_str(), new.machines, new.crashes)).collect();
        assert_eq!(found, [("new.sys", 2, 2)]);
        let new = &drivers[0];
        assert_eq!((new.first_seen_ms, new.last_seen_ms), (range.from_ms, range.to_ms - 1));

        let buckets = fixture.database.new_buckets(range, 10).await.unwrap();
        let found: Vec<_> = buckets
            .iter()
            .map(|new| (new.bucket.as_str(), new.driver.as_str(), new.machines, new.crashes))
            .collect();
        assert_eq!(found, [("NEW", "new.sys", 2, 2), ("FRESH", "old.sys", 1, 2), ("NOBODY", "", 1, 1)]);
        assert_eq!((buckets[1].first_seen_ms, buckets[1].kind.as_str()), (end - 1_800_000, "kernel"));
        assert_eq!(fixture.database.new_buckets(range, 1).await.unwrap(), buckets[..1]);
        fixture.merge().await;
    }
    fixture.stop().await;
}
