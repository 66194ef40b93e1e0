//! Packed words and the codes they stand for.

use super::super::codes::{Code, decode};
use super::super::packed::read;
use super::{TEXT, check, function, interrupted};

/// The fields of a packed word; `flag` 1 is a function, 2 a part of one.
struct Word {
    flag: u32,
    length: u32,
    reg_f: u32,
    reg_i: u32,
    h: u32,
    cr: u32,
    frame: u32,
}

const FUNCTION: Word = Word { flag: 1, length: 100, reg_f: 0, reg_i: 0, h: 0, cr: 0, frame: 0 };

impl Word {
    fn data(&self) -> u32 {
        let Self { flag, length, reg_f, reg_i, h, cr, frame } = self;
        flag | length << 2 | reg_f << 13 | reg_i << 16 | h << 20 | cr << 21 | (frame / 16) << 23
    }
}

/// The codes of prolog and epilog, as a full record would have them.
#[track_caller]
fn check_codes(word: &Word, prolog: &[u8], epilog: &[u8]) {
    let function = read(word.data(), true).unwrap();
    assert_eq!(function.length, word.length);
    assert_eq!(function.prolog, decode(prolog).unwrap(), "prolog");
    let epilog = decode(epilog).unwrap();
    let start = word.length - u32::try_from(epilog.len()).unwrap();
    let found = function.epilog.unwrap();
    assert_eq!((found.start, found.codes), (start, epilog), "epilog");
}

#[test]
fn the_documented_example() {
    // `str x19, [sp, #-16]!; sub sp, sp, #0x810; stp fp, lr, [sp]; mov fp, sp`
    let function = read(0x4161_01ED, true).unwrap();
    assert_eq!(function.length, 492 / 4);
    assert_eq!(function.prolog, decode(&[0xE1, 0x40, 0xC0, 0x81, 0xD4, 0x01, 0xE4]).unwrap());
}

#[test]
fn a_frame_of_local_variables() {
    check_codes(&FUNCTION, &[0xE4], &[0xE4]);
    check_codes(&Word { frame: 0x50, ..FUNCTION }, &[0x05, 0xE4], &[0x05, 0xE4]);
    check_codes(&Word { frame: 4080, ..FUNCTION }, &[0xC0, 0xFF, 0xE4], &[0xC0, 0xFF, 0xE4]);
    // two steps, the first of 4080
    let codes = [0x01, 0xC0, 0xFF, 0xE4];
    check_codes(&Word { frame: 4096, ..FUNCTION }, &codes, &codes);
}

#[test]
fn frames_that_are_chained() {
    check_codes(&Word { cr: 3, frame: 0x10, ..FUNCTION }, &[0xE1, 0x81, 0xE4], &[0x81, 0xE4]);
    check_codes(&Word { cr: 3, frame: 0x200, ..FUNCTION }, &[0xE1, 0xBF, 0xE4], &[0xBF, 0xE4]);
    let codes = [0xE1, 0x40, 0xC0, 0x21, 0xE4];
    check_codes(&Word { cr: 3, frame: 0x210, ..FUNCTION }, &codes, &codes[1..]);
    let codes = [0xE1, 0x81, 0xFC, 0xE4];
    check_codes(&Word { cr: 2, frame: 0x10, ..FUNCTION }, &codes, &codes[1..]);
}

