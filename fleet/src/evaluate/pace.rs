//! How fast the detector is when everything is alive: every series has a past and a present, and many machines crash in
//! every tick. Measures; judges nothing.

use std::fmt;
use std::time::{Duration, Instant};

use detector::{Crash, Detector, DetectorConfig, History, Module, RestoreError, Version};
use dump::synth::hash;

use crate::evaluate::print::thousands;

const START_MS: i64 = 1_700_000_000_000;
const TICK_MS: i64 = 2000;
const HOUR_MS: i64 = 3_600_000;
/// Hours of the past that every series has.
const PAST_HOURS: i64 = 12;
const SITES: u64 = 5000;
/// Images that a crash lists as loaded.
const MODULES: usize = 40;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceOptions {
    /// Drivers, each with a series.
    pub series: usize,
    /// Crashes in a tick, each on another machine, in drivers at random.
    pub crashes: usize,
    /// Ticks that are measured.
    pub ticks: usize,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    options: PaceOptions,
    /// Of each tick, sorted: all of it.
    whole: Vec<Duration>,
    /// Its end alone.
    ends: Vec<Duration>,
    learning: Duration,
    series: usize,
    /// Charts, machines behind raised ones, latest crashes.
    bytes: [usize; 3],
    seen_bytes: usize,
    reference_bytes: usize,
    checkpoint_bytes: usize,
    writing: Duration,
    taking_up: Duration,
    incidents: usize,
}

/// Measures a tick of a detector in which every series is alive.
pub fn pace(options: PaceOptions, progress: &dyn Fn(usize)) -> Result<Pace, RestoreError> {
    let fleet = Fleet::new(&options);
    let modules = fleet.modules();
    let begun = Instant::now();
    let mut detector = Detector::new(DetectorConfig::default(), START_MS);
    let past: Vec<History<'_>> = fleet.past(&options).collect();
    detector.learn(START_MS - PAST_HOURS * HOUR_MS, &past);
    let learning = begun.elapsed();
    drop(past);

    // until every series has crashed: no chart, no index and no list is empty when it is measured
    let warm_up = options.series.div_ceil(options.crashes.max(1));
    let (mut whole, mut ends) = (Vec::new(), Vec::new());
    for tick in 0..warm_up + options.ticks {
        let end_ms = START_MS + (tick as i64 + 1) * TICK_MS;
        let crashes: Vec<Crash<'_>> = (0..options.crashes)
            .map(|number| {
                let machine = (tick * options.crashes + number) as u64;
                let driver = if tick < warm_up { machine as usize } else { hash(machine) as usize };
                fleet.crash(driver % options.series.max(1), machine, end_ms - 1, &modules)
            })
            .collect();
        let begun = Instant::now();
        crashes.iter().for_each(|crash| detector.crash(crash));
        let ending = Instant::now();
        let steps = detector.tick(end_ms);
        let (end, all) = (ending.elapsed(), begun.elapsed());
        drop(steps);
        if tick >= warm_up {
            whole.push(all);
            ends.push(end);
        }
        progress(tick + 1);
    }
    whole.sort_unstable();
    ends.sort_unstable();

    let begun = Instant::now();
    let state = detector.checkpoint()?;
    let writing = begun.elapsed();
    let begun = Instant::now();
    let again = Detector::restore(DetectorConfig::default(), &state)?;
    let taking_up = begun.elapsed();
    let memory = again.memory();
    Ok(Pace {
        options,
        whole,
        ends,
        learning,
        series: again.series(),
        bytes: [memory.charts, memory.machines, memory.past],
        seen_bytes: memory.seen,
        reference_bytes: memory.reference,
        checkpoint_bytes: state.len(),
        writing,
        taking_up,
        incidents: again.incidents().count(),
    })
}

/// Names, prepared once.
struct Fleet {
    drivers: Vec<String>,
    sites: Vec<String>,
}

impl Fleet {
    fn new(options: &PaceOptions) -> Self {
        Self {
            drivers: (0..options.series).map(|number| format!("drv{number}.sys")).collect(),
            sites: (0..SITES).map(|number| format!("site-{number}")).collect(),
        }
    }

