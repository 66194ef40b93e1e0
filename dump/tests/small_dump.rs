//! What the reader makes of synthetic dumps, whose writer shares no layout with it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use bluescope_dump::synth::{
    SmallDump, SynthDetails, SynthDriver, SynthMachine, SynthMemoryManager, SynthRegisters, SynthState,
    SynthWriter, context_record, exception_record, trap_frame,
};
use bluescope_dump::{DumpType, Guid, KernelDump, Machine, Product, Registers, Writer};
use proptest::prelude::*;

const WRITERS: [SynthWriter; 2] = [SynthWriter::Kernel, SynthWriter::DebugEngine];

const MACHINES: [(SynthMachine, Machine, u8); 3] = [
    (SynthMachine::X64, Machine::X64, 64),
    (SynthMachine::Arm64, Machine::Arm64, 64),
    (SynthMachine::X86, Machine::X86, 32),
];

fn example(writer: SynthWriter) -> SmallDump {
    SmallDump { writer, ..SmallDump::example() }
}

#[test]
fn everything_written_is_read() {
    for (machine, read_machine, bits) in MACHINES {
        for writer in WRITERS {
            let example = SmallDump::example_of(machine);
            let state = SynthState {
                processor_number: 3,
                process_id: 4324,
                parent_id: 620,
                thread_id: 8648,
                ..example.state
            };
            check_everything(SmallDump { writer, state, ..example }, read_machine, bits);
        }
    }
}

fn check_everything(written: SmallDump, machine: Machine, bits: u8) {
    let writer = written.writer;
    let bytes = written.to_bytes();
    let read = KernelDump::parse(&bytes).unwrap();
    assert_eq!(read.problems(), [], "{machine:?} {writer:?}");

    let header = read.header();
    assert_eq!((header.bits, header.machine, header.dump_type), (bits, machine, DumpType::Triage));
    assert_eq!(header.writer == Writer::Kernel, writer == SynthWriter::Kernel);
    assert_eq!((header.major, header.build, header.processors), (15, written.build, written.processors));
    assert_eq!(header.bugcheck_raw, written.bugcheck);
    assert_eq!(header.parameters, written.parameters);
    assert_eq!(header.ps_loaded_module_list, written.ps_loaded_module_list);
    assert_eq!(header.kd_debugger_data_block, written.kd_debugger_data_block);
    assert_eq!(header.system_time.unwrap().0, written.system_time);
    assert_eq!(header.uptime.unwrap().0, written.uptime);
    assert_eq!(header.product, Some(Product::Workstation));
    assert!(!header.live);

    let drivers: Vec<_> = read
        .drivers()
        .iter()
        .map(|driver| (&*driver.name, driver.base, driver.size, driver.timestamp))
        .collect();
    let expected: Vec<_> = written
        .drivers
        .iter()
        .map(|driver| (&*driver.name, driver.base, driver.size, driver.timestamp))
        .collect();
    assert_eq!(drivers, expected);
    assert_eq!(read.drivers()[0].path.is_some(), writer == SynthWriter::DebugEngine);

    let unloaded: Vec<_> =
        read.unloaded().iter().map(|driver| (driver.name.clone(), driver.start, driver.end)).collect();
    assert_eq!(unloaded, written.unloaded);

    let context = read.context().unwrap();
    assert_eq!((context.pc(), context.sp()), (written.registers.pc(), written.registers.sp()));
    assert_eq!(read.stack(), Some((written.stack_base, written.stack.as_slice().into())));
    for (address, block) in &written.blocks {
        assert_eq!(read.read(*address, block.len()).as_deref(), Some(block.as_slice()), "{address:#x}");
    }
    assert_eq!(read.process_name(), Some(written.process.clone()));
    assert_eq!(read.kernel_base(), Some(written.drivers[0].base));

    let (thread, process) = (read.thread().unwrap(), read.process().unwrap());
    assert_eq!((process.id, process.parent_id), (Some(4324), Some(620)), "{machine:?} {writer:?}");
    assert_eq!((thread.id, thread.process_id), (Some(8648), Some(4324)), "{machine:?} {writer:?}");
    let prcb = read.prcb().unwrap();
    let processor = written.processor.as_ref().unwrap();
    assert_eq!((prcb.number, prcb.mhz), (Some(3), Some(processor.mhz)), "{machine:?} {writer:?}");

    let smbios = read.smbios().unwrap();
    let expected = written.smbios.unwrap();
    assert_eq!(smbios.vendor, Some(expected.vendor));
    assert_eq!(smbios.model, Some(expected.model));
    assert_eq!(smbios.bios_vendor, Some(expected.bios_vendor));
    assert_eq!(smbios.bios_version, Some(expected.bios_version));
    assert_eq!(smbios.bios_date, Some(expected.bios_date));
    assert_eq!(smbios.board_vendor, Some(expected.board_vendor));
    assert_eq!(smbios.board, Some(expected.board));
    let processor = read.processor().unwrap();
    let expected = written.processor.unwrap();
    assert_eq!(processor.name, Some(expected.name));
    assert_eq!(processor.vendor, Some(expected.vendor));
    assert_eq!(processor.identifier, Some(expected.identifier));
    assert_eq!(processor.mhz, Some(expected.mhz));
}

