//! Whatever image, registers and memory hold: no panic, bounded work, and a walker that is told all or nothing.

use proptest::prelude::*;

use super::*;

/// Reads that one frame may cost: a chain of 32 parts with 255 codes on x64; 1,020 contexts of 33 registers on ARM64.
const MAX_READS: usize = 40_000;

/// Addresses at the edges, on the stack, and any.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(u64::MAX - 7),
        (0..STACK_BYTES).prop_map(|offset| STACK + offset),
        any::<u64>(),
    ]
}

/// Records that begin like real ones more often than chance has it.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let head = prop_oneof![
        any::<[u8; 4]>(),
        (prop_oneof![Just(1_u8), Just(2), Just(0x21), Just(0x22)], any::<[u8; 3]>())
            .prop_map(|(head, [a, b, c])| [head, a, b, c]),
        (0_u32..0x400, 0_u32..0x800).prop_map(|(length, counts)| (length | counts << 21).to_le_bytes()),
    ];
    (head, proptest::collection::vec(any::<u8>(), 0..1500))
        .prop_map(|(head, rest)| [&head[..], &rest].concat())
}

/// A table that leads into the record more often than not, among others into itself.
fn table() -> impl Strategy<Value = Vec<u8>> {
    let target = prop_oneof![
        (0_u32..64).prop_map(|offset| XDATA + offset),
        (0_u32..64).prop_map(|offset| PDATA + offset),
        any::<u32>(),
    ];
    let x64 = (0_u32..0x400, 0_u32..0x400, target.clone())
        .prop_map(|(begin, len, target)| [TEXT + begin, TEXT + begin + len, target].to_vec());
    let arm64 = (0_u32..0x400, target).prop_map(|(begin, target)| [TEXT + begin, target].to_vec());
    let table = |entry: BoxedStrategy<Vec<u32>>| {
        proptest::collection::vec(entry, 1..6).prop_map(|mut entries| {
            entries.sort();
            entries.concat().into_iter().flat_map(u32::to_le_bytes).collect()
        })
    };
    prop_oneof![table(x64.boxed()), table(arm64.boxed()), proptest::collection::vec(any::<u8>(), 0..64),]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_image_makes_a_walk_panic_or_run_away(
        arm64 in any::<bool>(),
        text in proptest::collection::vec(any::<u8>(), 1..0x400),
        xdata in record(),
        pdata in table(),
        at in 0_u32..0x500,
        called in any::<bool>(),
        values in proptest::collection::vec(proptest::option::of(value()), 31),
        sp in value(),
        memory in proptest::collection::vec((value(), value()), 0..16),
    ) {
        let (machine, names) = if arm64 { (0xAA64, ARM64) } else { (0x8664, X64) };
        let mut walker = Walker { called, memory: memory.into_iter().collect(), ..Walker::at(TEXT + at) };
        let known = names.iter().zip(values).filter_map(|(name, value)| Some((*name, value?)));
        walker.registers.extend(known);
        walker.registers.extend([("sp", sp), ("rsp", sp)]);
        let caller = walk(image(machine, &text, &xdata, &pdata), &mut walker);
        prop_assert!(walker.reads.get() <= MAX_READS, "{} reads", walker.reads.get());
        prop_assert_eq!(caller.is_none(), walker.is_untouched());
        prop_assert_eq!(caller.is_some(), walker.cfa.is_some() && walker.ra.is_some());
    }
}

const X64: &[&str] =
    &["rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const ARM64: &[&str] = &[
    "x0", "x1", "x2", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp", "lr",
];
