//! Slim dumps: the same facts in less, of synthetic dumps, of hostile ones, and of real ones where they are at hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use bluescope_dump::fuzz::slim as check_promises;
use bluescope_dump::synth::{SmallDump, SynthWriter, UserDump, noise, user_minidump};
use bluescope_dump::{DumpType, KernelDump, ParseError, SlimError, slim};
use proptest::prelude::*;

const WRITERS: [SynthWriter; 2] = [SynthWriter::Kernel, SynthWriter::DebugEngine];

/// A dump with far more memory than is kept: pages at random addresses.
fn with_pages(writer: SynthWriter, pages: u64) -> SmallDump {
    let mut dump = SmallDump { writer, ..SmallDump::example() };
    for index in 0..pages {
        dump.blocks.push((0xffff_c000_0000_0000 + index * 0x2_0000, noise(index, 0x1000)));
    }
    dump
}

/// Slim, and still a dump that keeps every promise.
fn slimmed(bytes: &[u8]) -> Vec<u8> {
    check_promises(bytes);
    slim(bytes).unwrap()
}

#[test]
fn bulk_goes_and_facts_stay() {
    for writer in WRITERS {
        let bytes = with_pages(writer, 400).with_size(4 << 20).to_bytes();
        let slim = slimmed(&bytes);
        assert!(bytes.len() >= 4 << 20 && slim.len() < 200 << 10, "{writer:?}: {}", slim.len());
        let (before, after) = (KernelDump::parse(&bytes).unwrap(), KernelDump::parse(&slim).unwrap());
        assert_eq!(before.problems(), []);
        assert_eq!(said(&before), said(&after));
        // the code at the fault and the stack it happened on
        let [_, _, _, fault] = before.header().parameters;
        for va in [fault - 0x40, fault, before.stack().unwrap().0] {
            assert!(before.read(va, 0x40).is_some());
            assert_eq!(before.read(va, 0x40), after.read(va, 0x40), "{va:#x}");
        }
    }
}

#[test]
fn what_the_file_says_of_itself_is_true() {
    for writer in WRITERS {
        let slim = slimmed(&with_pages(writer, 100).with_size(2 << 20).to_bytes());
        let field = |offset: usize| u32::from_le_bytes(slim[offset..offset + 4].try_into().unwrap()) as usize;
        let (size, mark) = (field(0x2004), field(0x2008));
        assert_eq!((mark, &slim[mark..size]), (size - 4, &b"TRGD"[..]));
        assert_eq!(&slim[size..size + 8], b"DumpBlob");
        if writer == SynthWriter::Kernel {
            assert_eq!(field(0xfa0), slim.len());
        }
    }
}

#[test]
fn bulk_of_the_secondary_data_leaves_its_name() {
    let bytes = SmallDump::example().with_size(1 << 20).to_bytes();
    let slim = slimmed(&bytes);
    let (before, after) = (KernelDump::parse(&bytes).unwrap(), KernelDump::parse(&slim).unwrap());
    let lengths = |dump: &KernelDump<'_>| dump.blobs().iter().map(|blob| blob.len).collect::<Vec<_>>();
    let (bulk, rest): (Vec<_>, Vec<_>) =
        lengths(&before).into_iter().zip(lengths(&after)).partition(|(before, _)| *before > 16 << 10);
    assert_eq!(bulk.iter().map(|(_, after)| *after).collect::<Vec<_>>(), [0]);
    assert!(rest.len() > 5 && rest.iter().all(|(before, after)| before == after), "{rest:?}");
}

#[test]
fn a_small_dump_that_is_slim_already_keeps_all_its_memory() {
    for writer in WRITERS {
        let dump = SmallDump { writer, filler: 0, ..SmallDump::example() };
        let bytes = dump.to_bytes();
        let slim = slimmed(&bytes);
        let after = KernelDump::parse(&slim).unwrap();
        for (va, block) in &dump.blocks {
            assert_eq!(after.read(*va, block.len()).as_deref(), Some(block.as_slice()), "{va:#x}");
        }
    }
}

