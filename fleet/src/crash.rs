//! One crash of one machine, and the dump that Windows would have left of it. Knows the truth that the analyzer must
//! find out: what did it, and where.

use dump::synth::{SmallDump, SynthDetails, SynthDriver, SynthWriter, hash, windows_drivers};

use crate::machines::{Fleet, Machine};
use crate::outages::{Architecture, OutageCrash};

mod cause;
mod power;
mod scene;

pub use cause::Cause;
use scene::Scene;

/// One crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Place in [`Fleet::machines`].
    pub machine: usize,
    /// What happened.
    pub cause: Cause,
    /// Place in [`Fleet::drivers`] of the one that did it.
    pub driver: Option<usize>,
    /// Where in that driver.
    pub offset: u64,
    /// The address that was touched.
    pub touched: u64,
    /// How it looks, where it is one of the fleet's outage.
    pub of: Option<&'static OutageCrash>,
    /// Crash time: FILETIME.
    pub system_time: u64,
    /// Boot counter of the machine.
    pub boot_id: u32,
}

impl Crash {
    /// The driver that has to be blamed.
    pub fn truth<'a>(&self, fleet: &'a Fleet) -> Option<&'a str> {
        self.driver.map(|place| fleet.drivers[place].name)
    }
}

/// The Windows that crashes: the machine's, unless the outage was one of another.
struct System {
    build: u32,
    ubr: Option<u32>,
    architecture: Architecture,
}

impl System {
    fn of(fleet: &Fleet, crash: &Crash) -> Self {
        let machine = &fleet.machines[crash.machine];
        let outage = crash.of.and(fleet.outage);
        let architecture = outage.map_or(Architecture::X64, |outage| outage.machine);
        let build = match (outage.and_then(|outage| outage.build), architecture) {
            (Some(build), _) => build,
            (None, Architecture::X64) => machine.build,
            (None, Architecture::X86) => WINDOWS_7,
        };
        Self { build, ubr: (build == machine.build).then_some(machine.ubr), architecture }
    }

    fn drivers(&self, boot: u64, third_party: &[(&str, u32, u32)]) -> Vec<SynthDriver> {
        let mut drivers = windows_drivers(self.build, boot, third_party);
        if self.architecture == Architecture::X86 {
            // nothing is moved about at a boot of these systems, and the kernel lies where XP's did
            let mut next = 0x804d_7000;
            for driver in &mut drivers {
                driver.size = driver.size.min(MOST_ON_X86);
                driver.base = next;
                next += u64::from(driver.size.next_multiple_of(0x1000));
            }
        }
        drivers
    }
}

/// The only Windows of 32 bits whose structures the writer knows by heart.
const WINDOWS_7: u32 = 7601;
/// Two hundred drivers have to fit below the stacks and pools of a 32-bit kernel.
const MOST_ON_X86: u32 = 0x41_5000;

/// Describes the dump of a crash, `bytes` long or as short as it can be.
pub fn describe(fleet: &Fleet, crash: &Crash, writer: SynthWriter, bytes: usize) -> SmallDump {
    let machine = &fleet.machines[crash.machine];
    let system = System::of(fleet, crash);
    // addresses change with every boot
    let boot = hash(machine.seed ^ u64::from(crash.boot_id));
    let drivers = system.drivers(boot, &third_party(fleet, machine, crash));
    let scene = Scene::new(fleet, crash, &drivers, boot, system.architecture);
    let events = scene.play(crash);
    let [list, debugger_data] = scene.lists();
    let dump = SmallDump {
        writer,
        build: system.build,
        ubr: system.ubr,
        bugcheck: crash.cause.raw(),
        parameters: events.parameters,
        system_time: crash.system_time,
        // most machines crash within the first day; boot loops within the first minute
        uptime: if crash.boot_id > FIRST_BOOT_LOOP { 300_000_000 } else { 10_000_000 * (boot % 90_000) },
        processors: machine.processors,
        boot_id: crash.boot_id,
        unloaded: unloaded(scene.kernel()),
        process: events.process.to_owned(),
        state: events.state,
        registers: events.registers,
        stack_base: events.stack_base,
        blocks: events.blocks,
        stack: events.stack,
        smbios: Some(machine.smbios.clone()),
        processor: Some(machine.processor.clone()),
        ps_loaded_module_list: list,
        kd_debugger_data_block: debugger_data,
        filler: 0,
        seed: boot,
        details: SynthDetails { live: crash.cause.is_live(), ..SynthDetails::default() },
        drivers,
    };
    sized(dump, bytes)
}

/// Boot counters of machines that are caught in a loop start here.
pub(crate) const FIRST_BOOT_LOOP: u32 = 1000;

/// Fills up to `bytes`. What a dump comes to without filler is estimated: close enough, and the dump is written once.
fn sized(dump: SmallDump, bytes: usize) -> SmallDump {
    const DRIVER_AND_NAME: usize = 0x90 + 0x28;
    let fixed = match dump.build {
        ..=21999 => 97_000,
        22000..=26099 => 101_500,
        _ => 104_400,
    };
    let least = fixed + DRIVER_AND_NAME * dump.drivers.len();
    SmallDump { filler: bytes.saturating_sub(least), ..dump }
}

fn third_party(fleet: &Fleet, machine: &Machine, crash: &Crash) -> Vec<(&'static str, u32, u32)> {
    let mut installed = machine.installed.clone();
    if let Some(driver) = crash.driver
        && !fleet.drivers[driver].is_inbox()
        && !installed.contains(&driver)
    {
        installed.push(driver);
    }
    images(fleet, machine, &installed)
}

/// Name, size and PE timestamp of what a machine runs, in load order.
pub(crate) fn images(fleet: &Fleet, machine: &Machine, installed: &[usize]) -> Vec<(&'static str, u32, u32)> {
    let image = |&place: &usize| {
        let driver = &fleet.drivers[place];
        (driver.name, driver.size, build_of(fleet, machine, place))
    };
    installed.iter().map(image).collect()
}

/// PE timestamp of the build that a machine runs: no fleet runs one build of anything. Of what brought an outage by its own
/// update there is only the build that brought it.
fn build_of(fleet: &Fleet, machine: &Machine, place: usize) -> u32 {
    const MONTH: u32 = 30 * 86_400;
    let newest = fleet.drivers[place].timestamp;
    if fleet.is_of_update(place) {
        return newest;
    }
    match hash(machine.seed ^ place as u64) % 10 {
        0..6 => newest,
        6..9 => newest.saturating_sub(MONTH),
        _ => newest.saturating_sub(3 * MONTH),
    }
}

fn unloaded(kernel: u64) -> Vec<(String, u64, u64)> {
    ["dump_storpor", "dump_stornvm", "dump_dumpfve", "WdmCompanion"]
        .into_iter()
        .enumerate()
        .map(|(place, name)| {
            let start = kernel + 0x7000_0000 + 0x10_0000 * place as u64;
            (name.to_owned(), start, start + 0xf000)
        })
        .collect()
}

#[cfg(test)]
mod tests;
