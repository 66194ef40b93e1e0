//! Large dumps, read back by a walker written here from the published layouts: offsets as numbers, nothing shared
//! with the writer.

use std::collections::BTreeMap;

use super::super::{LargeDump, SmallDump, SynthDumpType, SynthMachine, SynthMapping};

const PAGE: u64 = 0x1000;

struct File {
    bytes: Vec<u8>,
    machine: SynthMachine,
    pae: bool,
    /// Where each physical page is in the file.
    pages: BTreeMap<u64, usize>,
}

impl File {
    fn of(dump: &LargeDump) -> Self {
        let bytes = dump.to_bytes();
        let mut file = Self { bytes, machine: dump.machine(), pae: dump.pae, pages: BTreeMap::new() };
        file.pages = file.find_pages();
        file
    }

    fn number(&self, at: usize, len: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&self.bytes[at..at + len]);
        u64::from_le_bytes(bytes)
    }

    fn is_64_bit(&self) -> bool {
        self.bytes[4..8] == *b"DU64"
    }

    fn word(&self) -> usize {
        if self.is_64_bit() { 8 } else { 4 }
    }

    fn header_len(&self) -> usize {
        if self.is_64_bit() { 0x2000 } else { 0x1000 }
    }

    /// Runs of physical memory in the header.
    fn runs(&self) -> Vec<(u64, u64)> {
        let (at, first, word) = if self.is_64_bit() { (0x88, 0x98, 8) } else { (0x64, 0x6c, 4) };
        (0..self.number(at, 4) as usize)
            .map(|run| first + 2 * word * run)
            .map(|at| (self.number(at, word), self.number(at + word, word)))
            .collect()
    }

    fn find_pages(&self) -> BTreeMap<u64, usize> {
        let start = self.header_len();
        let dump_type = self.number(if self.is_64_bit() { 0xf98 } else { 0xf88 }, 4);
        let all_of = |runs: Vec<(u64, u64)>| -> Vec<u64> {
            runs.into_iter().flat_map(|(first, count)| first..first + count).collect()
        };
        let (first_page, frames) = match dump_type {
            1 => (start, all_of(self.runs())),
            5 | 6 => {
                let bit =
                    |frame: &u64| self.bytes[start + 0x38 + (frame / 8) as usize] >> (frame % 8) & 1 == 1;
                let frames = (0..self.number(start + 0x30, 8)).filter(bit).collect();
                (self.number(start + 0x20, 8) as usize, frames)
            }
            8..=10 => {
                let first_page = self.number(start + 0x18, 8) as usize;
                assert_eq!(self.number(start + 0x10, 8) as usize - 0x20, first_page - start - 0x40);
                let ranges = (start + 0x30..first_page)
                    .step_by(16)
                    .map(|at| (self.number(at, 8), self.number(at + 8, 8)))
                    .take_while(|range| range.0 != 0);
                (first_page, all_of(ranges.collect()))
            }
            other => panic!("type {other}"),
        };
        frames.into_iter().zip((first_page..).step_by(PAGE as usize)).collect()
    }

    fn physical(&self, address: u64, len: usize) -> Option<u64> {
        let page = self.pages.get(&(address / PAGE))?;
        Some(self.number(page + (address % PAGE) as usize, len))
    }

    /// The physical address of a virtual one.
    fn translate(&self, address: u64) -> Option<u64> {
        let root = self.number(0x10, self.word());
        let arm = self.machine == SynthMachine::Arm64;
        let (shifts, len): (&[u32], usize) = match (self.machine, self.pae) {
            (SynthMachine::X86, true) => (&[30, 21, 12], 8),
            (SynthMachine::X86, false) => (&[22, 12], 4),
            _ => (&[39, 30, 21, 12], 8),
        };
        let places = PAGE / len as u64;
        let mut table = root;
        for (level, &shift) in shifts.iter().enumerate() {
            let is_last = level + 1 == shifts.len();
            let entry = self.physical(table + len as u64 * (address >> shift & (places - 1)), len)?;
            let page = entry & 0x0000_ffff_ffff_f000;
            if entry & 1 == 0 {
                let is_in_transition = is_last && entry & 0xc00 == 0x800;
                return is_in_transition.then(|| page + address % PAGE);
            }
            let is_block = !is_last && if arm { entry & 2 == 0 } else { entry & 0x80 != 0 };
            if is_last || is_block {
                let size = 1_u64 << shift;
                return Some((page & !(size - 1)) + address % size);
            }
            table = page;
        }
        None
    }

    fn read(&self, mut address: u64, len: usize) -> Option<Vec<u8>> {
        let mut read = Vec::with_capacity(len);
        while read.len() < len {
            let physical = self.translate(address)?;
            let at = self.pages.get(&(physical / PAGE))? + (physical % PAGE) as usize;
            let now = (len - read.len()).min((PAGE - address % PAGE) as usize);
            read.extend_from_slice(&self.bytes[at..at + now]);
            address += now as u64;
        }
        Some(read)
    }

    fn read_number(&self, address: u64, len: usize) -> u64 {
        let bytes = self.read(address, len).unwrap_or_else(|| panic!("nothing at {address:#x}"));
        bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn read_word(&self, address: u64) -> u64 {
        self.read_number(address, self.word())
    }

    fn read_units(&self, unicode_string: u64) -> String {
        let len = self.read_number(unicode_string, 2) as usize;
        let bytes = self.read(self.read_word(unicode_string + self.word() as u64), len).unwrap();
        let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16(&units).unwrap()
    }
}

