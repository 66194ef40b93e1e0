//! Seeds for the fuzzer: `seeds FOLDER [DUMP...]` writes one sparse input for every synthetic dump, or, where dumps are
//! named, for each of those. What a seed says of a crash is what its dump says; bytes that nothing reads are zero.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bluescope_dump::fuzz::{expand, facts, pack};
use bluescope_dump::synth::{
    LargeDump, SmallDump, SynthDumpType, SynthMachine, SynthRegisters, SynthWriter, UserDump, context_record,
    exception_record, trap_frame, user_minidump,
};
use bluescope_dump::{KernelDump, slim};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: seeds FOLDER [DUMP...]");
        return ExitCode::FAILURE;
    };
    match write(&folder, &arguments.collect::<Vec<_>>()) {
        Ok(count) => {
            println!("{count} seeds in {}", folder.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path, dumps: &[PathBuf]) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let seeds = if dumps.is_empty() {
        synthetic()
    } else {
        let read = |path: &PathBuf| {
            Ok((path.file_stem().unwrap_or_default().display().to_string(), fs::read(path)?))
        };
        dumps.iter().map(read).collect::<std::io::Result<_>>()?
    };
    let count = seeds.len();
    for (name, dump) in seeds {
        // A real dump without its bulk; what is no small dump is cut where sparse inputs end.
        let dump = slim(&dump).unwrap_or(dump);
        fs::write(folder.join(name), pack(&thin(&dump)))?;
    }
    Ok(count)
}

/// Zeros what can be zero without changing what the dump says.
fn thin(dump: &[u8]) -> Vec<u8> {
    // as much of it as a sparse input can be
    let mut bytes = expand(&pack(dump)).into_owned();
    let Some(said) = KernelDump::parse(&bytes).ok().map(|dump| facts(&dump)) else { return bytes };
    let mut pieces = vec![(0, bytes.len())];
    while let Some((start, end)) = pieces.pop() {
        if bytes[start..end].iter().all(|&byte| byte == 0) {
            continue;
        }
        let kept = bytes[start..end].to_vec();
        bytes[start..end].fill(0);
        if KernelDump::parse(&bytes).is_ok_and(|dump| facts(&dump) == said) {
            continue;
        }
        bytes[start..end].copy_from_slice(&kept);
        let middle = start + (end - start) / 2;
        if end - start > 8 {
            pieces.extend([(start, middle), (middle, end)]);
        }
    }
    bytes
}

/// Small enough to be read thousands of times in a second: few drivers, little stack, no trace buffers.
fn least(machine: SynthMachine, writer: SynthWriter) -> SmallDump {
    let mut dump = SmallDump { filler: 0, writer, ..SmallDump::example_of(machine) };
    if machine == SynthMachine::X64 {
        // the build with the smallest structures
        dump.build = 17763;
    }
    let wanted = dump.parameters;
    let faulting = dump.drivers.iter().position(|driver| {
        wanted.iter().any(|&va| va.checked_sub(driver.base).is_some_and(|offset| offset < driver.size.into()))
    });
    dump.drivers.swap(1, faulting.unwrap_or(1).max(1));
    dump.drivers.truncate(4);
    dump.unloaded.truncate(1);
    dump.stack.truncate(0x400);
    dump.blocks.retain(|(_, bytes)| bytes.len() < 0x400);
    dump
}

fn synthetic() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for machine in [SynthMachine::X64, SynthMachine::Arm64, SynthMachine::X86] {
        for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
            let name = format!("{machine:?}-{writer:?}").to_lowercase();
            seeds.push((name, least(machine, writer).to_bytes()));
        }
        for dump_type in SynthDumpType::ALL {
            let mut dump = LargeDump::example(machine, dump_type);
            dump.crash = SmallDump { blocks: Vec::new(), ..least(machine, SynthWriter::Kernel) };
            dump.memory.truncate(3);
            seeds.push((format!("{machine:?}-{dump_type:?}").to_lowercase(), dump.to_bytes()));
        }
    }
    for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
        let dump = least(SynthMachine::X64, writer);
        let newest = SmallDump { build: 26100, ubr: Some(4946), ..dump.clone() };
        for (what, dump) in [
            ("26100", newest),
            ("7e", with_records(&dump, 0x1000_007e)),
            ("3b", with_records(&dump, 0x3b)),
            ("9f", with_irp(&dump)),
        ] {
            seeds.push((format!("{writer:?}-{what}").to_lowercase(), dump.to_bytes()));
        }
    }
    seeds.push(("user".to_owned(), user_minidump(&UserDump::example())));
    seeds
}

/// The records that a bug check's parameters point at, on the stack.
fn with_records(dump: &SmallDump, bugcheck: u32) -> SmallDump {
    let mut dump = SmallDump { bugcheck, ..dump.clone() };
    let [_, _, _, fault] = dump.parameters;
    let registers = SynthRegisters { rip: fault, rsp: dump.stack_base + 0x700, ..SynthRegisters::default() };
    let (record, context, frame) =
        (dump.stack_base + 0x800, dump.stack_base + 0x900, dump.stack_base + 0xe00);
    dump.stack.resize(0x1000, 0);
    for (at, bytes) in [
        (0x800, exception_record(0xc000_0005, fault, &[1, 0x28])),
        (0x900, context_record(&registers)),
        (0xe00, trap_frame(&registers, 0x28)),
    ] {
        dump.stack[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    dump.parameters = match bugcheck {
        0x3b => [0xc000_0005, fault, context, frame],
        _ => [0xffff_ffff_c000_0005, fault, record, context],
    };
    dump
}

/// A power failure: IRP, stack location, devices, driver.
fn with_irp(dump: &SmallDump) -> SmallDump {
    const DEVICE: u64 = 0xffff_d68f_e35b_8050;
    const DRIVER: u64 = 0xffff_d68f_e35b_9000;
    const IRP: u64 = 0xffff_d68f_e383_b8a0;
    let mut dump = SmallDump { bugcheck: 0x9f, parameters: [3, DEVICE, 0, IRP], ..dump.clone() };
    let object = |len: usize, words: &[(usize, u64)]| {
        let mut bytes = vec![0; len];
        for (at, word) in words {
            bytes[*at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    };
    let base = dump.drivers[1].base;
    dump.blocks.push((DEVICE, object(0x150, &[(0, 0x0150_0003), (8, DRIVER)])));
    dump.blocks.push((
        DRIVER,
        object(0x180, &[(0, 0x0150_0004), (0x18, base), (0x38, 0x0018_0016), (0x40, DRIVER + 0x160)]),
    ));
    dump.blocks.push((
        IRP,
        object(0x200, &[(0, 0x0200_0006), (0xb8, IRP + 0x100), (0x100, 0x0216), (0x128, DEVICE)]),
    ));
    dump
}
