//! The dashboards in `dashboards/grafana` are true: every query of theirs runs against the schema as it is, answers
//! something, and answers the same after everything was delivered once more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bluescope_storage::questions::{ActRow, IncidentEvent, NotificationRow, SignalRows, TargetRow};
use bluescope_storage::rows::{CrashRow, DeepRow};
use bluescope_storage::signals::{BeatSignal, ChangeSignal, DriverSignal, InstallSignal};
use serde_json::Value;
use uuid::Uuid;

use crate::fixture::{Fixture, crash, now};

const HOUR_MS: i64 = 3_600_000;
/// A driver whose name is what a dump can make of it.
const HOSTILE: &str = "it's\\'; DROP TABLE crashes; -- $__fromTime ${driver}.sys";
/// What is measured moves by itself; all else is the size of a set.
const MEASURED: [&str; 1] = ["pipeline: Size on the disk"];

/// A query with its place, as the dashboard has it.
struct Query {
    place: String,
    sql: String,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/grafana")
}

/// Each dashboard by its file's name.
fn dashboards() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(folder().join("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    };
    files.map(read).collect()
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Every query: of panels, of annotations, of variables.
fn queries() -> Vec<Query> {
    let mut found = Vec::new();
    for (name, board) in &dashboards() {
        let mut add = |title: &str, sql: &str| {
            found.push(Query { place: format!("{name}: {title}"), sql: sql.to_owned() });
        };
        for panel in list(board, "/panels") {
            list(panel, "/targets")
                .iter()
                .for_each(|target| add(text(panel, "/title"), text(target, "/rawSql")));
        }
        for annotation in list(board, "/annotations/list") {
            add(&format!("annotation {}", text(annotation, "/name")), text(annotation, "/target/rawSql"));
        }
        for variable in list(board, "/templating/list").iter().filter(|one| one["type"] == "query") {
            add(&format!("variable {}", text(variable, "/name")), text(variable, "/query/rawSql"));
        }
    }
    found
}

/// What the reader of a dashboard has chosen.
struct Chosen<'c> {
    from_ms: i64,
    to_ms: i64,
    interval_s: i64,
    driver: &'c str,
}

/// Percent-encodes as Grafana's format of that name does: all but letters, digits and `-_.~`.
fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// One macro as the plugin documents it.
#[expect(clippy::panic, reason = "a test's helper fails as tests do")]
fn expansion(name: &str, argument: &str, chosen: &Chosen<'_>) -> String {
    let Chosen { from_ms, to_ms, interval_s, .. } = *chosen;
    let seconds = |ms: i64| format!("toDateTime({})", ms / 1000);
    let millis = |ms: i64| format!("fromUnixTimestamp64Milli({ms})");
    let date = |ms: i64| format!("toDate(toDateTime({}, 'UTC'))", ms / 1000);
    let between = |from: String, to: String| format!("{argument} >= {from} AND {argument} <= {to}");
    match name {
        "fromTime" => seconds(from_ms),
        "toTime" => seconds(to_ms),
        "fromTime_ms" => millis(from_ms),
        "toTime_ms" => millis(to_ms),
        "timeFilter" => between(seconds(from_ms), seconds(to_ms)),
        "timeFilter_ms" => between(millis(from_ms), millis(to_ms)),
        "dateFilter" => between(date(from_ms), date(to_ms)),
        "timeInterval" => {
            format!("toStartOfInterval(toDateTime({argument}), INTERVAL {interval_s} second)")
        }
        "interval_s" => interval_s.to_string(),
        name => panic!("the plugin has no macro $__{name}"),
    }
}

/// The SQL that reaches ClickHouse: first the variables, which Grafana's pages fill in, then the plugin's macros.
fn expand(sql: &str, chosen: &Chosen<'_>) -> String {
    let sql = sql.replace("${driver:percentencode}", &percent_encoded(chosen.driver));
    assert!(!sql.contains("${") && !sql.contains("[["), "a variable that is not percent-encoded: {sql}");
    let mut parts = sql.split("$__");
    let mut expanded = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let (argument, rest) = match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(')').unwrap(),
            None => ("", rest),
        };
        expanded.push_str(&expansion(name, argument, chosen));
        expanded.push_str(rest);
    }
    expanded
}

/// One answer as rows of values, or why there is none.
async fn ask(fixture: &Fixture, sql: &str) -> Result<Value, String> {
    // As the user of a data source should be: it may read.
    let query = fixture.client.query_raw(sql).with_setting("readonly", "2");
    let mut cursor = query.fetch_bytes("JSONCompact").map_err(|error| error.to_string())?;
    let bytes = cursor.collect().await.map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    // The plugin has no converter for what a set is while it is merged.
    match list(&answer, "/meta").iter().find(|column| text(column, "/type").contains("AggregateFunction")) {
        Some(column) => Err(format!("a column that Grafana cannot read: {column}")),
        None => Ok(answer["data"].clone()),
    }
}

