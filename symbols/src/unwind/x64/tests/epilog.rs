//! Where a function ends, by its instructions and by the marks of version 2.

use super::{FRAMED, PUSHES, check, function, interrupted, parts, u32s};
use crate::unwind::Caller::{Called, Trapped};
use crate::unwind::tests::{STACK, TEXT, Walker, XDATA, image, walk, word};

/// Walks from the first instruction of `code`, which ends the function.
#[track_caller]
fn check_end(code: &[u8], info: &[u8], pc: u64, rsp: u64, restored: &[(&str, u64)]) {
    let mut walker = interrupted(TEXT + 0x100 - u32::try_from(code.len()).unwrap());
    let found = walk(function(code, info), &mut walker);
    check(found, &walker, pc, rsp, restored);
}

#[test]
fn an_epilog_is_played_from_where_it_is() {
    let code = [0x48, 0x83, 0xC4, 0x20, 0x41, 0x5F, 0x5D, 0xC3];
    check_end(&code, PUSHES, 0x30, 0x38, &[("r15", 0x20), ("rbp", 0x28)]);
    check_end(&code[4..], PUSHES, 0x10, 0x18, &[("r15", 0), ("rbp", 8)]);
    check_end(&code[6..], PUSHES, 8, 0x10, &[("rbp", 0)]);
    check_end(&code[7..], PUSHES, 0, 8, &[]);
    // 32 bits, and no more than there is
    check_end(&[0x48, 0x81, 0xC4, 0x08, 0x01, 0, 0, 0xC3], PUSHES, 0x108, 0x110, &[]);
}

#[test]
fn an_epilog_frees_the_stack_up_to_the_frame_register() {
    // `lea rsp, [rbp + 0x10]` and `lea rsp, [rbp - 0x80]`, by 8 and by 32 bits, then `pop rbp`; and by `r12`
    let by_12 = [1, 8, 1, 0x0C, 8, 3, 0, 0];
    for (info, code, rsp) in [
        (FRAMED, &[0x48, 0x8D, 0x65, 0x10, 0x5D, 0xC3][..], 0x220),
        (FRAMED, &[0x48, 0x8D, 0x65, 0x80, 0x5D, 0xC3], 0x190),
        (FRAMED, &[0x48, 0x8D, 0xA5, 0x10, 0x01, 0, 0, 0x5D, 0xC3], 0x320),
        (FRAMED, &[0x48, 0x8D, 0xA5, 0x80, 0xFF, 0xFF, 0xFF, 0x5D, 0xC3], 0x190),
        (&by_12, &[0x49, 0x8D, 0x64, 0x24, 0x10, 0x5D, 0xC3], 0x220),
    ] {
        let mut walker = interrupted(TEXT + 0x100 - u32::try_from(code.len()).unwrap());
        walker.registers.extend([("rbp", STACK + 0x200), ("r12", STACK + 0x200)]);
        assert_eq!(walk(function(code, info), &mut walker), Some(Called));
        assert_eq!(walker.cfa, Some(STACK + rsp), "{code:x?}");
        assert_eq!((walker.caller["rbp"], walker.ra), (word(rsp - 0x10), Some(word(rsp - 8))));
    }
}

/// Jumps and what they are, right behind a `pop rbp` that only an epilog would have.
fn is_epilog(jump: &[u8], called: bool) -> bool {
    let mut walker = Walker { called, ..interrupted(TEXT + 0x240) };
    let found = walk(parts(jump), &mut walker);
    assert_eq!(found, Some(Called));
    match walker.cfa {
        Some(rsp) if rsp == STACK + 8 => true,
        Some(rsp) if rsp == STACK + 0x38 => false,
        other => panic!("{other:x?}"),
    }
}

fn jump(distance: i32) -> Vec<u8> {
    [&[0xE9][..], &distance.to_le_bytes()].concat()
}

