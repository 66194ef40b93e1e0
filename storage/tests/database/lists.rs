//! Lists and single crashes, and that hostile text stays text.

use bluescope_storage::questions::{CrashFilter, Range};
use bluescope_storage::rows::CrashRow;
use uuid::Uuid;

use crate::fixture::{Fixture, crash, now};

#[tokio::test]
async fn the_better_form_of_a_crash_replaces_the_other() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut small = crash(1, now());
    let mut full = small.clone();
    (small.revision, small.blob) = (1, "small".to_owned());
    (full.revision, full.blob, full.bucket) = (2, "full".to_owned(), "BETTER".to_owned());
    (full.received_at, full.queue_offset) = (small.received_at + 60_000, 2);
    // The worse one comes last.
    fixture.insert(&[full.clone()]).await;
    fixture.insert(&[small]).await;
    for _ in 0..2 {
        assert_eq!(fixture.database.crash(full.crash_id).await.unwrap().as_ref(), Some(&full));
        let list = fixture.database.crashes(&CrashFilter::default(), 10, None).await.unwrap();
        assert_eq!(list.iter().map(|line| line.bucket.as_str()).collect::<Vec<_>>(), ["BETTER"]);
        fixture.merge().await;
    }
    assert_eq!(fixture.database.ledger("queue").await.unwrap().analysed, 2);
    assert_eq!(fixture.database.distinct_crashes("queue").await.unwrap(), 1);
    assert_eq!(fixture.database.crash(Uuid::nil()).await.unwrap(), None);
    assert_eq!(fixture.database.crash(Uuid::max()).await.unwrap(), None);
    fixture.stop().await;
}

/// What a page has no use for, or reads in the report.
const NOT_SHOWN: &[&str] = &[
    "parameters",
    "drivers",
    "driver_timestamps",
    "driver_sizes",
    "third_party",
    "third_party_timestamps",
    "third_party_sizes",
    "stack_modules",
    "queue_id",
    "queue_partition",
    "queue_offset",
];

#[tokio::test]
async fn what_is_shown_of_a_crash_is_what_its_row_says() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let mut small = crash(1, now());
    small.machine = "<b>\u{202E}\0\"\\\n\t/🦀".to_owned();
    small.tags = vec![("a".to_owned(), "1".to_owned()), ("\"".to_owned(), "{\n}".to_owned())];
    (small.fault_offset, small.uptime_s, small.raw_len) = (u64::MAX, u64::MAX - 1, u64::MAX - 2);
    (small.facts, small.problem) = ("{}".to_owned(), "cut off".to_owned());
    let mut full = small.clone();
    (full.revision, full.bucket) = (small.revision + 2, "BETTER".to_owned());
    let fields = |row: &CrashRow| match serde_json::to_value(row).unwrap() {
        serde_json::Value::Object(mut fields) => {
            NOT_SHOWN.iter().for_each(|name| drop(fields.remove(*name).unwrap()));
            fields
        }
        other => panic!("{other}"),
    };
    for (row, buckets) in [(&small, vec![small.bucket.as_str()]), (&full, vec!["BETTER", &small.bucket])] {
        fixture.insert(std::slice::from_ref(row)).await;
        let shown = database.crash_shown(row.crash_id).await.unwrap().unwrap();
        assert_eq!(fields(&shown.row), fields(row));
        assert_eq!(shown.forms.iter().map(|form| form.bucket.as_str()).collect::<Vec<_>>(), buckets);
        let line = database.crashes(&CrashFilter::default(), 1, None).await.unwrap();
        assert_eq!(shown.fault_site, line[0].fault_site);
    }
    fixture.merge().await;
    let shown = database.crash_shown(full.crash_id).await.unwrap().unwrap();
    assert_eq!((fields(&shown.row), shown.forms.len()), (fields(&full), 1));
    assert_eq!(database.crash_shown(Uuid::nil()).await.unwrap(), None);
    fixture.stop().await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now();
    let mut rows: Vec<_> =
        (0..25).map(|number| crash(number, start + i64::try_from(number % 5).unwrap())).collect();
    rows[3].machine = "special".to_owned();
    rows[4].bugcheck = 0xD1;
    rows[5].driver = String::new();
    fixture.insert(&rows).await;
    let database = &fixture.database;

    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = database.crashes(&CrashFilter::default(), 4, before).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.cursor());
        seen.extend(page.iter().map(|line| (line.received_at_ms, line.crash_id)));
    }
    let mut expected: Vec<_> = rows.iter().map(|row| (row.received_at, row.crash_id)).collect();
    // ClickHouse orders UUIDs by their second half first; all that matters is that nothing is lost or repeated.
    assert!(seen.is_sorted_by(|a, b| a.0 >= b.0));
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected);

    let count = async |filter: CrashFilter| database.crashes(&filter, 100, None).await.unwrap().len();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(count(CrashFilter { machine: text("special"), ..Default::default() }).await, 1);
    assert_eq!(count(CrashFilter { bugcheck: Some(0xD1), ..Default::default() }).await, 1);
    assert_eq!(count(CrashFilter { driver: text(""), ..Default::default() }).await, 1);
    assert_eq!(count(CrashFilter { driver: text("csagent.sys"), ..Default::default() }).await, 24);
    assert_eq!(count(CrashFilter { tenant: text("acme"), ..Default::default() }).await, 0);
    assert_eq!(
        count(CrashFilter { site: text("site-0"), kind: text("kernel"), ..Default::default() }).await,
        9
    );
    let from_ms = Some(start + 10_004);
    assert_eq!(count(CrashFilter { from_ms, ..Default::default() }).await, 5);
    assert_eq!(count(CrashFilter { to_ms: from_ms, ..Default::default() }).await, 20);
    fixture.stop().await;
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now();
    let hostile = "'; DROP TABLE crashes; -- \\N \\' {x:String} ? \t\r\n\u{0} 🦀.sys";
    let mut row = crash(1, start);
    row.driver = hostile.to_owned();
    row.machine = hostile.to_owned();
    row.tenant = hostile.to_owned();
    row.bucket = hostile.to_owned();
    row.tags = vec![(hostile.to_owned(), hostile.to_owned())];
    row.report = hostile.to_owned();
    row.queue_id = hostile.to_owned();
    fixture.insert(&[row.clone(), crash(2, start)]).await;
    let database = &fixture.database;
    let range = Range { from_ms: start, to_ms: start + 60_000 };

    assert_eq!(database.crash(row.crash_id).await.unwrap().as_ref(), Some(&row));
    assert_eq!(database.driver_series(hostile, range, 60).await.unwrap()[0].crashes, 1);
    let evidence = database.incident_evidence(Some(hostile), hostile, start, start + 60_000).await.unwrap();
    assert_eq!(evidence.buckets[0].bucket, hostile);
    assert_eq!(evidence.examples, [row.crash_id]);
    assert_eq!(database.ledger(hostile).await.unwrap().analysed, 1);
    let text = || Some(hostile.to_owned());
    let filter =
        CrashFilter { driver: text(), machine: text(), tenant: text(), bucket: text(), ..Default::default() };
    assert_eq!(database.crashes(&filter, 10, None).await.unwrap().len(), 1);
    assert_eq!(database.casualties_since(hostile, hostile, start).await.unwrap().crashes, 1);
    assert_eq!(database.crashes(&CrashFilter::default(), 10, None).await.unwrap().len(), 2);
    fixture.stop().await;
}

