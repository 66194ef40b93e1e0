//! What open pages ask all the time: has anything changed, and how many machines are there?

use crate::fixture::{Fixture, crash, now};
use crate::signals::{install, put};

#[tokio::test]
async fn the_mark_is_another_one_when_a_crash_is_new_and_only_then() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    let mark = async || fixture.database.live_mark(at).await.unwrap();
    let before = mark().await;
    assert_eq!(mark().await, before);
    fixture.insert(&[crash(1, at)]).await;
    let after = mark().await;
    assert_ne!(after, before);
    fixture.insert(&[crash(1, at)]).await;
    assert_eq!(mark().await, after, "the same crash again is nothing new");
    fixture.stop().await;
}

#[tokio::test]
async fn the_fleet_is_counted_from_nothing_on() {
    let Some(fixture) = Fixture::new().await else { return };
    let at = now();
    assert_eq!(fixture.database.fleet_size(at).await.unwrap(), 0);
    put(&fixture, &[install("a", at, Vec::new()), install("b", at, Vec::new())]).await;
    put(&fixture, &[install("a", at, Vec::new())]).await;
    assert_eq!(fixture.database.fleet_size(at).await.unwrap(), 2);
    fixture.stop().await;
}
