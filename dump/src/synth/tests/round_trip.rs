//! Description -> bytes -> parser -> the same facts. Two readings of one specification that share no line.

use super::super::{
    SmallDump, SynthRegisters, SynthWriter, UserDump, context_record, exception_record, trap_frame,
    user_minidump,
};
use super::forms;
use crate::{DumpFormat, DumpType, KernelDump, Machine, Writer, identify};

const REGISTERS: SynthRegisters = SynthRegisters {
    rip: 0xffff_f806_7151_14ed,
    rsp: 0xffff_9405_8305_edb0,
    rax: 1,
    rbx: 2,
    rcx: 3,
    rdx: 4,
    rsi: 5,
    rdi: 6,
    rbp: 7,
    r8: 0xffff_8405_0000_0074,
    r9: 9,
    r10: 10,
    r11: 11,
    r12: 12,
    r13: 13,
    r14: 14,
    r15: 15,
    eflags: 0x1_0202,
};

#[test]
fn the_header_says_what_was_described() {
    for described in forms() {
        let bytes = described.to_bytes();
        let dump = KernelDump::parse(&bytes).unwrap();
        assert_eq!(dump.problems(), []);
        let header = dump.header();
        let kernel = described.writer == SynthWriter::Kernel;
        assert_eq!(header.bits, 64);
        assert_eq!(header.build, described.build);
        assert_eq!(header.ubr, described.ubr.filter(|_| kernel));
        assert_eq!(header.machine, Machine::X64);
        assert_eq!(header.processors, described.processors);
        assert_eq!(header.bugcheck_raw, described.bugcheck);
        assert_eq!(header.parameters, described.parameters);
        assert_eq!(header.ps_loaded_module_list, described.ps_loaded_module_list);
        assert_eq!(header.kd_debugger_data_block, described.kd_debugger_data_block);
        assert_eq!(header.dump_type, DumpType::Triage);
        assert_eq!(header.writer, if kernel { Writer::Kernel } else { Writer::DebugEngine });
        assert_eq!(header.system_time.map(|time| time.0), Some(described.system_time));
        assert_eq!(header.uptime.map(|time| time.0), Some(described.uptime));
        assert_eq!(header.boot_id, kernel.then_some(described.boot_id));
        assert_eq!(header.attributes.is_some(), kernel);
        assert_eq!(header.required_dump_space == Some(bytes.len() as u64), kernel);
        assert!(!header.live);
    }
}

#[test]
fn drivers_memory_and_machine_come_back() {
    for described in forms() {
        let bytes = described.to_bytes();
        let dump = KernelDump::parse(&bytes).unwrap();
        let drivers: Vec<_> =
            dump.drivers().iter().map(|d| (d.name.as_str(), d.base, d.size, d.timestamp)).collect();
        let meant: Vec<_> =
            described.drivers.iter().map(|d| (d.name.as_str(), d.base, d.size, d.timestamp)).collect();
        assert_eq!(drivers, meant);
        let has_path = described.writer == SynthWriter::DebugEngine;
        assert!(dump.drivers().iter().all(|driver| driver.path.is_some() == has_path));
        let unloaded: Vec<_> = dump.unloaded().iter().map(|u| (u.name.clone(), u.start, u.end)).collect();
        assert_eq!(unloaded, described.unloaded);
        assert_eq!(dump.stack(), Some((described.stack_base, described.stack.as_slice())));
        for (address, block) in &described.blocks {
            assert_eq!(dump.read(*address, block.len()), Some(block.as_slice()), "{address:#x}");
        }
        assert_eq!(dump.process_name().as_deref(), Some(described.process.as_str()));
        assert_eq!(dump.context().map(|context| context.rip), Some(described.registers.rip));
        let (smbios, meant) = (dump.smbios().unwrap(), described.smbios.unwrap());
        assert_eq!(smbios.vendor, Some(meant.vendor));
        assert_eq!(smbios.model, Some(meant.model));
        assert_eq!(smbios.bios_vendor, Some(meant.bios_vendor));
        assert_eq!(smbios.bios_version.as_deref().map(str::trim), Some(meant.bios_version.trim()));
        assert_eq!(smbios.bios_date, Some(meant.bios_date));
        assert_eq!(smbios.board, Some(meant.board));
        let (processor, meant) = (dump.processor().unwrap(), described.processor.unwrap());
        assert_eq!(processor.name, Some(meant.name));
        assert_eq!(processor.vendor, Some(meant.vendor));
        assert_eq!(processor.identifier, Some(meant.identifier));
        assert_eq!(processor.mhz, Some(meant.mhz));
        assert!(dump.blobs().len() >= 9);
    }
}

