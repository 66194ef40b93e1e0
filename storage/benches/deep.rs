//! What the loop of missing symbols costs on this machine: `cargo bench -p bluescope-storage --bench deep`.
//! 100,000 kept dumps among a million crashes, 100,000 analyses that lack ten files each, 10,000 files that arrived; the
//! rows are made by the engine itself. Without `--bench` it only shows that it runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bluescope_storage::database::Database;
use bluescope_storage::questions::CrashFilter;
use clickhouse::Client;

use bed::Bed;

#[macro_use]
#[path = "shared/bed.rs"]
mod bed;

const VERSION: u32 = 3;
const DAY_MS: i64 = 86_400_000;

/// Crashes of the last ten days at 50,000 sites of 5,000 buckets; every tenth dump was kept.
const CRASHES: &str = "
INSERT INTO crashes (crash_id, crashed_at, received_at, stored_at, machine, outcome, kind, culprit, driver,
    driver_timestamp, driver_size, fault_offset, bucket, analyzer_version, raw_len, blob, revision)
SELECT
    generateUUIDv4(), at, at, at, concat('machine-', toString(sipHash64(number) % 300000)), 'analysed', 'kernel',
    'driver', concat('driver', toString(site % 2000), '.sys'), 1, 2, site, concat('AV_driver', toString(site % 5000)),
    1, 1200000, if(number % 10 = 0, concat('kept/', toString(number)), ''), 1
FROM (
    SELECT number, intDiv(number, 10) % 50000 AS site,
        fromUnixTimestamp64Milli({now:Int64} - toInt64(sipHash64(number, 1) % 864000000), 'UTC') AS at
    FROM numbers({first:UInt64}, {rows:UInt64})
)";

const ANALYSES: &str = "
INSERT INTO deep_analyses (crash_id, crashed_at, analysed_at, tenant, kind, driver, driver_timestamp, driver_size,
    fault_offset, bucket, analyzer_version, deep_bucket, report, missing, missing_kinds, retry_at)
SELECT
    crash_id, crashed_at, received_at + INTERVAL 1 MINUTE, tenant, kind, driver, driver_timestamp, driver_size,
    fault_offset, bucket, {version:UInt32}, concat(bucket, '!Function'), randomPrintableASCII(5000),
    arrayMap(i -> concat('module', toString((fault_offset + i * i * 37) % 3000), '.pdb/', lower(hex(MD5(toString(i)))), '1'),
        range(10)) AS missing,
    arrayMap(i -> 'pdb', range(10)), 0
FROM kept_dumps";

const FILES: &str = "
INSERT INTO symbol_files (tenant, id, kind, file_name, bytes, arrived_at)
SELECT '', concat('other', toString(number), '.pdb/', lower(hex(MD5('x'))), '1'), 'pdb', 'x.pdb', 1000,
    fromUnixTimestamp64Milli({now:Int64} - toInt64(number % 86400000), 'UTC')
FROM numbers({rows:UInt64})";

/// One file that every fifteenth site or so lacks.
const WANTED: &str = "
INSERT INTO symbol_files (tenant, id, kind, file_name, bytes, arrived_at)
SELECT '', arrayJoin(arraySlice(missing, 1, 1)), 'pdb', 'x.pdb', 1000, fromUnixTimestamp64Milli({now:Int64}, 'UTC')
FROM deep_analyses LIMIT 1";

async fn measure(database: &Database, client: &Client, full: bool) -> Result<()> {
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let since = now_ms - 7 * DAY_MS;
    let (crashes, files) = if full { (1_000_000_u64, 10_000_u64) } else { (1_000, 10) };
    for first in (0..crashes).step_by(100_000) {
        let insert = client.query_raw(CRASHES).param("now", now_ms).param("first", first);
        insert.param("rows", crashes.min(100_000)).execute().await?;
    }
    time!(full, "deep_jobs, nothing analysed yet", database.deep_jobs(now_ms, VERSION, 3, 16).await?.len());
    client.query_raw(ANALYSES).param("version", VERSION).execute().await?;
    let (kept, deep): (u64, u64) = client
        .query_raw("SELECT ifNull((SELECT count() FROM kept_dumps), 0), ifNull((SELECT count() FROM deep_analyses), 0)")
        .fetch_one()
        .await?;
    println!("questions on {crashes} crashes, {kept} kept dumps, {deep} analyses:");
    time!(
        full,
        "deep_jobs, nothing due, no file ever arrived",
        database.deep_jobs(now_ms, VERSION, 3, 16).await?.len()
    );
    client.query_raw(FILES).param("now", now_ms).param("rows", files).execute().await?;
    time!(full, "deep_jobs, nothing due", database.deep_jobs(now_ms, VERSION, 3, 16).await?.len());
    client.query_raw(WANTED).param("now", now_ms).execute().await?;
    time!(full, "deep_jobs, a wanted file arrived", database.deep_jobs(now_ms, VERSION, 3, 16).await?.len());
    client.query_raw("DELETE FROM deep_analyses WHERE fault_offset % 10 < 7").execute().await?;
    time!(full, "deep_jobs, most to be done", database.deep_jobs(now_ms, VERSION, 3, 16).await?.len());
    time!(full, "missing_symbols, 50", database.missing_symbols(None, since, 50, None).await?.len());
    let list = database.crashes(&CrashFilter::default(), 50, None).await?;
    let sites: Vec<&str> = list.iter().map(|line| line.fault_site.as_str()).collect();
    time!(full, "deep_buckets of 50 crashes", database.deep_buckets(&sites).await?.len());
    let last = list.last().context("no crash")?;
    time!(full, "deep_sites of a driver", database.deep_sites(&last.driver).await?.len());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--bench");
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    measure(&bed.database, &bed.client, full).await?;
    bed.stop().await;
    Ok(())
}