#[test]
fn only_small_dumps_of_kernels() {
    assert_eq!(slim(b"PAGEDU64"), Err(SlimError::Parse(ParseError::HeaderCut { needed: 0x2000, len: 8 })));
    let user = user_minidump(&UserDump::example());
    assert!(matches!(slim(&user), Err(SlimError::Parse(ParseError::NotAKernelDump(_)))));
    let mut full = SmallDump::example().to_bytes();
    for (raw, dump_type) in [(1, DumpType::Full), (6, DumpType::BitmapKernel), (77, DumpType::Unknown(77))] {
        full[0xf98] = raw;
        assert_eq!(slim(&full), Err(SlimError::NotSmall(dump_type)));
        check_promises(&full);
    }
}

/// What was cut off stays cut off, by as many bytes: a slim dump never looks sounder than the dump it was.
#[test]
fn a_cut_dump_stays_cut() {
    for writer in WRITERS {
        let whole = with_pages(writer, 100).to_bytes();
        for len in (0x2080..whole.len()).step_by(whole.len() / 97) {
            let cut = &whole[..len];
            let slim = slimmed(cut);
            let problems = |bytes: &[u8]| KernelDump::parse(bytes).unwrap().problems().len();
            assert!(problems(cut) > 0 && problems(&slim) > 0, "{writer:?} cut to {len}");
        }
    }
}

#[test]
fn it_takes_little_memory() {
    let bytes = with_pages(SynthWriter::DebugEngine, 700).with_size(4 << 20).to_bytes();
    let took = allocation_counter::measure(|| assert!(slim(&bytes).is_ok()));
    assert!(took.bytes_total < 2 << 20, "{took:?}");
}

/// Blocks of any size, one behind the other in memory or not, that are the same few bytes of the file.
fn with_block_table(len: usize, blocks: u32, distance: u64, size: u32) -> Vec<u8> {
    let mut bytes = SmallDump::example().to_bytes();
    bytes.truncate(0x2000);
    bytes.resize(len, 0);
    bytes[0x2078..0x207c].copy_from_slice(&0x3000_u32.to_le_bytes());
    bytes[0x207c..0x2080].copy_from_slice(&blocks.to_le_bytes());
    for (entry, number) in bytes[0x3000..].chunks_exact_mut(16).zip(0..blocks) {
        entry[..8].copy_from_slice(&(0xffff_8000_0000_0000 + u64::from(number) * distance).to_le_bytes());
        entry[8..12].copy_from_slice(&0x2000_u32.to_le_bytes());
        entry[12..].copy_from_slice(&size.to_le_bytes());
    }
    bytes
}

/// The output counts: for the work there is one more length.
#[test]
fn tables_of_blocks_take_memory_in_proportion() {
    const CONSTANT: u64 = 1024 * 1024;
    for (len, blocks) in
        [(0x3000 + 8_000_000, 500_000), (8 << 20, 100_000), (8 << 20, 112_000), (1 << 20, 8192)]
    {
        for (distance, size) in [(0x20, 0x10), (1, 1), (0x10, 0x1000), (0x1000, 0x1000), (0, 0x40)] {
            let bytes = with_block_table(len, blocks, distance, size);
            let took = allocation_counter::measure(|| assert!(slim(&bytes).unwrap().len() <= bytes.len()));
            let most = 2 * bytes.len() as u64 + CONSTANT;
            assert!(took.bytes_max <= most, "{blocks} of {size:#x}: {took:?} for {} bytes", bytes.len());
        }
    }
}

/// A memory map of absurdly many pieces is not worth the room that reading it takes.
#[test]
fn a_dump_of_nothing_but_a_table_stays_as_it_is() {
    let table = with_block_table(0x3000 + 8_000_000, 500_000, 0x20, 0x10);
    assert_eq!(slimmed(&table), table);
    let less = with_block_table(0x3000 + 8_000_000, 50_000, 0x20, 0x10);
    assert!(slimmed(&less).len() < 100_000);
}

/// Parts that repeat one another fill the new file up to the length of the old one.
#[test]
fn a_result_as_large_as_the_dump_takes_memory_in_proportion() {
    const UNITS: usize = 216;
    // length, text, its end
    const NAME: usize = 4 + 2 * UNITS + 4;
    const DRIVERS: u32 = 4000;
    let names = 0x3000 + DRIVERS as usize * 0x90;
    let mut bytes = with_block_table(names + DRIVERS as usize * NAME, 0, 0, 0);
    for (field, value) in [(0x2030, 0x3000), (0x2034, DRIVERS)] {
        bytes[field..field + 4].copy_from_slice(&value.to_le_bytes());
    }
    for driver in 0..DRIVERS as usize {
        let name = names + driver * NAME;
        bytes[name] = u8::try_from(UNITS).unwrap();
        bytes[name + 4..][..2 * UNITS].fill(b'a');
        let entry = 0x3000 + driver * 0x90;
        bytes[entry..entry + 4].copy_from_slice(&u32::try_from(name).unwrap().to_le_bytes());
    }
    let took = allocation_counter::measure(|| assert!(slim(&bytes).unwrap().len() > bytes.len() / 2));
    assert!(took.bytes_max <= 2 * bytes.len() as u64 + (1 << 20), "{took:?} for {} bytes", bytes.len());
}

