//! Real dumps, described by raw offsets and written again: headers, fills, order of areas and sizes must agree.
//! Runs where the samples are; says so where they are not.

mod sample;

use std::path::Path;

use super::super::{SmallDump, SynthMachine};
use sample::Real;

/// A real sample, or nothing where there are none.
fn sample(name: &str) -> Option<Real> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(Real::new(bytes)),
        Err(_) => {
            println!("skipped: no samples beside the repository");
            None
        }
    }
}

fn check_header(real: &Real, made: &Real) {
    let form = real.form;
    for at in (0..form.header).step_by(4) {
        if form.machine_facts.iter().any(|range| range.contains(&at)) {
            continue;
        }
        assert_eq!(made.bytes[at..at + 4], real.bytes[at..at + 4], "header differs at {at:#x}");
    }
    let unwritten = |dump: &Real, at: usize| dump.bytes[at..at + 4] == *b"PAGE";
    for range in form.machine_facts {
        // the last run of physical memory ends where this machine's does
        let same_fill = if range.start == form.runs { form.runs..form.runs + 8 } else { range.clone() };
        for at in same_fill.step_by(4) {
            assert_eq!(unwritten(made, at), unwritten(real, at), "fill differs at {at:#x}");
        }
    }
}

/// Offsets that do not depend on what is not described must be the same to the byte.
fn check(name: &str) {
    let Some(real) = sample(name) else { return };
    let described = real.describe();
    let made = Real::new(described.to_bytes());
    let form = real.form;
    check_header(&real, &made);
    assert_eq!(made.order(), real.order(), "{name}");
    assert_eq!(made.table(0x44), real.table(0x44), "options of {name}");
    assert_eq!(made.table(0x40), 0);
    let size_at = made.header(0xfa0, 0xfa0);
    if real.is_kernel_written() {
        assert_eq!(made.areas(), real.areas(), "{name}");
        let table = form.header..form.header + form.area_table;
        assert_eq!(made.bytes[table.clone()], real.bytes[table], "area table of {name}");
        assert_eq!(made.u64(size_at), made.bytes.len() as u64);
        assert_eq!(real.u64(size_at), real.bytes.len() as u64);
        let memory_manager = real.table(0x14);
        let len = form.memory_manager;
        assert_eq!(made.bytes[memory_manager..][..len], real.bytes[memory_manager..][..len]);
    } else {
        assert_ne!(made.u64(size_at), made.bytes.len() as u64);
        check_engine_table(&real, &made);
    }
    for dump in [&real, &made] {
        assert_eq!(dump.bytes[dump.table(0x08)..][..4], *b"TRGD");
        assert_eq!(dump.table(0x04), dump.table(0x08) + 4);
        assert_eq!(dump.bytes[dump.table(0x04)..][..12], *b"DumpBlob\x10\0\0\0");
    }
    assert_eq!(made.u32(made.table(0x04) + 12), real.u32(real.table(0x04) + 12));
    let (made_again, real_again) = (made.describe(), real.describe());
    assert_eq!(made_again.drivers, real_again.drivers);
    assert_eq!(made_again.unloaded, real_again.unloaded);
    assert_eq!(made_again.blocks, real_again.blocks);
    assert_eq!(made_again.stack, real_again.stack);
    assert_eq!(made_again.state, real_again.state, "{name}");
    assert_eq!(made_again.processor, real_again.processor);
    assert_eq!(made_again.process, real_again.process);
    check_debugger_data(&real, &made);
}

/// Up to the strings everything is alike; a driver may have been loaded from a folder that the writer cannot know.
fn check_engine_table(real: &Real, made: &Real) {
    let (mut made_areas, mut real_areas) = (made.areas(), real.areas());
    for areas in [&mut made_areas, &mut real_areas] {
        assert!(areas.remove("blocks").is_some());
    }
    assert_eq!(made_areas, real_areas);
    assert_eq!(made.bytes[0x2044..0x2078], real.bytes[0x2044..0x2078]);
    let unloaded = real.table(0x18);
    let len = 8 + 56 * real.u32(unloaded) as usize;
    assert_eq!(made.bytes[unloaded..unloaded + len], real.bytes[unloaded..unloaded + len]);
    let memory_manager = real.table(0x14);
    assert_eq!(made.bytes[memory_manager..][..0x50], real.bytes[memory_manager..][..0x50]);
    for place in 0..real.table(0x34) {
        let entry = real.table(0x30) + 0x90 * place;
        // all but the name's offset and the checksum
        for part in [0x08..0x80, 0x84..0x90] {
            assert_eq!(
                made.bytes[entry + part.start..entry + part.end],
                real.bytes[entry + part.start..entry + part.end],
                "driver {place}"
            );
        }
    }
}

/// Offsets and sizes to the byte; addresses where there are addresses, and nothing where there is nothing.
fn check_debugger_data(real: &Real, made: &Real) {
    let (real_at, made_at) = (real.debugger_data(), made.debugger_data());
    let len = real.u32(real_at + 0x14) as usize;
    assert_eq!(made.u32(made_at + 0x14) as usize, len);
    for at in (0..len).step_by(8) {
        let (there, here) = (real.u64(real_at + at), made.u64(made_at + at));
        let is_number = matches!(at, 0x10 | 0x30 | 0x138 | 0x298..0x2c0 | 0x2e0..0x308 | 0x338..0x360);
        // a bit that says how page numbers are disguised, and the address that a kernel maps its tables at
        let is_of_machine = matches!(at, 0x2c0 | 0x360..0x390);
        if is_number {
            assert_eq!(here, there, "debugger data at {at:#x}");
        } else if !is_of_machine {
            assert_eq!(here == 0, there == 0, "debugger data at {at:#x}: {here:#x}, {there:#x}");
        }
    }
}

#[test]
fn kernel_written_on_windows_10() {
    check("eolaruhagen__083125-14875-01.dmp");
    check("proxyrule__011620-8250-01.dmp");
}

#[test]
fn kernel_written_on_windows_11() {
    for name in ["13a", "3b_0", "50_0", "be_0"] {
        check(&format!("r-techsupport__{name}.dmp"));
    }
}

#[test]
fn kernel_written_on_windows_7_of_32_bits() {
    check("nforest__pagedump.dmp");
}

#[test]
fn written_by_the_debugger_engine() {
    for name in ["d1", "116_0", "1e", "7e_0", "9f", "ef"] {
        check(&format!("r-techsupport__{name}.dmp"));
    }
    check("rizinorg__triage_x64.dmp");
}

#[test]
fn the_example_machines_are_those_of_the_samples() {
    for (name, machine) in [
        ("eolaruhagen__083125-14875-01.dmp", SynthMachine::X64),
        ("nforest__pagedump.dmp", SynthMachine::X86),
    ] {
        let Some(real) = sample(name) else { return };
        assert_eq!(real.describe().machine(), machine);
        assert_eq!(SmallDump::example_of(machine).build, real.u32(0x0c));
    }
}
