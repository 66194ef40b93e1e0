//! Page tables: from a virtual address to a physical one, on x64, ARM64 and x86. Owns the bits of their entries; never
//! knows where in the file a page is. Depth is fixed, so a table that leads to itself ends.

use crate::header::{Header, Machine};
use crate::physical::Physical;
use crate::source::Store;

/// Valid, on all processors.
const VALID: u64 = 1;
/// x86 and x64: the entry maps a large page.
const LARGE: u64 = 1 << 7;
/// ARM64: the entry leads to a table, or, on the last level, to a page. Without it, it maps a block.
const TABLE: u64 = 1 << 1;

/// Of an entry that is not valid, on all processors: the memory manager has unmapped the page, and has not yet used it
/// for anything else.
const TRANSITION: u64 = 1 << 11;
/// Such an entry that leads to another one, shared with other address spaces.
const PROTOTYPE: u64 = 1 << 10;

/// x64, PAE: 52 bits of physical address.
const ADDRESS_X64: u64 = 0x000F_FFFF_FFFF_F000;
/// ARM64: 48 bits, and two more that are zero unless there is memory for them.
const ADDRESS_ARM64: u64 = 0x0003_FFFF_FFFF_F000;
/// Of an entry in transition. On processors with the L1 terminal fault, Windows inverts a high bit of those, bit 45
/// where it was seen, so that they lead to no memory. No machine has that much.
const ADDRESS_TRANSITION: u64 = 0x0000_DFFF_FFFF_F000;
const ADDRESS_X86: u64 = 0xFFFF_F000;

/// Bits of an address that one level of 64-bit entries takes, and the lowest of them on the last level.
const LEVEL_BITS: u32 = 9;
const PAGE_BITS: u32 = 12;

/// Pages of physical memory, by their address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ram<'s> {
    pub(crate) store: &'s Store<'s>,
    pub(crate) physical: &'s Physical,
}

impl Ram<'_> {
    /// Where in the file the byte at a physical address is.
    pub(crate) fn offset_of(self, pa: u64) -> Option<u64> {
        self.physical.offset_of(self.store, pa)
    }

    fn u64(self, pa: u64) -> Option<u64> {
        self.store.u64(self.offset_of(pa)?)
    }

    fn u32(self, pa: u64) -> Option<u64> {
        self.store.u32(self.offset_of(pa)?).map(u64::from)
    }
}

/// How addresses are translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paging {
    mode: Mode,
    /// Physical address of the first table.
    root: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    X64 { levels: u32 },
    Arm64,
    Pae,
    X86,
}

impl Paging {
    /// The ways that come into question, the likeliest first. The header tells neither of the fifth level nor, in dumps
    /// of old systems, of PAE.
    pub(crate) fn candidates(header: &Header) -> Vec<Self> {
        let modes: &[Mode] = match (header.machine, header.pae) {
            (Machine::X64, _) => &[Mode::X64 { levels: 4 }, Mode::X64 { levels: 5 }],
            (Machine::Arm64, _) => &[Mode::Arm64],
            (Machine::X86, Some(false)) => &[Mode::X86, Mode::Pae],
            (Machine::X86, _) => &[Mode::Pae, Mode::X86],
            (Machine::Unknown(_), _) => &[],
        };
        modes.iter().map(|&mode| Self { mode, root: mode.root(header.directory_table_base) }).collect()
    }

    /// Physical address of a virtual one, whether the dump has its page or not.
    pub(crate) fn translate(self, ram: Ram<'_>, va: u64) -> Option<u64> {
        match self.mode {
            Mode::X64 { levels } => canonical(va, levels).then(|| self.walk(ram, va, levels))?,
            Mode::Arm64 => canonical(va, 4).then(|| self.walk(ram, va, 4))?,
            Mode::Pae => {
                // four entries that have no flag but the valid one
                let entry = ram.u64(self.root.checked_add((va >> 30 & 3).checked_mul(8)?)?)?;
                let table = Self { root: entry & ADDRESS_X64, ..self };
                (entry & VALID != 0).then(|| table.walk(ram, va, 2))?
            }
            Mode::X86 => self.walk_x86(ram, va),
        }
    }

