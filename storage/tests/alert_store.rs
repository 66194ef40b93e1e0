//! The alert store: a turn is there as a whole or not at all, whatever is made again has the same ids, and what was
//! acknowledged survives.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use bluescope_storage::alert_store::{AlertStore, AlertStoreError, Turn, Uncopied};
use bluescope_storage::questions::{IncidentEvent, NotificationRow};
use bluescope_storage::signals::Marks;
use tempfile::TempDir;
use uuid::Uuid;

const DAY: i64 = 86_400_000;

fn event(incident: u128, seq: u32) -> IncidentEvent {
    IncidentEvent {
        incident_id: Uuid::from_u128(incident),
        seq,
        at_ms: 1_000 + i64::from(seq),
        kind: "opened".to_owned(),
        tenant: "acme".to_owned(),
        driver: "csagent.sys".to_owned(),
        detail: r#"{"machines":50}"#.to_owned(),
    }
}

fn notification(id: &str, created_at_ms: i64) -> NotificationRow {
    NotificationRow {
        notification_id: id.to_owned(),
        incident_id: Uuid::from_u128(1),
        target: "pager".to_owned(),
        payload: "{}".to_owned(),
        state: "pending".to_owned(),
        attempts: 0,
        last_error: String::new(),
        created_at_ms,
        updated_at_ms: created_at_ms,
        severity: "sev1".to_owned(),
        target_kind: "pagerduty".to_owned(),
    }
}

fn marks(offset: i64) -> Marks {
    Marks([(0, offset), (3, 7)].into())
}

fn turn(number: u32) -> Turn {
    Turn {
        checkpoint: Some((vec![u8::try_from(number % 250).unwrap(); 1_000], marks(i64::from(number)))),
        events: vec![event(1, number)],
        notifications: vec![notification(&format!("1-{number}-pager"), i64::from(number))],
        cursors: vec![("acts".to_owned(), number.to_string())],
    }
}

fn ids(rows: &[NotificationRow]) -> Vec<&str> {
    rows.iter().map(|row| row.notification_id.as_str()).collect()
}

async fn open(dir: &Path) -> AlertStore {
    AlertStore::open(dir).await.unwrap()
}

#[tokio::test]
async fn a_turn_is_one() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    assert_eq!(store.checkpoint().await.unwrap(), None);
    assert_eq!(store.cursor("acts").await.unwrap(), None);
    assert!(store.uncopied(10).await.unwrap().is_empty());
    store.commit(turn(1)).await.unwrap();
    store.commit(Turn { checkpoint: None, ..turn(2) }).await.unwrap();
    store.set_cursor("copied", "5").await.unwrap();
    store.close().await;

    let store = open(dir.path()).await;
    assert_eq!(store.checkpoint().await.unwrap(), turn(1).checkpoint);
    assert_eq!(store.cursor("acts").await.unwrap().as_deref(), Some("2"));
    assert_eq!(store.cursor("copied").await.unwrap().as_deref(), Some("5"));
    let both = [turn(1), turn(2)];
    let notifications: Vec<NotificationRow> =
        both.iter().flat_map(|turn| turn.notifications.clone()).collect();
    assert_eq!(store.pending().await.unwrap(), notifications);
    let events = both.iter().flat_map(|turn| turn.events.clone()).collect();
    assert_eq!(store.uncopied(10).await.unwrap(), Uncopied { events, notifications });
}

#[tokio::test]
async fn a_replay_sends_nothing_twice() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    store.commit(turn(1)).await.unwrap();
    let delivered = NotificationRow {
        state: "delivered".to_owned(),
        attempts: 2,
        last_error: "timed out".to_owned(),
        updated_at_ms: 50,
        ..notification("1-1-pager", 1)
    };
    store.put_notification(&delivered).await.unwrap();
    // The process died before its next checkpoint: it makes the same again, with another text.
    let mut again = turn(1);
    again.events[0].detail = "{}".to_owned();
    store.commit(again).await.unwrap();
    assert!(store.pending().await.unwrap().is_empty());
    let rows = store.uncopied(10).await.unwrap();
    assert_eq!((rows.events, rows.notifications), (vec![event(1, 1)], vec![delivered.clone()]));
    // An older state loses.
    store.put_notification(&notification("1-1-pager", 1)).await.unwrap();
    assert_eq!(store.uncopied(10).await.unwrap().notifications, [delivered]);
}

