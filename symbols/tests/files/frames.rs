//! x86: leaving functions by what the PDB notes of them.

use std::collections::BTreeMap;

use crate::names::{open, program};
use crate::pdb::{Program, u16s, u32s};
use crate::walker::Walker;

const BASE: u64 = 0x40_0000;

/// Start, length, locals, parameters, program, saved registers.
fn frame_data(start: u32, len: u32, locals: u32, parameters: u32, program: u32, saved: u16) -> Vec<u8> {
    [u32s(&[start, len, locals, parameters, 0, program]), u16s(&[3, saved]), u32s(&[4])].concat()
}

fn fpo(start: u32, len: u32, locals: u32, parameters: u16, bits: u16) -> Vec<u8> {
    [u32s(&[start, len, locals]), u16s(&[parameters, bits])].concat()
}

fn noted() -> Program {
    let mut program = Program { machine: 0x14C, ..program() };
    let standard = program.names.add("$T0 $ebp = $eip $T0 4 + ^ = $ebp $T0 ^ = $esp $T0 8 + =");
    let early = program.names.add("$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + =");
    let endless = program.names.add("$eip\nSTACK WIN 4 0 1000");
    program.frame_data = [
        frame_data(0x1010, 0x40, 8, 12, early, 0),
        frame_data(0x1013, 0x3D, 8, 12, standard, 4),
        frame_data(0x1200, 0x10, 0, 0, endless, 0),
        frame_data(0x1210, 0x10, u32::MAX, u32::MAX, early, u16::MAX),
    ]
    .concat();
    // A frame with two saved registers, one local and `ebp` in use; a trap.
    program.fpo = [fpo(0x1100, 0x20, 1, 2, 0x1200), fpo(0x1120, 0x20, 1, 2, 0x4000)].concat();
    program
}

fn walk(rva: u64, ebp: u64) -> Option<BTreeMap<String, u64>> {
    let mut walker = Walker {
        instruction: BASE + rva,
        registers: [("eip", BASE + rva), ("esp", 0x2_0000), ("ebp", ebp)].into(),
        stack: vec![0xAAAA, 0xBBBB, 0xCCCC, 0xDDDD, 0xEEEE],
        ..Walker::default()
    };
    open(&noted()).walk_frame(BASE, &mut walker).map(|()| walker.caller)
}

#[test]
fn a_program_of_the_stage_of_the_prolog_is_run() {
    let at = |registers: Option<BTreeMap<String, u64>>| {
        let registers = registers.unwrap();
        [registers.get("eip").copied(), registers.get("esp").copied(), registers.get("ebp").copied()]
    };
    // Behind two locals.
    assert_eq!(at(walk(0x1011, 7)), [Some(0xCCCC), Some(0x2_000C), Some(7)]);
    assert_eq!(at(walk(0x1020, 0x2_0004)), [Some(0xCCCC), Some(0x2_000C), Some(0xBBBB)]);
    // One local, two saved registers, the first of them `ebp`.
    assert_eq!(at(walk(0x1105, 7)), [Some(0xDDDD), Some(0x2_0010), Some(0xAAAA)]);
}

#[test]
fn what_nobody_noted_is_left_to_others() {
    for rva in [0x1000, 0x1050, 0x1125, 0x1200, 0x1210, 0x9000] {
        assert_eq!(walk(rva, 0x2_0004), None, "{rva:x}");
    }
    let pdb = open(&noted());
    let mut below = Walker { instruction: BASE - 1, ..Walker::default() };
    assert_eq!(pdb.walk_frame(BASE, &mut below), None);
    let mut no_stack =
        Walker { instruction: BASE + 0x1105, registers: [("esp", 4)].into(), ..Walker::default() };
    assert_eq!(pdb.walk_frame(BASE, &mut no_stack), None);
    let x64 = open(&Program { machine: 0x8664, ..noted() });
    let mut walker =
        Walker { instruction: BASE + 0x1105, registers: [("esp", 0x2_0000)].into(), ..Walker::default() };
    assert_eq!(x64.walk_frame(BASE, &mut walker), None);
}

#[test]
fn arguments_are_counted_by_the_same_notes() {
    let pdb = open(&noted());
    assert_eq!(pdb.parameter_bytes(0x1020), Some(12));
    assert_eq!(pdb.parameter_bytes(0x1105), Some(8));
    assert_eq!(pdb.parameter_bytes(0x1210), Some(1 << 24));
    assert_eq!(pdb.parameter_bytes(0x1050), None);
}