/// Every query's answer by its place.
async fn ask_all(fixture: &Fixture, chosen: &Chosen<'_>) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    let mut faults = Vec::new();
    for Query { place, sql } in queries() {
        match ask(fixture, &expand(&sql, chosen)).await {
            Ok(answer) => assert!(answers.insert(place.clone(), answer).is_none(), "two of {place}"),
            Err(error) => faults.push(format!("{place}: {error}")),
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    answers
}

/// Crashes of a quarter of an hour, each upload of which is one offset.
fn crashes(at_ms: i64) -> Vec<CrashRow> {
    let mut rows: Vec<CrashRow> = (1..=40_u64)
        .map(|number| {
            let mut row = crash(number, at_ms - i64::try_from(number).unwrap() * 15_000);
            match number % 8 {
                0 => row.driver = HOSTILE.to_owned(),
                1 => (row.driver, row.culprit) = (String::new(), "hardware".to_owned()),
                2 => row.driver_timestamp = 0x6690_0000,
                _ => {}
            }
            row
        })
        .collect();
    for (row, outcome) in rows.iter_mut().zip(["unreadable", "dead_letter"]) {
        row.outcome = outcome.to_owned();
        row.problem = "not a dump: it begins with 3c21444f".to_owned();
    }
    rows
}

fn signals(at_ms: i64) -> SignalRows {
    let mut rows = SignalRows::default();
    for number in 1..=50 {
        let machine = format!("machine-{number}");
        rows.beats(&[BeatSignal { tenant: String::new(), machine: machine.clone(), at_ms, farewell: false }]);
        let driver = DriverSignal {
            name: "csagent.sys".to_owned(),
            version: "7.11".to_owned(),
            timestamp: 0x6690_2C2A,
            size: 0,
        };
        rows.installs(&[InstallSignal {
            tenant: String::new(),
            machine,
            at_ms: at_ms - HOUR_MS / 2,
            site: "Berlin".to_owned(),
            ring: "broad".to_owned(),
            model: "Box 3".to_owned(),
            os_build: 19045,
            drivers: vec![driver],
        }]);
    }
    rows.change(&ChangeSignal {
        id: Uuid::from_u128(7),
        tenant: String::new(),
        at_ms: at_ms - HOUR_MS / 2,
        what: "csagent.sys".to_owned(),
        version: "7.11".to_owned(),
        timestamp: 0x6690_2C2A,
        ring: "broad".to_owned(),
        vendor: "Contoso".to_owned(),
    });
    rows
}

fn analysis(crash: &CrashRow) -> DeepRow {
    DeepRow {
        crash_id: crash.crash_id,
        crashed_at: crash.crashed_at,
        analysed_at: crash.received_at + 1000,
        driver: crash.driver.clone(),
        kind: crash.kind.clone(),
        bucket: crash.bucket.clone(),
        report: "{}".to_owned(),
        ..DeepRow::default()
    }
}

async fn incident(fixture: &Fixture, id: u128, at_ms: i64, kinds: &[&str]) {
    let incident_id = Uuid::from_u128(id);
    for (seq, kind) in (0_u32..).zip(kinds) {
        let event = IncidentEvent {
            incident_id,
            seq,
            at_ms: at_ms + i64::from(seq) * 60_000,
            kind: (*kind).to_owned(),
            tenant: String::new(),
            driver: "csagent.sys".to_owned(),
            detail: r#"{"machines":12,"severity":"sev1","by":"ada","incident":{"attribution":{"sentence":"all of build 7.11"}}}"#
                .to_owned(),
        };
        fixture.database.put_incident_event(&event).await.unwrap();
    }
    let notification = NotificationRow {
        notification_id: format!("{incident_id}-pager"),
        incident_id,
        target: "pager".to_owned(),
        state: "delivered".to_owned(),
        attempts: 1,
        created_at_ms: at_ms,
        updated_at_ms: at_ms + 900,
        severity: "sev1".to_owned(),
        target_kind: "webhook".to_owned(),
        ..NotificationRow::default()
    };
    fixture.database.put_notification(&notification).await.unwrap();
    let act = ActRow {
        act_id: incident_id,
        incident_id,
        at_ms: at_ms + 60_000,
        by: "ada".to_owned(),
        kind: "acknowledge".to_owned(),
        detail: r#"{"words":"on it"}"#.to_owned(),
        written_at_ms: 0,
    };
    fixture.database.put_act(&act).await.unwrap();
}

/// All of it; delivered twice, it is the same.
async fn deliver(fixture: &Fixture, at_ms: i64) {
    let rows = crashes(at_ms);
    fixture.insert(&rows).await;
    fixture
        .database
        .insert_deep(&rows.iter().skip(2).take(3).map(analysis).collect::<Vec<_>>())
        .await
        .unwrap();
    fixture.database.put_signals(&signals(at_ms)).await.unwrap();
    incident(fixture, 1, at_ms - HOUR_MS / 2, &["opened", "acknowledged", "resolved"]).await;
    incident(fixture, 2, at_ms - HOUR_MS / 4, &["opened", "grew"]).await;
    let target = TargetRow {
        name: "pager".to_owned(),
        kind: "webhook".to_owned(),
        health: "working".to_owned(),
        updated_at_ms: at_ms,
        ..TargetRow::default()
    };
    fixture.database.put_targets(&[target]).await.unwrap();
}

#[tokio::test]
async fn every_query_of_the_dashboards_answers_and_a_redelivery_changes_none() {
    let Some(fixture) = Fixture::new().await else { return };
    let now = now();
    let chosen = |driver, hours: i64, interval_s| Chosen {
        from_ms: now - hours * HOUR_MS,
        to_ms: now + 10_000,
        interval_s,
        driver,
    };
    // Nothing is known yet: nothing may fail, and a rate over nobody is no number.
    ask_all(&fixture, &chosen("csagent.sys", 1, 60)).await;
    deliver(&fixture, now).await;
    let before = ask_all(&fixture, &chosen("csagent.sys", 1, 60)).await;
    let silent: Vec<&String> = before
        .iter()
        .filter(|(_, rows)| rows.as_array().is_none_or(Vec::is_empty))
        .map(|(place, _)| place)
        .collect();
    assert!(silent.is_empty(), "no row comes of {silent:?}");
    let crashed = &before["fleet: Machines"][0][0];
    assert_eq!(crashed, &before["fleet: Crashes"][0][0]);
    assert_eq!((crashed, &before["driver: Machines"][0][0]), (&38.into(), &29.into()));
    assert_eq!(before["pipeline: Deliveries with a row"][0][0], 40);
    assert_eq!(before["incidents: Open"][0][0], 1);
    assert_eq!(before["driver: annotation Builds seen first"][0][1], "0x66902c2a");

    // A name is a name: as many as were blamed on it, and the tables are still there.
    let hostile = ask_all(&fixture, &chosen(HOSTILE, 1, 60)).await;
    assert_eq!(hostile["driver: Machines"][0][0], 5);

    deliver(&fixture, now).await;
    let mut after = ask_all(&fixture, &chosen("csagent.sys", 1, 60)).await;
    for place in MEASURED {
        after.insert(place.to_owned(), before[place].clone());
    }
    for (place, rows) in &before {
        assert_eq!(rows, &after[place], "a second delivery changed {place}");
    }
    for (hours, interval_s) in [(6, 300), (24 * 7, 3600), (24 * 90, 86_400)] {
        ask_all(&fixture, &chosen("csagent.sys", hours, interval_s)).await;
    }
    fixture.stop().await;
}

#[test]
fn dashboards_are_whole() {
    let sources = std::fs::read_to_string(folder().join("provisioning/datasources.yaml")).unwrap();
    let boards = dashboards();
    assert_eq!(boards.keys().collect::<Vec<_>>(), ["driver", "fleet", "incidents", "pipeline"]);
    let mut uids = BTreeSet::new();
    for (name, board) in &boards {
        assert_eq!(text(board, "/uid"), format!("bluescope-{name}"));
        assert!(uids.insert(text(board, "/uid")), "{name}");
        assert!(text(board, "/title").starts_with("Bluescope: ") && !text(board, "/description").is_empty());
        // 36 is the first of Grafana 9, 39 that of Grafana 10; those from 42 on are not read by Grafana 11.
        assert!((36..=41).contains(&board["schemaVersion"].as_u64().unwrap()), "{name}");
        let mut ids = BTreeSet::new();
        let mut titles = BTreeSet::new();
        for panel in list(board, "/panels") {
            let title = text(panel, "/title");
            assert!(!title.is_empty() && titles.insert(title), "{name}: {title:?}");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}");
            if panel["type"] == "row" {
                continue;
            }
            assert!(text(panel, "/description").ends_with('.'), "{name}: {title} has no description");
            assert!(!text(panel, "/fieldConfig/defaults/unit").is_empty(), "{name}: {title} has no unit");
            assert!(!list(panel, "/targets").is_empty(), "{name}: {title} asks nothing");
            let place = &panel["gridPos"];
            assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{name}: {title}");
        }
        check_sources(name, board, &sources);
    }
}

/// Whatever names a data source names the one that is provisioned.
fn check_sources(name: &str, value: &Value, sources: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(source) = fields.get("datasource") {
                assert_eq!(text(source, "/type"), "grafana-clickhouse-datasource", "{name}");
                let uid = text(source, "/uid");
                assert!(!uid.is_empty() && sources.contains(&format!("uid: {uid}\n")), "{name}: {uid:?}");
            }
            fields.values().for_each(|value| check_sources(name, value, sources));
        }
        Value::Array(values) => values.iter().for_each(|value| check_sources(name, value, sources)),
        _ => {}
    }
}