#[test]
fn every_build_hides_the_process_name_somewhere_else() {
    for build in [17763, 19041, 22621, 26100] {
        let described = SmallDump { build, process: "notmyfault64.e".into(), ..SmallDump::example() };
        let bytes = described.to_bytes();
        let dump = KernelDump::parse(&bytes).unwrap();
        assert_eq!(dump.process_name().as_deref(), Some("notmyfault64.e"), "{build}");
    }
}

#[test]
fn records_in_memory_come_back() {
    let stack_base = 0xffff_9405_8305_e000;
    let mut stack = context_record(&REGISTERS);
    stack.extend(exception_record(0xc000_0005, REGISTERS.rip, &[0, 0x9c]));
    let frame_at = stack_base + stack.len() as u64;
    stack.extend(trap_frame(&REGISTERS, 0x9c));
    let described =
        SmallDump { stack_base, stack, blocks: Vec::new(), registers: REGISTERS, ..SmallDump::example() };
    let bytes = described.to_bytes();
    let dump = KernelDump::parse(&bytes).unwrap();
    let context = dump.context_at(stack_base).unwrap();
    assert_eq!(dump.context(), Some(&context));
    let values: Vec<u64> = context.registers().iter().map(|(_, value)| *value).collect();
    for value in [REGISTERS.rip, REGISTERS.rsp, REGISTERS.rbx, REGISTERS.r8, REGISTERS.r15, 0x1_0202] {
        assert!(values.contains(&value), "{value:#x} in {values:#x?}");
    }
    let record = dump.exception_at(stack_base + 0x4d0).unwrap();
    assert_eq!((record.code, record.address), (0xc000_0005, REGISTERS.rip));
    assert_eq!(record.information, [0, 0x9c]);
    let frame = dump.trap_frame_at(frame_at).unwrap();
    for (got, meant) in [
        (frame.rip, REGISTERS.rip),
        (frame.rsp, REGISTERS.rsp),
        (frame.rax, REGISTERS.rax),
        (frame.rcx, REGISTERS.rcx),
        (frame.rdx, REGISTERS.rdx),
        (frame.rbp, REGISTERS.rbp),
        (frame.r8, REGISTERS.r8),
        (frame.r11, REGISTERS.r11),
    ] {
        assert_eq!(got, meant);
    }
}

#[test]
fn both_writers_name_one_crash() {
    let [kernel, engine, _] = forms();
    let id = |dump: &SmallDump| {
        let bytes = dump.to_bytes();
        identify(&bytes[..bytes.len().min(crate::HEAD_LEN)], &[1; 32], bytes.len() as u64).unwrap()
    };
    assert_eq!(id(&kernel).id, id(&engine).id);
    assert_eq!(id(&kernel).crashed_at_ms, 1_710_146_486_123);
    let later = SmallDump { system_time: kernel.system_time + 1, ..kernel.clone() };
    assert_ne!(id(&kernel).id, id(&later).id);
}

#[test]
fn a_user_minidump_is_identified() {
    let described = UserDump::example();
    let identity = |dump: &UserDump| {
        let bytes = user_minidump(dump);
        identify(&bytes, &[2; 32], bytes.len() as u64).unwrap()
    };
    assert_eq!(identity(&described).format, DumpFormat::User);
    assert_eq!(identity(&described).crashed_at_ms / 1000, i64::from(described.timestamp));
    let other = UserDump { process_id: described.process_id + 1, ..described.clone() };
    assert_ne!(identity(&described).id, identity(&other).id);
    let more_stack = UserDump { stack: vec![7; 0x900], ..described.clone() };
    assert_eq!(identity(&described).id, identity(&more_stack).id);
}