    /// Tables of 512 entries.
    fn walk(self, ram: Ram<'_>, va: u64, levels: u32) -> Option<u64> {
        let mut table = self.root;
        for level in (0..levels).rev() {
            let shift = LEVEL_BITS.checked_mul(level)?.checked_add(PAGE_BITS)?;
            let entry = ram.u64(table | (va.checked_shr(shift)? & 0x1FF).checked_mul(8)?)?;
            match self.mode.meaning(entry, level) {
                Meaning::Table(next) => table = next,
                Meaning::Page(page) => {
                    let inside = 1_u64.checked_shl(shift)?.checked_sub(1)?;
                    return Some(page & !inside | va & inside);
                }
                Meaning::Nothing => return None,
            }
        }
        None
    }

    /// Two tables of 1024 entries of 32 bits.
    fn walk_x86(self, ram: Ram<'_>, va: u64) -> Option<u64> {
        let entry = ram.u32(self.root | (va >> 22 & 0x3FF).checked_mul(4)?)?;
        if entry & VALID == 0 {
            return None;
        }
        if entry & LARGE != 0 {
            return Some(entry & 0xFFC0_0000 | va & 0x3F_FFFF);
        }
        let entry = ram.u32(entry & ADDRESS_X86 | (va >> 12 & 0x3FF).checked_mul(4)?)?;
        (entry & VALID != 0 || in_transition(entry)).then_some(entry & ADDRESS_X86 | va & 0xFFF)
    }
}

/// What an entry says.
enum Meaning {
    /// Where the next table is.
    Table(u64),
    /// Where the page is.
    Page(u64),
    Nothing,
}

impl Mode {
    /// The low bits of the register are flags, or the number of the address space. Windows on ARM64 keeps one table for
    /// both halves of the address space, as on x64, and the register of the upper half points into its middle.
    fn root(self, directory_table_base: u64) -> u64 {
        match self {
            Self::X64 { .. } => directory_table_base & ADDRESS_X64,
            Self::Arm64 => directory_table_base & ADDRESS_ARM64,
            Self::Pae => directory_table_base & 0xFFFF_FFE0,
            Self::X86 => directory_table_base & ADDRESS_X86,
        }
    }

    /// `level` counts from 0, that of pages of 4 KB. Blocks and large pages have 2 MB on level 1, 1 GB on level 2.
    fn meaning(self, entry: u64, level: u32) -> Meaning {
        let address = entry & if self == Self::Arm64 { ADDRESS_ARM64 } else { ADDRESS_X64 };
        if entry & VALID == 0 {
            return match level {
                0 if in_transition(entry) => Meaning::Page(entry & ADDRESS_TRANSITION),
                _ => Meaning::Nothing,
            };
        }
        let leads_on = match self {
            Self::Arm64 => entry & TABLE != 0,
            _ => entry & LARGE == 0,
        };
        match level {
            0 if self == Self::Arm64 && !leads_on => Meaning::Nothing,
            0 => Meaning::Page(address),
            1 | 2 if !leads_on => Meaning::Page(address),
            // nothing is this large
            _ if !leads_on => Meaning::Nothing,
            _ => Meaning::Table(address),
        }
    }
}

fn in_transition(entry: u64) -> bool {
    entry & (VALID | PROTOTYPE | TRANSITION) == TRANSITION
}

/// Whether the bits above those that are translated all equal the highest of those.
fn canonical(va: u64, levels: u32) -> bool {
    let bits = LEVEL_BITS.saturating_mul(levels).saturating_add(PAGE_BITS);
    let above = va >> bits.saturating_sub(1);
    above == 0 || above == u64::MAX >> bits.saturating_sub(1)
}