#[test]
fn a_table_of_blocks_takes_little_memory() {
    const ENTRIES: u32 = 400_000;
    let mut bytes = SmallDump::example().to_bytes();
    let table = u32::try_from(bytes.len()).unwrap();
    for entry in 0..ENTRIES {
        bytes.extend((0xffff_8000_0000_0000 + u64::from(entry) * 0x10).to_le_bytes());
        bytes.extend([entry, 8].into_iter().flat_map(u32::to_le_bytes));
    }
    bytes[0x2078..0x207c].copy_from_slice(&table.to_le_bytes());
    bytes[0x207c..0x2080].copy_from_slice(&ENTRIES.to_le_bytes());
    let took = allocation_counter::measure(|| assert!(slim(&bytes).is_ok()));
    assert!(took.bytes_max <= 2 * bytes.len() as u64 + (1 << 20), "{took:?} for {}", bytes.len());
}

/// Everything that a dump says but for its size and its bulk.
fn said(dump: &KernelDump<'_>) -> Vec<String> {
    let stack = dump.stack();
    vec![
        format!("{:?}", dump.context()),
        format!("{:?}", dump.exception()),
        format!("{:?}", dump.drivers()),
        format!("{:?}", dump.unloaded()),
        format!("{:?}", stack.map(|(start, bytes)| (start, bytes.into_owned()))),
        format!("{:?}", dump.debugger_data()),
        format!("{:?}", dump.memory_manager()),
        format!("{:?}", dump.prcb()),
        format!("{:?}", dump.process()),
        format!("{:?}", dump.thread()),
        format!("{:?}", dump.boot_id()),
        format!("{:?}", dump.smbios()),
        format!("{:?}", dump.processor()),
        format!("{:?}", dump.parameters()),
        format!("{:?}", dump.header().parameters.map(|va| dump.context_at(va))),
        format!("{:?}", dump.header().parameters.map(|va| dump.trap_frame_at(va))),
        format!("{:?}", dump.header().parameters.map(|va| dump.exception_at(va))),
    ]
}

#[test]
fn real_dumps_say_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    let Ok(entries) = fs::read_dir(folder) else {
        println!("skipped: there are no real dumps in ../shared");
        return;
    };
    let (mut dumps, mut all, mut kept) = (0, 0, 0);
    for path in entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "dmp"))
    {
        let bytes = fs::read(&path).unwrap();
        let slim = slimmed(&bytes);
        let (before, after) = (KernelDump::parse(&bytes).unwrap(), KernelDump::parse(&slim).unwrap());
        for (before, after) in said(&before).iter().zip(said(&after)) {
            assert_eq!(*before, after, "{}", path.display());
        }
        assert!(slim.len() < 210 << 10, "{}: {}", path.display(), slim.len());
        (dumps, all, kept) = (dumps + 1, all + bytes.len(), kept + slim.len());
    }
    println!("{dumps} dumps: {all} bytes to {kept}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_dumps(
        writer in prop::sample::select(WRITERS.to_vec()),
        fields in prop::collection::vec((0_usize..0x20, any::<u32>(), 0_u32..0x3_0000, any::<bool>()), 1..6),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let mut bytes = with_pages(writer, 16).to_bytes();
        for (field, anything, offset, inside) in fields {
            let value = if inside { offset } else { anything };
            bytes[0x2000 + 4 * field..][..4].copy_from_slice(&value.to_le_bytes());
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check_promises(&bytes);
    }

    #[test]
    fn noise_behind_a_header(bytes in prop::collection::vec(any::<u8>(), 0..0x2000)) {
        let mut dump = SmallDump::example().to_bytes();
        dump.truncate(0x2000);
        dump.extend(bytes);
        check_promises(&dump);
    }
}
