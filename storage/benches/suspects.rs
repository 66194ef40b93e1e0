//! What the question about suspect machines costs: `cargo bench -p bluescope-storage --bench suspects`. A million crashes
//! of a hundred thousand machines within a week, one machine in a hundred with bad memory; the rows are made by the
//! engine itself. Without `--bench` it only shows that it runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bluescope_storage::questions::{Range, SUSPECT_WINDOW_MS};

use bed::Bed;

#[macro_use]
#[path = "shared/bed.rs"]
mod bed;

/// Most machines have one driver that fails, now and then another; those with bad memory fail anyhow. The newest
/// minutes belong to one driver's outage.
const CRASHES: &str = "
INSERT INTO crashes (crash_id, crashed_at, received_at, stored_at, machine, site, outcome, kind, culprit, bugcheck, driver,
    driver_timestamp, driver_size, fault_offset, bucket, hardware_sign, analyzer_version, raw_len, revision)
SELECT
    generateUUIDv4(), at, at, at, concat('machine-', toString(machine)), concat('site-', toString(machine % 300)),
    'analysed', 'kernel', 'driver',
    if(bad, [0x50, 0xBE, 0x13A, 0x1A, 0x139, 0xD1, 0xEF, 0x24][random % 8 + 1], [0x50, 0xD1, 0x9F][random % 3 + 1]) AS code,
    concat('driver', toString(if(bad, random % 200, machine % 200 + (random % 5 = 0) * 3)), '.sys') AS blamed, 1, 2,
    if(bad, sipHash64(number, 3) % 3000000, code * 16 + random % 3), concat('AV_', blamed), '', 1, 1200000, 1
FROM (
    SELECT number, sipHash64(number) % {machines:UInt64} AS machine, machine % 100 = 7 AS bad, sipHash64(number, 2) AS random,
        fromUnixTimestamp64Milli({now:Int64} - toInt64(sipHash64(number, 1) % 604800000), 'UTC') AS at
    FROM numbers({first:UInt64}, {rows:UInt64})
)";

const OUTAGE: &str = "
INSERT INTO crashes (crash_id, crashed_at, received_at, stored_at, machine, site, outcome, kind, culprit, bugcheck, driver,
    driver_timestamp, driver_size, fault_offset, bucket, analyzer_version, raw_len, revision)
SELECT generateUUIDv4(), at, at, at, concat('machine-', toString(number * 7)), concat('site-', toString(number % 300)),
    'analysed', 'kernel', 'driver', 0x50, 'csagent.sys', 1, 2, 0xE14ED, 'AV_csagent', 1, 1200000, 1
FROM (
    SELECT number, fromUnixTimestamp64Milli({now:Int64} - toInt64(number % 50000), 'UTC') AS at
    FROM numbers({rows:UInt64})
)";

fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--bench");
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(full))
}

async fn run(full: bool) -> Result<()> {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let Bed { database, client, .. } = &bed;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let (rows, machines): (u64, u64) = if full { (1_000_000, 100_000) } else { (10_000, 1_000) };
    for first in (0..rows).step_by(200_000) {
        let insert = client.query_raw(CRASHES).param("now", now_ms).param("first", first);
        insert
            .param("machines", machines)
            .param("rows", rows.min(200_000))
            .execute()
            .await
            .context("crashes")?;
    }
    let outage = client.query_raw(OUTAGE).param("now", now_ms).param("rows", machines / 50);
    outage.execute().await.context("outage")?;

    let range = Range { from_ms: now_ms - SUSPECT_WINDOW_MS, to_ms: now_ms + 60_000 };
    println!("{rows} crashes of {machines} machines in a week:");
    time!(full, "suspect machines of the fleet", {
        database.suspect_machines(None, range, 100_000).await?.len()
    });
    time!(full, "the first twenty", database.suspect_machines(None, range, 20).await?.len());
    time!(full, "one machine that is suspect", {
        database.machines_health(&[("", "machine-7")], range).await?.len()
    });
    time!(
        full,
        "one machine that is not",
        database.machines_health(&[("", "machine-8")], range).await?.len()
    );
    time!(full, "sound machines of a driver with 2,000 machines", {
        usize::try_from(database.sound_pulse("", "csagent.sys", now_ms).await?.last_1)?
    });
    time!(full, "sound machines of a driver with few", {
        usize::try_from(database.sound_pulse("", "driver9.sys", now_ms).await?.last_15)?
    });
    bed.stop().await;
    Ok(())
}
