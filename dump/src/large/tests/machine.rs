//! A machine in memory: pages, page tables, and the dump of both. It knows the tables from the processors' manuals, not
//! from the reader.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::bytes::Bytes;
use crate::header::{self, Header};
use crate::large::Large;
use crate::problem::{Problem, Problems};
use crate::source::Store;

const SIZE: usize = 0x1000;

/// How the machine translates addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    X64,
    /// With five levels.
    X64Large,
    Arm64,
    Pae,
    X86,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::X64, Self::X64Large, Self::Arm64, Self::Pae, Self::X86];

    pub(super) fn is_64(self) -> bool {
        !matches!(self, Self::Pae | Self::X86)
    }

    pub(super) fn word(self) -> u64 {
        if self.is_64() { 8 } else { 4 }
    }

    /// Lowest bit of the index into each table, from the first table on.
    fn shifts(self) -> &'static [u32] {
        match self {
            Self::X64 | Self::Arm64 => &[39, 30, 21, 12],
            Self::X64Large => &[48, 39, 30, 21, 12],
            Self::Pae => &[30, 21, 12],
            Self::X86 => &[22, 12],
        }
    }

    fn entry_len(self) -> u64 {
        if self == Self::X86 { 4 } else { 8 }
    }

    /// Flags of an entry that leads on, or maps a page of 4 KB.
    fn flags(self) -> u64 {
        match self {
            Self::Arm64 => 0x0060_0000_0000_0703,
            Self::X86 => 0x63,
            Self::Pae => 0x01,
            Self::X64 | Self::X64Large => 0x8000_0000_0000_0063,
        }
    }

    /// An address in the kernel's half.
    pub(super) fn kernel(self) -> u64 {
        match self {
            Self::X64 | Self::Arm64 => 0xFFFF_F801_2340_0000,
            Self::X64Large => 0xFF80_1234_5640_0000,
            Self::Pae | Self::X86 => 0x8260_0000,
        }
    }
}

pub(super) struct Machine {
    pub(super) kind: Kind,
    pages: BTreeMap<u64, [u8; SIZE]>,
    next: u64,
    /// From one new page to the next.
    pub(super) stride: u64,
}

/// Page of the first table.
const ROOT: u64 = 0x1A;

