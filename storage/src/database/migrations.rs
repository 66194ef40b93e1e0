//! Brings a database's schema up to this build's: numbered files, applied in order, each recorded once.
//! Every statement is idempotent (`IF NOT EXISTS`), because ClickHouse has no lock that two processes starting at
//! once could hold: both may apply the same step, and the record of it merges into one.
//!
//! One kind of statement is our own: `BACKFILL table;` puts the crashes that were there before a table's view through it, in
//! the best form of each, piece by piece. What the view has taken meanwhile is in the same sets.

use clickhouse::error::Error;
use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};

use super::stretches::{Hour, stretches};
use super::views::View;
use super::{DatabaseError, WRITE_SECONDS};

struct Migration {
    number: u32,
    file: &'static str,
    sql: &'static str,
}

macro_rules! migration {
    ($number:literal, $file:literal) => {
        Migration { number: $number, file: $file, sql: include_str!(concat!("../../schema/", $file)) }
    };
}

/// Never edited once released, only added to.
const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_crashes.sql"),
    migration!(2, "0002_arrivals.sql"),
    migration!(3, "0003_crash_minutes.sql"),
    migration!(4, "0004_deliveries.sql"),
    migration!(5, "0005_incidents.sql"),
    migration!(6, "0006_symbols.sql"),
    migration!(7, "0007_blame.sql"),
    migration!(8, "0008_alerts.sql"),
    migration!(9, "0009_targets.sql"),
    migration!(10, "0010_scale.sql"),
    migration!(11, "0011_audit.sql"),
    migration!(12, "0012_search.sql"),
    migration!(13, "0013_driver_minutes.sql"),
    migration!(14, "0014_buckets.sql"),
    migration!(15, "0015_fleet_hours.sql"),
    migration!(16, "0016_symbol_sources.sql"),
    migration!(17, "0017_crash_lists.sql"),
    migration!(18, "0018_crash_heads.sql"),
];

const RECORD: &str = "CREATE TABLE IF NOT EXISTS migrations (
    number UInt32, name String, digest String, applied_at DateTime('UTC') DEFAULT now()
) ENGINE = ReplacingMergeTree ORDER BY number SETTINGS fsync_after_insert = 1, fsync_part_directory = 1";

const APPLIED: &str = "SELECT number, name, digest FROM migrations FINAL ORDER BY number";

#[derive(Debug, Row, Serialize, Deserialize)]
struct Applied {
    number: u32,
    name: String,
    digest: String,
}

/// Applies what is missing.
pub(super) async fn run(client: &Client) -> Result<(), DatabaseError> {
    let failed = DatabaseError::while_("read which schema the database has");
    client.query_raw(RECORD).execute().await.map_err(&failed)?;
    let applied: Vec<Applied> = client.query_raw(APPLIED).fetch_all().await.map_err(&failed)?;
    for migration in MIGRATIONS {
        match applied.iter().find(|row| row.number == migration.number) {
            Some(row) if row.digest == digest(migration) => {}
            Some(_) => return Err(DatabaseError::MigrationChanged { file: migration.file }),
            None => apply(client, migration).await?,
        }
    }
    // A newer build was here, as during a rolling upgrade: steps only ever add, so this one still works.
    if let Some(newer) = applied.iter().find(|row| MIGRATIONS.iter().all(|known| known.number != row.number))
    {
        tracing::warn!(migration = newer.name, "the database has a newer schema than this build knows");
    }
    Ok(())
}

async fn apply(client: &Client, migration: &Migration) -> Result<(), DatabaseError> {
    let failed = |source| DatabaseError::Migration { file: migration.file, source };
    for statement in statements(migration.sql) {
        match backfilled(statement) {
            Some(table) => {
                let view = View::into_table(table)?;
                backfill(client, table, &view).await.map_err(failed)?;
            }
            None => client.query_raw(statement).execute().await.map_err(failed)?,
        }
    }
    record(client, migration).await.map_err(failed)
}

/// The table that is filled by a statement of that kind.
pub(super) fn backfilled(statement: &'static str) -> Option<&'static str> {
    statement.lines().last().and_then(|line| line.strip_prefix("BACKFILL "))
}

/// In which hours crashes arrived, and how many.
const ARRIVED: &str =
    "SELECT toInt64(toUnixTimestamp(toStartOfHour(received_at))) AS hour_s, count() AS crashes
FROM crashes GROUP BY hour_s ORDER BY hour_s";

const A_PIECE: &str = "received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')";

/// By itself ClickHouse collects a million rows before it writes them: a gigabyte where a row is wide, which the embedded
/// engine does not have.
const BACKFILL_SETTINGS: &[(&str, &str)] = &[
    ("max_execution_time", WRITE_SECONDS),
    ("max_threads", "2"),
    ("max_block_size", "4096"),
    ("min_insert_block_size_bytes", "67108864"),
];

async fn backfill(client: &Client, table: &str, view: &View) -> Result<(), Error> {
    let hours: Vec<Hour> =
        client.query_raw(ARRIVED).with_setting("max_execution_time", WRITE_SECONDS).fetch_all().await?;
    let pieces = stretches(&hours);
    let insert = view.insert("crashes FINAL", A_PIECE);
    for (number, piece) in pieces.iter().enumerate() {
        tracing::info!(table, piece = number + 1, of = pieces.len(), "filling a table of the new schema");
        let fill = BACKFILL_SETTINGS
            .iter()
            .fold(client.query_raw(&insert), |fill, (name, value)| fill.with_setting(*name, *value));
        fill.param("from_ms", piece.from_ms).param("to_ms", piece.to_ms).execute().await?;
    }
    Ok(())
}

async fn record(client: &Client, migration: &Migration) -> Result<(), Error> {
    let mut record = client.insert::<Applied>("migrations").await?.with_setting("async_insert", "0");
    let row =
        Applied { number: migration.number, name: migration.file.to_owned(), digest: digest(migration) };
    record.write(&row).await?;
    record.end().await?;
    tracing::info!(migration = migration.file, "applied a step of the schema");
    Ok(())
}

/// All statements there are, in their order.
pub(super) fn all_statements() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().flat_map(|migration| statements(migration.sql))
}

fn digest(migration: &Migration) -> String {
    blake3::hash(migration.sql.as_bytes()).to_hex().to_string()
}

/// The statements of one of our own files: each ends with a `;` at the end of a line.
fn statements(sql: &'static str) -> impl Iterator<Item = &'static str> {
    sql.split(";\n").map(str::trim).filter(|statement| {
        statement.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_split_at_semicolons_that_end_a_line() {
        let sql = "-- about; this\nCREATE TABLE a (b String DEFAULT ';');\n\n-- the end\n;\nSELECT 1;\n-- nothing\n";
        let found: Vec<&str> = statements(sql).collect();
        assert_eq!(found, ["-- about; this\nCREATE TABLE a (b String DEFAULT ';')", "SELECT 1"]);
    }

    #[test]
    fn numbers_count_up_and_match_the_names() {
        assert!(MIGRATIONS.is_sorted_by(|one, next| one.number < next.number));
        for migration in MIGRATIONS {
            assert!(migration.file.starts_with(&format!("{:04}_", migration.number)), "{}", migration.file);
        }
    }
}
