//! Long ranges are counted by the hour, and say what the minutes say.

use bluescope_storage::questions::Range;
use bluescope_storage::rows::CrashRow;

use crate::fixture::{Fixture, crash, now};

const HOUR_MS: i64 = 3_600_000;

/// 300 crashes of 50 machines over ten hours: three drivers, two kinds, two tenants, hardware, and one that is unreadable.
fn day(start: i64) -> Vec<CrashRow> {
    let row = |number: u64| {
        let mut row = crash(number, start + i64::try_from(number).unwrap() * 120_000);
        row.machine = format!("machine-{}", number * number % 50);
        row.bucket = format!("BUCKET_{}", number % 7);
        match number % 10 {
            0 => row.driver = "other.sys".to_owned(),
            1 => (row.driver, row.tenant) = ("third.sys".to_owned(), "acme".to_owned()),
            2 => row.kind = "live".to_owned(),
            3 => (row.culprit, row.driver) = ("hardware".to_owned(), String::new()),
            _ => {}
        }
        if number == 44 {
            row.outcome = "unreadable".to_owned();
        }
        row
    };
    (0..300).map(row).collect()
}

#[tokio::test]
async fn hours_say_what_minutes_say() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() / HOUR_MS * HOUR_MS - 20 * HOUR_MS;
    let rows = day(start);
    fixture.insert(&rows).await;
    // Written twice, and a crash in two forms that differ in their driver.
    fixture.insert(&rows[100..200]).await;
    let mut form = rows[50].clone();
    (form.driver, form.revision) = ("other.sys".to_owned(), 2);
    fixture.insert(&[form]).await;
    let database = &fixture.database;
    let whole = Range { from_ms: start, to_ms: start + 12 * HOUR_MS };
    // The same crashes, in a range that only minutes can cut.
    let odd = Range { from_ms: start, to_ms: start + 11 * HOUR_MS + 60_000 };
    let drivers = ["csagent.sys".to_owned(), "third.sys".to_owned()];
    for _ in 0..2 {
        let hours = database.top_drivers(whole, 10).await.unwrap();
        assert_eq!(hours, database.top_drivers(odd, 10).await.unwrap());
        let ranked = &hours.drivers;
        assert!(ranked.len() == 4 && ranked[0].machines > ranked[1].machines, "{hours:?}");
        assert_eq!(database.top_drivers(whole, 2).await.unwrap().drivers, ranked[..2]);
        assert_eq!(
            database.new_drivers(whole, 10).await.unwrap(),
            database.new_drivers(odd, 10).await.unwrap()
        );

        let hours = database.fleet_series(whole, 7_200).await.unwrap();
        assert_eq!(hours, database.fleet_series(odd, 7_200).await.unwrap());
        assert_eq!(hours.iter().map(|point| point.crashes).sum::<u64>(), 299);
        let hours = database.driver_series("third.sys", whole, 3_600).await.unwrap();
        assert_eq!(hours, database.driver_series("third.sys", odd, 3_600).await.unwrap());

        let mut hours = database.sparklines(&drivers, whole, 7_200).await.unwrap();
        let mut minutes = database.sparklines(&drivers, odd, 7_200).await.unwrap();
        hours.sort_unstable();
        minutes.sort_unstable();
        assert!(hours == minutes && hours.len() == 2, "{hours:?}");
        fixture.merge().await;
    }
    fixture.stop().await;
}
