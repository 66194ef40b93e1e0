//! What a crash leaves behind: the parameters of its bug check, registers, records, the stack. Owns how each cause looks
//! in a dump; knows neither plans nor the format.

use dump::synth::{
    SynthContext, SynthDriver, SynthRegisters, SynthState, SynthX86Registers, hash, noise, stack_page,
    trap_frame,
};

use super::power::HeldRequest;
use super::{Cause, Crash};
use crate::machines::Fleet;
use crate::outages::{Architecture, OutageCrash};
use crate::stack::{CONTEXT_AT, EXCEPTION_AT, FRAMES_AT, Stack, TRAP_FRAME_AT};

/// What a bug check leaves behind.
pub(super) struct Events {
    pub(super) parameters: [u64; 4],
    pub(super) registers: SynthContext,
    pub(super) state: SynthState,
    pub(super) process: &'static str,
    pub(super) stack_base: u64,
    pub(super) stack: Vec<u8>,
    pub(super) blocks: Vec<(u64, Vec<u8>)>,
}

/// The addresses that a crash plays with.
pub(super) struct Scene<'a> {
    architecture: Architecture,
    drivers: &'a [SynthDriver],
    look: Option<&'static OutageCrash>,
    culprit: Option<&'a SynthDriver>,
    stack_base: u64,
    /// The failing instruction.
    fault: u64,
    touched: u64,
    boot: u64,
}

const ACCESS_VIOLATION: u32 = 0xc000_0005;
const IN_PAGE_ERROR: u32 = 0xc000_0006;
const STACK_BUFFER_OVERRUN: u32 = 0xc000_0409;
const NO_SUCH_DEVICE: u32 = 0xc000_000e;
/// Codes of exceptions that parameters carry sign-extended.
const SIGNED: u64 = 0xffff_ffff_0000_0000;
/// `KTRAP_FRAME` of a 32-bit fault in the kernel: the interrupted stack goes on here.
const X86_TRAP_FRAME: usize = 0x74;

impl<'a> Scene<'a> {
    pub(super) fn new(
        fleet: &Fleet,
        crash: &Crash,
        drivers: &'a [SynthDriver],
        boot: u64,
        architecture: Architecture,
    ) -> Self {
        let stack_base = match architecture {
            Architecture::X64 => 0xffff_9405_0000_0000 | (hash(boot) & 0xffff_f000) | 0x688,
            Architecture::X86 => 0xf600_0000 | (hash(boot) & 0xff_f000) | 0x688,
        };
        let mut scene = Self {
            architecture,
            drivers,
            look: crash.of,
            culprit: None,
            stack_base,
            fault: 0,
            touched: crash.touched,
            boot,
        };
        scene.culprit = crash.truth(fleet).and_then(|name| scene.find(name));
        let other = crash.of.and_then(|look| look.fault_in.as_deref()).and_then(|name| scene.find(name));
        scene.fault = match other.or(scene.culprit) {
            Some(image) => image.base + crash.offset,
            None => scene.kernel() + 0x2a_61c3,
        };
        scene
    }

