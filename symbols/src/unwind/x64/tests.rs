//! One feature of `UNWIND_INFO` a test, its bytes written out.

mod epilog;

use crate::unwind::Caller::{self, Called, Trapped};
use crate::unwind::tests::{PDATA, STACK, TEXT, Walker, XDATA, image, walk, word};

const NONVOLATILE: [&str; 8] = ["rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15"];

/// What a register holds before anything is restored.
fn before(name: &str) -> u64 {
    let number = NONVOLATILE.iter().position(|other| *other == name).unwrap();
    0xBEF0 + u64::try_from(number).unwrap()
}

fn u32s(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn interrupted(rva: u32) -> Walker {
    let mut walker = Walker::at(rva);
    walker.registers.extend(NONVOLATILE.map(|name| (name, before(name))));
    walker.registers.insert("rsp", STACK);
    walker
}

/// An image with one function of 0x100 bytes, all `nop` but its end.
fn function(end: &[u8], info: &[u8]) -> crate::image::Image {
    let mut text = vec![0x90; 0x100 - end.len()];
    text.extend_from_slice(end);
    text.resize(0x400, 0x90);
    image(0x8664, &text, info, &u32s(&[TEXT, TEXT + 0x100, XDATA]))
}

/// What became of a walk: how the frame below came here, its `rip` as an offset on the stack, its `rsp` above the old one,
/// and where on the stack registers were; all others are as before.
#[track_caller]
fn check(found: Option<Caller>, walker: &Walker, pc: u64, rsp: u64, restored: &[(&str, u64)]) {
    assert_eq!(found, Some(Called));
    assert_eq!((walker.ra, walker.cfa), (Some(word(pc)), Some(STACK + rsp)));
    for name in NONVOLATILE {
        let expected = restored.iter().find(|(other, _)| *other == name).map(|(_, offset)| word(*offset));
        assert_eq!(walker.caller.get(name), Some(&expected.unwrap_or(before(name))), "{name}");
    }
    for (name, offset) in restored {
        assert_eq!(walker.caller.get(*name), Some(&word(*offset)), "{name}");
    }
    let others = restored.iter().filter(|(name, _)| !NONVOLATILE.contains(name)).count();
    assert_eq!((walker.caller.len(), walker.cleared.len()), (NONVOLATILE.len() + others, 0));
}

#[track_caller]
fn check_at(info: &[u8], at: u32, pc: u64, rsp: u64, restored: &[(&str, u64)]) {
    let mut walker = interrupted(TEXT + at);
    let found = walk(function(&[0xC3], info), &mut walker);
    check(found, &walker, pc, rsp, restored);
}

#[track_caller]
fn refused(info: &[u8]) {
    let mut walker = interrupted(TEXT + 0x80);
    assert_eq!(walk(function(&[0xC3], info), &mut walker), None);
    assert!(walker.is_untouched());
}

/// `push rbp; push r15; sub rsp, 0x20`
const PUSHES: &[u8] = &[1, 7, 3, 0, 7, 0x32, 3, 0xF0, 1, 0x50, 0, 0];

#[test]
fn pushes_and_small_allocations() {
    check_at(PUSHES, 0x80, 0x30, 0x38, &[("r15", 0x20), ("rbp", 0x28)]);
}

#[test]
fn a_prolog_is_undone_as_far_as_it_ran() {
    check_at(PUSHES, 0, 0, 8, &[]);
    check_at(PUSHES, 1, 8, 0x10, &[("rbp", 0)]);
    check_at(PUSHES, 2, 8, 0x10, &[("rbp", 0)]);
    check_at(PUSHES, 3, 0x10, 0x18, &[("r15", 0), ("rbp", 8)]);
    check_at(PUSHES, 6, 0x10, 0x18, &[("r15", 0), ("rbp", 8)]);
    check_at(PUSHES, 7, 0x30, 0x38, &[("r15", 0x20), ("rbp", 0x28)]);
}

#[test]
fn large_allocations_of_both_forms() {
    // 0x81 * 8
    check_at(&[1, 7, 2, 0, 7, 0x01, 0x81, 0], 0x80, 0x408, 0x410, &[]);
    // 0x2008, in 32 bits
    check_at(&[1, 7, 3, 0, 7, 0x11, 0x08, 0x20, 0, 0, 0, 0], 0x80, 0x2008, 0x2010, &[]);
}

/// `push rbp; sub rsp, 0x40; lea rbp, [rsp + 0x20]`, then `rsi` is saved 0x30 above the frame.
const FRAMED: &[u8] = &[1, 0x0E, 5, 0x25, 0x0E, 0x64, 6, 0, 0x0A, 3, 5, 0x72, 1, 0x50, 0, 0];

#[test]
fn the_frame_register_is_where_the_frame_is() {
    // `rsp` moved on: memory was allocated since
    let mut walker = interrupted(TEXT + 0x80);
    walker.registers.insert("rbp", STACK + 0x220);
    let found = walk(function(&[0xC3], FRAMED), &mut walker);
    check(found, &walker, 0x248, 0x250, &[("rbp", 0x240), ("rsi", 0x230)]);
}

#[test]
fn a_frame_register_that_is_not_set_yet_is_the_callers() {
    check_at(FRAMED, 5, 0x48, 0x50, &[("rbp", 0x40)]);
    check_at(FRAMED, 1, 8, 0x10, &[("rbp", 0)]);
    // it was set, and the save did not run yet
    let mut walker = interrupted(TEXT + 0x0C);
    walker.registers.insert("rbp", STACK + 0x20);
    let found = walk(function(&[0xC3], FRAMED), &mut walker);
    check(found, &walker, 0x48, 0x50, &[("rbp", 0x40)]);
}

#[test]
fn registers_saved_by_move_near_and_far() {
    // `mov [rsp + 0x28], rbx` and `mov [rsp + 0x3008], r12` in a frame of 0x10 bytes
    let info = [1, 0x20, 6, 0, 0x20, 0x34, 5, 0, 0x18, 0xC5, 0x08, 0x30, 0, 0, 4, 0x12, 0, 0];
    check_at(&info, 0x80, 0x10, 0x18, &[("rbx", 0x28), ("r12", 0x3008)]);
    check_at(&info, 0x18, 0x10, 0x18, &[("r12", 0x3008)]);
}

#[test]
fn vector_registers_are_passed_over() {
    // `xmm6` near, `xmm7` far, and the numbers that were for halves of them
    let info =
        [1, 0x20, 11, 0, 9, 0x68, 1, 0, 8, 0x79, 0, 0, 1, 0, 7, 6, 0, 0, 7, 7, 0, 0, 0, 0, 4, 0x02, 0, 0];
    check_at(&info, 0x80, 8, 0x10, &[]);
}

#[test]
fn volatile_registers_that_were_saved_are_told_too() {
    check_at(&[1, 1, 1, 0, 1, 0x00, 0, 0], 0x80, 8, 0x10, &[("rax", 0)]);
}

#[test]
fn a_saved_stack_pointer_is_not_told() {
    check_at(&[1, 1, 1, 0, 1, 0x40, 0, 0], 0x80, 8, 0x10, &[]);
}

/// `push rdi; sub rsp, 0x20`
const PRIMARY: &[u8] = &[1, 5, 2, 0, 5, 0x32, 1, 0x70];

/// A function of two parts, `[0, 0x100)` and `[0x200, 0x280)`. The second one does `sub rsp, 8` and saves `rbx`; its info
/// has an odd number of codes. There is a third part in `[0x100, 0x180)` with the state of the first.
fn parts(jump: &[u8]) -> crate::image::Image {
    let mut text = vec![0x90; 0x400];
    text[0x240..0x240 + jump.len()].copy_from_slice(jump);
    let second = [0x21, 6, 3, 0, 6, 0x34, 6, 0, 2, 0x02, 0, 0];
    let primary = u32s(&[TEXT, TEXT + 0x100, XDATA]);
    let xdata = [PRIMARY, &second, &primary].concat();
    let entries = [
        [TEXT, TEXT + 0x100, XDATA],
        // odd: the address of another entry, the table's first
        [TEXT + 0x100, TEXT + 0x180, PDATA + 1],
        [TEXT + 0x200, TEXT + 0x280, XDATA + 8],
    ];
    image(0x8664, &text, &xdata, &u32s(&entries.concat()))
}

#[test]
fn a_part_is_undone_and_then_what_it_is_chained_to() {
    let mut walker = interrupted(TEXT + 0x230);
    let found = walk(parts(&[]), &mut walker);
    check(found, &walker, 0x30, 0x38, &[("rbx", 0x30), ("rdi", 0x28)]);
}

#[test]
fn only_the_part_itself_can_be_in_its_prolog() {
    for (at, rsp, restored) in [
        (0x200, 0x30, &[("rdi", 0x20)][..]),
        (0x202, 0x38, &[("rdi", 0x28)]),
        (0x206, 0x38, &[("rdi", 0x28), ("rbx", 0x30)]),
    ] {
        let mut walker = interrupted(TEXT + at);
        let found = walk(parts(&[]), &mut walker);
        check(found, &walker, rsp - 8, rsp, restored);
    }
}

#[test]
fn an_odd_address_is_another_entrys() {
    let mut walker = interrupted(TEXT + 0x101);
    let found = walk(parts(&[]), &mut walker);
    check(found, &walker, 0x28, 0x30, &[("rdi", 0x20)]);
}

#[test]
fn chains_without_an_end_are_given_up() {
    // chained to itself, and an entry that is its own
    let info = [&[0x21, 0, 0, 0][..], &u32s(&[TEXT, TEXT + 0x100, XDATA])].concat();
    refused(&info);
    let mut walker = interrupted(TEXT + 0x80);
    let image = image(0x8664, &[0x90; 0x100], &[], &u32s(&[TEXT, TEXT + 0x100, PDATA | 1]));
    assert_eq!(walk(image, &mut walker), None);
}

#[test]
fn damaged_records_are_refused() {
    refused(&[]);
    refused(&[1, 0, 0]);
    // versions 0 and 3
    refused(&[0, 0, 0, 0]);
    refused(&[3, 0, 0, 0]);
    // more codes than there are; an operand that is missing; unknown codes
    refused(&[1, 0, 2, 0, 0, 0x50]);
    refused(&[1, 4, 1, 0, 4, 0x01, 0, 0]);
    refused(&[1, 4, 1, 0, 4, 0x0B, 0, 0]);
    refused(&[1, 4, 1, 0, 4, 0x21, 0, 0]);
    // sets a frame register, and has none
    refused(&[1, 4, 1, 0, 4, 0x03, 0, 0]);
    // chained to nothing
    refused(&[0x21, 0, 0, 0, 0, 0x10, 0]);
}

#[test]
fn a_machine_frame_is_a_trap() {
    for (info, rip) in [([1, 0, 1, 0, 0, 0x0A, 0, 0], 0), ([1, 0, 1, 0, 0, 0x1A, 0, 0], 8)] {
        // saved by the handler, in the frame it made on top
        let info = [&[1, 9, 3, 0, 9, 0x22, 1, 0x50][..], &info[4..6], &[0, 0]].concat();
        let mut walker = interrupted(TEXT + 0x80);
        let frame = STACK + 0x20;
        walker.memory.extend([(frame + rip, 0x1234), (frame + rip + 24, 0x5678)]);
        assert_eq!(walk(function(&[0xC3], &info), &mut walker), Some(Trapped));
        assert_eq!((walker.ra, walker.cfa), (Some(0x1234), Some(0x5678)));
        assert_eq!(walker.caller["rbp"], word(0x18));
    }
}

#[test]
fn a_leaf_function_returns_from_where_it_stands() {
    let mut walker = interrupted(TEXT + 0x180);
    let found = walk(function(&[0xC3], PUSHES), &mut walker);
    check(found, &walker, 0, 8, &[]);
}

#[test]
fn what_is_no_leaf_function() {
    // who called somebody, data, and code of an image whose table is not all there
    let called = Walker { called: true, ..interrupted(TEXT + 0x180) };
    let data = interrupted(XDATA + 2);
    for mut walker in [called, data] {
        assert_eq!(walk(function(&[0xC3], PUSHES), &mut walker), None);
        assert!(walker.is_untouched());
    }
    let mut walker = interrupted(TEXT);
    assert_eq!(walk(image(0x8664, &[0xC3], &[], &[]), &mut walker), None);
}

#[test]
fn a_return_address_of_0_is_an_answer() {
    let mut walker = interrupted(TEXT + 0x80);
    walker.memory.insert(STACK + 0x30, 0);
    assert_eq!(walk(function(&[0xC3], PUSHES), &mut walker), Some(Called));
    assert_eq!(walker.ra, Some(0));
}

#[test]
fn a_register_that_is_lost_is_cleared() {
    // saved in memory that is not there, and one that the frame above did not know
    let mut walker = interrupted(TEXT + 0x80);
    walker.registers.remove("r13");
    let info = [1, 8, 4, 0, 8, 0x34, 0xFF, 0xFF, 4, 0x02, 1, 0x70];
    assert_eq!(walk(function(&[0xC3], &info), &mut walker), Some(Called));
    assert_eq!(walker.cleared.iter().collect::<Vec<_>>(), ["r13", "rbx"]);
    assert_eq!((walker.ra, walker.caller["rdi"]), (Some(word(0x10)), word(8)));
}

#[test]
fn a_return_address_that_is_lost_ends_the_walk() {
    for rsp in [0, u64::MAX, u64::MAX - 0x20, STACK + 0x3FF0] {
        let mut walker = interrupted(TEXT + 0x80);
        walker.registers.insert("rsp", rsp);
        assert_eq!(walk(function(&[0xC3], PUSHES), &mut walker), None, "{rsp:x}");
        assert!(walker.is_untouched());
    }
    let mut walker = interrupted(TEXT + 0x80);
    walker.registers.remove("rsp");
    assert_eq!(walk(function(&[0xC3], PUSHES), &mut walker), None);
}

#[test]
fn the_table_is_searched_by_where_functions_are() {
    let entries: Vec<u32> =
        (0..7).flat_map(|number| [TEXT + number * 0x40, TEXT + number * 0x40 + 0x20, XDATA]).collect();
    for at in 0..7 * 0x40 {
        let mut walker = interrupted(TEXT + at);
        let found = walk(image(0x8664, &[0x90; 0x200], PUSHES, &u32s(&entries)), &mut walker);
        let expected = match at % 0x40 {
            0 => 8,
            1 | 2 => 0x10,
            3..7 => 0x18,
            7..0x20 => 0x38,
            _ => 8,
        };
        assert_eq!((found, walker.cfa), (Some(Called), Some(STACK + expected)), "{at:x}");
    }
}