/// Every kind of page tables with every kind of file.
fn all() -> Vec<LargeDump> {
    let machines = [SynthMachine::X64, SynthMachine::Arm64, SynthMachine::X86];
    let mut dumps: Vec<_> = SynthDumpType::ALL
        .into_iter()
        .flat_map(|dump_type| machines.map(|machine| LargeDump::example(machine, dump_type)))
        .collect();
    dumps.push(LargeDump { pae: false, ..LargeDump::example(SynthMachine::X86, SynthDumpType::Full) });
    dumps
        .push(LargeDump { pae: false, ..LargeDump::example(SynthMachine::X86, SynthDumpType::BitmapKernel) });
    dumps
}

#[test]
fn the_header_says_what_kind_of_dump_it_is() {
    for dump in all() {
        let file = File::of(&dump);
        let (word, crash) = (file.word(), &dump.crash);
        let at = |at_64: usize, at_32: usize| if word == 8 { at_64 } else { at_32 };
        assert_eq!(file.bytes[..4], *b"PAGE");
        assert_eq!(file.number(at(0xf98, 0xf88), 4), u64::from(dump.dump_type.number()));
        assert_eq!(file.number(0x0c, 4), u64::from(crash.build));
        assert_eq!(file.number(at(0x20, 0x18), word), crash.ps_loaded_module_list);
        assert_eq!(file.number(at(0x80, 0x60), word), crash.kd_debugger_data_block);
        assert_eq!(file.number(at(0x38, 0x28), 4), u64::from(crash.bugcheck));
        assert_eq!(file.number(0xfa0, 8), file.bytes.len() as u64);
        let machine = match dump.machine() {
            SynthMachine::X64 => 0x8664,
            SynthMachine::Arm64 => 0xaa64,
            SynthMachine::X86 => 0x14c,
        };
        assert_eq!(file.number(at(0x30, 0x20), 4), machine);
        if word == 4 {
            assert_eq!(file.bytes[0x5c], u8::from(dump.pae));
            let root = file.number(0x10, 4);
            assert_eq!((root % 0x20, root.is_multiple_of(PAGE)), (0, !dump.pae));
        }
        assert!(file.runs().len() > 1);
        assert!(file.runs().len() <= at(42, 86));
    }
}

#[test]
fn the_table_of_pages_has_the_form_of_its_type() {
    for dump in all() {
        let file = File::of(&dump);
        let start = file.header_len();
        match dump.dump_type.number() {
            1 => (),
            5 => assert_eq!(file.bytes[start..start + 8], *b"FDMPDUMP"),
            6 => assert_eq!(file.bytes[start..start + 8], *b"SDMPDUMP"),
            _ => assert_eq!(file.bytes[start..start + 12], *b"\x40\0\0\0RDMPDUMP"),
        }
        if dump.dump_type.number() == 10 {
            let ranges = (start + 0x30..).step_by(16).take(file.number(start + 0x20, 4) as usize);
            let pages: u64 = ranges.map(|at| file.number(at + 8, 8)).sum();
            assert_eq!(file.number(start + 0x28, 8), pages);
        }
        if let 5 | 6 = dump.dump_type.number() {
            let bits: u32 = file.bytes[start + 0x38..file.number(start + 0x20, 8) as usize]
                .iter()
                .map(|byte| byte.count_ones())
                .sum();
            assert_eq!(file.number(start + 0x28, 8), u64::from(bits));
        }
    }
}

