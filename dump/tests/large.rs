//! Large dumps: what the reader makes of those of an independent writer, beside another parser, cut, and hostile.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{self, Cursor};
use std::sync::atomic::{AtomicU64, Ordering};

use bluescope_dump::fuzz::fuzz_one;
use bluescope_dump::synth::{LargeDump, SmallDump, SynthDumpType, SynthMachine, SynthMapping, noise};
use bluescope_dump::{Damage, DumpType, KernelDump, Part, Source};
use kdmp_parser::gxa::{Gva, Gxa};
use kdmp_parser::parse::KernelDumpParser;
use kdmp_parser::virt;
use proptest::prelude::*;

/// Every machine in every form of dump.
fn all() -> impl Iterator<Item = LargeDump> {
    let machines = [
        (SynthMachine::X64, true),
        (SynthMachine::Arm64, true),
        (SynthMachine::X86, true),
        (SynthMachine::X86, false),
    ];
    machines.into_iter().flat_map(|(machine, pae)| {
        SynthDumpType::ALL.map(|dump_type| LargeDump { pae, ..LargeDump::example(machine, dump_type) })
    })
}

fn name(dump: &LargeDump) -> String {
    format!("{:?} {:?} pae {}", dump.machine(), dump.dump_type, dump.pae)
}

