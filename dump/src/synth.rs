//! Writes synthetic dumps: kernel small dumps as the kernel and the debugger engine write them, large kernel dumps with
//! physical memory and page tables, and user minidumps.
//!
//! Owns its own reading of the formats. It never uses the parser's layouts, constants or helpers: the two were
//! written apart, so that each checks the other. What it writes is for tests and for the fleet simulator.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "writes descriptions made by tests and the simulator, never bytes from outside"
)]

mod areas;
mod blobs;
mod builds;
mod debugger_data;
mod describe;
mod example;
mod header;
mod header_32;
mod image;
mod large;
mod noise;
mod records;
mod registers;
mod small;
mod smbios;
mod state;
mod template;
mod user;

#[cfg(test)]
mod tests;

pub use describe::{
    SynthDetails, SynthDriver, SynthMemoryManager, SynthProcessor, SynthSmbios, SynthState, SynthWriter,
};
pub use example::windows_drivers;
pub use large::{LargeDump, SynthDumpType, SynthMapping, SynthMemory};
pub use noise::{hash, noise};
pub use records::{context_record, exception_record, exception_record_32, stack_page, trap_frame};
pub use registers::{SynthArm64Registers, SynthContext, SynthMachine, SynthRegisters, SynthX86Registers};
pub use template::{Crash, PATCHED_BYTES, Template};
pub use user::{UserDump, UserModule, user_minidump};

/// A kernel small dump (type 4), described. Its registers say which machine it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallDump {
    /// Who writes it.
    pub writer: SynthWriter,
    /// Base build (19041).
    pub build: u32,
    /// Update revision; only builds from 26100 have a place for it, and only in the kernel's form.
    pub ubr: Option<u32>,
    /// As the header has it, with its 0x10000000 flag where there is one.
    pub bugcheck: u32,
    /// The four parameters.
    pub parameters: [u64; 4],
    /// FILETIME.
    pub system_time: u64,
    /// 100 ns since boot.
    pub uptime: u64,
    /// Logical processors.
    pub processors: u32,
    /// Boot counter; the debugger engine's form has none.
    pub boot_id: u32,
    /// Loaded drivers in load order.
    pub drivers: Vec<SynthDriver>,
    /// Unloaded drivers, newest first: name, start, end. At most 50 are written, names cut to 12 units.
    pub unloaded: Vec<(String, u64, u64)>,
    /// Image name of the current process.
    pub process: String,
    /// Current processor, process and thread.
    pub state: SynthState,
    /// The header's context.
    pub registers: SynthContext,
    /// Lowest saved stack address.
    pub stack_base: u64,
    /// The saved stack.
    pub stack: Vec<u8>,
    /// Data blocks; they may overlap each other and the stack.
    pub blocks: Vec<(u64, Vec<u8>)>,
    /// SMBIOS tables.
    pub smbios: Option<SynthSmbios>,
    /// The processor's registry values.
    pub processor: Option<SynthProcessor>,
    /// Address of the list head.
    pub ps_loaded_module_list: u64,
    /// Address of the debugger's data block.
    pub kd_debugger_data_block: u64,
    /// Bytes of trace buffers at the end, compressing about as well as real ones.
    pub filler: usize,
    /// What all filler bytes are drawn from: another seed, other bytes.
    pub seed: u64,
    /// What few dumps have.
    pub details: SynthDetails,
}

impl SmallDump {
    /// A Windows 10 22H2 office machine with about 150 drivers: `0xD1` in `rtwlane.sys`, 180 KB.
    pub fn example() -> Self {
        example::office_machine()
    }

    /// The example of a machine: x64 is [`Self::example`], ARM64 a Windows 11 tablet (22000), x86 a Windows 7 desktop.
    pub fn example_of(machine: SynthMachine) -> Self {
        match machine {
            SynthMachine::X64 => example::office_machine(),
            SynthMachine::Arm64 => example::arm64_tablet(),
            SynthMachine::X86 => example::windows_7_desktop(),
        }
    }

    /// The machine it is of.
    pub fn machine(&self) -> SynthMachine {
        self.registers.machine()
    }

    /// Sets `filler` so that the dump comes to `bytes`, or to its least size if that is more.
    pub fn with_size(mut self, bytes: usize) -> Self {
        self.filler = 0;
        self.filler = bytes.saturating_sub(self.to_bytes().len());
        self
    }

    /// The dump as a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        small::write(self)
    }
}
