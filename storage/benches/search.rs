//! What a search costs: `cargo bench -p bluescope-storage --bench search`. Two million crashes of two million machines
//! within nine days, which is what ninety days of twenty million have in as many; the rows are made by the engine itself,
//! and one in fifty has a second form. Without `--bench` it only shows that it runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bluescope_storage::questions::{
    Condition, NumberField, Pattern, Place, Range, SAMPLE_ONE_IN, SearchFilter, TextField, ValuesOf,
};

use bed::Bed;

#[macro_use]
#[path = "shared/bed.rs"]
mod bed;

/// Few drivers have most of the crashes.
const CRASHES: &str = "
INSERT INTO crashes (crash_id, crashed_at, received_at, stored_at, machine, ring, site, outcome, kind, culprit, bugcheck,
    bugcheck_name, driver, driver_timestamp, fault_offset, bucket, confidence, os_build, model, uptime_s, drivers,
    stack_modules, revision)
SELECT generateUUIDv4(), at, at, at, concat('DESKTOP-', toString(machine)), ['canary', 'early', 'broad'][machine % 3 + 1],
    concat('site-', toString(machine % 5000)), 'analysed', ['kernel', 'kernel', 'live', 'user'][random % 4 + 1], 'driver',
    [0x50, 0xD1, 0x9F, 0x7E][random % 4 + 1], concat('NAME_', toString(random % 4)),
    concat('driver', toString(number), '.sys') AS blamed, 0x66900000 + random % 3, number * 16,
    concat('AV_', blamed, '!', toString(random % 2)), ['high', 'medium', 'low'][random % 3 + 1],
    [19045, 22631, 26100][machine % 3 + 1], concat('Box ', toString(machine % 200)), random % 1000000,
    arrayMap(other -> concat('driver', toString((number + other * 37) % 10000), '.sys'), range(120)),
    [blamed, 'ntoskrnl.exe'], 1
FROM (
    SELECT sipHash64(row) % {machines:UInt64} AS machine, sipHash64(row, 2) % 1000003 AS random,
        toUInt32(pow(10000, (sipHash64(row, 4) % 1000000) / 1000000)) - 1 AS number,
        fromUnixTimestamp64Milli({now:Int64} - toInt64(row * 777600000 / {all:UInt64}), 'UTC') AS at
    FROM (SELECT number AS row FROM numbers({first:UInt64}, {rows:UInt64}))
)";

const FORMS: &str =
    "INSERT INTO crashes SELECT * REPLACE(2 AS revision) FROM crashes WHERE sipHash64(crash_id) % 50 = 0";

fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--bench");
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(full))
}

async fn run(full: bool) -> Result<()> {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let Bed { database, client, .. } = &bed;
    // What the views count is no part of this.
    for view in ["arrivals_of_crashes", "crash_minutes_of_crashes", "builds_of_crashes"] {
        client.query_raw("DROP VIEW {view:Identifier}").param("view", view).execute().await?;
    }
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let all: u64 = if full { 2_000_000 } else { 10_000 };
    for first in (0..all).step_by(200_000) {
        let insert = client.query_raw(CRASHES).param("now", now_ms).param("all", all).param("machines", all);
        insert.param("first", first).param("rows", all.min(200_000)).execute().await.context("crashes")?;
    }
    client.query_raw(FORMS).execute().await.context("forms")?;

    let range = Range { from_ms: now_ms - 7 * 86_400_000, to_ms: now_ms + 1 };
    println!("{all} crashes of nine days, searched for seven:");
    for (name, condition) in conditions() {
        let filter = SearchFilter { range, condition };
        time!(full, format!("{name}: about how many"), database.search_about(&filter).await?);
        time!(full, format!("{name}: totals and series"), {
            database.search_series(&filter, 7_200).await?.0.crashes
        });
        time!(full, format!("{name}: facets of a sample"), {
            database.search_facets(&filter, SAMPLE_ONE_IN).await?.len() as u64
        });
        time!(full, format!("{name}: totals, series and facets of all"), {
            database.search_counts(&filter, 7_200).await?.totals.crashes
        });
        time!(full, format!("{name}: a page of all seven days"), {
            let keys = database.search_keys(&filter, 51, None).await?;
            database.search_rows(&keys).await?.len() as u64
        });
        let newest = SearchFilter { range: Range { from_ms: now_ms - 7_200_000, ..range }, ..filter.clone() };
        time!(full, format!("{name}: a page of the newest two hours"), {
            let keys = database.search_keys(&newest, 51, None).await?;
            database.search_rows(&keys).await?.len() as u64
        });
    }
    time!(full, "completion of a driver", {
        let driver = ValuesOf::Text(TextField::Driver);
        database.known_values(driver, "driver7", range, 10).await?.len() as u64
    });
    bed.stop().await;
    Ok(())
}

fn conditions() -> Vec<(&'static str, Condition)> {
    let whole = |text: &str| Pattern { text: text.to_owned(), place: Place::Whole };
    let busy = Condition::Text(TextField::Driver, whole("driver1.sys"));
    let ring = Condition::Text(TextField::Ring, whole("canary"));
    let builds = Condition::Number { field: NumberField::Build, from: 22_000, to: 23_000 };
    vec![
        ("any", Condition::All(Vec::new())),
        ("a busy driver", busy.clone()),
        ("a rare driver", Condition::Text(TextField::Driver, whole("driver9876.sys"))),
        ("a driver, a build, not a ring", Condition::All(vec![busy, builds, Condition::Not(Box::new(ring))])),
        ("a machine", Condition::Text(TextField::Machine, whole("DESKTOP-77"))),
        ("a module on the stack", Condition::OnStack(whole("driver5.sys"))),
        ("a loaded driver", Condition::Loaded { driver: whole("driver5.sys"), timestamp: None }),
    ]
}