fn put(bytes: &mut [u8], offset: usize, value: u64) {
    bytes[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
}

/// Compares a dump with its description.
fn check(written: &LargeDump, read: &KernelDump<'_>) {
    let (crash, name) = (&written.crash, name(written));
    assert_eq!(read.problems(), [], "{name}");
    let header = read.header();
    assert_eq!(header.bugcheck & 0x0fff_ffff, crash.bugcheck & 0x0fff_ffff, "{name}");

    let drivers: Vec<_> = read
        .drivers()
        .iter()
        .map(|driver| (&*driver.name, driver.base, driver.size, driver.timestamp))
        .collect();
    let expected: Vec<_> = crash
        .drivers
        .iter()
        .map(|driver| (&*driver.name, driver.base, driver.size, driver.timestamp))
        .collect();
    assert_eq!(drivers, expected, "{name}");
    assert!(
        read.drivers().iter().all(|driver| driver.path.as_ref().unwrap().ends_with(&driver.name)),
        "{name}"
    );
    let last = crash.drivers.last().unwrap();
    assert_eq!(read.driver_at(last.base + 0x123).unwrap().1, 0x123, "{name}");

    let unloaded: Vec<_> =
        read.unloaded().iter().map(|driver| (driver.name.clone(), driver.start, driver.end)).collect();
    assert_eq!(unloaded, crash.unloaded, "{name}");
    let times: Vec<_> = read.unloaded().iter().map(|driver| driver.time.unwrap()).collect();
    assert!(
        times.is_sorted_by(|newer, older| newer > older) && times[0] < header.system_time.unwrap(),
        "{name}"
    );

    assert_eq!(read.kernel_base(), Some(crash.drivers[0].base), "{name}");
    assert_eq!(read.process_name().as_deref(), Some(&*crash.process), "{name}");
    let (sp, stack) = read.stack().unwrap();
    let below = (sp - crash.stack_base) as usize;
    assert_eq!(sp, crash.registers.sp(), "{name}");
    assert!(stack.starts_with(&crash.stack[below..]) && stack.len() < 0x6000, "{name}");
    for (address, bytes) in &crash.blocks {
        assert_eq!(read.read(*address, bytes.len()).as_deref(), Some(&**bytes), "{name} {address:#x}");
    }
    for memory in &written.memory {
        let bytes = (memory.mapping != SynthMapping::PagedOut).then_some(&*memory.bytes);
        assert_eq!(
            read.read(memory.address, memory.bytes.len()).as_deref(),
            bytes,
            "{name} {:?}",
            memory.mapping
        );
    }
    assert!(!read.blobs().is_empty(), "{name}");
    let written = crash.smbios.as_ref().unwrap();
    assert_eq!(read.smbios().unwrap().model.as_ref(), Some(&written.model), "{name}");
}

#[test]
fn everything_written_is_read() {
    for written in all() {
        let bytes = written.to_bytes();
        check(&written, &KernelDump::parse(&bytes).unwrap());
    }
}

/// Counts what is read of it.
struct File {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl Source for File {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        let bytes = self.bytes.get(offset as usize..).and_then(|bytes| bytes.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[test]
fn a_file_that_is_read_by_ranges_tells_the_same() {
    for written in all() {
        let file = File { bytes: written.to_bytes(), read: AtomicU64::new(0) };
        let read = KernelDump::open(&file).unwrap();
        check(&written, &read);
        assert!(read.source_error().is_none());
    }
}

#[test]
fn a_question_reads_only_what_it_needs() {
    let mut written = LargeDump::example(SynthMachine::X64, SynthDumpType::BitmapKernel);
    written.memory[0].bytes = noise(1, 16 << 20);
    let file = File { bytes: written.to_bytes(), read: AtomicU64::new(0) };
    let read = KernelDump::open(&file).unwrap();
    assert_eq!(read.drivers().len(), written.crash.drivers.len());
    let most = file.read.load(Ordering::Relaxed);
    assert!(most < 3 << 20, "{most} bytes of {}", file.size());
}

#[test]
fn another_parser_reads_the_same_memory() {
    for dump_type in SynthDumpType::ALL {
        let written = LargeDump::example(SynthMachine::X64, dump_type);
        let bytes = written.to_bytes();
        let ours = KernelDump::parse(&bytes).unwrap();
        let theirs = KernelDumpParser::with_reader(Cursor::new(bytes.clone())).unwrap();
        let reader = virt::Reader::new(&theirs);
        let crash = &written.crash;
        let own = [crash.ps_loaded_module_list, crash.kd_debugger_data_block, crash.stack_base];
        let addresses = crash.drivers.iter().map(|driver| driver.base).chain(own);
        let addresses = addresses.chain(written.memory.iter().map(|memory| memory.address));
        let mut read = 0;
        for va in
            addresses.flat_map(|va| [va, va & !0xfff, va + 0x800, va + 0xffc, va + 0x1000, va ^ 1 << 45])
        {
            let mut buffer = [0; 0x20];
            let len = reader.read(Gva::new(va), &mut buffer).unwrap();
            let run = ours.read_run(va, buffer.len()).unwrap_or_default();
            assert_eq!(*run, buffer[..len], "{dump_type:?} {va:#x}");
            read += len;
        }
        assert!(read > 0x2000, "{read} bytes");
        let mut modules: Vec<_> =
            theirs.kernel_modules().map(|(range, path)| (range.start.u64(), range.end.u64(), path)).collect();
        modules.sort_unstable();
        let drivers = ours.drivers().iter();
        let mut drivers: Vec<_> = drivers
            .map(|driver| {
                (driver.base, driver.base + u64::from(driver.size), driver.path.as_deref().unwrap())
            })
            .collect();
        drivers.sort_unstable();
        assert_eq!(drivers, modules, "{dump_type:?}");
    }
}

#[test]
fn a_cut_file_keeps_what_lies_before_the_cut() {
    for written in all() {
        let bytes = written.to_bytes();
        let whole = KernelDump::parse(&bytes).unwrap();
        for parts in 1..8 {
            let cut = &bytes[..bytes.len() * parts / 8];
            let Ok(read) = KernelDump::parse(cut) else { continue };
            fuzz_one(cut);
            for address in written.crash.drivers.iter().map(|driver| driver.base).take(20) {
                if let Some(page) = read.read(address, 0x40) {
                    assert_eq!(Some(page), whole.read(address, 0x40), "{} {parts}", name(&written));
                }
            }
            let problem = read.problems().iter().find(|problem| problem.part == Part::PhysicalMemory);
            let is_cut =
                |damage| matches!(damage, Damage::Cut { .. } | Damage::Outside { .. } | Damage::Count { .. });
            // secondary data may be all that is missing
            assert!(problem.is_none_or(|problem| is_cut(problem.damage)), "{} {parts}", name(&written));
            assert!(
                problem.is_some() || read.blobs().len() < whole.blobs().len(),
                "{} {parts}",
                name(&written)
            );
        }
    }
}

/// Reads `bytes`, asks everything, and checks that the memory it took stays below twice their length and a constant.
fn check_memory(name: &str, bytes: &[u8]) {
    const FIXED: u64 = 256 * 1024;
    let took = allocation_counter::measure(|| {
        if let Ok(dump) = KernelDump::parse(bytes) {
            assert!(dump.problems().len() < 1000);
        }
    });
    let limit = 2 * bytes.len() as u64 + FIXED;
    assert!(took.bytes_total <= limit, "{name}: {took:?} for {} bytes", bytes.len());
}

#[test]
fn sound_dumps_take_little() {
    for written in all() {
        check_memory(&name(&written), &written.to_bytes());
    }
}

#[test]
fn eight_kilobytes_that_claim_terabytes() {
    let sound = |dump_type| LargeDump::example(SynthMachine::X64, dump_type).to_bytes();
    let mut files = vec![sound(SynthDumpType::BitmapKernel)[..0x3000].to_vec()];
    put(&mut files[0], 0x2030, 1 << 45);
    put(&mut files[0], 0x2028, 1 << 44);
    let mut ranges = sound(SynthDumpType::RangesFull)[..0x3000].to_vec();
    put(&mut ranges, 0x2028, 1 << 40);
    put(&mut ranges, 0x2038, 1 << 30);
    files.push(ranges);
    let mut runs = sound(SynthDumpType::Full)[..0x3000].to_vec();
    put(&mut runs, 0x90, 1 << 40);
    put(&mut runs, 0xa0, 1 << 30);
    files.push(runs);
    for (index, bytes) in files.iter().enumerate() {
        let took = allocation_counter::measure(|| {
            let dump = KernelDump::parse(bytes).unwrap();
            assert!(dump.problems().iter().any(|problem| problem.part == Part::PhysicalMemory), "{index}");
            assert_eq!(dump.read(0xffff_f800_0000_0000, usize::MAX), None);
        });
        assert!(took.bytes_total < 64 * 1024, "{index}: {took:?}");
        fuzz_one(bytes);
    }
}

#[test]
fn one_page_at_every_address() {
    let sound = LargeDump::example(SynthMachine::X64, SynthDumpType::BitmapKernel);
    let mut bytes = sound.to_bytes();
    // every page is a table that leads to itself, and the whole address space is it
    let first = u64::from_le_bytes(*bytes[0x2020..].first_chunk().unwrap()) as usize;
    let root = u64::from_le_bytes(*bytes[0x10..].first_chunk().unwrap()) | 0x63;
    for entry in (first..bytes.len() - 8).step_by(8) {
        put(&mut bytes, entry, root);
    }
    let took = allocation_counter::measure(|| {
        let dump = KernelDump::parse(&bytes).unwrap();
        let run = dump.read_run(0xffff_8000_0000_0000, usize::MAX).unwrap();
        assert!(run.len() <= bytes.len());
        assert_eq!(dump.read(0xffff_8000_0000_0000, usize::MAX), None);
    });
    assert!(took.bytes_max <= 2 * bytes.len() as u64 + 0x10000, "{took:?}");
    check_memory("itself", &bytes);
}

#[test]
fn types_and_forms_that_do_not_agree() {
    for written in all() {
        let mut bytes = written.to_bytes();
        let at = if written.machine() == SynthMachine::X86 { 0xf88 } else { 0xf98 };
        for number in 0..13 {
            bytes[at] = number;
            fuzz_one(&bytes);
            check_memory("type", &bytes);
            let dump = KernelDump::parse(&bytes).unwrap();
            assert!(dump.header().dump_type != DumpType::Unknown(11) || dump.problems().len() < 1000);
        }
    }
}

/// Few drivers, so that there is little to mutate.
fn seeds() -> Vec<Vec<u8>> {
    all()
        .map(|written| {
            let mut crash = SmallDump { filler: 0, blocks: Vec::new(), ..written.crash };
            crash.drivers.truncate(4);
            LargeDump { crash, memory: Vec::new(), ..written }.to_bytes()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_dumps(
        seed in prop::sample::select(seeds()),
        mutations in prop::collection::vec((
            prop_oneof![1 => 0..0x3000_usize, 4 => any::<usize>()],
            prop_oneof![
                any::<u64>(), Just(0), Just(u64::MAX), Just(1 << 45), 0..0x4_0000_u64, Just(0x0100_0063),
                Just(0xffff_f800_0000_0000), (0..0x400_u64).prop_map(|page| page << 12 | 0x63),
            ],
        ), 1..16),
        copied in prop::option::of((any::<usize>(), any::<usize>())),
        cut in prop::option::weighted(0.2, any::<usize>()),
    ) {
        let mut bytes = seed;
        for (offset, value) in mutations {
            let offset = offset % (bytes.len() - 8);
            put(&mut bytes, offset & !7, value);
        }
        // one page in the place of another
        if let Some((from, to)) = copied {
            let pages = bytes.len() / 0x1000;
            let (from, to) = (from % pages * 0x1000, to % pages * 0x1000);
            bytes.copy_within(from..from + 0x1000, to);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut % bytes.len());
        }
        fuzz_one(&bytes);
        check_memory("mutated", &bytes);
    }
}
