//! What the questions around incidents and rollouts cost: `cargo bench -p bluescope-storage --bench alerts`. A million
//! crashes of a hundred thousand machines within 30 days, each with 200 loaded images of which 40 are not Windows' own,
//! and inventories of as many machines; the rows are made by the engine itself. Then the stream of signals and the alert
//! store. Without `--bench` it only shows that it runs; a word on the command line picks one part.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bluescope_storage::alert_store::{AlertStore, Turn};
use bluescope_storage::questions::{ActCursor, BuildName, SignalRows};
use bluescope_storage::signals::{
    BatchLimits, BeatSignal, CrashSignal, DriverSignal, InstallSignal, Marks, Signal, Signals, SignalsConfig,
};

use bed::Bed;

#[macro_use]
#[path = "shared/bed.rs"]
mod bed;

/// Few drivers are blamed often, most seldom; what is loaded depends on the machine.
const CRASHES: &str = "
INSERT INTO crashes (crash_id, crashed_at, received_at, stored_at, machine, ring, site, outcome, kind, culprit, bugcheck,
    driver, driver_timestamp, driver_size, fault_offset, bucket, os_build, model, drivers, driver_timestamps, driver_sizes,
    third_party, third_party_timestamps, third_party_sizes, analyzer_version, raw_len, revision)
SELECT
    generateUUIDv4(), at, at, at, concat('machine-', toString(machine)), ['canary', 'early', 'broad'][machine % 3 + 1],
    concat('site-', toString(machine % 300)), 'analysed', 'kernel', 'driver', 0x50,
    concat('vendor', toString(toUInt32(pow(10000, (random % 100000) / 100000)) - 1), '.sys') AS blamed, random % 3 + 1, 4096,
    random % 5, concat('AV_', blamed), 19045, concat('Box ', toString(machine % 20)),
    arrayConcat(arrayMap(i -> concat('windows', toString(i), '.sys'), range(160)), theirs) AS loaded,
    arrayMap(i -> toUInt32(i), range(200)), arrayMap(i -> toUInt32(4096), range(200)),
    arrayMap(i -> concat('vendor', toString(toUInt32(pow(10000, (sipHash64(machine, i) % 100000) / 100000)) - 1), '.sys'),
        range(40)) AS theirs,
    arrayMap(i -> toUInt32(sipHash64(machine, i, 1) % 3 + 1), range(40)), arrayMap(i -> toUInt32(4096), range(40)), 1, 1200000, 1
FROM (
    SELECT number, sipHash64(number) % {machines:UInt64} AS machine, sipHash64(number, 2) AS random,
        -- In the order of their arrival, as they come in life.
        fromUnixTimestamp64Milli({now:Int64} - 2592000000 + intDiv(number * 2592000000, {all:UInt64}), 'UTC') AS at
    FROM numbers({first:UInt64}, {rows:UInt64})
)";

const INVENTORIES: &str = "
INSERT INTO inventory (tenant, machine, seen_at, site, ring, model, os_build, drivers, driver_timestamps, driver_sizes,
    driver_versions)
SELECT 'told', concat('machine-', toString(number)), fromUnixTimestamp64Milli({now:Int64} - {age:Int64}, 'UTC'), 'site',
    'broad', 'Box', 19045,
    arrayMap(i -> concat('vendor', toString(toUInt32(pow(10000, (sipHash64(number, i) % 100000) / 100000)) - 1), '.sys'),
        range(40)),
    arrayMap(i -> toUInt32(if({age:Int64} < 36000000 AND number % 10 = 0, 4, 1 + i % 3)), range(40)),
    arrayMap(i -> toUInt32(4096), range(40)), arrayMap(i -> concat('1.', toString(i % 3)), range(40))
FROM numbers({rows:UInt64})";

fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--bench");
    let picked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| picked.is_empty() || picked.iter().any(|picked| picked == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if wanted("signals") {
        runtime.block_on(signals(full))?;
    }
    if wanted("store") {
        runtime.block_on(store(full))?;
    }
    if wanted("questions") {
        runtime.block_on(questions(full))?;
    }
    Ok(())
}

async fn questions(full: bool) -> Result<()> {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let Bed { database, client, .. } = &bed;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let (rows, machines): (u64, u64) = if full { (1_000_000, 100_000) } else { (10_000, 1_000) };
    let begun = Instant::now();
    for first in (0..rows).step_by(50_000) {
        let insert = client.query_raw(CRASHES).param("now", now_ms).param("first", first);
        insert
            .param("machines", machines)
            .param("all", rows)
            .param("rows", rows.min(50_000))
            .execute()
            .await
            .context("crashes")?;
    }
    for age in [5 * 86_400_000_i64, 3_600_000] {
        let insert = client.query_raw(INVENTORIES).param("now", now_ms).param("age", age);
        insert.param("rows", machines).execute().await.context("inventories")?;
    }
    println!("{rows} crashes and {machines} inventories made in {:.1?}", begun.elapsed());
    let month = now_ms - 30 * 86_400_000;
    time!(full, "hours of the drivers' past, 30 days", database.driver_history(month).await?.len());
    for (what, driver) in [("common", "vendor0.sys"), ("rare", "vendor9000.sys"), ("inbox", "windows7.sys")] {
        let name = format!("4,096 machines with a {what} driver, by crashes");
        time!(full, name, database.exposed_machines("", driver, 4_096).await?.len());
    }
    let told = "4,096 machines with a common driver, by inventories";
    time!(full, told, database.exposed_machines("told", "vendor0.sys", 4_096).await?.len());
    time!(full, "builds of a driver", database.builds("", "vendor0.sys").await?.len());
    for (what, tenant, build) in [("crashes", "", 3), ("inventories", "told", 4)] {
        let name = format!("both arms of a rollout, by {what}");
        let question = || async {
            let build = BuildName::Timestamp(build);
            let counts = database.rollout_counts(tenant, "vendor0.sys", build, None, now_ms).await?;
            anyhow::Ok(counts.map_or(0, |counts| counts.new.machines + counts.old.machines))
        };
        time!(full, name, question().await?);
    }
    time!(full, "names of suspect machines", database.suspect_names(now_ms).await?.len());
    time!(full, "acts of people", database.acts_since(&ActCursor::default()).await?.len());
    let installs = installs(if full { 1_000 } else { 10 }, now_ms);
    let mut inventories = SignalRows::default();
    inventories.installs(&installs);
    time!(full, "a thousand inventories of 60 drivers written", {
        database.put_signals(&inventories).await?;
        installs.len()
    });
    bed.stop().await;
    Ok(())
}

fn crash(number: u32) -> CrashSignal {
    CrashSignal {
        machine: format!("DESKTOP-{number:08}"),
        crash_id: uuid::Uuid::from_u128(
            u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        ),
        crashed_at_ms: 1_721_361_600_000 + i64::from(number) * 7_919,
        arrived_at_ms: 1_721_361_700_000 + i64::from(number) * 7_907,
        driver: "csagent.sys".to_owned(),
        bucket: "AV_R_INVALID_csagent!unknown_function".to_owned(),
        model: format!("Box {}", number % 20),
        site: format!("site-{}", number % 300),
        modules: modules(number, 40).collect(),
        ..CrashSignal::default()
    }
}

/// Each machine has its own choice of drivers, and each driver a few builds.
fn modules(machine: u32, count: u32) -> impl Iterator<Item = (String, u32, u32)> {
    (0..count).map(move |place| {
        let random = (machine ^ (place << 20)).wrapping_mul(2_654_435_761);
        let (module, build) = (random % 2_000, (random >> 20) % 4);
        (format!("vendor{module}.sys"), (module ^ build).wrapping_mul(2_246_822_519), 0x1000 * (module % 300))
    })
}

