//! Registers of a frame, known or not, under the names that unwinders use. Plain data.

use dump::{Machine, Registers};

/// In the order of their numbers; the last one is the program counter.
const X64: [&str; 17] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip",
];
const ARM64: [&str; 33] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
    "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp", "lr",
    "sp", "pc",
];
const X86: [&str; 9] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip"];

/// A called function gives these back as it found them.
const X64_KEPT: [&str; 8] = ["rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15"];
const ARM64_KEPT: [&str; 12] =
    ["x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp"];
const X86_KEPT: [&str; 4] = ["ebx", "ebp", "esi", "edi"];

/// Registers of one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    machine: Machine,
    values: [Option<u64>; ARM64.len()],
}

impl Known {
    pub(super) fn none(machine: Machine) -> Self {
        Self { machine, values: [None; ARM64.len()] }
    }

    pub(super) fn at(machine: Machine, pc: u64, sp: u64) -> Self {
        let mut known = Self::none(machine);
        known.set_pc(pc);
        known.set_sp(sp);
        known
    }

    pub(super) fn of(machine: Machine, registers: &Registers) -> Self {
        let mut known = Self::none(machine);
        for (name, value) in registers.named() {
            // Segments, flags and debug registers have no part in unwinding.
            let _not_needed = known.set(name, value);
        }
        known.set_pc(registers.pc());
        known.set_sp(registers.sp());
        known
    }

    fn names(&self) -> &'static [&'static str] {
        match self.machine {
            Machine::X64 => &X64,
            Machine::Arm64 => &ARM64,
            Machine::X86 => &X86,
            Machine::Unknown(_) => &[],
        }
    }

    fn index(&self, name: &str) -> Option<usize> {
        let name = match name.strip_prefix('$').unwrap_or(name) {
            "x29" => "fp",
            "x30" => "lr",
            name => name,
        };
        self.names().iter().position(|known| *known == name)
    }

    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.values.get(self.index(name)?).copied().flatten()
    }

    /// `None` where the machine has no such register.
    pub(super) fn set(&mut self, name: &str, value: u64) -> Option<()> {
        let index = self.index(name)?;
        *self.values.get_mut(index)? = Some(value);
        Some(())
    }

    pub(super) fn clear(&mut self, name: &str) {
        let index = self.index(name);
        if let Some(value) = index.and_then(|index| self.values.get_mut(index)) {
            *value = None;
        }
    }

    fn pc_name(&self) -> &'static str {
        self.names().last().copied().unwrap_or_default()
    }

    fn sp_name(&self) -> &'static str {
        match self.machine {
            Machine::X64 => "rsp",
            Machine::X86 => "esp",
            Machine::Arm64 | Machine::Unknown(_) => "sp",
        }
    }

    pub(super) fn fp_name(&self) -> &'static str {
        match self.machine {
            Machine::X64 => "rbp",
            Machine::X86 => "ebp",
            Machine::Arm64 | Machine::Unknown(_) => "fp",
        }
    }

    pub(super) fn pc(&self) -> u64 {
        self.get(self.pc_name()).unwrap_or(0)
    }

    pub(super) fn sp(&self) -> u64 {
        self.get(self.sp_name()).unwrap_or(0)
    }

    pub(super) fn set_pc(&mut self, value: u64) {
        let _every_machine_has_one = self.set(self.pc_name(), value);
    }

    pub(super) fn set_sp(&mut self, value: u64) {
        let _every_machine_has_one = self.set(self.sp_name(), value);
    }

    /// What is known of the caller before anything was read.
    pub(super) fn kept(&self) -> Self {
        let mut caller = Self::none(self.machine);
        let names: &[&str] = match self.machine {
            Machine::X64 => &X64_KEPT,
            Machine::Arm64 => &ARM64_KEPT,
            Machine::X86 => &X86_KEPT,
            Machine::Unknown(_) => &[],
        };
        for name in names {
            if let Some(value) = self.get(name) {
                let _it_is_a_name = caller.set(name, value);
            }
        }
        caller
    }

    /// Bytes of a word.
    pub(super) fn word(&self) -> u64 {
        if self.machine == Machine::X86 { 4 } else { 8 }
    }

    pub(super) fn machine(&self) -> Machine {
        self.machine
    }
}
