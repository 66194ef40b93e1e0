//! Each unwind code, as bytes and as what it means.

use super::super::codes::{Code, Slot, decode, instructions, skip};
use super::{Called, STACK, TEXT, XDATA, check, function, interrupted, record, walk, word};

fn save(first: u8, count: u8, slot: Slot) -> Code {
    Code::Save { first, count, slot }
}

#[test]
fn every_code() {
    let vector = |count, slot| Code::SaveVector { count, slot };
    for (bytes, code) in [
        // alloc_s, alloc_m, alloc_l
        (&[0x00][..], Code::Allocate(0)),
        (&[0x1F], Code::Allocate(0x1F0)),
        (&[0xC1, 0xE7], Code::Allocate(0x1E70)),
        (&[0xC7, 0xFF], Code::Allocate(0x7FF0)),
        (&[0xE0, 0x12, 0x34, 0x56], Code::Allocate(0x123_4560)),
        // save_r19r20_x, save_fplr, save_fplr_x
        (&[0x22], save(19, 2, Slot::Pushed(0x10))),
        (&[0x3F], save(19, 2, Slot::Pushed(0xF8))),
        (&[0x40], save(29, 2, Slot::At(0))),
        (&[0x7F], save(29, 2, Slot::At(0x1F8))),
        (&[0x81], save(29, 2, Slot::Pushed(0x10))),
        (&[0xBF], save(29, 2, Slot::Pushed(0x200))),
        // save_regp, save_regp_x, save_reg, save_reg_x, save_lrpair
        (&[0xC8, 0x82], save(21, 2, Slot::At(0x10))),
        (&[0xCA, 0x08], save(27, 2, Slot::At(0x40))),
        (&[0xCC, 0x19], save(19, 2, Slot::Pushed(0xD0))),
        (&[0xD0, 0x02], save(19, 1, Slot::At(0x10))),
        (&[0xD2, 0xD4], save(30, 1, Slot::At(0xA0))),
        (&[0xD4, 0x01], save(19, 1, Slot::Pushed(0x10))),
        (&[0xD5, 0x63], save(30, 1, Slot::Pushed(0x20))),
        (&[0xD6, 0x02], Code::SaveWithLr { register: 19, offset: 0x10 }),
        (&[0xD7, 0x00], Code::SaveWithLr { register: 27, offset: 0 }),
        // save_fregp, save_fregp_x, save_freg, save_freg_x
        (&[0xD8, 0x0A], vector(2, Slot::At(0x50))),
        (&[0xD9, 0x90], vector(2, Slot::At(0x80))),
        (&[0xDA, 0x03], vector(2, Slot::Pushed(0x20))),
        (&[0xDC, 0x04], vector(1, Slot::At(0x20))),
        (&[0xDE, 0x21], vector(1, Slot::Pushed(0x10))),
        // set_fp, add_fp
        (&[0xE1], Code::SetFrame(0)),
        (&[0xE2, 0x12], Code::SetFrame(0x90)),
        (&[0xE3], Code::Nop),
        (&[0xE4], Code::End),
        (&[0xE5], Code::EndOfPart),
        (&[0xE6], Code::SaveNext),
        // save_any_reg: `str x2, [sp, #8]`, `stp x2, x3, [sp, #16]`, both lowering, `d`, `q`
        (&[0xE7, 0x02, 0x01], save(2, 1, Slot::At(8))),
        (&[0xE7, 0x42, 0x01], save(2, 2, Slot::At(0x10))),
        (&[0xE7, 0x22, 0x01], save(2, 1, Slot::Pushed(0x20))),
        (&[0xE7, 0x62, 0x01], save(2, 2, Slot::Pushed(0x20))),
        (&[0xE7, 0x08, 0x41], vector(1, Slot::At(8))),
        (&[0xE7, 0x48, 0x81], vector(2, Slot::At(0x10))),
        (&[0xE8], Code::TrapFrame),
        (&[0xE9], Code::MachineFrame),
        (&[0xEA], Code::Context),
        (&[0xEC], Code::Interrupted),
        (&[0xF8, 1], Code::Nop),
        (&[0xF9, 1, 2], Code::Nop),
        (&[0xFA, 1, 2, 3], Code::Nop),
        (&[0xFB, 1, 2, 3, 4], Code::Nop),
        (&[0xFC], Code::SignLr),
        (&[0xFF], Code::Nop),
    ] {
        assert_eq!(decode(bytes), Some(vec![code]), "{bytes:x?}");
        let cut = bytes.split_last().unwrap().1;
        assert_eq!(decode(cut), cut.is_empty().then(Vec::new), "{bytes:x?}, cut short");
    }
}