#[test]
fn what_few_dumps_have_is_read() {
    for (machine, ..) in MACHINES {
        let of_kernel = SynthMemoryManager { special_pool_tag: 0x6d75_6e70, ..SynthMemoryManager::example() };
        let own_guid = [7; 16];
        let mut written = SmallDump::example_of(machine);
        written.details = SynthDetails {
            broken_driver: Some(5),
            driver_list_overflow: true,
            memory_manager: Some(of_kernel),
            blobs: vec![(own_guid, b"of a driver".to_vec()), (own_guid, Vec::new())],
            live: true,
        };
        let smbios = written.smbios.get_or_insert_default();
        (smbios.serial, smbios.uuid) = ("PF-2ABCDE".into(), [0x11; 16]);
        let bytes = written.to_bytes();
        let read = KernelDump::parse(&bytes).unwrap();
        assert_eq!(read.problems(), [], "{machine:?}");
        assert_eq!(read.broken_driver(), Some(&read.drivers()[5]), "{machine:?}");
        assert!(
            read.drivers_overflowed() && (read.header().live || machine == SynthMachine::X86),
            "{machine:?}"
        );
        let memory = read.memory_manager().unwrap();
        assert_eq!((memory.special_pool_tag, memory.committed_pages), (0x6d75_6e70, 0x7_7d59), "{machine:?}");
        let own: Vec<_> = read.blobs().iter().filter(|blob| blob.guid.0 == own_guid).collect();
        assert_eq!((own.len(), &*read.blob_data(own[0]), own[1].len), (2, &b"of a driver"[..], 0));

        let told = format!("{:?}", read.smbios());
        assert!(!told.contains("PF-2ABCDE"), "only on request: {told}");
        let identity = read.smbios_identity().unwrap();
        assert_eq!((identity.serial.as_deref(), identity.uuid), (Some("PF-2ABCDE"), Some(Guid([0x11; 16]))));
    }
}

#[test]
fn every_build_hides_the_process_name_somewhere_else() {
    let of_machine = [
        (SynthMachine::X64, &[7601, 9600, 10240, 17763, 19041, 20348, 22621, 26100][..]),
        (SynthMachine::Arm64, &[22000, 22621, 26100]),
        (SynthMachine::X86, &[7601, 19041]),
    ];
    for (machine, builds) in of_machine {
        for &build in builds {
            let process = "notmyfault64.e".to_owned();
            let bytes = SmallDump { build, process, ..SmallDump::example_of(machine) }.to_bytes();
            let dump = KernelDump::parse(&bytes).unwrap();
            assert_eq!(dump.process_name().as_deref(), Some("notmyfault64.e"), "{machine:?} {build}");
        }
    }
}

