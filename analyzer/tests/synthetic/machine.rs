//! Synthetic dumps for the tests: an office machine with CrowdStrike's sensor, crashed in ways to order.

use bluescope_analyzer::{Analysis, Limits, Owners, analyze};
use dump::synth::{SmallDump, SynthRegisters, windows_drivers};

const BUILD: u32 = 19041;
/// A place on the saved stack, in bytes from its lowest address.
const STACK_BYTES: usize = 0x900;

/// A machine whose stack holds no code addresses, crashed with these numbers.
pub(crate) fn machine(bugcheck: u32, parameters: [u64; 4]) -> SmallDump {
    let example = SmallDump::example();
    let third_party = [
        ("csagent.sys", 0x0028_6000, 0x669a_0f52),
        ("nvlddmkm.sys", 0x03aa_0000, 0x6732_41d8),
        ("rtwlane.sys", 0x0088_0000, 0x5f3c_1a27),
    ];
    let drivers = windows_drivers(BUILD, 7, &third_party);
    let kernel = drivers[0].base;
    SmallDump {
        bugcheck,
        parameters,
        stack: vec![0; STACK_BYTES],
        blocks: Vec::new(),
        registers: SynthRegisters {
            rip: kernel + 0x3f_4e40,
            rsp: example.stack_base,
            ..SynthRegisters::default()
        }
        .into(),
        filler: 0,
        drivers,
        ..example
    }
}

/// An address inside a driver of the machine.
pub(crate) fn address(name: &str, offset: u64) -> u64 {
    let dump = machine(0, [0; 4]);
    let driver = dump.drivers.iter().find(|driver| driver.name.eq_ignore_ascii_case(name)).unwrap();
    driver.base + offset
}

/// Where the stack begins.
pub(crate) fn stack_base() -> u64 {
    SmallDump::example().stack_base
}

/// Puts words on the stack.
pub(crate) fn put(dump: &mut SmallDump, at: usize, words: &[u64]) {
    for (place, word) in words.iter().enumerate() {
        dump.stack[at + 8 * place..][..8].copy_from_slice(&word.to_le_bytes());
    }
}

/// Puts the frame that a processor pushes at a fault; the interrupted stack goes on right behind it.
pub(crate) fn put_machine_frame(dump: &mut SmallDump, at: usize, rip: u64) {
    let rsp = dump.stack_base + u64::try_from(at).unwrap() + 40;
    put(dump, at, &[rip, 0x10, 0x246, rsp, 0x18]);
}

pub(crate) fn read(dump: &SmallDump) -> Analysis {
    analyze(&dump.to_bytes(), None, &Owners::default(), &Limits::default()).unwrap()
}

/// 19 July 2024, as most machines saw it.
pub(crate) fn july_page_fault() -> SmallDump {
    let fault = address("csagent.sys", 0xe_14ed);
    let mut dump = machine(0x50, [0xffff_8405_0000_0074, 0, fault, 2]);
    put_machine_frame(&mut dump, 0x100, fault);
    put(&mut dump, 0x180, &[address("csagent.sys", 0xa_1b2c), 7, address("fltmgr.sys", 0x61a2)]);
    dump
}

/// 19 July 2024, as others saw it.
pub(crate) fn july_thread_exception() -> SmallDump {
    let fault = address("csagent.sys", 0xe_35a1);
    let (record, context) = (stack_base() + 0x600, stack_base() + 0x200);
    let mut dump = machine(0x1000_007e, [0xffff_ffff_c000_0005, fault, record, context]);
    let registers =
        SynthRegisters { rip: fault, rsp: stack_base() + 0x700, r8: 0x9c, ..SynthRegisters::default() };
    dump.registers = registers.into();
    let record = dump::synth::exception_record(0xc000_0005, fault, &[0, 0x9c]);
    let context = dump::synth::context_record(&registers);
    dump.stack[0x600..0x600 + record.len()].copy_from_slice(&record);
    let room = (0x600 - 0x200).min(context.len());
    dump.stack[0x200..0x200 + room].copy_from_slice(&context[..room]);
    put(&mut dump, 0x748, &[address("csagent.sys", 0xa_1b2c)]);
    dump
}
