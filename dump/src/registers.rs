//! Registers of a processor, of the three machines Windows kernels run on: from a `CONTEXT` and from a `KTRAP_FRAME`.
//! Owns what of them is believed; never decides which of several is the fault. Vector and floating-point registers are
//! left out: no bug check's cause was ever found in one.

mod arm64;
mod breakpoints;
mod x64;
mod x86;

pub use arm64::{Arm64DebugRegisters, Arm64Registers};
pub use breakpoints::DebugRegisters;
pub use x64::X64Registers;
pub use x86::X86Registers;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::header::Machine;

/// Registers of one processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "machine", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a few exist at a time, and most are of the largest kinds")]
pub enum Registers {
    /// Of an x64 processor.
    X64(X64Registers),
    /// Of an ARM64 processor.
    Arm64(Arm64Registers),
    /// Of an x86 processor.
    X86(X86Registers),
}

/// What registers were read from: it decides which of them are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterSource {
    /// A `CONTEXT`, with its `ContextFlags`: they name the groups of registers that are set.
    Context {
        /// `ContextFlags`
        flags: u32,
    },
    /// A `KTRAP_FRAME` of an exception or an interrupt: what the trap handler saves before it calls anything.
    TrapFrame,
    /// A `KTRAP_FRAME` of a system call.
    ServiceFrame,
}

/// Registers that are saved together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// Where the processor is: in everything that was read.
    Control,
    /// Any called function may change them; a trap handler saves them.
    Volatile,
    /// Saved in a context, and in the trap frame of a system call.
    Service,
    /// Saved in a context only.
    Integer,
    /// Data segments.
    Segments,
}

/// Bits of `ContextFlags`, which differ by machine.
#[derive(Debug, Clone, Copy)]
struct Flags {
    /// In every context of the machine that has a program counter and a stack pointer.
    control: u32,
    /// In none.
    unused: u32,
    integer: u32,
    segments: u32,
    debug: u32,
}

impl Flags {
    /// Whether a structure with these flags is a context of this machine.
    fn fit(self, flags: u32) -> bool {
        flags & self.control == self.control && flags & self.unused == 0
    }

    fn know(self, source: RegisterSource, group: Group) -> bool {
        let RegisterSource::Context { flags } = source else {
            let service = source == RegisterSource::ServiceFrame && group == Group::Service;
            return service || matches!(group, Group::Control | Group::Volatile);
        };
        let mask = match group {
            Group::Control => self.control,
            Group::Volatile | Group::Service | Group::Integer => self.integer,
            Group::Segments => self.segments,
        };
        mask != 0 && flags & mask == mask
    }

    fn with_debug(self, source: RegisterSource) -> bool {
        matches!(source, RegisterSource::Context { flags } if flags & self.debug == self.debug)
    }

    /// The known registers of a list.
    fn pick<const N: usize>(
        self,
        source: RegisterSource,
        all: [(Group, &'static str, u64); N],
    ) -> Vec<(&'static str, u64)> {
        let known = all.into_iter().filter(|(group, ..)| self.know(source, *group));
        known.map(|(_, name, value)| (name, value)).collect()
    }
}

impl Registers {
    /// The program counter: `rip`, `pc`, `eip`.
    pub fn pc(&self) -> u64 {
        match self {
            Self::X64(registers) => registers.rip,
            Self::Arm64(registers) => registers.pc,
            Self::X86(registers) => registers.eip.into(),
        }
    }

    /// The stack pointer: `rsp`, `sp`, `esp`.
    pub fn sp(&self) -> u64 {
        match self {
            Self::X64(registers) => registers.rsp,
            Self::Arm64(registers) => registers.sp,
            Self::X86(registers) => registers.esp.into(),
        }
    }

    /// The frame pointer: `rbp` (which x64 code uses as it likes), `fp`, `ebp`.
    pub fn fp(&self) -> u64 {
        match self {
            Self::X64(registers) => registers.rbp,
            Self::Arm64(registers) => registers.fp,
            Self::X86(registers) => registers.ebp.into(),
        }
    }

    /// The return address that is in a register: ARM64's `lr`.
    pub fn lr(&self) -> Option<u64> {
        match self {
            Self::Arm64(registers) => Some(registers.lr),
            Self::X64(_) | Self::X86(_) => None,
        }
    }

    /// What they were read from.
    pub fn source(&self) -> RegisterSource {
        match self {
            Self::X64(registers) => registers.source,
            Self::Arm64(registers) => registers.source,
            Self::X86(registers) => registers.source,
        }
    }

    /// The registers that are known, in the order in which debuggers print them.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        match self {
            Self::X64(registers) => registers.named(),
            Self::Arm64(registers) => registers.named(),
            Self::X86(registers) => registers.named(),
        }
    }
}

/// Bytes of a `CONTEXT` that are read; of fewer, as many parts as there are. 0 for a machine without one.
pub(crate) fn context_len(machine: Machine) -> u64 {
    match machine {
        Machine::X64 => x64::CONTEXT_LEN,
        Machine::Arm64 => arm64::CONTEXT_LEN,
        Machine::X86 => x86::CONTEXT_LEN,
        Machine::Unknown(_) => 0,
    }
}

/// Reads a `CONTEXT`. `None` where bytes are missing or its flags are none of the machine's.
pub(crate) fn context(bytes: Bytes<'_>, machine: Machine) -> Option<Registers> {
    match machine {
        Machine::X64 => x64::context(bytes).map(Registers::X64),
        Machine::Arm64 => arm64::context(bytes).map(Registers::Arm64),
        Machine::X86 => x86::context(bytes).map(Registers::X86),
        Machine::Unknown(_) => None,
    }
}

/// Bytes of a `KTRAP_FRAME` that are read. 0 for a machine without one.
pub(crate) fn trap_frame_len(machine: Machine) -> u64 {
    match machine {
        Machine::X64 => x64::TRAP_FRAME_LEN,
        Machine::Arm64 => arm64::TRAP_FRAME_LEN,
        Machine::X86 => x86::TRAP_FRAME_LEN,
        Machine::Unknown(_) => 0,
    }
}

/// Reads the `KTRAP_FRAME` that lies at `va`. `None` where bytes are missing or it is none that Windows writes.
pub(crate) fn trap_frame(bytes: Bytes<'_>, machine: Machine, va: u64) -> Option<Registers> {
    match machine {
        Machine::X64 => x64::trap_frame(bytes).map(Registers::X64),
        Machine::Arm64 => arm64::trap_frame(bytes).map(Registers::Arm64),
        Machine::X86 => x86::trap_frame(bytes, va).map(Registers::X86),
        Machine::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests;
