//! What other parsers make of the same bytes: the rows of the README's table that can be run. What they refuse is
//! shown here; what `kdmp-parser` reads as well is compared byte by byte in `large.rs`.

use std::io::Cursor;

use bluescope_dump::synth::{
    LargeDump, SmallDump, SynthDumpType, SynthMachine, SynthWriter, UserDump, user_minidump,
};
use bluescope_dump::{KernelDump, ParseError};
use kdmp_parser::parse::KernelDumpParser;
use minidump::Minidump;

const MACHINES: [SynthMachine; 3] = [SynthMachine::X64, SynthMachine::Arm64, SynthMachine::X86];

fn small_dumps() -> impl Iterator<Item = SmallDump> {
    let writers = [SynthWriter::Kernel, SynthWriter::DebugEngine];
    MACHINES
        .into_iter()
        .flat_map(move |machine| writers.map(|writer| SmallDump { writer, ..SmallDump::example_of(machine) }))
}

fn kdmp(bytes: &[u8]) -> Result<(), String> {
    KernelDumpParser::with_reader(Cursor::new(bytes.to_vec()))
        .map(|_| ())
        .map_err(|error| format!("{error:?}"))
}

fn rust_minidump(bytes: &[u8]) -> Result<(), String> {
    Minidump::read(bytes).map(|_| ()).map_err(|error| error.name().to_owned())
}

#[test]
fn small_dumps_are_read_here_only() {
    for written in small_dumps() {
        let bytes = written.to_bytes();
        let read = KernelDump::parse(&bytes).unwrap();
        assert_eq!((read.drivers().len(), read.problems()), (written.drivers.len(), &[][..]));
        let refusal = kdmp(&bytes).unwrap_err();
        let expected = if written.machine().is_64_bit() { "UnknownDumpType(4)" } else { "InvalidValidDump" };
        assert!(refusal.starts_with(expected), "{refusal}");
        assert_eq!(rust_minidump(&bytes), Err("HeaderMismatch".to_owned()));
    }
}

#[test]
fn large_dumps_of_x64_are_read_by_two() {
    for machine in MACHINES {
        for dump_type in SynthDumpType::ALL {
            let bytes = LargeDump::example(machine, dump_type).to_bytes();
            assert_eq!(KernelDump::parse(&bytes).unwrap().problems(), [], "{machine:?} {dump_type:?}");
            if machine != SynthMachine::Arm64 {
                let read = machine == SynthMachine::X64;
                assert_eq!(kdmp(&bytes).is_ok(), read, "{machine:?} {dump_type:?}: {:?}", kdmp(&bytes));
            }
            assert_eq!(rust_minidump(&bytes), Err("HeaderMismatch".to_owned()));
        }
    }
}

#[test]
fn user_minidumps_are_minidumps() {
    let bytes = user_minidump(&UserDump::example());
    assert_eq!(rust_minidump(&bytes), Ok(()));
    assert!(matches!(KernelDump::parse(&bytes), Err(ParseError::NotAKernelDump(_))));
}