fn installs(count: u32, at_ms: i64) -> Vec<InstallSignal> {
    let driver = |(name, timestamp, size)| DriverSignal {
        name,
        version: format!("1.{}.0.{}", timestamp % 7, timestamp % 10_000),
        timestamp,
        size,
    };
    let install = |number| InstallSignal {
        machine: format!("DESKTOP-{number:08}"),
        at_ms,
        drivers: modules(number, 60).map(driver).collect(),
        ..InstallSignal::default()
    };
    (0..count).map(install).collect()
}

/// Appends and reads: bytes and time for each kind.
async fn signals(full: bool) -> Result<()> {
    let rounds: u32 = if full { 100 } else { 2 };
    let beat = |number: u32| BeatSignal {
        machine: format!("DESKTOP-{number:08}"),
        at_ms: 1_721_361_600_000 + i64::from(number),
        ..BeatSignal::default()
    };
    let kinds: [(&str, u32, Signal); 4] = [
        ("one crash", 1, Signal::Crashes(vec![crash(1)])),
        ("500 crashes", 500, Signal::Crashes((0..500).map(crash).collect())),
        ("5,000 heartbeats", 5_000, Signal::Beats((0..5_000).map(beat).collect())),
        ("1,000 inventories", 1_000, Signal::Installs(installs(1_000, 5))),
    ];
    println!("the embedded stream of signals:");
    for (name, count, signal) in kinds {
        let dir = tempfile::TempDir::new()?;
        let signals = Signals::open(&SignalsConfig::log(dir.path().to_owned())).await?;
        let begun = Instant::now();
        for _ in 0..rounds {
            signals.append(vec![signal.clone()]).await?;
        }
        let wrote = begun.elapsed();
        let begun = Instant::now();
        let mut reader = signals.reader(&Marks::default()).await?;
        let limits = BatchLimits { messages: 1_000, bytes: 8 << 20, wait: Duration::from_millis(1) };
        while !reader.next(limits).await?.is_empty() {}
        let read = begun.elapsed();
        signals.close().await;
        let bytes = std::fs::metadata(dir.path().join("signals.sqlite"))?.len();
        let each = bytes as f64 / f64::from(rounds * count);
        println!(
            "  {name:<20} append {:>8.2?}, read {:>8.2?}, {each:.0} bytes each",
            wrote / rounds,
            read / rounds
        );
    }
    let dir = tempfile::TempDir::new()?;
    let signals = Signals::open(&SignalsConfig::log(dir.path().to_owned())).await?;
    let begun = Instant::now();
    let appends: Vec<_> = (0..rounds * 100)
        .map(|number| {
            let signals = signals.clone();
            tokio::spawn(async move { signals.append(vec![Signal::Beats(vec![beat(number)])]).await })
        })
        .collect();
    for append in appends {
        append.await??;
    }
    let rate = f64::from(rounds * 100) / begun.elapsed().as_secs_f64();
    println!("  one heartbeat each from callers at once: {rate:.0} a second");
    Ok(())
}

/// One turn, with and without a large state.
async fn store(full: bool) -> Result<()> {
    println!("the alert store:");
    let rounds: u32 = if full { 20 } else { 2 };
    for megabytes in [0, 2, 20] {
        let dir = tempfile::TempDir::new()?;
        let store = AlertStore::open(dir.path()).await?;
        let begun = Instant::now();
        for round in 0..rounds {
            let checkpoint =
                (megabytes > 0).then(|| (vec![7; megabytes << 20], Marks([(0, i64::from(round))].into())));
            let cursors = vec![("acts".to_owned(), round.to_string())];
            store.commit(Turn { checkpoint, cursors, ..Turn::default() }).await?;
        }
        println!("  a turn with a state of {megabytes:>2} MiB: {:.2?}", begun.elapsed() / rounds);
    }
    Ok(())
}
