//! Large dumps: physical memory, page tables and all, written from the description of a crash. Full dumps, kernel
//! dumps with a bitmap, and the debugger's dumps with ranges; x64, ARM64, x86 with and without PAE.

mod contents;
mod file;
mod frames;
mod memory;
mod tables;

use super::{SmallDump, SynthMachine, noise};

/// The kinds of dumps that hold physical memory, by their number in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynthDumpType {
    /// 1: runs in the header, pages after it.
    Full,
    /// 5: a bitmap, all memory.
    BitmapFull,
    /// 6: a bitmap, kernel memory: what `MEMORY.DMP` usually is.
    BitmapKernel,
    /// 8: ranges, as the debugger's `.dump /k` writes.
    RangesKernel,
    /// 9: ranges, as the debugger's `.dump /ka` writes.
    RangesActive,
    /// 10: ranges, as the debugger's `.dump /f` writes.
    RangesFull,
}

impl SynthDumpType {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::BitmapFull,
        Self::BitmapKernel,
        Self::RangesKernel,
        Self::RangesActive,
        Self::RangesFull,
    ];

    /// As the header has it.
    pub fn number(self) -> u32 {
        match self {
            Self::Full => 1,
            Self::BitmapFull => 5,
            Self::BitmapKernel => 6,
            Self::RangesKernel => 8,
            Self::RangesActive => 9,
            Self::RangesFull => 10,
        }
    }
}

/// How a page table leads to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynthMapping {
    /// An ordinary page of 4 KB.
    Page,
    /// Part of a page of 2 MB (4 MB on x86 without PAE); only what has contents is in the dump.
    Large,
    /// Part of a page of 1 GB; on x86, which has none, as [`Self::Large`].
    Huge,
    /// Not valid but still in memory: the entry is in transition.
    Transition,
    /// Paged out: there is no page, and the contents are not written.
    PagedOut,
}

/// Memory beyond what the crash itself needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthMemory {
    /// First virtual address.
    pub address: u64,
    /// Contents; the rest of their pages is zero.
    pub bytes: Vec<u8>,
    /// How it is mapped.
    pub mapping: SynthMapping,
}

/// A dump with physical memory, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeDump {
    /// Which kind.
    pub dump_type: SynthDumpType,
    /// The crash. Its drivers, stack, structures and data blocks become memory; its SMBIOS tables, processor, blobs
    /// and filler become secondary data. Writer, overflow and broken driver say nothing here.
    pub crash: SmallDump,
    /// x86: whether page tables have the form that reaches beyond 4 GB.
    pub pae: bool,
    /// More memory.
    pub memory: Vec<SynthMemory>,
    /// Whether secondary data follows the pages.
    pub has_secondary_data: bool,
}

impl LargeDump {
    /// The dump of a crash, with no memory but that of the crash.
    pub fn of(dump_type: SynthDumpType, crash: SmallDump) -> Self {
        Self { dump_type, crash, pae: true, memory: Vec::new(), has_secondary_data: false }
    }

    /// The example crash of a machine, with memory mapped in every way, and with secondary data.
    pub fn example(machine: SynthMachine, dump_type: SynthDumpType) -> Self {
        let crash = SmallDump { filler: 0x1000, ..SmallDump::example_of(machine) };
        let addresses = if machine.is_64_bit() {
            [0x7ff6_1234_0e00, 0xffff_d900_0020_1e34, 0xffff_f980_4012_3000, 0xffff_b985_1234_5000]
        } else {
            [0x0040_0e00, 0xa500_1e34, 0xa600_3000, 0xb123_5000]
        };
        let mappings =
            [SynthMapping::Page, SynthMapping::Large, SynthMapping::Huge, SynthMapping::Transition];
        let mut memory: Vec<_> = addresses
            .into_iter()
            .zip(mappings)
            .map(|(address, mapping)| SynthMemory { address, bytes: noise(address, 0x800), mapping })
            .collect();
        memory.push(SynthMemory {
            address: addresses[3] + 0x1000,
            bytes: vec![0xee; 0x1000],
            mapping: SynthMapping::PagedOut,
        });
        Self { memory, has_secondary_data: true, ..Self::of(dump_type, crash) }
    }

    /// The machine it is of.
    pub fn machine(&self) -> SynthMachine {
        self.crash.machine()
    }

    /// The dump as a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        file::write(self)
    }
}