    /// As many machines in each hour as there will be: what is measured is an ordinary day of a large fleet.
    fn past(&self, options: &PaceOptions) -> impl Iterator<Item = History<'_>> {
        let ticks = HOUR_MS / TICK_MS;
        let machines = (options.crashes as u64 * ticks.unsigned_abs()).div_ceil(options.series.max(1) as u64);
        (0..PAST_HOURS).flat_map(move |hour| {
            let hour_ms = START_MS - (PAST_HOURS - hour) * HOUR_MS;
            self.drivers.iter().map(move |driver| History { tenant: "", driver, hour_ms, machines })
        })
    }

    /// What every machine has loaded.
    fn modules(&self) -> Vec<Module<'_>> {
        let version = Version { timestamp: 0x6000_0000, size: 0x2_0000 };
        self.drivers.iter().take(MODULES).map(|name| Module { name, version }).collect()
    }

    fn crash<'f>(&'f self, driver: usize, machine: u64, at_ms: i64, modules: &'f [Module<'f>]) -> Crash<'f> {
        Crash {
            tenant: "",
            machine: hash(machine),
            crashed_at_ms: at_ms - 10_000,
            arrived_at_ms: at_ms,
            driver: self.drivers.get(driver).map_or("", String::as_str),
            version: Version { timestamp: 0x6000_0000, size: 0x2_0000 },
            fault_offset: hash(machine) % 16 * 0x100,
            bugcheck: 0x50,
            os_build: 19045,
            bucket: "",
            model: "",
            ring: "",
            site: self.sites.get((hash(!machine) % SITES) as usize).map_or("", String::as_str),
            modules,
            suspect: false,
        }
    }
}

impl Pace {
    /// The tick that a share of the ticks is not longer than, ms.
    fn ms(sorted: &[Duration], share: f64) -> f64 {
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    }

    /// Crashes a second, with the ends of their ticks.
    fn crashes_a_second(&self) -> f64 {
        let took: f64 = self.whole.iter().map(Duration::as_secs_f64).sum();
        if took > 0.0 { (self.options.crashes * self.whole.len()) as f64 / took } else { 0.0 }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PaceOptions { crashes, ticks, .. } = self.options;
        let each = |bytes: usize| bytes as f64 / self.series.max(1) as f64;
        let mib = |bytes: usize| bytes as f64 / (1 << 20) as f64;
        let ms = |took: Duration| took.as_secs_f64() * 1000.0;
        let count = |number: usize| thousands(number as f64);
        let [median, p99, longest] = [0.5, 0.99, 1.0].map(|share| Self::ms(&self.whole, share));
        let [end, end_p99] = [0.5, 0.99].map(|share| Self::ms(&self.ends, share));
        writeln!(
            f,
            "{} series, {} crashes a tick, {} ticks",
            count(self.series),
            count(crashes),
            count(ticks)
        )?;
        writeln!(f, "  tick         median {median:.2} ms, p99 {p99:.2} ms, longest {longest:.2} ms")?;
        writeln!(f, "  its end      median {end:.2} ms, p99 {end_p99:.2} ms")?;
        writeln!(f, "  crashes      {} a second", thousands(self.crashes_a_second()))?;
        let [charts, machines, past] = self.bytes.map(each);
        let memory = charts + machines + past;
        let written = each(self.checkpoint_bytes);
        writeln!(
            f,
            "  a series     {memory:.0} bytes of memory ({charts:.0} for its charts, {machines:.0} for machines behind raised ones, {past:.0} for its latest crashes), {written:.0} of checkpoint"
        )?;
        let (seen, reference) = (mib(self.seen_bytes), mib(self.reference_bytes));
        writeln!(
            f,
            "  beside them  {seen:.1} MiB of machines counted lately, {reference:.1} MiB to compare with"
        )?;
        let (size, writing, taking) = (mib(self.checkpoint_bytes), ms(self.writing), ms(self.taking_up));
        writeln!(f, "  checkpoint   {size:.1} MiB, written in {writing:.0} ms, taken up in {taking:.0} ms")?;
        writeln!(f, "  learning     {:.0} ms from {PAST_HOURS} hours of every series", ms(self.learning))?;
        write!(f, "  incidents    {}", self.incidents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tick_is_measured() {
        let options = PaceOptions { series: 50, crashes: 20, ticks: 7 };
        let calls = std::cell::Cell::new(0);
        let pace = pace(options, &|tick| calls.set(tick)).unwrap();
        // three ticks until every series was alive
        assert_eq!((pace.whole.len(), pace.ends.len(), calls.get()), (7, 7, 10));
        assert!(pace.to_string().contains("20 crashes a tick, 7 ticks"), "{pace}");
    }
}