#[test]
fn drivers_are_on_the_list_and_in_memory() {
    for dump in all() {
        let file = File::of(&dump);
        let word = file.word() as u64;
        let [base_at, size_at, full, name, checksum_at, time_at] = match word {
            8 => [0x30, 0x40, 0x48, 0x58, 0x78, 0x80],
            _ => [0x18, 0x20, 0x24, 0x2c, 0x40, 0x44],
        };
        let head = dump.crash.ps_loaded_module_list;
        let mut entry = file.read_word(head);
        let mut before = head;
        for driver in &dump.crash.drivers {
            assert_eq!(file.read_word(entry + word), before, "{}", driver.name);
            assert_eq!(file.read_word(entry + base_at), driver.base);
            assert_eq!(file.read_number(entry + size_at, 4), u64::from(driver.size));
            assert_eq!(file.read_number(entry + time_at, 4), u64::from(driver.timestamp));
            assert_eq!(file.read_units(entry + name), driver.name);
            assert!(file.read_units(entry + full).ends_with(&driver.name));
            let pe = driver.base + file.read_number(driver.base + 0x3c, 4);
            assert_eq!(file.read(driver.base, 2), Some(b"MZ".to_vec()));
            assert_eq!(file.read(pe, 4), Some(b"PE\0\0".to_vec()));
            assert_eq!(file.read_number(pe + 0x08, 4), u64::from(driver.timestamp));
            assert_eq!(file.read_number(pe + 0x50, 4), u64::from(driver.size));
            assert_eq!(file.read_number(pe + 0x58, 4), file.read_number(entry + checksum_at, 4));
            before = entry;
            entry = file.read_word(entry);
        }
        assert_eq!(entry, head);
        assert_eq!(file.read_word(head + word), before);
    }
}

/// `MmUnloadedDrivers` backwards from `MmLastUnloadedDriver`: the newest first.
fn check_unloaded(file: &File, crash: &SmallDump) {
    let word = file.word() as u64;
    let field = |offset: u64| file.read_number(crash.kd_debugger_data_block + offset, 8);
    let array = file.read_word(field(0x220));
    let mut place = file.read_number(field(0x228), 4);
    for (name, start, end) in &crash.unloaded {
        place = if place == 0 { 49 } else { place - 1 };
        let at = array + (4 * word + 8) * place;
        assert_eq!(file.read_units(at), *name);
        assert_eq!(file.read_word(at + 2 * word), *start);
        assert_eq!(file.read_word(at + 3 * word), *end);
    }
}

#[test]
fn a_full_list_of_unloaded_drivers_goes_round() {
    for machine in [SynthMachine::X64, SynthMachine::X86] {
        let mut dump = LargeDump::example(machine, SynthDumpType::BitmapKernel);
        let driver =
            |age: u64| (format!("old{age}.sys"), 0x8000_0000 + age * 0x1_0000, 0x8000_8000 + age * 0x1_0000);
        dump.crash.unloaded = (0..50).map(driver).collect();
        check_unloaded(&File::of(&dump), &dump.crash);
    }
}

#[test]
fn the_kernels_variables_are_where_the_debuggers_data_says() {
    for dump in all() {
        let file = File::of(&dump);
        let word = file.word();
        let crash = &dump.crash;
        let data = crash.kd_debugger_data_block;
        assert_eq!(file.read(data + 0x10, 4), Some(b"KDBG".to_vec()));
        // the addresses in it have 64 bits everywhere
        let field = |offset: u64| file.read_number(data + offset, 8);
        assert_eq!(field(0x18), crash.drivers[0].base);
        assert_eq!(field(0x48), crash.ps_loaded_module_list);
        let bug_check = field(0x88);
        assert_eq!(file.read_word(bug_check), u64::from(crash.bugcheck & 0x0fff_ffff));
        for (place, parameter) in crash.parameters.into_iter().enumerate() {
            assert_eq!(file.read_word(bug_check + (word * (place + 1)) as u64), parameter);
        }
        check_unloaded(&file, crash);
        let lab = file.read(field(0x208), 40).unwrap();
        assert!(lab.starts_with(crash.build.to_string().as_bytes()));
    }
}

