//! Opening, migrating, durability, errors.

use bluescope_storage::database::{Database, DatabaseConfig, DatabaseError};
use bluescope_storage::questions::{CrashFilter, Range};
use clickhouse::Row;
use secrecy::SecretString;
use serde::Deserialize;
use tempfile::TempDir;

use crate::fixture::{Fixture, crash, now};

#[tokio::test]
async fn two_processes_may_migrate_at_once_and_again_later() {
    let Some(fixture) = Fixture::new().await else { return };
    // A name of its own: this database is fresh.
    let DatabaseConfig::Server { url, user, password, database } = fixture.config.clone() else { return };
    let name = format!("{database}_fresh");
    let config = DatabaseConfig::Server { url, user, password, database: name.clone() };
    let opened = tokio::join!(Database::open(&config), Database::open(&config), Database::open(&config));
    opened.0.unwrap().insert_crashes(&[crash(1, now())]).await.unwrap();
    opened.1.unwrap().ping().await.unwrap();
    opened.2.unwrap();
    let again = Database::open(&config).await.unwrap();
    assert_eq!(again.crashes(&CrashFilter::default(), 10, None).await.unwrap().len(), 1);

    let client = fixture.client.clone().with_database(&name);
    let applied: Vec<(u32, String)> = client
        .query_raw("SELECT number, name FROM migrations FINAL ORDER BY number")
        .fetch_all()
        .await
        .unwrap();
    assert_eq!(applied.len(), 18);
    assert_eq!(applied[0], (1, "0001_crashes.sql".to_owned()));

    let changed = "INSERT INTO migrations (number, name, digest) VALUES (1, '0001_crashes.sql', 'other')";
    client.query_raw(changed).execute().await.unwrap();
    let error = Database::open(&config).await.unwrap_err();
    assert!(matches!(error, DatabaseError::MigrationChanged { file: "0001_crashes.sql" }), "{error}");
    client.query_raw(&format!("DROP DATABASE {name}")).execute().await.unwrap();
    fixture.stop().await;
}

#[derive(Row, Deserialize)]
struct Table {
    name: String,
    engine_full: String,
}

#[tokio::test]
async fn every_table_is_written_to_the_disk_before_it_is_acknowledged() {
    let Some(fixture) = Fixture::new().await else { return };
    let sql = "SELECT name, engine_full FROM system.tables \
               WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name";
    let tables: Vec<Table> = fixture.client.query_raw(sql).fetch_all().await.unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let expected = [
        "arrivals",
        "audit",
        "bucket_crashes",
        "bucket_notes",
        "buckets",
        "builds",
        "changes",
        "crash_heads",
        "crash_hours",
        "crash_minutes",
        "crash_sample",
        "crashes",
        "deep_analyses",
        "deliveries",
        "driver_crashes",
        "driver_minutes",
        "fleet_beats",
        "fleet_hours",
        "incident_acts",
        "incident_events",
        "inventory",
        "inventory_builds",
        "kept_dumps",
        "machine_crashes",
        "migrations",
        "notifications",
        "sightings",
        "symbol_files",
        "symbol_sources",
        "targets",
    ];
    assert_eq!(names, expected);
    for table in &tables {
        for setting in ["fsync_after_insert = 1", "fsync_part_directory = 1"] {
            assert!(table.engine_full.contains(setting), "{}: {}", table.name, table.engine_full);
        }
    }
    fixture.stop().await;
}

#[tokio::test]
async fn the_embedded_database_keeps_its_rows_over_a_restart() {
    let Some(_turn) = embedded::testing::alone().await.unwrap() else { return };
    let dir = TempDir::new().unwrap();
    let config = DatabaseConfig::Embedded { dir: dir.path().to_path_buf(), library: None };
    let row = crash(1, now());
    let database = Database::open(&config).await.unwrap();
    database.insert_crashes(std::slice::from_ref(&row)).await.unwrap();
    let other = database.clone();
    database.close().await;
    let error = other.ping().await.unwrap_err();
    assert!(error.retryable(), "{error:?}");

    let database = Database::open(&config).await.unwrap();
    assert_eq!(database.crash(row.crash_id).await.unwrap(), Some(row));
    database.close().await;
}

#[tokio::test]
async fn errors_say_whether_to_try_again() {
    let config = DatabaseConfig::Server {
        url: "http://127.0.0.1:1".to_owned(),
        user: "default".to_owned(),
        password: SecretString::from(""),
        database: "bluescope".to_owned(),
    };
    let error = Database::open(&config).await.unwrap_err();
    assert!(error.retryable(), "{error:?}");

    let Some(fixture) = Fixture::new().await else { return };
    let endless = fixture.database.fleet_series(Range { from_ms: 0, to_ms: now() }, 60).await.unwrap_err();
    assert!(matches!(endless, DatabaseError::Invalid(_)) && !endless.retryable(), "{endless}");
    fixture.client.query_raw("DROP TABLE incident_events").execute().await.unwrap();
    let error = fixture.database.incidents(true, 10).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), (Some(60), false), "{error:?}");
    fixture.stop().await;
}
