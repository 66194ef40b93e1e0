//! One feature of ARM64's unwind data a test, its bytes written out. What a code means is tested with the codes, what a
//! packed word means with packed data.

mod codes;
mod packed;

use std::collections::BTreeMap;

use crate::unwind::Caller::{Called, Trapped};
use crate::unwind::tests::{STACK, TEXT, Walker, XDATA, image, walk, word};

const PRESERVED: [&str; 11] = ["x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp"];

/// Where `lr` points to before anything is restored.
const LINK: u64 = 0xFFFF_F803_0000_1234;

fn u32s(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// What a register holds before anything is restored; the frame pointer is 0x1000 above the stack pointer.
fn before(name: &str) -> u64 {
    let number = PRESERVED.iter().position(|other| *other == name).unwrap();
    if name == "fp" { STACK + 0x1000 } else { 0xBEF0 + u64::try_from(number).unwrap() }
}

fn interrupted(rva: u32) -> Walker {
    let mut walker = Walker::at(rva);
    walker.registers.extend(PRESERVED.map(|name| (name, before(name))));
    walker.registers.extend([("sp", STACK), ("lr", LINK)]);
    walker
}

/// An image with one function at its start; `data` is the second word of its entry.
fn function(data: u32, xdata: &[u8]) -> crate::image::Image {
    image(0xAA64, &[0x1F; 0x4000], xdata, &u32s(&[TEXT, data]))
}

/// A full record: its header's fields, scopes, and codes padded to words.
fn record(length: u32, epilogs: u32, single: bool, scopes: &[u32], codes: &[u8]) -> Vec<u8> {
    let words = u32::try_from(codes.len().div_ceil(4)).unwrap();
    let mut record = u32s(&[length | u32::from(single) << 21 | epilogs << 22 | words << 27]);
    record.extend(u32s(scopes));
    record.extend_from_slice(codes);
    record.resize(record.len().next_multiple_of(4), 0xE3);
    record
}

/// Walks and checks: `pc` is on the stack at an offset or what was in `lr`, `sp` so far above, registers from offsets on the
/// stack; all others are as before, and `lr` is gone.
#[track_caller]
fn check(mut walker: Walker, image: crate::image::Image, pc: Option<u64>, sp: u64, restored: &[(&str, u64)]) {
    assert_eq!(walk(image, &mut walker), Some(Called));
    assert_eq!((walker.ra, walker.cfa), (Some(pc.map_or(LINK, word)), Some(STACK + sp)));
    let expected: BTreeMap<String, u64> = PRESERVED
        .into_iter()
        .map(|name| {
            let found = restored.iter().find(|(other, _)| *other == name);
            (name.to_owned(), found.map_or(before(name), |(_, offset)| word(*offset)))
        })
        .collect();
    assert_eq!(walker.caller, expected);
    assert_eq!(walker.cleared.into_iter().collect::<Vec<_>>(), ["lr"]);
}

#[track_caller]
fn refused(data: u32, xdata: &[u8]) {
    let mut walker = interrupted(TEXT + 0x80);
    assert_eq!(walk(function(data, xdata), &mut walker), None);
    assert!(walker.is_untouched());
}

/// `stp x19, x20, [sp, #-16]!`; `stp fp, lr, [sp, #-0x90]!`; `mov fp, sp`: the documented example of a full record, whose
/// epilog begins at instruction 56 and has codes of its own that are the same.
fn mirrored() -> crate::image::Image {
    function(XDATA, &u32s(&[0x1040_003D, 0x0100_0038, 0xE422_91E1, 0xE422_91E1]))
}

#[test]
fn a_frame_is_undone_from_its_body() {
    let restored = [("fp", 0x1000), ("x19", 0x1090), ("x20", 0x1098)];
    for at in [3, 20, 55] {
        check(interrupted(TEXT + at * 4), mirrored(), Some(0x1008), 0x10A0, &restored);
    }
}

#[test]
fn a_prolog_is_undone_as_far_as_it_ran() {
    check(interrupted(TEXT), mirrored(), None, 0, &[]);
    check(interrupted(TEXT + 4), mirrored(), None, 0x10, &[("x19", 0), ("x20", 8)]);
    let restored = [("fp", 0), ("x19", 0x90), ("x20", 0x98)];
    check(interrupted(TEXT + 8), mirrored(), Some(8), 0xA0, &restored);
}

#[test]
fn an_epilog_is_played_from_where_it_is() {
    let restored = [("fp", 0x1000), ("x19", 0x1090), ("x20", 0x1098)];
    check(interrupted(TEXT + 56 * 4), mirrored(), Some(0x1008), 0x10A0, &restored);
    let restored = [("fp", 0), ("x19", 0x90), ("x20", 0x98)];
    check(interrupted(TEXT + 57 * 4), mirrored(), Some(8), 0xA0, &restored);
    check(interrupted(TEXT + 58 * 4), mirrored(), None, 0x10, &[("x19", 0), ("x20", 8)]);
    check(interrupted(TEXT + 59 * 4), mirrored(), None, 0, &[]);
    // and behind it is body again
    let restored = [("fp", 0x1000), ("x19", 0x1090), ("x20", 0x1098)];
    check(interrupted(TEXT + 60 * 4), mirrored(), Some(0x1008), 0x10A0, &restored);
}

#[test]
fn who_called_is_in_no_epilog_and_has_no_link() {
    let restored = [("fp", 0x1000), ("x19", 0x1090), ("x20", 0x1098)];
    let walker = Walker { called: true, ..interrupted(TEXT + 57 * 4 - 1) };
    check(walker, mirrored(), Some(0x1008), 0x10A0, &restored);
    // nothing was saved when it called
    let mut walker = Walker { called: true, ..interrupted(TEXT + 4) };
    assert_eq!(walk(mirrored(), &mut walker), None);
    assert!(walker.is_untouched());
}

#[test]
fn a_prolog_that_calls_is_undone_as_far_as_it_ran() {
    // `stp fp, lr, [sp, #-16]!`; `mov x15, #n`; `bl __chkstk`; `sub sp, sp, #0x2000`
    let image = function(XDATA, &record(60, 0, false, &[], &[0xC2, 0x00, 0xE3, 0xE3, 0x81, 0xE4]));
    check(Walker { called: true, ..interrupted(TEXT + 11) }, image, Some(8), 0x10, &[("fp", 0)]);
}

#[test]
fn one_epilog_at_the_end_has_no_scope() {
    // `alloc_s 0x20` at the start, `save_fplr 0x10; alloc_s 0x20` at the end, from byte 2
    let codes = [0x02, 0xE4, 0x42, 0x02, 0xE4];
    let record = record(40, 2, true, &[], &codes);
    let end = |at: u32| (interrupted(TEXT + at * 4), function(XDATA, &record));
    for (at, pc, sp, restored) in [
        (36, None, 0x20, &[][..]),
        (37, Some(0x18), 0x20, &[("fp", 0x10)]),
        (38, None, 0x20, &[]),
        (39, None, 0, &[]),
    ] {
        let (walker, image) = end(at);
        check(walker, image, pc, sp, restored);
    }
}

#[test]
fn many_codes_have_a_second_header() {
    // 40 words of `nop`, then `alloc_s`: a prolog of 157 instructions; no epilog
    let mut codes = vec![0xE3; 158];
    codes[156..].copy_from_slice(&[0x01, 0xE4]);
    codes.resize(160, 0);
    let record = [u32s(&[1000, 40 << 16]), codes].concat();
    check(interrupted(TEXT + 0x400), function(XDATA, &record), None, 0x10, &[]);
    check(interrupted(TEXT), function(XDATA, &record), None, 0, &[]);
    check(interrupted(TEXT + 4), function(XDATA, &record), None, 0x10, &[]);
}

#[test]
fn many_epilogs_have_a_second_header_too() {
    let scopes: Vec<u32> = (0..40).map(|number| 20 + number * 10).collect();
    let record = [u32s(&[1000, 40 | 1 << 16]), u32s(&scopes), vec![0x01, 0x81, 0xE4, 0]].concat();
    for at in [20, 30, 410] {
        let image = function(XDATA, &record);
        check(interrupted(TEXT + at * 4), image, Some(0x18), 0x20, &[("fp", 0x10)]);
        let image = function(XDATA, &record);
        check(interrupted(TEXT + at * 4 + 4), image, Some(8), 0x10, &[("fp", 0)]);
        let image = function(XDATA, &record);
        check(interrupted(TEXT + at * 4 + 8), image, None, 0, &[]);
    }
}

#[test]
fn parts_of_a_function_undo_what_other_parts_did() {
    // shrink-wrapped: `save_regp x21` here, then `end_c`, and what the function itself did
    let codes = [0xC8, 0x84, 0xE5, 0xE1, 0x81, 0xE4];
    let image = || function(XDATA, &record(40, 0, false, &[], &codes));
    check(interrupted(TEXT), image(), Some(0x1008), 0x1010, &[("fp", 0x1000)]);
    let restored = [("fp", 0x1000), ("x21", 0x20), ("x22", 0x28)];
    check(interrupted(TEXT + 4), image(), Some(0x1008), 0x1010, &restored);
}

/// `KTRAP_FRAME` and `CONTEXT`, the one with registers up to `x18`, the other with all.
#[test]
fn frames_of_traps_and_contexts() {
    for (code, sp, pc, lr, fp, first, registers) in
        [(0xE8, 0x98, 0x148, 0x138, 0x140, 0xA0, 19), (0xEA, 0x100, 0x108, 0xF8, 0xF0, 8, 29)]
    {
        let mut walker = interrupted(TEXT + 0x40);
        // on another stack, and 0x10 above the stack pointer
        walker.memory.insert(STACK + 0x10 + sp, 0x9000);
        let image = function(XDATA, &record(60, 0, false, &[], &[0x01, code, 0xE4]));
        assert_eq!(walk(image, &mut walker), Some(Trapped));
        assert_eq!((walker.ra, walker.cfa), (Some(word(0x10 + pc)), Some(0x9000)));
        assert_eq!((walker.caller["lr"], walker.caller["fp"]), (word(0x10 + lr), word(0x10 + fp)));
        for number in 0..registers {
            assert_eq!(walker.caller[&format!("x{number}")], word(0x10 + first + number * 8));
        }
        if registers == 19 {
            assert_eq!(walker.caller["x19"], before("x19"));
        }
        assert!(walker.cleared.is_empty());
    }
}

#[test]
fn a_machine_frame_is_a_trap() {
    let mut walker = interrupted(TEXT + 0x40);
    walker.memory.extend([(STACK, 0x9000), (STACK + 8, 0x1234)]);
    let image = function(XDATA, &record(60, 0, false, &[], &[0xE9, 0xE4]));
    assert_eq!(walk(image, &mut walker), Some(Trapped));
    assert_eq!((walker.ra, walker.cfa), (Some(0x1234), Some(0x9000)));
    // as it was before
    assert_eq!(walker.caller["x19"], before("x19"));
}

#[test]
fn an_interrupted_frame_is_exact() {
    let mut walker = interrupted(TEXT + 0x40);
    let image = function(XDATA, &record(60, 0, false, &[], &[0x81, 0xEC, 0xE4]));
    assert_eq!(walk(image, &mut walker), Some(Trapped));
    assert_eq!((walker.ra, walker.cfa), (Some(word(8)), Some(STACK + 0x10)));
    assert!(!walker.caller.contains_key("lr"));
}

#[test]
fn a_leaf_function_returns_by_its_link() {
    // behind the end of the function, which has 61 instructions
    check(interrupted(TEXT + 61 * 4), mirrored(), None, 0, &[]);
}

#[test]
fn what_is_no_leaf_function() {
    let called = Walker { called: true, ..interrupted(TEXT + 0x200) };
    let data = interrupted(XDATA + 4);
    let mut stuck = interrupted(TEXT + 0x200);
    stuck.registers.insert("lr", stuck.instruction);
    for mut walker in [called, data, stuck] {
        assert_eq!(walk(mirrored(), &mut walker), None);
        assert!(walker.is_untouched());
    }
}

#[test]
fn signatures_come_off_return_addresses() {
    for (signed, address) in [
        (0x7F0A_7FF6_0000_1234, 0x0000_7FF6_0000_1234),
        (0x12B4_F803_0000_1234, 0xFFFF_F803_0000_1234),
        (0xFFFF_F803_0000_1234, 0xFFFF_F803_0000_1234),
        (0x0000_7FF6_0000_1234, 0x0000_7FF6_0000_1234),
        (0, 0),
    ] {
        // `pacibsp` ran, and nothing else
        let mut walker = interrupted(TEXT + 4);
        walker.registers.insert("lr", signed);
        let image = function(XDATA, &record(60, 0, false, &[], &[0x81, 0xFC, 0xE4]));
        assert_eq!(walk(image, &mut walker), Some(Called));
        assert_eq!(walker.ra, Some(address), "{signed:x}");
    }
}

#[test]
fn a_register_that_is_lost_is_cleared() {
    let mut walker = interrupted(TEXT + 0x80);
    walker.registers.insert("sp", STACK + 0x3FE0);
    walker.registers.remove("x25");
    // `save_regp x19` above the stack's end
    let codes = [0xC8, 0x08, 0x81, 0xE4];
    assert_eq!(walk(function(XDATA, &record(60, 0, false, &[], &codes)), &mut walker), Some(Called));
    assert_eq!(walker.cleared.iter().collect::<Vec<_>>(), ["lr", "x19", "x20", "x25"]);
    assert_eq!(walker.ra, Some(word(0x3FE8)));
}

#[test]
fn what_leads_further_must_be_known() {
    for name in ["sp", "fp", "lr"] {
        let mut walker = interrupted(TEXT + 0x80);
        walker.registers.remove(name);
        let codes: &[u8] = if name == "fp" { &[0xE1, 0x81, 0xE4] } else { &[0x01, 0xE4] };
        assert_eq!(walk(function(XDATA, &record(60, 0, false, &[], codes)), &mut walker), None, "{name}");
        assert!(walker.is_untouched());
    }
    let mut walker = interrupted(TEXT + 0x80);
    walker.registers.insert("sp", u64::MAX - 8);
    assert_eq!(walk(function(XDATA, &record(60, 0, false, &[], &[0x01, 0xE4])), &mut walker), None);
}

#[test]
fn damaged_records_are_refused() {
    refused(XDATA, &[]);
    refused(XDATA, &u32s(&[60]));
    // version 1; more codes and scopes than there are; flag 3
    refused(XDATA, &u32s(&[60 | 1 << 18 | 1 << 27, 0xE4]));
    refused(XDATA, &u32s(&[60 | 2 << 27, 0xE4]));
    refused(XDATA, &u32s(&[60, 0xFFFF | 1 << 16, 0xE4]));
    refused(XDATA | 3, &u32s(&[60 | 1 << 27, 0xE4]));
    // codes that nobody knows, of ARM64EC, of scalable vectors, and one cut short
    for code in [0xED, 0xF0, 0xEB, 0xDF] {
        refused(XDATA, &record(60, 0, false, &[], &[code, 0, 0, 0xE4]));
    }
    refused(XDATA, &record(60, 0, false, &[], &[0x01, 0x01, 0x01, 0xC0]));
    // a pair that continues what is no pair
    refused(XDATA, &record(60, 0, false, &[], &[0xE6, 0x01, 0xE4]));
    // beyond `lr`
    refused(XDATA, &record(60, 0, false, &[], &[0xE7, 0x5E, 0x00, 0xE4]));
}
