//! One crash of one machine, and the dump that Windows would have left of it. Knows the truth that the analyzer must
//! find out: what did it, and where.

use dump::synth::{
    SmallDump, SynthDetails, SynthDriver, SynthRegisters, SynthState, SynthWriter, exception_record, hash,
    noise, stack_page, trap_frame, windows_drivers,
};

use crate::machines::{Fleet, Machine};
use crate::stack::{CONTEXT_AT, EXCEPTION_AT, FRAMES_AT, Stack, TRAP_FRAME_AT};

/// How a machine came down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// 0xD1: a driver touched paged memory at a raised IRQL.
    Irql,
    /// 0x50: a driver read an address that nothing backs.
    PageFault,
    /// 0x3B: the same inside a system call, with the context in stack memory.
    SystemService,
    /// 0x1000007E: the same in a system thread, with exception record and context in stack memory.
    ThreadException,
    /// 0x9F: a driver held a power IRP for too long.
    PowerIrp,
    /// 0x133: a DPC ran for too long.
    DpcWatchdog,
    /// 0x139: a driver corrupted a list.
    FastFail,
    /// 0x1A: page tables are damaged; nobody can say by whom.
    MemoryManagement,
    /// 0x124: the hardware reported an error.
    Hardware,
    /// 0xA in the kernel, with only the kernel on the stack.
    KernelOnly,
}

impl Cause {
    /// Causes that a driver can be blamed for.
    pub const OF_DRIVERS: [Self; 7] = [
        Self::Irql,
        Self::PageFault,
        Self::SystemService,
        Self::ThreadException,
        Self::PowerIrp,
        Self::DpcWatchdog,
        Self::FastFail,
    ];
    /// Causes that no driver can be blamed for.
    pub const OF_NOBODY: [Self; 3] = [Self::MemoryManagement, Self::Hardware, Self::KernelOnly];
}

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