    fn find(&self, name: &str) -> Option<&'a SynthDriver> {
        self.drivers.iter().find(|driver| driver.name.eq_ignore_ascii_case(name))
    }

    /// Where the kernel lies.
    pub(super) fn kernel(&self) -> u64 {
        self.drivers.first().map_or(0, |driver| driver.base)
    }

    fn is_narrow(&self) -> bool {
        self.architecture == Architecture::X86
    }

    /// Addresses of the kernel's list of drivers and of its data for debuggers.
    pub(super) fn lists(&self) -> [u64; 2] {
        let offsets = if self.is_narrow() { [0x14_a5b0, 0x12_ac30] } else { [0xc2_a770, 0xc0_0b20] };
        offsets.map(|offset| self.kernel() + offset)
    }

    /// An address in pool: 64 KiB from there on are the crash's own.
    fn pool(&self) -> u64 {
        match self.architecture {
            Architecture::X64 => 0xffff_d20b_0000_0000 | self.boot & 0x7fff_0000,
            Architecture::X86 => 0xe100_0000 | self.boot & 0xff_0000,
        }
    }

    fn on_stack(&self, at: usize) -> u64 {
        self.stack_base + at as u64
    }

    fn trap_frame_at(&self) -> usize {
        if self.is_narrow() { FRAMES_AT - X86_TRAP_FRAME } else { TRAP_FRAME_AT }
    }

    /// Registers at `pc`, with the stack pointer at `sp`.
    fn registers(&self, pc: u64, sp: u64, touched: u64) -> SynthContext {
        match self.architecture {
            Architecture::X64 => SynthRegisters {
                rip: pc,
                rsp: sp,
                rax: 1,
                r8: touched,
                rcx: touched & !0xff,
                ..SynthRegisters::default()
            }
            .into(),
            Architecture::X86 => SynthX86Registers {
                eip: pc as u32,
                esp: sp as u32,
                ebp: sp as u32 + 0x40,
                ecx: touched as u32,
                ..SynthX86Registers::default()
            }
            .into(),
        }
    }

    pub(super) fn play(&self, crash: &Crash) -> Events {
        let faulting = self.registers(self.fault, self.on_stack(FRAMES_AT), self.touched);
        let mut stack = self.stack();
        if self.record(crash.cause, &mut stack, &faulting) && self.look.is_some() {
            self.leave_behind(&mut stack);
        }
        let (parameters, mut blocks) = self.parameters(crash.cause);
        let stack = stack.into_bytes();
        blocks.extend(self.memory());
        blocks.push(stack_page(self.stack_base, &stack));
        let registers = if crash.cause.is_in_header() {
            faulting
        } else {
            self.registers(self.kernel() + 0x3f_4e40, self.stack_base, 0)
        };
        let mut state = SynthState::default();
        if crash.cause == Cause::CriticalProcess {
            state = SynthState { process: self.pool(), process_id: 0x2e4, ..state };
        }
        Events {
            parameters,
            registers,
            state,
            process: self.process(crash.cause),
            stack_base: self.stack_base,
            stack,
            blocks,
        }
    }

    /// Memory that every dump has a little of.
    fn memory(&self) -> Vec<(u64, Vec<u8>)> {
        let mut memory = vec![(self.fault & !0xfff, noise(self.boot ^ 1, 0x1000))];
        if !self.is_narrow() {
            memory.insert(0, (self.kernel() + 0xc3_1ee0, noise(self.boot, 0x10)));
            memory.push((self.kernel() + 0x20_b000, noise(self.boot ^ 2, 0x1000)));
        }
        memory
    }

    /// Puts on the stack what the kernel wrote down of the fault, where it wrote anything.
    fn record(&self, cause: Cause, stack: &mut Stack, faulting: &SynthContext) -> bool {
        let access = [0, self.touched];
        match cause {
            Cause::Irql | Cause::PageFault | Cause::KernelException | Cause::KernelTrap => {
                stack.put(self.trap_frame_at(), &trap_frame(faulting, self.touched));
            }
            Cause::DpcWatchdog | Cause::DpcTimeout => {
                stack.put(self.trap_frame_at(), &trap_frame(faulting, 0));
            }
            Cause::FastFail => {
                stack.put(self.trap_frame_at(), &trap_frame(faulting, 0));
                stack.put_record(STACK_BUFFER_OVERRUN, faulting, &[3]);
            }
            Cause::SystemService | Cause::ThreadException => {
                stack.put_exception(ACCESS_VIOLATION, faulting, &access);
            }
            Cause::StoreException => {
                let failed = [0, self.touched, u64::from(NO_SUCH_DEVICE)];
                stack.put_exception(IN_PAGE_ERROR, faulting, &failed);
            }
            _ => return false,
        }
        true
    }

    /// Return addresses of calls that were over before the fault: between the bug check's frames and the trap's lies
    /// whatever ran there last.
    fn leave_behind(&self, stack: &mut Stack) {
        for (place, driver) in (0..3).filter_map(|depth| self.named("*", 0x100 + depth)).enumerate() {
            let is_culprit = self.culprit.is_some_and(|culprit| culprit.name == driver.name);
            if !is_culprit {
                stack.frame(0xe0 + 0x10 * place, driver.base + u64::from(driver.size) / 2);
            }
        }
    }

    /// The four parameters, and the memory that they lead to.
    fn parameters(&self, cause: Cause) -> ([u64; 4], Vec<(u64, Vec<u8>)>) {
        let (fault, touched, boot, pool) = (self.fault, self.touched, self.boot, self.pool());
        let [context, exception] = [CONTEXT_AT, EXCEPTION_AT].map(|at| self.on_stack(at));
        let trap_frame = self.on_stack(self.trap_frame_at());
        let status = u64::from(ACCESS_VIOLATION);
        let kind = |usual| self.look.and_then(|look| look.subcode).unwrap_or(usual);
        let parameters = match cause {
            Cause::Irql => [touched, 2, 0, fault],
            Cause::PageFault => [touched, 0, fault, 2],
            Cause::SystemService => [status, fault, context, 0],
            Cause::ThreadException => [SIGNED | status, fault, exception, context],
            Cause::KernelException => [SIGNED | status, fault, 0, touched],
            Cause::KernelTrap => [status, fault, trap_frame, 0],
            Cause::PowerIrp => return self.held_request(pool),
            Cause::DpcWatchdog => [1, 0x1e00, self.kernel() + 0xcf_b320, 0],
            Cause::DpcTimeout => [0, 0x501, 0x500, self.kernel() + 0xcf_b320],
            Cause::FastFail => [kind(3), trap_frame, exception, 0],
            Cause::MemoryManagement => [kind(0x41792), 0xffff_8b00_0000_0000 | boot & 0xff_fff8, 4, 0],
            Cause::PfnList => [kind(0x99), boot & 0xf_ffff, 2, boot >> 8 & 0xf_ffff],
            Cause::Hardware => [0, 0xffff_d20b_0000_0028 | boot & 0xffff_f000, 0xbe00_0000, 0x80_0400],
            Cause::KernelOnly => [touched, 2, 0, fault],
            Cause::VideoTimeout => [pool, fault, SIGNED | 0xc000_009a, 4],
            Cause::VideoRecovered | Cause::VideoEngine => [pool, fault, 0, 0x4e8],
            Cause::VideoScheduler => [kind(2), SIGNED | 0xc000_000d, pool, pool + 0x1000],
            Cause::WdfViolation => [kind(5), pool, 0x1200, pool + 0x1000],
            Cause::LockedPages => [0, 0, pool, 0x10],
            Cause::ApcMismatch => [fault, 0, 0xffff, 0],
            Cause::InPage => [0x1, SIGNED | u64::from(NO_SUCH_DEVICE), pool, touched],
            Cause::StoreException => [pool, exception, 0, 0],
            Cause::CriticalProcess => [pool, 0, 0, 0],
            Cause::ClockWatchdog => [0x18, 0, pool, boot & 7],
            Cause::UnsupportedProcessor | Cause::SecureKernel => [0; 4],
        };
        (parameters, Vec::new())
    }

    fn held_request(&self, pool: u64) -> ([u64; 4], Vec<(u64, Vec<u8>)>) {
        let bus = self.look.and_then(|look| look.bus.as_deref()).unwrap_or("pci.sys");
        let held = HeldRequest::new(pool, self.find(bus), self.culprit);
        ([3, held.device, self.kernel() + 0xc4_0990, held.irp], held.blocks)
    }

    fn process(&self, cause: Cause) -> &'static str {
        if let Some(process) = self.look.and_then(|look| look.process.as_deref()) {
            return process;
        }
        match cause {
            Cause::SystemService => {
                ["chrome.exe", "explorer.exe", "Teams.exe", "svchost.exe"][self.boot as usize % 4]
            }
            _ => "System",
        }
    }

    /// The bug check's own frames, then what the thread was doing: the culprit, whoever called it, the kernel.
    fn stack(&self) -> Stack {
        let mut stack = Stack::new(self.stack_base, self.boot, self.is_narrow());
        let kernel = self.kernel();
        let size = self.drivers.first().map_or(1, |driver| u64::from(driver.size));
        for (place, offset) in [0x40_8f29, 0x40_4c12, 0x3f_d1bb].into_iter().enumerate() {
            stack.frame(0x08 + 0x48 * place, kernel + offset % size);
        }
        let below = self.below().into_iter().zip(1_u64..).map(|(driver, depth)| {
            let room = u64::from(driver.size.max(0x2000)) - 0x1000;
            driver.base + 0x1000 + hash(u64::from(driver.timestamp) + depth) % room
        });
        let windows = [0x25_3f15, 0x2f_0a65, 0x35_5995, 0x3f_e7f8].map(|offset| kernel + offset % size);
        for (place, address) in below.chain(windows).enumerate() {
            stack.frame(FRAMES_AT + 0x28 + 0x60 * place, address);
        }
        stack
    }

    /// Who is on the stack between the fault and the kernel.
    fn below(&self) -> Vec<&'a SynthDriver> {
        if let Some(names) = self.look.and_then(|look| look.stack.as_ref()) {
            return names.iter().zip(0..).filter_map(|(name, depth)| self.named(name, depth)).collect();
        }
        let Some(culprit) = self.culprit else { return Vec::new() };
        [culprit; 3].into_iter().chain(self.find("FLTMGR.SYS")).collect()
    }

    /// The image of a name; any of the machine's third-party drivers for `*`: these come after all of Windows' own.
    fn named(&self, name: &str, depth: u64) -> Option<&'a SynthDriver> {
        if name != "*" {
            return self.find(name);
        }
        let last_of_windows = self.drivers.iter().position(|driver| driver.name == "WdNisDrv.sys")?;
        let others = self.drivers.get(last_of_windows + 1..)?;
        others.get((hash(self.boot ^ depth) % others.len().max(1) as u64) as usize)
    }
}