#[tokio::test]
async fn evidence_shows_a_driver_from_every_side() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now();
    let rows: Vec<_> = (0..30u64)
        .map(|number| {
            let mut row = crash(number, start + i64::try_from(number).unwrap() * 1000);
            if number < 10 {
                row.driver_timestamp = 7;
                (row.bugcheck, row.bugcheck_name) = (0x7E, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED".to_owned());
                row.bucket = "OTHER".to_owned();
            }
            if number % 10 == 0 {
                (row.ring, row.os_build, row.model) = ("canary".to_owned(), 22631, "Box 4".to_owned());
            }
            row
        })
        .collect();
    fixture.insert(&rows).await;
    fixture
        .insert(&[{
            let mut row = crash(99, start);
            row.driver = "other.sys".to_owned();
            row
        }])
        .await;
    let database = &fixture.database;

    let whole = database.incident_evidence(None, "csagent.sys", start, start + 60_000).await.unwrap();
    let versions: Vec<_> =
        whole.versions.iter().map(|row| (row.timestamp, row.machines, row.first_seen_ms)).collect();
    assert_eq!(versions, [(0x6690_2C2A, 20, start + 10_000), (7, 10, start)]);
    let bugchecks: Vec<_> =
        whole.bugchecks.iter().map(|row| (row.code, row.name.as_str(), row.crashes)).collect();
    assert_eq!(
        bugchecks,
        [(0x50, "PAGE_FAULT_IN_NONPAGED_AREA", 20), (0x7E, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED", 10)]
    );
    assert_eq!((whole.buckets.len(), whole.fault_sites.len()), (2, 2));
    assert_eq!(whole.fault_sites[0].offset, 0xE14ED);

    // By arrival: the first ten are 10 s on their way, so they are outside.
    let evidence =
        database.incident_evidence(None, "csagent.sys", start + 20_000, start + 60_000).await.unwrap();
    assert_eq!((evidence.machines, evidence.crashes, evidence.site_count), (20, 20, 3));
    assert_eq!((evidence.first_ms, evidence.last_ms), (start + 10_000, start + 29_000));
    assert_eq!(evidence.versions.len(), 1);
    let rings: Vec<_> = evidence.rings.iter().map(|share| (share.name.as_str(), share.machines)).collect();
    assert_eq!(rings, [("broad", 18), ("canary", 2)]);
    assert_eq!(
        evidence.builds.iter().map(|row| (row.build, row.machines)).collect::<Vec<_>>(),
        [(19045, 18), (22631, 2)]
    );
    assert_eq!((evidence.sites.len(), evidence.models.len(), evidence.bugchecks.len()), (3, 2, 1));
    assert_eq!(evidence.examples, [rows[29].crash_id]);
    let of = async |tenant| {
        let asked = database.incident_evidence(tenant, "csagent.sys", start, start + 60_000).await;
        asked.unwrap().machines
    };
    assert_eq!(
        (of(Some("")).await, of(Some("acme")).await),
        (of(None).await, 0),
        "another tenant's are not counted"
    );
    let nothing = database.incident_evidence(None, "nobody.sys", start, start + 60_000).await.unwrap();
    assert_eq!(nothing, Default::default());
    fixture.stop().await;
}
