//! Page tables: four levels on x64 and ARM64, three with PAE, two without. Writes entries as Windows does, with the
//! bits around the page number that a reader must ignore.

use std::collections::BTreeMap;

use super::super::SynthMachine;
use super::SynthMapping;
use super::frames::{Frames, Physical, Placed};
use super::memory::{Memory, PAGE};

/// A form of page tables.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Paging {
    X64,
    Arm64,
    Pae,
    TwoLevels,
}

/// What an entry stands for.
#[derive(Clone, Copy)]
enum Entry {
    Table,
    Page,
    Block,
    Transition,
    PagedOut,
}

/// Where a table with PAE starts in its page: they are 32 bytes long and lie anywhere on 32.
const PAE_ROOT_OFFSET: u64 = 0x3a0;
/// Where x64 maps the tables themselves: one place for all until Windows 10 1607, then any; the debugger's data says
/// which, and this writer always says the same.
const SELF_MAP_BEFORE_1607: u64 = 0x1ed;
const SELF_MAP: u64 = 0x108;

impl Paging {
    pub(super) fn of(machine: SynthMachine, pae: bool) -> Self {
        match machine {
            SynthMachine::X64 => Self::X64,
            SynthMachine::Arm64 => Self::Arm64,
            SynthMachine::X86 if pae => Self::Pae,
            SynthMachine::X86 => Self::TwoLevels,
        }
    }

    pub(super) fn physical(self) -> Physical {
        match self {
            Self::X64 => Physical { first: 0x1_0200, second: 0x10_0400, large: 0x200, huge: Some(0x4_0000) },
            // memory starts at 2 GB
            Self::Arm64 => {
                Physical { first: 0x8_0200, second: 0x10_0400, large: 0x200, huge: Some(0x4_0000) }
            }
            Self::Pae => Physical { first: 0x1_0200, second: 0x10_0400, large: 0x200, huge: None },
            Self::TwoLevels => Physical { first: 0x1_0200, second: 0x3_0400, large: 0x400, huge: None },
        }
    }

    /// All physical memory that the machine has: first page and count of each run.
    pub(super) fn machine_runs(self) -> &'static [(u64, u64)] {
        match self {
            Self::X64 | Self::Pae => &[(0x1, 0x9e), (0x100, 0xc_7f00), (0x10_0000, 0x10_0000)],
            Self::Arm64 => &[(0x8_0000, 0x7_8000), (0x10_0000, 0x10_0000)],
            Self::TwoLevels => &[(0x1, 0x9e), (0x100, 0x7_fe00)],
        }
    }

    /// By how much a virtual page number is shifted to give the place in a table of each level.
    fn shifts(self) -> &'static [u32] {
        match self {
            Self::X64 | Self::Arm64 => &[27, 18, 9, 0],
            Self::Pae => &[18, 9, 0],
            Self::TwoLevels => &[10, 0],
        }
    }

    fn entry_len(self) -> usize {
        if self == Self::TwoLevels { 4 } else { 8 }
    }

    fn entry(self, what: Entry, frame: u64, level: usize, is_user: bool) -> u64 {
        let page = frame << 12;
        let user = u64::from(is_user);
        if self == Self::Arm64 {
            return match what {
                Entry::Table => page | 0x3,
                Entry::Page => page | 0x00e0_0000_0000_0703 | user << 6,
                Entry::Block => page | 0x00e0_0000_0000_0701 | user << 6,
                Entry::Transition => page | 0x808,
                Entry::PagedOut => 0x0000_1234_0000_0008,
            };
        }
        // no execution, and the working set's index that Windows keeps above the page number
        let high = match self {
            Self::X64 => 0x8a00_0000_0000_0000,
            Self::Pae => 1 << 63,
            _ => 0,
        };
        match what {
            Entry::Table if self == Self::Pae && level == 0 => page | 0x1,
            Entry::Table => page | 0x863 | user << 2,
            Entry::Page => page | 0x863 | user << 2 | high,
            Entry::Block => page | 0x8e3 | user << 2 | high,
            // the bit beside the protection says that the page number is not disguised
            Entry::Transition => page | 0x890,
            Entry::PagedOut if self == Self::TwoLevels => 0x0123_4080,
            Entry::PagedOut => 0x0000_1234_0000_0080,
        }
    }
}

