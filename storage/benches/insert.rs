//! What the embedded engine does on this machine: `cargo bench -p bluescope-storage --bench insert`.
//! Crash rows as the analyzer writes them (200 drivers, a report of 10 KB), what the flush to the disk costs, what the
//! questions cost, and memory. Without `--bench` it only shows that it runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bluescope_storage::database::{Database, DatabaseConfig};
use bluescope_storage::questions::{CrashFilter, Range};
use bluescope_storage::rows::CrashRow;
use clickhouse::Client;
use embedded::{Engine, EngineConfig};
use secrecy::SecretString;
use uuid::Uuid;

const LOADED: usize = 200;
/// Of which so many are not Windows' own.
const THIRD_PARTY: usize = 40;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 17
    }
}

struct Rows {
    numbers: Numbers,
    made: u64,
    now_ms: i64,
    /// Blamed drivers.
    drivers: u64,
    /// Over how long they arrive.
    span_ms: u64,
    /// Loaded images that are not Windows' own.
    third_party: usize,
}

impl Rows {
    fn next(&mut self, report: bool) -> Result<CrashRow> {
        let numbers = &mut self.numbers;
        self.made += 1;
        let crashed_at = self.now_ms - i64::try_from(numbers.next() % self.span_ms)?;
        let id = u128::try_from(crashed_at)? << 80 | 8 << 76 | 2 << 62 | u128::from(self.made);
        let loaded = if report { LOADED } else { 10 };
        let theirs = self.third_party.min(loaded);
        let drivers: Vec<String> = (0..loaded).map(|index| format!("driver{index}.sys")).collect();
        let blamed = format!("driver{}.sys", numbers.next() % self.drivers);
        let version = u32::try_from(numbers.next() % 3)?;
        Ok(CrashRow {
            crash_id: Uuid::from_u128(id),
            crashed_at,
            received_at: crashed_at,
            stored_at: crashed_at,
            tenant: String::new(),
            machine: format!("DESKTOP-{:08}", numbers.next() % 500_000),
            ring: ["canary", "early", "broad"][usize::try_from(numbers.next() % 3)?].to_owned(),
            site: format!("site-{}", numbers.next() % 300),
            tags: vec![("agent".to_owned(), "1.2.3".to_owned())],
            outcome: "analysed".to_owned(),
            problem: String::new(),
            kind: "kernel".to_owned(),
            bugcheck: 0x50,
            bugcheck_name: "PAGE_FAULT_IN_NONPAGED_AREA".to_owned(),
            parameters: vec![numbers.next(), 0, numbers.next(), 2],
            exception_code: 0xC000_0005,
            culprit: "driver".to_owned(),
            bucket: format!("AV_R_INVALID_{blamed}!unknown_function"),
            driver: blamed,
            driver_timestamp: version,
            driver_size: 0x35_0000,
            fault_offset: 0xE14ED + numbers.next() % 3,
            bucket_hash: "{3262b6cc-e7fe-31a1-8c4b-f8d8b5a4e8c4}".to_owned(),
            confidence: "high".to_owned(),
            rule: "faulting-module".to_owned(),
            process: "System".to_owned(),
            os_build: 19045,
            os_ubr: 4651,
            arch: "x64".to_owned(),
            cpu: "Intel(R) Core(TM) i5-8500 CPU @ 3.00GHz".to_owned(),
            vendor: "Contoso".to_owned(),
            model: format!("Box {}", numbers.next() % 20),
            bios: "1.2.3".to_owned(),
            uptime_s: numbers.next() % 1_000_000,
            driver_timestamps: (0..loaded).map(|index| 0x6690_0000 + index as u32).collect(),
            driver_sizes: (0..loaded).map(|index| 0x1000 * (index as u32 % 300)).collect(),
            third_party: drivers.iter().take(theirs).cloned().collect(),
            third_party_timestamps: (0..theirs).map(|index| 0x6690_0000 + index as u32).collect(),
            third_party_sizes: (0..theirs).map(|index| 0x1000 * index as u32).collect(),
            stack_modules: drivers.iter().take(6).cloned().collect(),
            report: if report { report_text(&drivers, numbers) } else { String::new() },
            facts: if report { facts_text(numbers) } else { String::new() },
            hardware_sign: String::new(),
            drivers,
            analyzer_version: 1,
            raw_len: 1_200_000,
            blob: String::new(),
            revision: 1,
            queue_id: "bench".to_owned(),
            queue_partition: 0,
            queue_offset: i64::try_from(self.made)?,
        })
    }

