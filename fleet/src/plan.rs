//! Who crashes when: the background of a fleet, and the outage in it. A function of configuration and start.

use std::time::Duration;

use dump::synth::{SynthWriter, hash};

use crate::crash::{Cause, Crash, FIRST_BOOT_LOOP};
use crate::machines::Fleet;
use crate::outages::{Culprit, Outage, OutageCrash};
use crate::random::{Random, Zipf};

/// How fast things happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanConfig {
    /// Time before the outage, with background crashes only.
    pub warm_up: Duration,
    /// How long the outage goes on.
    pub outage: Duration,
    /// Background crashes a second.
    pub background_per_s: f64,
    /// Machines that the fleet's outage takes down; zero for no outage.
    pub victims: usize,
    /// What everything is drawn from.
    pub seed: u64,
}

/// How a crash gets to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// The dump as the body.
    Raw,
    /// The dump as the body, zstd-compressed.
    Zstd,
    /// A form, as a browser or `curl -F` sends it.
    Form,
}

/// One upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// When, from the start of the drill.
    pub after: Duration,
    /// Of what.
    pub crash: Crash,
    /// How.
    pub way: Way,
    /// Which of the two forms of the crash's dump.
    pub writer: SynthWriter,
    /// The same crash once more: a retry that the client was not sure about, or the other form of its dump.
    pub repeat: bool,
}

/// The FILETIME of milliseconds since 1970.
pub(crate) fn file_time(unix_ms: i64) -> u64 {
    const FROM_1601_TO_1970_MS: i64 = 11_644_473_600_000;
    unix_ms.saturating_add(FROM_1601_TO_1970_MS).max(0) as u64 * 10_000
}

/// Share of the outage's machines that come back up and crash again.
const BOOT_LOOPS: f64 = 0.15;
/// Share of uploads that are sent twice.
const RETRIES: f64 = 0.05;
/// Share of crashes of which the debugger engine's dump arrives as well.
const BOTH_FORMS: f64 = 0.03;
/// Share of background crashes that nobody is to blame for.
const NOBODYS: f64 = 0.2;

/// The uploads of a drill that starts at `start_ms`, in the order of their times.
pub fn plan(fleet: &Fleet, config: &PlanConfig, start_ms: i64) -> Vec<Upload> {
    let mut planner = Planner {
        fleet,
        config,
        start_ms,
        random: Random::new(config.seed),
        uploads: Vec::new(),
        crashes: 0,
    };
    if !fleet.machines.is_empty() {
        planner.background();
        planner.outage();
    }
    planner.uploads.sort_by_key(|upload| upload.after);
    planner.uploads
}

struct Planner<'a> {
    fleet: &'a Fleet,
    config: &'a PlanConfig,
    start_ms: i64,
    random: Random,
    uploads: Vec<Upload>,
    crashes: u64,
}