#[test]
fn returns_and_jumps_out_of_the_function_end_it() {
    for code in [
        &[0xC3][..],
        &[0xC2, 8, 0],
        &[0xF3, 0xC3],
        &[0xF2, 0xC3],
        // imports, and registers when the prefix says so
        &[0xFF, 0x25, 0, 0, 0, 0],
        &[0x48, 0xFF, 0x25, 0, 0, 0, 0],
        &[0x48, 0xFF, 0xE0],
        &[0x49, 0xFF, 0xE3],
        // to a function without an entry; out of the image on both sides; to the function's own start
        &jump(0x300 - 0x245),
        &jump(i32::MAX),
        &jump(i32::MIN),
        &jump(-0x245),
        &[0xEB, 0x7E],
        &[0xF2, 0xEB, 0x7D],
    ] {
        assert!(is_epilog(code, false), "{code:x?}");
        assert!(!is_epilog(code, true), "{code:x?}, below a call");
    }
}

#[test]
fn jumps_inside_of_the_function_do_not() {
    for code in [
        // within this part, to its start, and into the two others
        &[0xEB, 0x10][..],
        &jump(0x10),
        &jump(-0x45),
        &jump(0x80 - 0x245),
        &jump(0x110 - 0x245),
        // into a table, and what is no jump
        &[0xFF, 0xE0],
        &[0xFF, 0x24, 0xC5, 0, 0, 0, 0],
        &[0x48, 0xFF, 0xC0],
        &[0x90],
        &[0xCC],
        // `pop rsp`, with a prefix and without
        &[0x5C, 0xC3],
        &[0x40, 0x5C, 0xC3],
        // two that free, and `add` to another register
        &[0x48, 0x83, 0xC4, 8, 0x48, 0x83, 0xC4, 8, 0xC3],
        &[0x48, 0x83, 0xC0, 8, 0xC3],
        // `lea rsp, [rbp + 8]` without a frame register
        &[0x48, 0x8D, 0x65, 8, 0xC3],
    ] {
        assert!(!is_epilog(code, false), "{code:x?}");
    }
    assert!(!is_epilog(&[[0x58; 18].as_slice(), &[0xC3]].concat(), false), "more pops than registers");
}

/// Version 2 of `PUSHES`, with epilogs of 4 bytes (`pop r15; pop rbp; ret`): at the end, and 0x24 and 0x120 before it.
const MARKED: &[u8] =
    &[2, 7, 7, 0, 4, 0x16, 0x24, 0x06, 0x20, 0x16, 0, 0x06, 7, 0x32, 3, 0xF0, 1, 0x50, 0, 0];

#[test]
fn marked_epilogs_need_no_code() {
    // `int3` all over
    let at = |rva: u32| {
        let mut walker = interrupted(TEXT + rva);
        let found =
            walk(image(0x8664, &[0xCC; 0x200], MARKED, &u32s(&[TEXT, TEXT + 0x200, XDATA])), &mut walker);
        (found, walker)
    };
    for start in [0x1FC, 0x1DC, 0xE0] {
        let (found, walker) = at(start);
        check(found, &walker, 0x10, 0x18, &[("r15", 0), ("rbp", 8)]);
        let (found, walker) = at(start + 2);
        check(found, &walker, 8, 0x10, &[("rbp", 0)]);
        let (found, walker) = at(start + 3);
        check(found, &walker, 0, 8, &[]);
        let (found, walker) = at(start - 1);
        check(found, &walker, 0x30, 0x38, &[("r15", 0x20), ("rbp", 0x28)]);
    }
}

#[test]
fn marked_epilogs_of_interrupt_handlers_pop_flags_and_return_to_a_trap() {
    // `push rbx; pushfq` above a machine frame: pops, then `iretq`
    let info = [2, 2, 5, 0, 4, 0x16, 0, 0x06, 2, 0x30, 1, 0x02, 0, 0x0A, 0, 0];
    for (at, frame) in [(0xFC, 0x10), (0xFD, 8), (0xFE, 0)] {
        let mut walker = interrupted(TEXT + at);
        walker.memory.extend([(STACK + frame, 0x1234), (STACK + frame + 24, 0x5678)]);
        assert_eq!(walk(function(&[], &info), &mut walker), Some(Trapped), "{at:x}");
        assert_eq!((walker.ra, walker.cfa), (Some(0x1234), Some(0x5678)));
    }
}

#[test]
fn a_version_2_function_without_marks_has_no_epilog() {
    let info = [&[2][..], &PUSHES[1..]].concat();
    check_end(&[0x5D, 0xC3], &info, 0x30, 0x38, &[("r15", 0x20), ("rbp", 0x28)]);
}