/// Describes the dump of a crash, `bytes` long or as short as it can be.
pub fn describe(fleet: &Fleet, crash: &Crash, writer: SynthWriter, bytes: usize) -> SmallDump {
    let machine = &fleet.machines[crash.machine];
    // addresses change with every boot
    let boot = hash(machine.seed ^ u64::from(crash.boot_id));
    let drivers = loaded(fleet, machine, crash, boot);
    let scene = Scene::new(fleet, crash, &drivers, boot);
    let events = scene.play(crash);
    let dump = SmallDump {
        writer,
        build: machine.build,
        ubr: Some(machine.ubr),
        bugcheck: events.bugcheck,
        parameters: events.parameters,
        system_time: crash.system_time,
        // most machines crash within the first day; boot loops within the first minute
        uptime: if crash.boot_id > FIRST_BOOT_LOOP { 300_000_000 } else { 10_000_000 * (boot % 90_000) },
        processors: machine.processors,
        boot_id: crash.boot_id,
        unloaded: unloaded(scene.kernel),
        process: events.process.to_owned(),
        state: SynthState::default(),
        registers: events.registers.into(),
        stack_base: scene.stack_base,
        blocks: events.blocks,
        stack: events.stack,
        smbios: Some(machine.smbios.clone()),
        processor: Some(machine.processor.clone()),
        ps_loaded_module_list: scene.kernel + 0xc2_a770,
        kd_debugger_data_block: scene.kernel + 0xc0_0b20,
        filler: 0,
        seed: boot,
        details: SynthDetails::default(),
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

fn loaded(fleet: &Fleet, machine: &Machine, crash: &Crash, boot: u64) -> Vec<SynthDriver> {
    let mut installed = machine.installed.clone();
    if let Some(driver) = crash.driver
        && !fleet.drivers[driver].is_inbox()
        && !installed.contains(&driver)
    {
        installed.push(driver);
    }
    let third_party: Vec<_> = installed
        .into_iter()
        .map(|place| &fleet.drivers[place])
        .map(|driver| (driver.name, driver.size, driver.timestamp))
        .collect();
    windows_drivers(machine.build, boot, &third_party)
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

/// What a bug check leaves behind.
struct Events {
    bugcheck: u32,
    parameters: [u64; 4],
    registers: SynthRegisters,
    process: &'static str,
    stack: Vec<u8>,
    blocks: Vec<(u64, Vec<u8>)>,
}

/// The addresses that a crash plays with.
struct Scene {
    kernel: u64,
    culprit: Option<SynthDriver>,
    bus: u64,
    framework: u64,
    stack_base: u64,
    fault: u64,
    boot: u64,
}

impl Scene {
    fn new(fleet: &Fleet, crash: &Crash, drivers: &[SynthDriver], boot: u64) -> Self {
        let find = |name: &str| drivers.iter().find(|driver| driver.name.eq_ignore_ascii_case(name)).cloned();
        let kernel = drivers.first().map_or(0, |driver| driver.base);
        let culprit = crash.truth(fleet).and_then(find);
        let fault = culprit.as_ref().map_or(kernel + 0x2a_61c3, |driver| driver.base + crash.offset);
        Self {
            kernel,
            culprit,
            bus: find("pci.sys").map_or(0, |driver| driver.base),
            framework: find("FLTMGR.SYS").map_or(0, |driver| driver.base),
            stack_base: 0xffff_9405_0000_0000 | (hash(boot) & 0xffff_f000) | 0x688,
            fault,
            boot,
        }
    }

    fn play(&self, crash: &Crash) -> Events {
        let address = |at: usize| self.stack_base + at as u64;
        let faulting = SynthRegisters {
            rip: self.fault,
            rsp: address(FRAMES_AT),
            rax: 1,
            r8: crash.touched,
            rcx: crash.touched & !0xff,
            ..SynthRegisters::default()
        };
        let mut stack = self.stack();
        let mut blocks = vec![
            (self.kernel + 0xc3_1ee0, noise(self.boot, 0x10)),
            (self.fault & !0xfff, noise(self.boot ^ 1, 0x1000)),
            (self.kernel + 0x20_b000, noise(self.boot ^ 2, 0x1000)),
        ];
        let access = [0, crash.touched];
        let status = 0xc000_0005_u32;
        let mut registers = SynthRegisters {
            rip: self.kernel + 0x3f_4e40,
            rsp: self.stack_base,
            rcx: 0,
            ..SynthRegisters::default()
        };
        let (bugcheck, parameters) = match crash.cause {
            Cause::Irql => {
                stack.put(TRAP_FRAME_AT, &trap_frame(&faulting, crash.touched));
                (0xd1, [crash.touched, 2, 0, self.fault])
            }
            Cause::PageFault => {
                stack.put(TRAP_FRAME_AT, &trap_frame(&faulting, crash.touched));
                (0x50, [crash.touched, 0, self.fault, 2])
            }
            Cause::SystemService => {
                stack.put_exception(status, &faulting, &access);
                (0x3b, [u64::from(status), self.fault, address(CONTEXT_AT), 0])
            }
            Cause::ThreadException => {
                stack.put_exception(status, &faulting, &access);
                registers = faulting;
                let status = 0xffff_ffff_0000_0000 | u64::from(status);
                (0x1000_007e, [status, self.fault, address(EXCEPTION_AT), address(CONTEXT_AT)])
            }
            Cause::PowerIrp => (0x9f, self.hold_power_irp(&mut blocks)),
            Cause::DpcWatchdog => {
                stack.put(TRAP_FRAME_AT, &trap_frame(&faulting, 0));
                (0x133, [1, 0x1e00, self.kernel + 0xcf_b320, 0])
            }
            Cause::FastFail => {
                stack.put(TRAP_FRAME_AT, &trap_frame(&faulting, 0));
                stack.put(EXCEPTION_AT, &exception_record(0xc000_0409, self.fault, &[3]));
                (0x139, [3, address(TRAP_FRAME_AT), address(EXCEPTION_AT), 0])
            }
            Cause::MemoryManagement => (0x1a, [0x41792, 0xffff_8b00_0000_0000 | self.boot & 0xff_fff8, 4, 0]),
            Cause::Hardware => {
                (0x124, [0, 0xffff_d20b_0000_0028 | self.boot & 0xffff_f000, 0xbe00_0000, 0x80_0400])
            }
            Cause::KernelOnly => (0xa, [0x18, 2, 0, self.fault]),
        };
        let stack = stack.into_bytes();
        blocks.push(stack_page(self.stack_base, &stack));
        Events { bugcheck, parameters, registers, process: self.process(crash.cause), stack, blocks }
    }

    fn process(&self, cause: Cause) -> &'static str {
        match cause {
            Cause::SystemService => {
                ["chrome.exe", "explorer.exe", "Teams.exe", "svchost.exe"][self.boot as usize % 4]
            }
            _ => "System",
        }
    }

    /// The bug check's own frames, then what the thread was doing: the culprit, whoever called it, the kernel.
    fn stack(&self) -> Stack {
        let mut stack = Stack::new(self.stack_base, self.boot);
        for (place, offset) in [0x40_8f29, 0x40_4c12, 0x3f_d1bb].into_iter().enumerate() {
            stack.frame(0x08 + 0x48 * place, self.kernel + offset);
        }
        let mut at = FRAMES_AT + 0x28;
        let mut call = |stack: &mut Stack, address: u64| {
            stack.frame(at, address);
            at += 0x60;
        };
        if let Some(culprit) = &self.culprit {
            for depth in 1..4 {
                let offset =
                    0x1000 + hash(u64::from(culprit.timestamp) + depth) % u64::from(culprit.size - 0x1000);
                call(&mut stack, culprit.base + offset);
            }
            call(&mut stack, self.framework + 0x4_b1c6);
        }
        for offset in [0x25_3f15, 0x2f_0a65, 0x35_5995, 0x3f_e7f8] {
            call(&mut stack, self.kernel + offset);
        }
        stack
    }

    /// Device, driver object, IRP and stack location, as far as a reader must follow them to whoever holds the IRP.
    fn hold_power_irp(&self, blocks: &mut Vec<(u64, Vec<u8>)>) -> [u64; 4] {
        let pool = 0xffff_d20b_0000_0000 | self.boot & 0x7fff_0000;
        let [pdo, device, bus_object, object, irp, name] =
            [0x0, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000].map(|offset| pool + offset);
        let (start, size) = self.culprit.as_ref().map_or((0, 0), |driver| (driver.base, driver.size));
        let path = self.culprit.as_ref().map_or_else(String::new, |driver| {
            format!("\\Driver\\{}", driver.name.split('.').next().unwrap_or_default())
        });
        let words = |len: usize, values: &[(usize, u64)]| {
            let mut block = vec![0; len];
            for &(at, value) in values {
                block[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            block
        };
        let units: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let name_len = units.len() as u64;
        let driver_object = |start: u64, size: u64| {
            let name_words = (0x38, name_len | name_len << 16);
            words(0x150, &[(0, 0x0150_0004), (0x18, start), (0x20, size), name_words, (0x40, name)])
        };
        let location = irp + 0xd0;
        blocks.push((pdo, words(0x150, &[(0, 0x0150_0003), (0x08, bus_object), (0x18, device)])));
        blocks.push((device, words(0x150, &[(0, 0x0150_0003), (0x08, object)])));
        blocks.push((bus_object, driver_object(self.bus, 0x8_0000)));
        blocks.push((object, driver_object(start, u64::from(size))));
        blocks
            .push((irp, words(0x118, &[(0, 0x0118_0006), (0xb8, location), (0xd0, 0x0216), (0xf8, device)])));
        blocks.push((name, units));
        [3, pdo, self.kernel + 0xc4_0990, irp]
    }
}

#[cfg(test)]
mod tests;