impl Planner<'_> {
    fn background(&mut self) {
        let end = (self.config.warm_up + self.config.outage).as_secs_f64();
        // the outage's own are quiet until then
        let ranks = Zipf::new(self.fleet.background);
        for at in arrivals(&mut self.random, self.config.background_per_s, 0.0, end) {
            let crash = if self.random.chance(NOBODYS) { self.nobodys() } else { self.some_drivers(&ranks) };
            self.send(at, crash);
        }
    }

    fn nobodys(&mut self) -> Crash {
        let cause = Cause::OF_NOBODY[self.random.below(Cause::OF_NOBODY.len())];
        self.crash(cause, None, 0, 0x18)
    }

    /// Every driver has two bugs, and each bug one way to show.
    fn some_drivers(&mut self, ranks: &Zipf) -> Crash {
        let driver = ranks.pick(&mut self.random);
        let bug = hash(driver as u64 * 2 + self.random.below(2) as u64);
        let cause = Cause::OF_DRIVERS[(bug % Cause::OF_DRIVERS.len() as u64) as usize];
        let size = u64::from(self.fleet.drivers[driver].size.max(0x1_0000));
        let offset = 0x1000 + (bug >> 8) % (size - 0x2000);
        let mut crash = self.crash(cause, Some(driver), offset, 0x10 + (bug >> 40 & 0xf8));
        if let Some(machine) = self.machine_running(driver) {
            crash.machine = machine;
        }
        crash
    }

    /// A machine that has the driver; where some dozens have not, any will do, as if it had just been installed.
    fn machine_running(&mut self, driver: usize) -> Option<usize> {
        let everywhere = self.fleet.drivers[driver].is_inbox();
        (0..64)
            .map(|_| self.random.below(self.fleet.machines.len()))
            .find(|&machine| everywhere || self.fleet.machines[machine].installed.contains(&driver))
    }

    /// First crashes are spread evenly at random; where fewer machines are exposed, all of them go down.
    fn outage(&mut self) {
        let Some(outage) = self.fleet.outage.filter(|outage| outage.has_dumps()) else { return };
        let mut machines = self.fleet.exposed();
        self.random.shuffle(&mut machines);
        machines.truncate(self.config.victims);
        let from = self.config.warm_up.as_secs_f64();
        let length = self.config.outage.as_secs_f64();
        for machine in machines {
            let at = from + length * self.random.unit();
            let crash = Crash { machine, ..self.outage_crash(outage) };
            self.send(at, crash);
            if outage.culprit == Culprit::Hardware {
                self.other_ways(outage, crash, from + length);
            } else if self.random.chance(BOOT_LOOPS) {
                self.boot_loop(at, crash, from + length);
            }
        }
    }

    /// One of the outage's ways to crash, by their shares.
    fn outage_crash(&mut self, outage: &'static Outage) -> Crash {
        let mut mark = self.random.below(100) as u32;
        let drawn = outage.crashes.iter().find(|look| {
            let found = mark < look.share;
            mark = mark.saturating_sub(look.share);
            found
        });
        let look = drawn.or(outage.crashes.last());
        self.crash_like(look)
    }

    fn crash_like(&mut self, look: Option<&'static OutageCrash>) -> Crash {
        let Some(look) = look else { return self.nobodys() };
        let driver = look.driver.as_deref().and_then(|name| self.fleet.outage_driver(name));
        Crash { of: Some(look), ..self.crash(look.cause, driver, look.offset, look.touched) }
    }

    /// Broken hardware does not break twice in the same way: the machine goes through all the others too.
    fn other_ways(&mut self, outage: &'static Outage, first: Crash, end: f64) {
        for (round, look) in (1..).zip(outage.crashes.iter().filter(|look| first.of != Some(look))) {
            let at = end - (end - self.config.warm_up.as_secs_f64()) * self.random.unit();
            let crash = self.crash_like(Some(look));
            self.send(at, Crash { machine: first.machine, boot_id: first.boot_id + round, ..crash });
        }
    }

    /// Up again, down again: the same machine, the same fault, another boot. A drill's reboot takes seconds.
    fn boot_loop(&mut self, first: f64, crash: Crash, end: f64) {
        let rounds = 1 + self.random.below(4) as u32;
        for round in 1..=rounds {
            let at = first + f64::from(round) * (3.0 + 5.0 * self.random.unit());
            if at > end {
                return;
            }
            self.send(at, Crash { boot_id: FIRST_BOOT_LOOP + crash.boot_id + round, ..crash });
        }
    }

    fn crash(&mut self, cause: Cause, driver: Option<usize>, offset: u64, touched: u64) -> Crash {
        let machine = self.random.below(self.fleet.machines.len());
        Crash {
            machine,
            cause,
            driver,
            offset,
            touched,
            of: None,
            system_time: 0,
            boot_id: 1 + self.random.below(400) as u32,
        }
    }

    /// Plans the upload of a crash, and those that should change no count.
    fn send(&mut self, at: f64, crash: Crash) {
        self.crashes += 1;
        let crash_ms = self.start_ms + (at * 1000.0) as i64;
        // no two crashes of a drill share their last digits
        let ticks = (self.crashes.wrapping_mul(7919)) % 10_000;
        let crash = Crash { system_time: file_time(crash_ms) + ticks, ..crash };
        let way = match self.random.below(100) {
            0..5 => Way::Form,
            5..45 => Way::Raw,
            _ => Way::Zstd,
        };
        let first = Upload {
            after: Duration::from_secs_f64(at),
            crash,
            way,
            writer: SynthWriter::Kernel,
            repeat: false,
        };
        self.uploads.push(first);
        let later = Duration::from_secs_f64(0.2 + 2.0 * self.random.unit());
        if self.random.chance(RETRIES) {
            self.uploads.push(Upload { after: first.after + later, repeat: true, ..first });
        }
        if self.random.chance(BOTH_FORMS) {
            let writer = SynthWriter::DebugEngine;
            self.uploads.push(Upload { after: first.after + 2 * later, writer, repeat: true, ..first });
        }
    }
}

/// Times of a Poisson process in seconds.
fn arrivals(random: &mut Random, per_second: f64, from: f64, end: f64) -> Vec<f64> {
    let mut times = Vec::new();
    if per_second <= 0.0 {
        return times;
    }
    let mut at = from + random.gap(per_second);
    while at < end {
        times.push(at);
        at += random.gap(per_second);
    }
    times
}

#[cfg(test)]
mod tests;