#[test]
fn what_is_no_code() {
    for bytes in [&[0xDF, 1][..], &[0xE7, 0x80, 0], &[0xE7, 0x00, 0xC0], &[0xEB], &[0xED], &[0xF0], &[0xF7]] {
        assert_eq!(decode(bytes), None, "{bytes:x?}");
    }
}

#[test]
fn codes_end_with_the_function_and_not_with_a_part() {
    let codes = decode(&[0x01, 0xE5, 0x02, 0xE4, 0xF0]).unwrap();
    assert_eq!(codes, [Code::Allocate(0x10), Code::EndOfPart, Code::Allocate(0x20), Code::End]);
    assert_eq!(instructions(&codes), 1);
    assert_eq!(skip(&codes, 1), &codes[1..]);
    assert_eq!(skip(&codes, 9), &codes[1..]);
    // frames of assembly code are no instructions
    let codes = decode(&[0x01, 0xE8, 0x02, 0xE4]).unwrap();
    assert_eq!(instructions(&codes), 2);
    assert_eq!(skip(&codes, 2), [Code::End]);
}

#[track_caller]
fn check_body(codes: &[u8], pc: Option<u64>, sp: u64, restored: &[(&str, u64)]) {
    let image = function(XDATA, &record(60, 0, false, &[], codes));
    check(interrupted(TEXT + 0x80), image, pc, sp, restored);
}

#[test]
fn saves_restore_and_allocations_free() {
    check_body(&[0x02, 0xC0, 0x11, 0xE0, 0, 0, 0x03, 0xE4], None, 0x160, &[]);
    check_body(&[0xD0, 0x42, 0x01, 0xE4], None, 0x10, &[("x20", 0x10)]);
    check_body(&[0xD4, 0x21, 0xE4], None, 0x10, &[("x20", 0)]);
    check_body(&[0xD6, 0x42, 0x02, 0xE4], Some(0x18), 0x20, &[("x21", 0x10)]);
    check_body(&[0xD5, 0x61, 0xE4], Some(0), 0x10, &[]);
    check_body(&[0xD8, 0x02, 0xDA, 0x03, 0xDC, 0x01, 0xDE, 0x01, 0xE4], None, 0x30, &[]);
    check_body(&[0xE1, 0x81, 0xE4], Some(0x1008), 0x1010, &[("fp", 0x1000)]);
    check_body(&[0xE2, 0x02, 0x42, 0x02, 0xE4], Some(0x1008), 0x1010, &[("fp", 0x1000)]);
    check_body(&[0xE7, 0x74, 0x00, 0xE4], None, 0x10, &[("x20", 0), ("x21", 8)]);
}

#[test]
fn pairs_that_continue() {
    let four = [("x19", 0x10), ("x20", 0x18), ("x21", 0x20), ("x22", 0x28)];
    check_body(&[0xE6, 0xC8, 0x02, 0xE4], None, 0, &four);
    let six = [("x19", 0), ("x20", 8), ("x21", 0x10), ("x22", 0x18), ("x23", 0x20), ("x24", 0x28)];
    check_body(&[0xE6, 0xE6, 0x26, 0xE4], None, 0x30, &six);
    // vector registers follow `x28`, and follow each other
    let last = [("x27", 0), ("x28", 8)];
    check_body(&[0xE6, 0xCE, 0x03, 0xE4], None, 0x20, &last);
    check_body(&[0xE6, 0xDA, 0x03, 0xE4], None, 0x20, &[]);
}

#[test]
fn volatile_registers_that_were_saved_are_told_too() {
    let mut walker = interrupted(TEXT + 0x80);
    let image = function(XDATA, &record(60, 0, false, &[], &[0xE7, 0x42, 0x01, 0xE4]));
    assert_eq!(walk(image, &mut walker), Some(Called));
    assert_eq!((walker.caller["x2"], walker.caller["x3"]), (word(0x10), word(0x18)));
    assert_eq!(walker.cfa, Some(STACK));
}
