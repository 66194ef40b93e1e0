//! What people did: each act once, in the order in which it was written, whatever their clocks say.

use std::time::{Duration, Instant};

use bluescope_storage::questions::{ActCursor, ActRow};
use uuid::Uuid;

use crate::fixture::Fixture;

fn act(number: u128, at_ms: i64) -> ActRow {
    ActRow {
        act_id: Uuid::from_u128(number),
        incident_id: Uuid::from_u128(7),
        at_ms,
        by: "Ada".to_owned(),
        kind: "comment".to_owned(),
        detail: r#"{"words":"looking"}"#.to_owned(),
        written_at_ms: 0,
    }
}

/// Acts behind the cursor, once there are so many: they settle for a second.
async fn behind(fixture: &Fixture, cursor: &ActCursor, count: usize) -> Vec<ActRow> {
    let begun = Instant::now();
    loop {
        let acts = fixture.database.acts_since(cursor).await.unwrap();
        if acts.len() >= count {
            return acts;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{acts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn acts_come_once_in_the_order_of_their_writing() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    // The second one's clock is an hour behind.
    database.put_act(&act(1, 5_000_000)).await.unwrap();
    database.put_act(&act(2, 1_400_000)).await.unwrap();
    assert!(database.acts_since(&ActCursor::default()).await.unwrap().is_empty(), "they settle first");
    let acts = behind(&fixture, &ActCursor::default(), 2).await;
    let numbers: Vec<u128> = acts.iter().map(|act| act.act_id.as_u128()).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(acts[1], ActRow { written_at_ms: acts[1].written_at_ms, ..act(2, 1_400_000) });

    let cursor = serde_json::to_string(&acts[0].cursor()).unwrap();
    let cursor: ActCursor = serde_json::from_str(&cursor).unwrap();
    assert_eq!(database.acts_since(&cursor).await.unwrap(), acts[1..]);
    let end = acts[1].cursor();
    assert!(database.acts_since(&end).await.unwrap().is_empty());
    database.put_act(&act(3, 0)).await.unwrap();
    assert_eq!(behind(&fixture, &end, 1).await[0].act_id.as_u128(), 3);

    // Written again it stays one.
    database.put_act(&act(3, 0)).await.unwrap();
    assert_eq!(database.incident_acts(Uuid::from_u128(7)).await.unwrap().len(), 3);
    assert!(database.incident_acts(Uuid::from_u128(8)).await.unwrap().is_empty());
    fixture.stop().await;
}
