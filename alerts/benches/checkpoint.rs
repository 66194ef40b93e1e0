//! What a checkpoint costs by the size of the fleet: its bytes, the time to make it, to write it durably, and to take it up.
//! Arguments are numbers of machines; without any, three sizes.
#![expect(clippy::print_stdout, reason = "a benchmark speaks")]

use std::time::{Duration, Instant};

use detector::{Beat, Crash, Detector, DetectorConfig, Install, Module, Version};
use storage::alert_store::{AlertStore, Turn};
use storage::signals::Marks;

/// Drivers of the fleet, and of one machine.
const DRIVERS: u64 = 10_000;
const OF_A_MACHINE: u64 = 12;
const MACHINES_OF_A_SITE: u64 = 2_000;

type Fault = Box<dyn std::error::Error>;

fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// A fleet that sent inventories, half an hour of heartbeats, and crashes of one machine in a hundred.
fn fleet(machines: u64) -> Detector {
    let mut detector = Detector::new(DetectorConfig::default(), 0);
    let names: Vec<String> = (0..DRIVERS).map(|number| format!("driver{number}.sys")).collect();
    let name = |number: u64| -> &str {
        usize::try_from(number % DRIVERS).ok().and_then(|at| names.get(at)).map_or("", String::as_str)
    };
    let version = Version { timestamp: 0x6690_2C2A, size: 0x10000 };
    for number in 0..machines {
        let machine = mix(number);
        let site = format!("site-{}", number / MACHINES_OF_A_SITE);
        // Most machines of a fleet are alike: models and images come from few installations.
        let kind = machine % 500;
        let modules: Vec<Module<'_>> = (0..OF_A_MACHINE)
            .map(|at| Module { name: name(mix(kind * OF_A_MACHINE + at)), version })
            .collect();
        let (model, ring) = (format!("model {}", kind % 40), "broad");
        let os_build = 19045;
        detector.install(&Install {
            tenant: "",
            machine,
            at_ms: 1,
            site: &site,
            ring,
            model: &model,
            os_build,
            modules: &modules,
        });
    }
    for minute in 1..=6_i64 {
        let at_ms = minute * 300_000;
        for number in 0..machines {
            detector.beat(&Beat { tenant: "", machine: mix(number), at_ms, farewell: false });
        }
        detector.tick(at_ms);
    }
    let at_ms = 1_900_000;
    for number in 0..machines / 100 {
        let machine = mix(number * 100);
        let site = format!("site-{}", number * 100 / MACHINES_OF_A_SITE);
        detector.crash(&Crash {
            tenant: "",
            machine,
            crashed_at_ms: at_ms - 30_000,
            arrived_at_ms: at_ms,
            driver: name(mix(number)),
            version,
            fault_offset: 0x1234,
            bugcheck: 0x50,
            os_build: 19045,
            bucket: "AV_x",
            model: "model 1",
            ring: "broad",
            site: &site,
            modules: &[],
            suspect: false,
        });
    }
    detector.tick(at_ms + 1000);
    detector
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let asked: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![10_000, 100_000, 1_000_000] } else { asked };
    println!("machines     state MB   B/machine   make ms   write ms   take up ms   at 2 % every");
    for machines in sizes {
        let detector = fleet(machines);
        let begun = Instant::now();
        let state = detector.checkpoint()?;
        let made = begun.elapsed();
        let bytes = state.len();
        let dir = tempfile::TempDir::new()?;
        let store = AlertStore::open(dir.path()).await?;
        let mut wrote = Duration::MAX;
        for _ in 0..3 {
            let begun = Instant::now();
            let turn = Turn { checkpoint: Some((state.clone(), Marks::default())), ..Turn::default() };
            store.commit(turn).await?;
            wrote = wrote.min(begun.elapsed());
        }
        let begun = Instant::now();
        let Some((kept, _)) = store.checkpoint().await? else { return Err("no checkpoint".into()) };
        Detector::restore(DetectorConfig::default(), &kept)?;
        let restored = begun.elapsed();
        store.close().await;
        println!(
            "{machines:<12} {:>8.1} {:>11.0} {:>9.0} {:>10.0} {:>12.0} {:>12.0} s",
            bytes as f64 / 1e6,
            bytes as f64 / machines as f64,
            made.as_secs_f64() * 1e3,
            wrote.as_secs_f64() * 1e3,
            restored.as_secs_f64() * 1e3,
            ((made + wrote) * 50).as_secs_f64().clamp(30.0, 900.0),
        );
    }
    Ok(())
}