#[test]
fn the_update_revision_is_read_where_the_kernel_wrote_it() {
    for (writer, build, ubr, expected) in [
        (SynthWriter::Kernel, 26100, Some(4946), Some(4946)),
        (SynthWriter::Kernel, 19041, None, None),
        (SynthWriter::DebugEngine, 26100, Some(4946), None),
    ] {
        let bytes = SmallDump { build, ubr, ..example(writer) }.to_bytes();
        let read = KernelDump::parse(&bytes).unwrap();
        assert_eq!(read.header().ubr, expected, "{writer:?} {build}");
        assert_eq!(read.process_name().as_deref(), Some("System"));
    }
}

#[test]
fn flags_of_the_bug_check_are_masked() {
    let bytes = SmallDump { bugcheck: 0x1000_007e, ..SmallDump::example() }.to_bytes();
    let header = KernelDump::parse(&bytes).unwrap().header().clone();
    assert_eq!((header.bugcheck_raw, header.bugcheck), (0x1000_007e, 0x7e));
}

/// As bug check 0x7E does: exception record and context on the saved stack; and a trap frame.
#[test]
fn records_are_read_through_memory() {
    let registers = SynthRegisters {
        rip: 0xffff_f800_1234_5678,
        rsp: 0xffff_a704_0000_1000,
        rax: 1,
        rbx: 2,
        rcx: 3,
        rdx: 4,
        rsi: 5,
        rdi: 6,
        rbp: 7,
        r8: 8,
        r9: 9,
        r10: 10,
        r11: 11,
        r12: 12,
        r13: 13,
        r14: 14,
        r15: 15,
        eflags: 0x246,
    };
    let mut stack = exception_record(0xc000_0005, registers.rip, &[1, 0x28]);
    stack.resize(0x100, 0);
    stack.extend(context_record(&registers));
    stack.resize(0x800, 0);
    stack.extend(trap_frame(&registers, 0x28));
    let written = SmallDump { stack, blocks: Vec::new(), ..SmallDump::example() };
    let base = written.stack_base;
    let bytes = written.to_bytes();
    let read = KernelDump::parse(&bytes).unwrap();

    let exception = read.exception_at(base).unwrap();
    assert_eq!((exception.code, exception.flags, exception.address), (0xc000_0005, 0, registers.rip));
    assert_eq!(exception.information, [1, 0x28]);

    let context = read.context_at(base + 0x100).unwrap();
    let values: Vec<u64> = context.named().into_iter().map(|(_, value)| value).collect();
    let (rip, rsp) = (registers.rip, registers.rsp);
    assert_eq!(values[..18], [1, 2, 3, 4, 5, 6, rip, rsp, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x246]);

    let Some(Registers::X64(frame)) = read.trap_frame_at(base + 0x800) else { panic!("a trap frame") };
    assert_eq!((frame.rip, frame.rsp, frame.rax, frame.rcx, frame.rdx), (rip, rsp, 1, 3, 4));
    // of the others, the frame of an exception holds what was there before
    assert_eq!((frame.rbx, frame.rbp, frame.rsi, frame.rdi, frame.r11, frame.r12), (0, 7, 0, 0, 11, 0));

    assert_eq!(read.context_at(base), None, "an exception record is no context");
    assert_eq!(read.trap_frame_at(base + 0x100), None, "a context is no trap frame");
    assert_eq!(read.exception_at(base + 0x6f0), None, "zeros are no exception record");
    assert_eq!(read.context_at(base + 0x980), None, "cut by the end of the stack");
    assert_eq!(read.context_at(0), None);
}

