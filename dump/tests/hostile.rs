//! Hostile bytes: the reader neither panics nor hangs, and takes memory in proportion to its input.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use bluescope_dump::KernelDump;
use bluescope_dump::fuzz::{facts, fuzz_one};
use bluescope_dump::synth::{SmallDump, SynthWriter, UserDump, noise, user_minidump};
use proptest::prelude::*;

fn put(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// Asks `bytes` everything, and checks that what the dump keeps, and what it takes at any time to answer, stays below
/// twice their length and a constant.
fn check_memory(name: &str, bytes: &[u8]) {
    const KEPT: u64 = 256 * 1024;
    const ANSWERS: u64 = 1024 * 1024;
    let twice = 2 * bytes.len() as u64;
    let kept = allocation_counter::measure(|| {
        let dump = KernelDump::parse(bytes).unwrap();
        assert!(dump.problems().len() < 200, "{name}");
    });
    assert!(kept.bytes_total <= twice + KEPT, "{name}: {kept:?} for {} bytes", bytes.len());
    let asked = allocation_counter::measure(|| {
        facts(&KernelDump::parse(bytes).unwrap());
    });
    assert!(asked.bytes_max <= twice + ANSWERS, "{name}: {asked:?} for {} bytes", bytes.len());
}

/// A dump whose tables begin behind its header and fill `len` bytes.
fn with_tables(len: usize, tables: &[(usize, u32)]) -> Vec<u8> {
    let mut bytes = SmallDump::example().to_bytes();
    bytes.truncate(0x2000);
    bytes.resize(len, 0);
    for (field, value) in tables {
        put(&mut bytes, 0x2000 + field, *value);
    }
    bytes
}

#[test]
fn a_million_drivers_that_share_one_long_name() {
    const COUNT: usize = 1_000_000;
    for (units, name) in [(1000, 0x754c_754c_u32), (1024, 0x0061_0061), (u32::MAX, 0x0061_0061)] {
        let list = 0x3000;
        let mut bytes = with_tables(list + COUNT * 0x90, &[(0x30, 0x3000), (0x34, 1_000_000)]);
        put(&mut bytes, 0x2100, units);
        for offset in (0x2104..0x2904).step_by(4) {
            put(&mut bytes, offset, name);
        }
        for entry in 0..COUNT {
            let entry = list + entry * 0x90;
            put(&mut bytes, entry, 0x2100);
            put(&mut bytes, entry + 0x38, 0x1000);
            put(&mut bytes, entry + 0x48, u32::MAX);
        }
        check_memory("one name", &bytes);
    }
}

#[test]
fn tables_that_are_one_another() {
    let mut bytes = with_tables(
        4 << 20,
        &[
            (0x18, 0x2800),
            (0x28, 0x2800),
            (0x2c, u32::MAX),
            (0x30, 0x2800),
            (0x34, u32::MAX),
            (0x70, 0x2800),
            (0x74, u32::MAX),
            (0x78, 0x2800),
            (0x7c, u32::MAX),
            (0x04, 0x2800),
        ],
    );
    let tail = bytes.len() - 0x2800;
    bytes[0x2800..].copy_from_slice(&noise(7, tail));
    check_memory("noise", &bytes);
    fuzz_one(&bytes);
    for value in [0x20, 0x24, 0x2800, 0x0010_0001, u32::MAX] {
        for offset in (0x2800..bytes.len()).step_by(4) {
            put(&mut bytes, offset, value);
        }
        bytes[0x2800..0x2808].copy_from_slice(b"DumpBlob");
        check_memory("one number", &bytes);
        fuzz_one(&bytes);
    }
}

#[test]
fn a_million_empty_blobs() {
    let mut bytes = with_tables(32 << 20, &[(0x04, 0x3000)]);
    bytes[0x3000..0x3008].copy_from_slice(b"DumpBlob");
    put(&mut bytes, 0x3008, 0x10);
    for offset in (0x3010..bytes.len() - 0x20).step_by(0x20) {
        put(&mut bytes, offset, 0x20);
        put(&mut bytes, offset + 4, 0xbc5c_008f);
    }
    check_memory("blobs", &bytes);
    fuzz_one(&bytes);
}

/// Adjacent blocks that are one and the same piece of the file.
#[test]
fn one_piece_at_every_address() {
    let blocks = 20_000_u32;
    let mut bytes = with_tables(0x3000 + 16 * blocks as usize, &[(0x78, 0x3000), (0x7c, blocks)]);
    for block in 0..blocks {
        let entry = 0x3000 + 16 * block as usize;
        put(&mut bytes, entry, block << 16);
        put(&mut bytes, entry + 4, 0xffff_8000);
        put(&mut bytes, entry + 8, 0x2000);
        put(&mut bytes, entry + 12, 0x1_0000);
    }
    check_memory("one piece", &bytes);
    let took = allocation_counter::measure(|| {
        let dump = KernelDump::parse(&bytes).unwrap();
        assert_eq!(dump.read_run(0xffff_8000_0000_0000, usize::MAX).unwrap().len(), bytes.len());
    });
    assert!(took.bytes_max <= 4 * bytes.len() as u64, "{took:?}");
}

/// Lists of memory that secondary data hold: 32 bytes for each 16 of the file.
#[test]
fn lists_of_memory_in_secondary_data() {
    const BLOCKS: u32 = 8193;
    let mut bytes = with_tables(0x3010, &[(0x04, 0x3000)]);
    bytes[0x3000..0x3008].copy_from_slice(b"DumpBlob");
    put(&mut bytes, 0x3008, 0x10);
    for guid in [0x2b4a_e195_a64d_4f04_8ede_7e4f_981b_d42a_u128, 0x0d91_0545_e694_4b15_870c_0162_5fb3_2a6f] {
        let [a, b, c, d, e, f, g, h, tail @ ..] = guid.to_be_bytes();
        for _ in 0..8 {
            bytes.extend(0x20_u32.to_le_bytes());
            bytes.extend([d, c, b, a, f, e, h, g]);
            bytes.extend(tail);
            bytes.extend([16 * BLOCKS + 16, 0, 0, BLOCKS, 1].into_iter().flat_map(u32::to_le_bytes));
            bytes.extend((0..4 * BLOCKS).flat_map(|word| (word * 77).to_le_bytes()));
            bytes.extend(*b"b\0\0\0\0\0\0\0");
        }
    }
    check_memory("lists", &bytes);
    fuzz_one(&bytes);
}

#[test]
fn sound_dumps_take_little() {
    for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
        let bytes = SmallDump { writer, ..SmallDump::example() }.with_size(3 << 20).to_bytes();
        let took = allocation_counter::measure(|| {
            assert!(KernelDump::parse(&bytes).is_ok());
        });
        assert!(took.bytes_total < 100_000, "{took:?}");
    }
}

