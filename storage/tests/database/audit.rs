//! The audit log: newest first, by cursor, each line once, whatever its words are.

use bluescope_storage::questions::{AuditFilter, AuditRow};
use uuid::Uuid;

use crate::fixture::Fixture;

fn line(number: u128, at_ms: i64, who: &str, action: &str) -> AuditRow {
    AuditRow {
        audit_id: Uuid::from_u128(number),
        at_ms,
        who: who.to_owned(),
        role: "responder".to_owned(),
        peer: "10.0.0.7".to_owned(),
        action: action.to_owned(),
        subject: "'; DROP TABLE audit; --".to_owned(),
        detail: "nul\0 \u{202e} <b>".to_owned(),
    }
}

#[tokio::test]
async fn the_audit_log_is_read_newest_first_and_each_line_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    // Two of them in the same millisecond; one is written twice.
    for row in [
        line(1, 1_000, "ada", "sign_in"),
        line(2, 2_000, "ada", "acknowledge"),
        line(3, 2_000, "bob", "download"),
        line(4, 3_000, "ada", "download"),
        line(4, 3_000, "ada", "download"),
    ] {
        database.put_audit(&row).await.unwrap();
    }
    let any = AuditFilter::default();
    let first = database.audit(&any, 2, None).await.unwrap();
    assert_eq!(first, [line(4, 3_000, "ada", "download"), line(3, 2_000, "bob", "download")]);
    let rest = database.audit(&any, 10, Some(first[1].cursor())).await.unwrap();
    assert_eq!(rest, [line(2, 2_000, "ada", "acknowledge"), line(1, 1_000, "ada", "sign_in")]);

    let of = |who: Option<&str>, action: Option<&str>| AuditFilter {
        who: who.map(str::to_owned),
        action: action.map(str::to_owned),
    };
    for (filter, count) in [
        (of(Some("ada"), None), 3),
        (of(Some("ada"), Some("download")), 1),
        (of(None, Some("download")), 2),
        (of(Some("' OR 1 = 1 --"), None), 0),
    ] {
        assert_eq!(database.audit(&filter, 10, None).await.unwrap().len(), count, "{filter:?}");
    }
    fixture.stop().await;
}
