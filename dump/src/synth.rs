//! Writes synthetic dumps: kernel small dumps as the kernel and the debugger engine write them, and user minidumps.
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
mod example;
mod header;
mod image;
mod noise;
mod records;
mod small;
mod template;
mod user;

#[cfg(test)]
mod tests;

pub use example::windows_drivers;
pub use noise::{hash, noise};
pub use records::{context_record, exception_record, stack_page, trap_frame};
pub use template::{Crash, PATCHED_BYTES, Template};
pub use user::{UserDump, UserModule, user_minidump};

/// Which program the dump looks written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynthWriter {
    /// The crashing kernel itself ("small memory dump").
    Kernel,
    /// The debugger engine, shrinking a larger dump afterwards.
    DebugEngine,
}

/// One loaded driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthDriver {
    /// Base name; the debugger engine's form writes the whole NT path made from it.
    pub name: String,
    /// First address.
    pub base: u64,
    /// Size of the image.
    pub size: u32,
    /// PE timestamp.
    pub timestamp: u32,
}

/// The registers of a CONTEXT or a trap frame; those left out are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the registers'")]
pub struct SynthRegisters {
    pub rip: u64,
    pub rsp: u64,
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    /// Zero stands for 0x246, interrupts on.
    pub eflags: u32,
}

/// What the SMBIOS tables say; empty strings are written as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the SMBIOS fields'")]
pub struct SynthSmbios {
    pub vendor: String,
    pub model: String,
    pub bios_vendor: String,
    pub bios_version: String,
    /// `mm/dd/yyyy`.
    pub bios_date: String,
    pub board_vendor: String,
    pub board: String,
}

/// What the processor's registry key says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SynthProcessor {
    /// `ProcessorNameString`.
    pub name: String,
    /// `VendorIdentifier`.
    pub vendor: String,
    /// `Identifier`.
    pub identifier: String,
    /// `~MHz`.
    pub mhz: u32,
}

/// A kernel small dump (x64, type 4), described.
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
    /// The header's context.
    pub registers: SynthRegisters,
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
}

impl SmallDump {
    /// A Windows 10 22H2 office machine with about 150 drivers: `0xD1` in `rtwlane.sys`, 180 KB.
    pub fn example() -> Self {
        example::office_machine()
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