#[tokio::test]
async fn what_changed_is_copied_again_and_what_is_old_goes() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    for number in 1..=3 {
        store.commit(turn(number)).await.unwrap();
    }
    let first = store.uncopied(2).await.unwrap();
    assert_eq!((first.events.len(), ids(&first.notifications)), (2, vec!["1-1-pager", "1-2-pager"]));
    let failed = NotificationRow { attempts: 1, updated_at_ms: 9, ..notification("1-2-pager", 2) };
    // It changes while it is being copied.
    store.put_notification(&failed).await.unwrap();
    store.copied(&first).await.unwrap();
    let rest = store.uncopied(10).await.unwrap();
    assert_eq!(rest.events, [event(1, 3)]);
    assert_eq!(rest.notifications, [failed, notification("1-3-pager", 3)]);
    store.copied(&rest).await.unwrap();
    assert!(store.uncopied(10).await.unwrap().is_empty());

    // Fifty years old, but to be sent still; then one is delivered, and one was lately.
    let done = |id: &str, updated_at_ms| NotificationRow {
        state: "delivered".to_owned(),
        updated_at_ms,
        ..notification(id, 1)
    };
    store.put_notification(&done("1-1-pager", 10)).await.unwrap();
    store.put_notification(&done("1-2-pager", now - 29 * DAY)).await.unwrap();
    store.prune().await.unwrap();
    let kept = store.uncopied(10).await.unwrap();
    assert_eq!(ids(&kept.notifications), ["1-1-pager", "1-2-pager"], "what is not copied stays");
    store.copied(&kept).await.unwrap();
    store.prune().await.unwrap();
    store.close().await;
    let file = rusqlite::Connection::open(dir.path().join("alerts.db")).unwrap();
    let left: Vec<String> = file
        .prepare("SELECT notification_id FROM notifications ORDER BY number")
        .unwrap()
        .query_map((), |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(left, ["1-2-pager", "1-3-pager"]);
    let events: i64 = file.query_row("SELECT count(*) FROM events", (), |row| row.get(0)).unwrap();
    assert_eq!(events, 0);
}

#[tokio::test]
async fn the_oldest_is_sent_first() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let notifications = vec![notification("b", 5), notification("a", 5), notification("c", 4)];
    store.commit(Turn { notifications, ..Turn::default() }).await.unwrap();
    assert_eq!(ids(&store.pending().await.unwrap()), ["c", "b", "a"]);
}

/// What a machine finds after the power went: the files as they were at that moment.
#[tokio::test]
async fn whatever_was_acknowledged_survives_a_crash() {
    let (dir, after) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(dir.path()).await;
    for number in 1..=40 {
        let megabytes = vec![u8::try_from(number).unwrap(); 3 << 20];
        let checkpoint = Some((megabytes, marks(i64::from(number))));
        store.commit(Turn { checkpoint, ..turn(number) }).await.unwrap();
    }
    for name in ["alerts.db", "alerts.db-wal"] {
        std::fs::copy(dir.path().join(name), after.path().join(name)).unwrap();
    }
    let survivor = open(after.path()).await;
    assert_eq!(survivor.checkpoint().await.unwrap(), Some((vec![40; 3 << 20], marks(40))));
    assert_eq!(survivor.pending().await.unwrap().len(), 40);
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    assert!(size(&dir.path().join("alerts.db")) < 16 << 20, "pages are used again");
}

#[tokio::test]
async fn errors_say_whether_to_try_again() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let error = AlertStore::open(dir.path()).await.unwrap_err();
    assert!(matches!(error, AlertStoreError::Unusable { .. }) && !error.retryable(), "{error:?}");
    let other = store.clone();
    store.close().await;
    for error in [other.commit(turn(1)).await.unwrap_err(), other.pending().await.unwrap_err()] {
        assert!(matches!(error, AlertStoreError::Closed { .. }), "{error:?}");
    }
    let file = rusqlite::Connection::open(dir.path().join("alerts.db")).unwrap();
    file.execute("INSERT INTO checkpoint VALUES (1, 'no JSON', x'00')", ()).unwrap();
    drop(file);
    let error = open(dir.path()).await.checkpoint().await.unwrap_err();
    assert!(matches!(error, AlertStoreError::Unusable { .. }), "{error:?}");

    let garbage = TempDir::new().unwrap();
    std::fs::write(garbage.path().join("alerts.db"), "this is no database, and long enough to say so")
        .unwrap();
    let error = AlertStore::open(garbage.path()).await.unwrap_err();
    assert!(!error.retryable(), "{error:?}");
}