#[test]
fn a_driver_that_lies_in_another_wins_its_own_range_only() {
    let driver = |name: &str, base, size| SynthDriver { name: name.into(), base, size, timestamp: 1 };
    let base = 0xffff_f800_0000_0000;
    let written = SmallDump {
        drivers: vec![
            driver("outer.sys", base, 0x10_0000),
            driver("inner.sys", base + 0x1000, 0x1000),
            driver("empty.sys", base + 0x5000, 0),
            driver("over.sys", base + 0xf_f000, 0x2000),
            driver("last.sys", u64::MAX - 0xfff, 0x1000),
        ],
        ..SmallDump::example()
    };
    let bytes = written.to_bytes();
    let read = KernelDump::parse(&bytes).unwrap();
    let owner = |va| read.driver_at(va).map(|(driver, offset)| (&*driver.name, offset));
    assert_eq!(owner(base - 1), None);
    assert_eq!(owner(base), Some(("outer.sys", 0)));
    assert_eq!(owner(base + 0x1000), Some(("inner.sys", 0)));
    assert_eq!(owner(base + 0x1fff), Some(("inner.sys", 0xfff)));
    assert_eq!(owner(base + 0x2000), Some(("outer.sys", 0x2000)));
    assert_eq!(owner(base + 0x5000), Some(("outer.sys", 0x5000)));
    assert_eq!(owner(base + 0xf_f000), Some(("over.sys", 0)));
    assert_eq!(owner(base + 0x10_0fff), Some(("over.sys", 0x1fff)));
    assert_eq!(owner(base + 0x10_1000), None);
    assert_eq!(owner(u64::MAX - 1), Some(("last.sys", 0xffe)));
}

#[test]
fn the_newest_unloaded_driver_of_an_address_wins() {
    let unloaded = [("newer.sys", 0x2000, 0x4000), ("older.sys", 0x1000, 0x3000)]
        .map(|(name, start, end)| (name.into(), start, end));
    let bytes = SmallDump { unloaded: unloaded.to_vec(), ..SmallDump::example() }.to_bytes();
    let read = KernelDump::parse(&bytes).unwrap();
    let owner = |va| read.unloaded_at(va).map(|(driver, offset)| (&*driver.name, offset));
    assert_eq!(owner(0x1fff), Some(("older.sys", 0xfff)));
    assert_eq!(owner(0x2000), Some(("newer.sys", 0)));
    assert_eq!(owner(0x4000), None);
}

/// What is at an address, wherever it was saved.
fn byte_at(va: u64) -> u8 {
    let mixed = va.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_le_bytes()[7]
}

fn saved(start: u64, len: u64) -> (u64, Vec<u8>) {
    (start, (0..len).map(|offset| byte_at(start + offset)).collect())
}

proptest! {
    /// Against the plain definition: what any block holds.
    #[test]
    fn memory_is_the_union_of_stack_and_blocks(
        blocks in prop::collection::vec((0_u64..0x400, 0_u64..0x180), 0..24),
        stack in (0_u64..0x400, 8_u64..0x180),
    ) {
        let base = 0xffff_8000_0000_0000_u64;
        let (stack_base, stack) = saved(base + stack.0, stack.1);
        let blocks: Vec<_> = blocks.into_iter().map(|(start, len)| saved(base + start, len)).collect();
        let mut ranges: Vec<_> = blocks.iter().map(|(start, data)| (*start, start + data.len() as u64)).collect();
        ranges.push((stack_base, stack_base + stack.len() as u64));
        let bytes = SmallDump { stack_base, stack, blocks, ..SmallDump::example() }.to_bytes();
        let read = KernelDump::parse(&bytes).unwrap();
        prop_assert_eq!(read.problems(), []);
        for va in base - 1..base + 0x600 {
            let saved = |va| ranges.iter().any(|(start, end)| (*start..*end).contains(&va));
            let reach = (va..).take_while(|va| saved(*va)).count();
            let run = read.read_run(va, usize::MAX);
            prop_assert_eq!(run.as_ref().map_or(0, |run| run.len()), reach);
            for (offset, byte) in run.iter().flat_map(|run| run.iter()).enumerate() {
                prop_assert_eq!(*byte, byte_at(va + offset as u64));
            }
            prop_assert_eq!(read.read(va, reach.max(1)), run);
            prop_assert_eq!(read.read(va, reach + 1), None);
            prop_assert_eq!(read.read_u64(va).is_some(), reach >= 8);
        }
    }
}