impl Machine {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, pages: BTreeMap::from([(ROOT, [0; SIZE])]), next: 0x20, stride: 3 }
    }

    pub(super) fn page(&mut self) -> u64 {
        self.next += self.stride;
        self.pages.insert(self.next, [0; SIZE]);
        self.next
    }

    pub(super) fn physical(&mut self, page: u64) -> &mut [u8; SIZE] {
        self.pages.entry(page).or_insert([0; SIZE])
    }

    fn entry_at(&self, va: u64, shift: u32) -> usize {
        let entries = SIZE as u64 / self.kind.entry_len();
        ((va >> shift) % entries * self.kind.entry_len()) as usize
    }

    fn entry(&self, table: u64, va: u64, shift: u32) -> u64 {
        let mut bytes = [0; 8];
        let (at, len) = (self.entry_at(va, shift), self.kind.entry_len() as usize);
        bytes[..len].copy_from_slice(&self.pages[&table][at..at + len]);
        u64::from_le_bytes(bytes)
    }

    fn write_entry(&mut self, table: u64, va: u64, shift: u32, entry: u64) {
        let (at, len) = (self.entry_at(va, shift), self.kind.entry_len() as usize);
        self.physical(table)[at..at + len].copy_from_slice(&entry.to_le_bytes()[..len]);
    }

    /// Writes the entry for an address into the table whose entries are of `1 << shift` bytes.
    pub(super) fn set(&mut self, va: u64, shift: u32, entry: u64) {
        let mut table = ROOT;
        for &level in self.kind.shifts() {
            if level == shift {
                return self.write_entry(table, va, level, entry);
            }
            let mut next = self.entry(table, va, level);
            if next & 1 == 0 {
                next = self.page() << 12 | self.kind.flags();
                self.write_entry(table, va, level, next);
            }
            table = next >> 12 & 0xFF_FFFF;
        }
    }

    /// Maps the page of an address, and says which it is.
    pub(super) fn map(&mut self, va: u64) -> u64 {
        let mut table = ROOT;
        for &level in self.kind.shifts() {
            let next = self.entry(table, va, level);
            if next & 1 == 0 {
                let page = self.page();
                self.set(va, 12, page << 12 | self.kind.flags());
                return page;
            }
            table = next >> 12 & 0xFF_FFFF;
        }
        table
    }

    pub(super) fn write(&mut self, va: u64, bytes: &[u8]) {
        for (va, &byte) in (va..).zip(bytes) {
            let page = self.map(va);
            self.physical(page)[va as usize % SIZE] = byte;
        }
    }

    /// A word of the machine.
    pub(super) fn put(&mut self, va: u64, value: u64) {
        let len = self.kind.word() as usize;
        self.write(va, &value.to_le_bytes()[..len]);
    }

    /// A `UNICODE_STRING`, and its text at `buffer`.
    pub(super) fn text(&mut self, va: u64, buffer: u64, text: &str) {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.write(va, &(units.len() as u16).to_le_bytes());
        self.put(va + self.kind.word(), buffer);
        self.write(buffer, &units);
    }

    /// The dump. The places of the list of drivers and of the debugger data are those of [`Head`].
    pub(super) fn dump(&self, head: Head) -> Vec<u8> {
        let is_64 = self.kind.is_64();
        let mut file = vec![0; if is_64 { 0x2000 } else { 0x1000 }];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        let (list, data) = (head.list.to_le_bytes(), head.data.to_le_bytes());
        let root = (ROOT << 12 | head.root_flags).to_le_bytes();
        if is_64 {
            let machine = if self.kind == Kind::Arm64 { 0xAA64_u32 } else { 0x8664 };
            put(0, b"PAGEDU64");
            put(0x10, &root);
            put(0x20, &list);
            put(0x30, &machine.to_le_bytes());
            put(0x34, &head.processors.to_le_bytes());
            put(0x80, &data);
            put(0xF98, &[head.dump_type]);
        } else {
            put(0, b"PAGEDUMP");
            put(0x10, &root[..4]);
            put(0x18, &list[..4]);
            put(0x20, &0x14C_u32.to_le_bytes());
            put(0x24, &head.processors.to_le_bytes());
            put(0x5C, &[head.pae]);
            put(0x60, &data[..4]);
            put(0xF88, &[head.dump_type]);
        }
        match head.dump_type {
            1 => self.add_runs(&mut file),
            5 | 6 => self.add_bitmap(&mut file),
            _ => self.add_ranges(&mut file, head.dump_type == 10),
        }
        file.extend(self.pages.values().flatten());
        file
    }

    fn add_bitmap(&self, file: &mut Vec<u8>) {
        let bits = self.pages.keys().last().unwrap() + 1;
        let at = file.len() + 0x38;
        let first = (at + bits.div_ceil(8) as usize).next_multiple_of(SIZE) as u64;
        file.extend(b"SDMPDUMP");
        file.extend([0; 0x18]);
        file.extend([first, self.pages.len() as u64, bits].iter().flat_map(|value| value.to_le_bytes()));
        file.resize(first as usize, 0);
        for page in self.pages.keys() {
            file[at + (page / 8) as usize] |= 1 << (page % 8);
        }
    }

    /// Pages that follow one another: the first, and how many.
    fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for &page in self.pages.keys() {
            match runs.last_mut() {
                Some((first, count)) if *first + *count == page => *count += 1,
                _ => runs.push((page, 1)),
            }
        }
        runs
    }

    fn add_runs(&self, file: &mut [u8]) {
        let runs = self.runs();
        assert!(self.kind.is_64() && runs.len() <= 42, "{} runs", runs.len());
        let mut numbers = vec![runs.len() as u64, self.pages.len() as u64];
        numbers.extend(runs.iter().flat_map(|run| [run.0, run.1]));
        for (index, number) in numbers.iter().enumerate() {
            file[0x88 + index * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
    }

    fn add_ranges(&self, file: &mut Vec<u8>, complete: bool) {
        let runs = self.runs();
        let metadata = 0x10 + (runs.len() as u64 + 1) * 16;
        let known = if complete { [runs.len() as u64, self.pages.len() as u64] } else { [0; 2] };
        file.extend([0x40, 0, 0, 0]);
        file.extend(b"RDMPDUMP");
        file.extend([0; 4]);
        let numbers = [metadata, metadata + 0x2020].into_iter().chain(known);
        let numbers = numbers.chain(runs.iter().flat_map(|run| [run.0, run.1])).chain([0, 0]);
        file.extend(numbers.flat_map(u64::to_le_bytes));
    }
}

/// What the header of the dump says.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) list: u64,
    pub(super) data: u64,
    pub(super) processors: u32,
    pub(super) pae: u8,
    pub(super) root_flags: u64,
    pub(super) dump_type: u8,
}

impl Head {
    pub(super) fn of(list: u64, data: u64) -> Self {
        Self { list, data, processors: 1, pae: b'P', root_flags: 0, dump_type: 6 }
    }
}

/// A dump that is opened.
pub(super) struct Opened<'a> {
    pub(super) store: Store<'a>,
    pub(super) header: Header,
    pub(super) large: Large,
    pub(super) problems: Vec<Problem>,
}

pub(super) fn open(file: &[u8]) -> Opened<'_> {
    let store = Store::Bytes(Cow::Borrowed(file));
    let layout = header::layout_of(Bytes(file)).unwrap();
    let header = header::read(Bytes(file), layout).unwrap();
    let mut problems = Problems::default();
    let large = Large::read(&store, Bytes(file), layout, &header, &mut problems).unwrap();
    Opened { store, header, large, problems: problems.into_vec() }
}