#[test]
fn processor_thread_and_process_lead_to_each_other() {
    for dump in all() {
        let file = File::of(&dump);
        let (word, crash) = (file.word() as u64, &dump.crash);
        let data = crash.kd_debugger_data_block;
        let field = |offset: u64| file.read_number(data + offset, 8);
        let offset = |at: u64| file.read_number(data + at, 2);
        let number = u64::from(crash.state.processor_number);
        let prcb = file.read_word(field(0x218) + word * number);
        assert_eq!(file.read_number(prcb + offset(0x2be), 2), number);
        let thread = file.read_word(prcb + offset(0x2b4));
        let process = file.read_word(thread + offset(0x2a0));
        assert_eq!(file.read_word(process + offset(0x2ae)), file.number(0x10, file.word()));
        assert_eq!(file.read_word(process + offset(0x2ac)), crash.state.parent_id);
        let name = file.read(process, offset(0x2a8) as usize).unwrap();
        assert!(name.windows(crash.process.len()).any(|window| window == crash.process.as_bytes()));
        let link = file.read_word(field(0x50));
        assert!((process..process + offset(0x2a8)).contains(&link));
        assert_eq!(file.read_word(link), field(0x50));
    }
}

#[test]
fn memory_is_mapped_in_every_way() {
    for dump in all() {
        let file = File::of(&dump);
        assert_eq!(file.read(dump.crash.stack_base, dump.crash.stack.len()), Some(dump.crash.stack.clone()));
        for memory in &dump.memory {
            let read = file.read(memory.address, memory.bytes.len());
            let is_there = memory.mapping != SynthMapping::PagedOut;
            assert_eq!(read, is_there.then(|| memory.bytes.clone()), "{:?}", memory.mapping);
        }
        assert_eq!(file.translate(dump.memory[0].address + 0x20_0000), None);
    }
}

#[test]
fn secondary_data_follows_the_last_page() {
    for dump in all() {
        let file = File::of(&dump);
        let at = file.bytes.windows(12).position(|window| window == b"DumpBlob\x10\0\0\0").unwrap();
        let without = LargeDump { has_secondary_data: false, ..dump };
        let mut bytes = without.to_bytes();
        assert_eq!(bytes.len(), at);
        // but for the size, nothing else differs
        bytes[0xfa0..0xfa8].copy_from_slice(&file.bytes[0xfa0..0xfa8]);
        assert_eq!(bytes[..], file.bytes[..at]);
    }
}

#[test]
fn they_stay_small() {
    for dump in all() {
        let whole = LargeDump::example(dump.machine(), dump.dump_type).to_bytes().len();
        assert!((400 << 10..4 << 20).contains(&whole), "{whole} bytes of {:?}", dump.dump_type);
    }
}

/// The other reader of such dumps there is reads x64 only, and stops at nothing that it does not understand.
#[test]
fn another_reader_finds_the_same() {
    for dump_type in SynthDumpType::ALL {
        // it has no number for 6 of its own, and takes 9 for another form of 8
        let dump = LargeDump::example(SynthMachine::X64, dump_type);
        let bytes = dump.to_bytes();
        let parser = kdmp_parser::parse::KernelDumpParser::with_reader(std::io::Cursor::new(bytes)).unwrap();
        let mut modules: Vec<_> =
            parser.kernel_modules().map(|(range, name)| (u64::from(range.start), name.to_owned())).collect();
        let mut meant: Vec<_> =
            dump.crash.drivers.iter().map(|driver| (driver.base, driver.name.clone())).collect();
        modules.sort_unstable();
        meant.sort_unstable();
        assert_eq!(modules.len(), meant.len(), "{dump_type:?}");
        for ((base, name), (meant_base, meant_name)) in modules.iter().zip(&meant) {
            assert_eq!(base, meant_base);
            assert!(name.ends_with(meant_name.as_str()), "{name} is not {meant_name}");
        }
        let memory = kdmp_parser::virt::Reader::new(&parser);
        for part in dump.memory.iter().filter(|part| part.mapping != SynthMapping::PagedOut) {
            // page by page: its reads across two pages go wrong in large ones
            let split = part.bytes.len().min((PAGE - part.address % PAGE) as usize);
            let (first, second) = part.bytes.split_at(split);
            for (address, bytes) in [(part.address, first), (part.address + split as u64, second)] {
                let mut read = vec![0; bytes.len()];
                memory.read_exact(address.into(), &mut read).unwrap();
                assert_eq!(read, bytes, "{:?} in {dump_type:?}", part.mapping);
            }
        }
    }
}

#[test]
fn a_crash_is_the_same_in_a_small_dump_and_a_large_one() {
    let crash = SmallDump::example();
    let (small, large) =
        (crash.to_bytes(), LargeDump::of(SynthDumpType::BitmapKernel, crash.clone()).to_bytes());
    for range in [0x0c..0x10, 0x20..0x28, 0x30..0x60, 0x80..0x88, 0x348..0xf20, 0xfa8..0x1038] {
        assert_eq!(small[range.clone()], large[range.clone()], "{range:x?}");
    }
}
