//! Damaged dumps: each part alone, what is told of it, and that the other parts are still there.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use bluescope_dump::synth::{SmallDump, SynthWriter};
use bluescope_dump::{Blob, KernelDump, ParseError, Writer};

// TRIAGE_DUMP64 behind the header, and its tables
const TRIAGE: usize = 0x2000;
const SIZE_OF_DUMP: usize = TRIAGE + 0x04;
const UNLOADED_OFFSET: usize = TRIAGE + 0x18;
const PROCESS_OFFSET: usize = TRIAGE + 0x20;
const STACK_OFFSET: usize = TRIAGE + 0x28;
const DRIVERS_OFFSET: usize = TRIAGE + 0x30;
const DRIVER_COUNT: usize = TRIAGE + 0x34;
const BLOCKS_OFFSET: usize = TRIAGE + 0x78;
const BLOCK_COUNT: usize = TRIAGE + 0x7c;

fn example() -> Vec<u8> {
    SmallDump::example().to_bytes()
}

fn get(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

fn put(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

fn problems(dump: &KernelDump<'_>) -> Vec<String> {
    dump.problems().iter().map(ToString::to_string).collect()
}

/// Every part of the example but those named is there.
fn assert_whole_but(bytes: &[u8], damaged: &[&str], expected: &[&str]) {
    let written = SmallDump::example();
    let dump = KernelDump::parse(bytes).unwrap();
    assert_eq!(problems(&dump), expected);
    let whole = |part| !damaged.contains(&part);
    assert_eq!(dump.header().bugcheck, written.bugcheck);
    assert_eq!(dump.drivers().len() == written.drivers.len(), whole("drivers"));
    assert_eq!(dump.unloaded().len() == written.unloaded.len(), whole("unloaded"));
    assert_eq!(dump.stack() == Some((written.stack_base, written.stack.as_slice().into())), whole("stack"));
    assert_eq!(dump.read(written.blocks[0].0, 16).is_some(), whole("blocks"));
    assert_eq!(dump.process_name().is_some(), whole("process"));
    assert_eq!(dump.smbios().is_some(), whole("blobs"));
    assert_eq!(dump.context().is_some(), whole("context"));
}

#[test]
fn what_is_no_kernel_dump_is_refused() {
    assert_eq!(KernelDump::parse(b"").unwrap_err(), ParseError::NotAKernelDump([0; 8]));
    assert_eq!(
        KernelDump::parse(b"MDMP\x93\xa7").unwrap_err(),
        ParseError::NotAKernelDump(*b"MDMP\x93\xa7\0\0")
    );
    let cut = &example()[..0x1fff];
    assert_eq!(KernelDump::parse(cut).unwrap_err(), ParseError::HeaderCut { needed: 0x2000, len: 0x1fff });
}

#[test]
fn a_header_alone_is_a_header() {
    let bytes = &example()[..0x2000];
    let dump = KernelDump::parse(bytes).unwrap();
    assert_eq!(dump.header().bugcheck, 0xd1);
    assert!(dump.context().is_some());
    assert_eq!(
        problems(&dump),
        ["small-dump header: only 0 of 128 bytes lie inside the file (offset 0x2000)"]
    );
}

#[test]
fn an_unknown_form_of_memory_is_told() {
    let mut bytes = example();
    put(&mut bytes, 0xf98, 77);
    let dump = KernelDump::parse(&bytes).unwrap();
    assert_eq!(problems(&dump), ["physical memory: the memory of a type 0x4d dump is not read"]);
    assert_eq!((dump.header().bugcheck, dump.drivers().len()), (0xd1, 0));
}

/// Nothing of the memory that these announce is there.
#[test]
fn a_small_dump_that_says_it_is_large_has_its_header() {
    for dump_type in [1, 5, 6, 8, 9, 10] {
        let mut bytes = example();
        put(&mut bytes, 0xf98, dump_type);
        let dump = KernelDump::parse(&bytes).unwrap();
        assert!(problems(&dump)[0].starts_with("physical memory: "), "{dump_type}: {:?}", problems(&dump));
        assert_eq!((dump.header().bugcheck, dump.drivers().len()), (0xd1, 0));
        assert!(dump.context().is_some());
    }
}

#[test]
fn a_missing_table_hides_no_other() {
    let count = SmallDump::example().drivers.len();
    let blocks = SmallDump::example().blocks.len();
    for (field, damaged, expected) in [
        (UNLOADED_OFFSET, "unloaded", "unloaded drivers: lies outside the file (offset 0xfffffff0)".into()),
        (PROCESS_OFFSET, "process", String::new()),
        (STACK_OFFSET, "stack", "call stack: lies outside the file (offset 0xfffffff0)".into()),
        (DRIVERS_OFFSET, "drivers", format!("driver list: {count} entries announced, 0 read")),
        (BLOCKS_OFFSET, "blocks", format!("data blocks: {blocks} entries announced, 0 read")),
    ] {
        let mut bytes = example();
        put(&mut bytes, field, 0xffff_fff0);
        let expected = Some(&*expected).filter(|text| !text.is_empty());
        assert_whole_but(&bytes, &[damaged], expected.as_slice());
    }
}

#[test]
fn damaged_entries_are_told_and_skipped() {
    let mut bytes = example();
    let drivers = get(&bytes, DRIVERS_OFFSET) as usize;
    put(&mut bytes, drivers + 2 * 0x90, 0x7fff_fff0);
    bytes[drivers + 4 * 0x90..][..0x90].fill(0);
    let blocks = get(&bytes, BLOCKS_OFFSET) as usize;
    put(&mut bytes, blocks + 16 + 8, 0x7fff_0000);
    let end = u32::try_from(bytes.len()).unwrap();
    put(&mut bytes, blocks + 32 + 8, end - 4);
    let dump = KernelDump::parse(&bytes).unwrap();
    let (drivers, blocks) = (SmallDump::example().drivers.len(), SmallDump::example().blocks.len());
    let expected = [
        format!("driver list: entry 3 of {drivers} has no readable name"),
        format!("driver list: entry 5 of {drivers} makes no sense"),
        format!("data blocks: entry 2 of {blocks} lies outside the file (offset 0x7fff0000)"),
        format!("data blocks: entry 3 of {blocks} ends outside the file (offset {:#x})", end - 4),
    ];
    assert_eq!(problems(&dump), expected);
    assert_eq!(dump.drivers().len(), drivers - 1);
    assert_eq!((&*dump.drivers()[1].name, &*dump.drivers()[2].name), ("hal.dll", ""));
    assert_eq!(dump.drivers()[3].name, "mcupdate_GenuineIntel.dll");
}

#[test]
fn a_damaged_context_is_told() {
    let mut bytes = example();
    put(&mut bytes, 0x348 + 0x30, 0x1234_5678);
    assert_whole_but(&bytes, &["context"], &["context record: its content makes no sense"]);
}

#[test]
fn missing_marks_are_told() {
    let mut bytes = example();
    let size = get(&bytes, SIZE_OF_DUMP) as usize;
    bytes[size - 4..size + 4].fill(0);
    let expected = [
        format!("small-dump header: its mark is missing (offset {:#x})", size - 4),
        format!("secondary data: its mark is missing (offset {size:#x})"),
    ];
    assert_whole_but(&bytes, &["blobs"], &expected.each_ref().map(|text| &**text));
}

#[test]
fn a_cut_file_is_told() {
    let bytes = example();
    let cut = &bytes[..bytes.len() - 1000];
    let dump = KernelDump::parse(cut).unwrap();
    let expected = format!("file: {} bytes are left of {}", cut.len(), bytes.len());
    assert_eq!(problems(&dump).first(), Some(&expected));
    assert!(dump.smbios().is_some());
}

#[test]
fn a_cut_blob_is_told_and_kept() {
    let written = SmallDump { writer: SynthWriter::DebugEngine, filler: 0x1000, ..SmallDump::example() };
    let bytes = written.to_bytes();
    let whole = KernelDump::parse(&bytes).unwrap();
    let (last, others) = whole.blobs().split_last().unwrap();
    assert!(last.len > 200);
    let cut = KernelDump::parse(&bytes[..bytes.len() - 100]).unwrap();
    let (cut_last, cut_others) = cut.blobs().split_last().unwrap();
    assert_eq!((cut_others, cut_last.guid), (others, last.guid));
    assert!(whole.blob_data(last).starts_with(&cut.blob_data(cut_last)) && cut_last.len < last.len);
    let count = whole.blobs().len();
    assert_eq!(
        problems(&cut),
        [format!(
            "secondary data: entry {count} of {count} ends outside the file (offset {:#x})",
            last.offset
        )],
    );
}

#[test]
fn absurd_counts_read_what_is_there() {
    let mut bytes = example();
    put(&mut bytes, DRIVER_COUNT, u32::MAX);
    put(&mut bytes, BLOCK_COUNT, u32::MAX);
    let unloaded = get(&bytes, UNLOADED_OFFSET) as usize;
    put(&mut bytes, unloaded, u32::MAX);
    let dump = KernelDump::parse(&bytes).unwrap();
    let written = SmallDump::example();
    for (read, written) in dump.drivers().iter().zip(&written.drivers) {
        assert_eq!((&read.name, read.base), (&written.name, written.base));
    }
    assert_eq!(dump.unloaded()[0].name, written.unloaded[0].0);
    assert!(dump.read(written.blocks[0].0, 16).is_some());
    let told = problems(&dump);
    for part in ["driver list", "data blocks", "unloaded drivers"] {
        let count = format!("{part}: 4294967295 entries announced, ");
        assert!(told.iter().any(|text| text.starts_with(&count)), "{part}: {told:#?}");
    }
    assert!(told.len() < 40, "{told:#?}");
    assert!(told.last().unwrap().ends_with(" more problems"), "{told:#?}");
}

/// Of a dump that is cut anywhere, everything that lies before the cut is read.
#[test]
fn a_cut_hides_nothing_before_it() {
    for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
        let written = SmallDump { writer, filler: 0x2000, ..SmallDump::example() };
        let bytes = written.to_bytes();
        let whole = KernelDump::parse(&bytes).unwrap();
        let table = |field| get(&bytes, field) as usize;
        let starts =
            [0x18, 0x1c, 0x20, 0x24, 0x28, 0x30, 0x38, 0x70, 0x78].map(|field| table(TRIAGE + field));
        let around = starts.iter().flat_map(|start| start.saturating_sub(2)..start + 3);
        for len in (0x2080..bytes.len()).step_by(61).chain(around) {
            check_cut(&bytes, &whole, len);
        }
    }
}

fn check_cut(bytes: &[u8], whole: &KernelDump<'_>, len: usize) {
    let cut = KernelDump::parse(&bytes[..len]).unwrap();
    let field = |at| get(bytes, at) as usize;
    assert_eq!((cut.header(), cut.context()), (whole.header(), whole.context()));
    // where a piece of secondary data ends, the whole list may end
    let behind = |blob: &Blob| blob.offset + blob.len..=blob.offset + blob.len.next_multiple_of(8);
    let between = whole.blobs().iter().any(|blob| behind(blob).contains(&(len as u64)));
    assert!(between || !cut.problems().is_empty(), "{len}");

    let drivers = (len.saturating_sub(field(DRIVERS_OFFSET)) / 0x90).min(whole.drivers().len());
    assert_eq!(cut.drivers().len(), drivers, "{len}");
    for (entry, (driver, expected)) in cut.drivers().iter().zip(whole.drivers()).enumerate() {
        let name = field(field(DRIVERS_OFFSET) + 0x90 * entry);
        let is_before = name + 4 + 2 * field(name) <= len;
        assert_eq!(driver.name.as_str(), if is_before { &expected.name } else { "" }, "{len}");
        assert_eq!((driver.base, driver.timestamp), (expected.base, expected.timestamp), "{len}");
    }
    let unloaded = (len.saturating_sub(field(UNLOADED_OFFSET) + 8) / 56).min(whole.unloaded().len());
    assert_eq!(cut.unloaded(), &whole.unloaded()[..unloaded], "{len}");

    let stack = len.saturating_sub(field(STACK_OFFSET)).min(field(STACK_OFFSET + 4));
    let expected = &whole.stack().unwrap().1[..stack];
    assert_eq!(cut.stack().map_or(0, |(_, bytes)| bytes.len()), stack, "{len}");
    assert!(cut.stack().is_none_or(|(_, bytes)| *bytes == *expected), "{len}");
    for block in 0..field(BLOCK_COUNT) {
        let entry = field(BLOCKS_OFFSET) + 16 * block;
        let address = u64::from_le_bytes(bytes[entry..entry + 8].try_into().unwrap());
        let (offset, size) = (field(entry + 8), field(entry + 12));
        if entry + 16 <= len && offset + size <= len {
            assert_eq!(cut.read(address, size), whole.read(address, size), "{len}: {address:#x}");
        }
    }
    let before = whole.blobs().iter().filter(|blob| blob.offset <= len as u64);
    for (blob, expected) in cut.blobs().iter().zip(before) {
        assert_eq!((blob.guid, blob.offset), (expected.guid, expected.offset), "{len}");
        assert!(whole.blob_data(expected).starts_with(&cut.blob_data(blob)), "{len}");
    }
    let blobs = whole.blobs().iter().filter(|blob| blob.offset + blob.len <= len as u64).count();
    assert!(cut.blobs().len() >= blobs, "{len}");
}

#[test]
fn padding_behind_the_last_blob_is_no_damage() {
    let written = SmallDump { writer: SynthWriter::DebugEngine, ..SmallDump::example() };
    for padding in 0..40 {
        let mut bytes = written.to_bytes();
        bytes.resize(bytes.len() + padding, 0);
        assert_eq!(problems(&KernelDump::parse(&bytes).unwrap()), [""; 0], "{padding}");
    }
}

#[test]
fn a_context_of_zeros_was_never_taken() {
    let mut bytes = example();
    bytes[0x348..0xf00].fill(0);
    assert_whole_but(&bytes, &["context"], &[]);
}

/// What the debugger engine copies from the dump that it shrinks may be the kernel's.
#[test]
fn the_options_tell_the_writer() {
    let mut bytes = SmallDump { writer: SynthWriter::DebugEngine, ..SmallDump::example() }.to_bytes();
    put(&mut bytes, 0x1048, u32::from_le_bytes(*b"PAGE"));
    let dump = KernelDump::parse(&bytes).unwrap();
    assert_eq!((dump.header().writer, dump.problems()), (Writer::DebugEngine, &[][..]));
}