/// Small dumps that reach every part of the reader.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [SynthWriter::Kernel, SynthWriter::DebugEngine]
        .into_iter()
        .map(|writer| SmallDump { writer, filler: 0, ..SmallDump::example() }.to_bytes())
        .collect();
    // the same bytes under the other bitness
    let mut other = seeds[0].clone();
    other.copy_within(0x2000..0x3000, 0x1000);
    other[4..8].copy_from_slice(b"DUMP");
    put(&mut other, 0xf88, 4);
    seeds.push(other);
    seeds.push(user_minidump(&UserDump::example()));
    seeds
}

#[test]
fn every_prefix_of_a_dump() {
    for bytes in seeds() {
        let heads = (0..0x400).chain((0x400..bytes.len()).step_by(509));
        let tails = (0x1f80..0x2100).chain(bytes.len().saturating_sub(64)..bytes.len());
        for len in heads.chain(tails).filter(|len| *len <= bytes.len()) {
            fuzz_one(&bytes[..len]);
        }
    }
}

/// Where to write, and what: numbers that overflow sums, and those that point into the file.
fn mutation() -> impl Strategy<Value = (u32, u32)> {
    let offset = prop_oneof![
        4 => 0x2000_u32..0x2080,
        1 => 0x1000_u32..0x1068,
        2 => 0_u32..0x2000,
        3 => any::<u32>(),
    ];
    let value = prop_oneof![
        any::<u32>(),
        0_u32..0x3_0000,
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(0x7fff_ffff),
        Just(0x4547_4150),
    ];
    (offset, value)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_dumps(
        seed in prop::sample::select(seeds()),
        mutations in prop::collection::vec(mutation(), 1..12),
        cut in prop::option::weighted(0.3, any::<u32>()),
    ) {
        let mut bytes = seed;
        for (offset, value) in mutations {
            let offset = offset as usize % (bytes.len() - 4);
            put(&mut bytes, offset, value);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut as usize % bytes.len());
        }
        fuzz_one(&bytes);
        if KernelDump::parse(&bytes).is_ok() {
            check_memory("mutated", &bytes);
        }
    }

    #[test]
    fn noise_behind_a_signature(
        signature in prop::sample::select(vec![*b"PAGEDU64", *b"PAGEDUMP", *b"MDMP\x93\xa7\0\0"]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..0x3000),
    ) {
        bytes.splice(0..0, signature);
        fuzz_one(&bytes);
    }
}