#[test]
fn saved_registers() {
    for (reg_i, reg_f, cr, frame, codes) in [
        (1, 0, 0, 0x10, &[0xD4, 0x01, 0xE4][..]),
        (2, 0, 0, 0x10, &[0xCC, 0x01, 0xE4]),
        (3, 0, 0, 0x20, &[0xD0, 0x82, 0xCC, 0x03, 0xE4]),
        (4, 0, 0, 0x30, &[0x01, 0xC8, 0x82, 0xCC, 0x03, 0xE4]),
        (0, 0, 1, 0x10, &[0xD5, 0x61, 0xE4]),
        (1, 0, 1, 0x10, &[0xD6, 0x00, 0x01, 0xE4]),
        (2, 0, 1, 0x20, &[0xD2, 0xC2, 0xCC, 0x03, 0xE4]),
        (3, 0, 1, 0x20, &[0xD6, 0x42, 0xCC, 0x03, 0xE4]),
        (0, 1, 0, 0x10, &[0xDA, 0x01, 0xE4]),
        (0, 2, 0, 0x20, &[0xDC, 0x82, 0xDA, 0x03, 0xE4]),
        (2, 1, 0, 0x20, &[0xD8, 0x02, 0xCC, 0x03, 0xE4]),
    ] {
        check_codes(&Word { reg_i, reg_f, cr, frame, ..FUNCTION }, codes, codes);
    }
}

#[test]
fn the_largest_of_all() {
    // ten general and eight vector registers, arguments, a signed chain
    let word = Word { reg_i: 10, reg_f: 7, h: 1, cr: 2, frame: 0x400, ..FUNCTION };
    let saves = [
        0xD9, 0x90, 0xD9, 0x0E, 0xD8, 0x8C, 0xD8, 0x0A, 0xCA, 0x08, 0xC9, 0x86, 0xC9, 0x04, 0xC8, 0x82, 0xCC,
        0x19, 0xFC, 0xE4,
    ];
    let frame = [0x40, 0xC0, 0x33];
    let prolog = [&[0xE1][..], &frame, &[0xE3; 4], &saves].concat();
    check_codes(&word, &prolog, &[&frame[..], &saves].concat());
}

#[test]
fn arguments_among_local_variables_are_stored_in_the_body() {
    check_codes(&Word { h: 1, frame: 0x50, ..FUNCTION }, &[0x05, 0xE4], &[0x05, 0xE4]);
}

#[test]
fn a_part_has_no_prolog_and_no_epilog() {
    let word = Word { flag: 2, reg_i: 2, cr: 3, frame: 0x20, ..FUNCTION };
    let function = read(word.data(), true).unwrap();
    assert_eq!(function.prolog.first(), Some(&Code::EndOfPart));
    assert_eq!(function.epilog, None);
    let restored = [("fp", 0x1000), ("x19", 0x1010), ("x20", 0x1018)];
    for at in [0, 4, 99 * 4] {
        check(interrupted(TEXT + at), super::function(word.data(), &[]), Some(0x1008), 0x1020, &restored);
    }
}

#[test]
fn a_packed_function_is_walked_from_everywhere() {
    // `stp x19, x20, [sp, #-16]!; stp fp, lr, [sp, #-16]!; mov fp, sp`; `ldp; ldp; ret`
    let word = Word { reg_i: 2, cr: 3, frame: 0x20, ..FUNCTION };
    let at = |index: u32| (interrupted(TEXT + index * 4), function(word.data(), &[]));
    let (body, low) =
        ([("fp", 0x1000), ("x19", 0x1010), ("x20", 0x1018)], [("fp", 0), ("x19", 0x10), ("x20", 0x18)]);
    for (index, pc, sp, restored) in [
        (0, None, 0, &[][..]),
        (1, None, 0x10, &[("x19", 0), ("x20", 8)]),
        (2, Some(8), 0x20, &low),
        (3, Some(0x1008), 0x1020, &body),
        (96, Some(0x1008), 0x1020, &body),
        (97, Some(8), 0x20, &low),
        (98, None, 0x10, &[("x19", 0), ("x20", 8)]),
        (99, None, 0, &[]),
    ] {
        let (walker, image) = at(index);
        check(walker, image, pc, sp, restored);
    }
}

#[test]
fn a_frame_smaller_than_what_is_saved_in_it_is_none() {
    assert_eq!(read(Word { reg_i: 10, frame: 0x40, ..FUNCTION }.data(), true), None);
}
