//! What was searched is counted once, in its best form, whichever way it is asked.

use bluescope_storage::questions::{
    Condition, Facet, NumberField, Pattern, Place, Range, SAMPLE_ONE_IN, SearchFilter, TextField, ValuesOf,
};

use super::fixture::{Fixture, crash, now};

fn driver(name: &str) -> Condition {
    Condition::Text(TextField::Driver, Pattern { text: name.to_owned(), place: Place::Whole })
}

#[tokio::test]
async fn a_form_that_lost_is_found_nowhere() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now() - 600_000;
    let rows: Vec<_> =
        (0..40u64).map(|number| crash(number, start + i64::try_from(number).unwrap())).collect();
    fixture.insert(&rows).await;
    // Forms of the first ten that win, and blame another; the machines are the same.
    let mut better: Vec<_> = rows[..10].to_vec();
    for row in &mut better {
        (row.driver, row.revision) = ("better.sys".to_owned(), row.revision + 1);
    }
    fixture.insert(&better).await;
    let database = &fixture.database;
    let range = Range { from_ms: start - 60_000, to_ms: start + 60_000 };
    let filter = |condition| SearchFilter { range, condition };

    let lost = filter(driver("csagent.sys"));
    let (totals, series) = database.search_series(&lost, 60).await.unwrap();
    assert_eq!((totals.crashes, totals.machines), (30, 30));
    assert_eq!((series.len(), series.iter().map(|point| point.crashes).sum::<u64>()), (2, 30));
    let keys = database.search_keys(&lost, 100, None).await.unwrap();
    assert!(
        keys.is_sorted_by(|one, next| (one.happened_at, one.crash_id) > (next.happened_at, next.crash_id))
    );
    let found = database.search_rows(&keys).await.unwrap();
    assert_eq!(
        found.iter().map(|row| row.crash_id).collect::<Vec<_>>(),
        keys.iter().map(|key| key.crash_id).collect::<Vec<_>>()
    );
    assert!(found.iter().all(|row| row.driver == "csagent.sys"));
    let next = database.search_keys(&lost, 100, Some(keys[9].cursor())).await.unwrap();
    assert_eq!(next, keys[10..]);

    let all = database.search_counts(&filter(Condition::All(vec![])), 60).await.unwrap();
    let counted = database.search_series(&filter(Condition::All(vec![])), 60).await.unwrap();
    assert_eq!((all.totals, &all.series), (counted.0, &counted.1), "one pass says the same as two");
    let drivers: Vec<_> = all
        .facets
        .iter()
        .filter(|value| value.facet == Facet::Driver)
        .map(|value| (value.text.as_str(), value.machines))
        .collect();
    assert_eq!(drivers, [("csagent.sys", 30), ("better.sys", 10)]);
    let sampled = database.search_facets(&filter(Condition::All(vec![])), SAMPLE_ONE_IN).await.unwrap();
    let kinds: u64 =
        sampled.iter().filter(|value| value.facet == Facet::Kind).map(|value| value.machines).sum();
    assert!(kinds.is_multiple_of(SAMPLE_ONE_IN) && (16..=160).contains(&kinds), "{kinds} of 40");
    let about = database.search_about(&filter(driver("better.sys"))).await.unwrap();
    assert!(about.is_multiple_of(SAMPLE_ONE_IN) && about <= 80, "{about} of 10");

    let known =
        database.known_values(ValuesOf::Number(NumberField::Version), "6690", range, 5).await.unwrap();
    assert_eq!(known.iter().map(|value| value.value.as_str()).collect::<Vec<_>>(), ["66902c2a"]);
    let nothing = filter(Condition::Not(Box::new(Condition::All(vec![]))));
    assert_eq!(database.search_series(&nothing, 60).await.unwrap().0.crashes, 0);
    assert_eq!(database.search_rows(&[]).await.unwrap(), []);
    assert!(database.search_series(&lost, 0).await.is_ok());
    let long =
        SearchFilter { range: Range { from_ms: 0, to_ms: i64::MAX }, condition: Condition::All(vec![]) };
    assert!(database.search_series(&long, 60).await.is_err());
    fixture.stop().await;
}