    fn batch(&mut self, length: usize, report: bool) -> Result<Vec<CrashRow>> {
        (0..length).map(|_| self.next(report)).collect()
    }
}

/// About 2 KB: the words of a stack as rules look at them.
fn facts_text(numbers: &mut Numbers) -> String {
    let frame = |_| format!(r#"{{"address":"{:#x}","module":1}},"#, 0xFFFF_F800_0000_0000 | numbers.next());
    format!(r#"{{"bugcheck":80,"stack":[{}{{}}]}}"#, (0..48).map(frame).collect::<String>())
}

/// About 10 KB whose addresses differ from crash to crash, as the kernel's randomised layout makes them.
fn report_text(drivers: &[String], numbers: &mut Numbers) -> String {
    let mut text = String::from(r#"{"modules":["#);
    for name in drivers.iter().take(120) {
        let base = 0xFFFF_F800_0000_0000 | (numbers.next() & 0x7F_FFFF_F000);
        text += &format!(r#"{{"name":"{name}","base":"{base:#x}","size":3481600,"timestamp":1720724522}},"#);
    }
    text + r#"{}]}"#
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

/// The middle, and the one that 95 in 100 stay below.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    (at(50), at(95))
}

struct Bench {
    database: Database,
    client: Client,
    full: bool,
}

impl Bench {
    async fn throughput(&self, rows: &mut Rows) -> Result<()> {
        let (batches, length) = if self.full { (25, 2_000) } else { (1, 20) };
        for third_party in [0, THIRD_PARTY] {
            rows.third_party = third_party;
            let (mut took, mut report) = (Duration::ZERO, 0);
            for _ in 0..batches {
                let batch = rows.batch(length, true)?;
                report = batch.first().map_or(0, |row| row.report.len());
                let begun = Instant::now();
                self.database.insert_crashes(&batch).await?;
                took += begun.elapsed();
            }
            let inserted = batches * length;
            let rate = inserted as f64 / took.as_secs_f64();
            println!(
                "insert: {inserted} rows with {report} bytes of report and {third_party} third-party images in batches \
                 of {length}: {took:.2?}, {rate:.0} rows/s"
            );
        }
        println!("memory: {} MB resident", resident_mb());
        Ok(())
    }

    /// The same batches with and without the flush.
    async fn flush(&self, rows: &mut Rows) -> Result<()> {
        let rounds = if self.full { 40 } else { 1 };
        for fsync in [true, false] {
            for table in ["crashes", "arrivals", "crash_minutes", "deliveries"] {
                let flag = u8::from(fsync);
                let sql = format!(
                    "ALTER TABLE {table} MODIFY SETTING fsync_after_insert = {flag}, fsync_part_directory = {flag}"
                );
                self.client.query_raw(&sql).execute().await?;
            }
            for length in [1, 100, 1_000] {
                let mut times = Vec::new();
                for _ in 0..rounds {
                    let batch = rows.batch(length, true)?;
                    let begun = Instant::now();
                    self.database.insert_crashes(&batch).await?;
                    times.push(begun.elapsed());
                }
                let (middle, slow) = percentiles(times);
                println!("batch of {length:>5}, flushed {fsync:>5}: {middle:>9.2?}, 95 % within {slow:.2?}");
            }
        }
        Ok(())
    }

    async fn questions(&self, rows: &mut Rows) -> Result<()> {
        let (batches, length) = if self.full { (40, 5_000) } else { (1, 100) };
        rows.drivers = 10_000;
        rows.span_ms = 3_600_000;
        let mut some = None;
        for _ in 0..batches {
            let batch = rows.batch(length, false)?;
            self.database.insert_crashes(&batch).await?;
            some = batch.into_iter().next();
        }
        let some = some.context("no row")?;
        let total: u64 = self.client.query_raw("SELECT count() FROM crashes").fetch_one().await?;
        println!("questions on {total} crashes, 10000 drivers within the last hour:");
        let range = Range { from_ms: rows.now_ms - 3_600_000, to_ms: rows.now_ms + 1 };
        let (database, driver) = (&self.database, some.driver.as_str());
        let filter = CrashFilter { driver: Some(some.driver.clone()), ..Default::default() };
        let machine = CrashFilter { machine: Some(some.machine.clone()), ..Default::default() };
        macro_rules! time {
            ($name:literal, $ask:expr) => {{
                let mut times = Vec::new();
                for _ in 0..if self.full { 7 } else { 1 } {
                    let begun = Instant::now();
                    $ask.await?;
                    times.push(begun.elapsed());
                }
                println!("  {:<34} {:>9.2?}", $name, percentiles(times).0);
            }};
        }
        time!("fleet_now, a minute", database.fleet_now(rows.now_ms, 60));
        time!("pulse", database.pulse(rows.now_ms));
        time!("fleet_series, an hour by minutes", database.fleet_series(range, 60));
        time!("driver_series, an hour by minutes", database.driver_series(driver, range, 60));
        time!("top_drivers, 20", database.top_drivers(range, 20));
        time!("incident_evidence", database.incident_evidence(None, driver, range.from_ms, range.to_ms));
        time!("crashes, newest 50", database.crashes(&CrashFilter::default(), 50, None));
        time!("crashes of a driver, 50", database.crashes(&filter, 50, None));
        time!("crashes of a machine, 50", database.crashes(&machine, 50, None));
        time!("crash by id", database.crash(some.crash_id));
        time!("ledger", database.ledger("bench"));
        println!("memory: {} MB resident", resident_mb());
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--bench");
    if let Err(error) = embedded::find_library(None) {
        println!("skipped: {error}");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    println!("memory: {} MB resident before", resident_mb());
    let begun = Instant::now();
    let engine = Engine::start(EngineConfig { dir: dir.path().to_path_buf(), library: None }).await?;
    println!("engine: started in {:.2?}, {} MB resident", begun.elapsed(), resident_mb());
    let begun = Instant::now();
    let config = DatabaseConfig::Server {
        url: engine.url().to_owned(),
        user: engine.user().to_owned(),
        password: SecretString::from(engine.password()),
        database: "bluescope".to_owned(),
    };
    let database = Database::open(&config).await?;
    println!("schema: made in {:.2?}, {} MB resident", begun.elapsed(), resident_mb());
    let client = Client::default()
        .with_url(engine.url())
        .with_user(engine.user())
        .with_password(engine.password())
        .with_database("bluescope")
        .with_compression(clickhouse::Compression::None);
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut rows = Rows {
        numbers: Numbers(7),
        made: 0,
        now_ms,
        drivers: 200,
        span_ms: 600_000,
        third_party: THIRD_PARTY,
    };
    let bench = Bench { database, client, full };
    // As with other benchmarks, a word on the command line picks one.
    let picked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| picked.is_empty() || picked.iter().any(|picked| picked == name);
    if wanted("throughput") {
        bench.throughput(&mut rows).await?;
    }
    if wanted("flush") {
        bench.flush(&mut rows).await?;
    }
    if wanted("questions") {
        bench.questions(&mut rows).await?;
    }
    bench.database.close().await;
    engine.stop().await;
    Ok(())
}