/// Page tables under construction.
pub(super) struct Tables<'a> {
    paging: Paging,
    frames: &'a mut Frames,
    /// Tables by physical page.
    pub(super) pages: BTreeMap<u64, Vec<u8>>,
    /// Physical address of the first table.
    pub(super) root: u64,
}

impl<'a> Tables<'a> {
    /// Tables that lead to all of `memory`. The first of them is on the page `first`: given away before all others, as
    /// processors of 32 bits want it below 4 GB.
    pub(super) fn of(
        paging: Paging,
        first: u64,
        frames: &'a mut Frames,
        memory: &Memory,
        placed: &Placed,
    ) -> Self {
        let offset = if paging == Paging::Pae { PAE_ROOT_OFFSET } else { 0 };
        let root = first * PAGE as u64 + offset;
        let mut tables = Self { paging, frames, pages: BTreeMap::from([(first, vec![0; PAGE])]), root };
        let physical = paging.physical();
        let levels = paging.shifts().len();
        if let Some(pages) = physical.huge {
            for (&number, &frame) in &placed.huge {
                tables.set(number * pages, levels - 3, Entry::Block, frame);
            }
        }
        for (&number, &frame) in &placed.large {
            let number = number * physical.large;
            if physical.huge.is_none_or(|pages| !placed.huge.contains_key(&(number / pages))) {
                tables.set(number, levels - 2, Entry::Block, frame);
            }
        }
        for (&number, &frame) in &placed.pages {
            let is_in_transition =
                memory.pages.get(&number).is_some_and(|page| page.mapping == SynthMapping::Transition);
            let what = if is_in_transition { Entry::Transition } else { Entry::Page };
            tables.set(number, levels - 1, what, frame);
        }
        for (&number, page) in &memory.pages {
            if page.mapping == SynthMapping::PagedOut && placed.frame(physical, number).is_none() {
                tables.set(number, levels - 1, Entry::PagedOut, 0);
            }
        }
        tables
    }

    /// Lets x64 tables lead to themselves, as the kernel reaches them.
    pub(super) fn map_themselves(&mut self, build: u32) {
        if self.paging == Paging::X64 {
            let place = if build < 14393 { SELF_MAP_BEFORE_1607 } else { SELF_MAP };
            let number = place << 27;
            if self.get(self.root, 8 * place as usize) == 0 {
                let frame = self.root / PAGE as u64;
                self.set(number, 0, Entry::Table, frame);
            }
        }
    }

    /// Makes the entry for a virtual page at `level`, with the tables above it.
    fn set(&mut self, number: u64, level: usize, what: Entry, frame: u64) {
        let is_user = number
            >> if self.paging == Paging::Pae || self.paging == Paging::TwoLevels { 19 } else { 35 }
            == 0;
        let len = self.paging.entry_len();
        let mut table = self.root;
        for (depth, shift) in self.paging.shifts().iter().enumerate() {
            let at = len * ((number >> shift) as usize % (PAGE / len));
            if depth == level {
                let entry = self.paging.entry(what, frame, level, is_user);
                self.put(table, at, entry);
                return;
            }
            let next = match self.get(table, at) {
                0 => {
                    let below = self.frames.one();
                    self.pages.insert(below, vec![0; PAGE]);
                    let entry = self.paging.entry(Entry::Table, below, depth, is_user);
                    self.put(table, at, entry);
                    below
                }
                entry => entry >> 12 & 0xf_ffff_ffff,
            };
            table = next * PAGE as u64;
        }
    }

    fn get(&self, table: u64, at: usize) -> u64 {
        let from = table as usize % PAGE + at;
        let page = &self.pages[&(table / PAGE as u64)];
        let mut entry = [0; 8];
        entry[..self.paging.entry_len()].copy_from_slice(&page[from..from + self.paging.entry_len()]);
        u64::from_le_bytes(entry)
    }

    fn put(&mut self, table: u64, at: usize, entry: u64) {
        let from = table as usize % PAGE + at;
        let len = self.paging.entry_len();
        if let Some(page) = self.pages.get_mut(&(table / PAGE as u64)) {
            page[from..from + len].copy_from_slice(&entry.to_le_bytes()[..len]);
        }
    }
}
