//! What the parameters of bug checks lead to: in synthetic dumps of each machine, and in real ones where they are at
//! hand (`../shared` beside this repository).
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::fs;
use std::path::PathBuf;

use bluescope_dump::synth::{
    SmallDump, SynthArm64Registers, SynthMachine, SynthRegisters, SynthX86Registers, context_record,
    exception_record, exception_record_32, trap_frame,
};
use bluescope_dump::{KernelDump, Parameter, Registers, Resolved, Role};

/// The parameters of an example with another bug check and more memory.
fn parameters(mut dump: SmallDump, bugcheck: u32, parameters: [u64; 4], blocks: Blocks) -> [Parameter; 4] {
    dump.bugcheck = bugcheck;
    dump.parameters = parameters;
    dump.blocks.extend(blocks);
    let bytes = dump.to_bytes();
    let read = KernelDump::parse(&bytes).unwrap().parameters();
    assert_eq!(read.each_ref().map(|parameter| parameter.value), parameters);
    read
}

type Blocks = Vec<(u64, Vec<u8>)>;

fn texts(parameters: &[Parameter; 4]) -> [String; 4] {
    parameters.each_ref().map(|parameter| parameter.resolved.as_ref().map_or("-".into(), ToString::to_string))
}

fn driver(dump: &SmallDump, name: &str) -> u64 {
    dump.drivers.iter().find(|driver| driver.name.eq_ignore_ascii_case(name)).unwrap().base
}

const POOL: u64 = 0xFFFF_D20B_1234_0000;

#[test]
fn an_access_at_a_raised_level() {
    let dump = SmallDump::example();
    let wireless = driver(&dump, "rtwlane.sys");
    let read = parameters(dump, 0xD1, [0x28, 2, 1, wireless + 0x3_21C4], Vec::new());
    assert_eq!(texts(&read), ["-", "DISPATCH_LEVEL", "write", "rtwlane.sys+0x321c4"]);
    assert_eq!(read[3].role, Role::InstrAddr);
    assert!(!read[3].meaning.is_empty());
}

#[test]
fn an_unloaded_driver() {
    let dump = SmallDump::example();
    let start = dump.unloaded[0].1;
    let read = parameters(dump, 0xCE, [start + 0x123, 0, start + 0x123, 0], Vec::new());
    assert_eq!(texts(&read)[0], "<unloaded> dump_storpor+0x123");
}

#[test]
fn an_exception_of_a_system_thread() {
    let dump = SmallDump::example();
    let fault = driver(&dump, "igdkmd64.sys") + 0x33_E3A8;
    let registers = SynthRegisters { rip: fault, rsp: POOL, r15: 15, ..SynthRegisters::default() };
    let record = exception_record(0xC000_0005, fault, &[0, 0x10]);
    let blocks = vec![(POOL, record), (POOL + 0x1000, context_record(&registers))];
    let read = parameters(dump, 0x1000_007E, [0xFFFF_FFFF_C000_0005, fault, POOL, POOL + 0x1000], blocks);
    assert_eq!(
        texts(&read),
        [
            "STATUS_ACCESS_VIOLATION",
            "igdkmd64.sys+0x33e3a8",
            "STATUS_ACCESS_VIOLATION at igdkmd64.sys+0x33e3a8",
            "CONTEXT: rip = igdkmd64.sys+0x33e3a8",
        ]
    );
    let (registers, at) = read[3].resolved.as_ref().unwrap().registers().unwrap();
    assert_eq!(at.unwrap().address, fault);
    let Registers::X64(registers) = registers else { panic!("{registers:?}") };
    assert_eq!((registers.rip, registers.r15), (fault, 15));
}

#[test]
fn an_exception_on_arm64() {
    let dump = SmallDump::example_of(SynthMachine::Arm64);
    let fault = dump.drivers[5].base + 0x1234;
    let name = dump.drivers[5].name.clone();
    let mut registers = SynthArm64Registers { pc: fault, sp: POOL, lr: fault + 0x20, ..Default::default() };
    registers.x[19] = 19;
    let blocks = vec![(POOL, context_record(&registers)), (POOL + 0x1000, trap_frame(&registers, 0x29))];
    let context = parameters(dump.clone(), 0x3B, [0xC000_0005, fault, POOL, 0], blocks.clone());
    assert_eq!(texts(&context)[2], format!("CONTEXT: pc = {name}+0x1234"));
    let (found, _) = context[2].resolved.as_ref().unwrap().registers().unwrap();
    assert_eq!(found.lr(), Some(fault + 0x20));
    assert!(found.named().contains(&("x19", 19)));
    let trap = parameters(dump, 0x8E, [0xC000_0005, fault, POOL + 0x1000, 0], blocks);
    assert_eq!(texts(&trap)[2], format!("trap frame: pc = {name}+0x1234"));
    let (found, _) = trap[2].resolved.as_ref().unwrap().registers().unwrap();
    assert_eq!((found.sp(), found.named().iter().any(|(name, _)| *name == "x19")), (POOL, false));
}

#[test]
fn an_exception_on_x86() {
    let dump = SmallDump::example_of(SynthMachine::X86);
    let fault = dump.drivers[3].base + 0x1234;
    let name = dump.drivers[3].name.clone();
    let eip = u32::try_from(fault).unwrap();
    let registers = SynthX86Registers { eip, esp: 0x9000_0000, eax: 7, ..Default::default() };
    let va = 0x8765_0000;
    let blocks = vec![
        (va, trap_frame(&registers, 0)),
        (va + 0x1000, context_record(&registers)),
        (va + 0x2000, exception_record_32(0xC000_0005, eip, &[0, 0x10])),
    ];
    let trap = parameters(dump.clone(), 0x1000_008E, [0xC000_0005, fault, va, 0], blocks.clone());
    assert_eq!(texts(&trap)[2], format!("trap frame: eip = {name}+0x1234"));
    let (found, _) = trap[2].resolved.as_ref().unwrap().registers().unwrap();
    assert_eq!(found.sp(), va + 0x74);
    let context = parameters(dump, 0x7E, [0xC000_0005, fault, va + 0x2000, va + 0x1000], blocks);
    assert_eq!(
        texts(&context)[2..],
        [format!("STATUS_ACCESS_VIOLATION at {name}+0x1234"), format!("CONTEXT: eip = {name}+0x1234")]
    );
    let (found, _) = context[3].resolved.as_ref().unwrap().registers().unwrap();
    assert_eq!((found.sp(), found.named()[0]), (0x9000_0000, ("eax", 7)));
}

/// A block with numbers of eight bytes in it.
fn block(va: u64, len: usize, words: &[(usize, u64)]) -> (u64, Vec<u8>) {
    let mut bytes = vec![0; len];
    for &(at, word) in words {
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    (va, bytes)
}

/// A device, its driver object of an image, and a request that is with it.
fn power_request(image: u64) -> Blocks {
    let [device, object, irp] = [POOL, POOL + 0x1000, POOL + 0x2000];
    vec![
        block(device, 0x150, &[(0, 0x0150_0003), (8, object)]),
        block(object, 0x150, &[(0, 0x0150_0004), (0x18, image)]),
        block(
            irp,
            0x118,
            &[(0, 0x0118_0006), (0x40, 0x0101_0000), (0xB8, irp + 0xD0), (0xD0, 0x0216), (0xF8, device)],
        ),
    ]
}

#[test]
fn a_power_request_that_hangs() {
    let dump = SmallDump::example();
    let wireless = driver(&dump, "rtwlane.sys");
    let read = parameters(dump, 0x9F, [3, POOL, 0, POOL + 0x2000], power_request(wireless));
    assert_eq!(
        read.each_ref().map(|parameter| parameter.role)[1..],
        [Role::DeviceObj, Role::TriageBlock, Role::Irp]
    );
    assert_eq!(
        texts(&read)[1..],
        ["device of rtwlane.sys", "-", "IRP_MJ_POWER/IRP_MN_SET_POWER at device of rtwlane.sys"]
    );
    for parameter in [&read[1], &read[3]] {
        assert_eq!(parameter.resolved.as_ref().unwrap().image().unwrap().address, wireless);
    }
}

#[test]
fn names_of_drivers() {
    let mut text: Vec<u8> = "\\Driver\\rtwlane".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let len = u64::try_from(text.len()).unwrap();
    text.extend([0, 0]);
    let blocks =
        vec![block(POOL, 0x10, &[(0, len | (len + 2) << 16), (8, POOL + 0x1000)]), (POOL + 0x1000, text)];
    let read = parameters(SmallDump::example(), 0xD8, [POOL, 1, 2, 3], blocks);
    assert_eq!(read[0].resolved, Some(Resolved::DriverName("\\Driver\\rtwlane".to_owned())));

    let first = u64::from_le_bytes(*b"rtwlane\0");
    let read = parameters(SmallDump::example(), 0x1D5, [first, 0, 0, 0], Vec::new());
    assert_eq!(read[0].resolved, Some(Resolved::DriverName("rtwlane".to_owned())));
}

#[test]
fn a_bug_check_that_nobody_knows() {
    let dump = SmallDump::example();
    let kernel = dump.drivers[0].base;
    let read = parameters(dump, 0x0ABC_DEF0, [1, kernel + 0x10, 3, 4], Vec::new());
    assert_eq!(texts(&read), ["-", "ntoskrnl.exe+0x10", "-", "-"]);
    assert!(
        read.iter().all(|parameter| parameter.role == Role::Undocumented && parameter.meaning.is_empty())
    );
}

#[test]
fn what_the_dump_does_not_have_is_not_made_up() {
    for role_of in [0x9F, 0x7E, 0x3B, 0x8E, 0x124, 0xD8, 0xEF, 0xEA, 0xBE, 0xF4, 0x1D5] {
        for value in [1, 8, 0x7FFF_FFFF_FFFF_FFFF, u64::MAX - 8, u64::MAX] {
            let read = parameters(SmallDump::example(), role_of, [3, value, value, value], Vec::new());
            let pointed = read.iter().filter(|parameter| {
                !matches!(
                    parameter.resolved,
                    None | Some(Resolved::Status(_) | Resolved::Irql(_) | Resolved::Access(_))
                )
            });
            assert_eq!(pointed.count(), 0, "{role_of:#x} {value:#x}: {:?}", texts(&read));
        }
    }
}

/// The largest objects that are read: every chain at its bound, every name at its longest.
#[test]
fn however_large_the_objects_little_memory_is_taken() {
    let mut dump = SmallDump::example();
    dump.drivers[7].name = "n".repeat(1000);
    let image = dump.drivers[7].base;
    let [device, object, irp, triage, name, list] =
        [0, 0x1000, 0x2000, 0x4000, 0xF_0000, 0x6000].map(|at| POOL + at);
    let location = |number: usize| 0xD0 + 0x48 * number;
    let mut request = vec![(0, 0x0118_0006), (0x40, 0x0101_0000 | 255 << 16), (0xB8, irp + 0xD0)];
    request
        .extend((0..100).flat_map(|number| [(location(number), 0x0216), (location(number) + 0x28, device)]));
    let mut entries: Vec<(usize, u64)> = Vec::new();
    for number in 0..100 {
        let (at, next) = (number * 0x20, list + 0x20 * (u64::try_from(number).unwrap() + 1));
        entries.extend([(at, next), (at + 0x10, irp), (at + 0x18, device)]);
    }
    let blocks = vec![
        block(device, 0x150, &[(0, 0x0150_0003), (8, object), (0x18, device + 0x7000)]),
        block(object, 0x150, &[(0, 0x0150_0004), (0x18, image), (0x38, 0xF000_F000), (0x40, name)]),
        block(irp, 0x2000, &request),
        block(triage, 0x28, &[(0, 0x0002_8000), (8, list)]),
        (name, "\u{4e00}".repeat(0x1000).encode_utf16().flat_map(u16::to_le_bytes).collect()),
        block(list, 0xD00, &entries),
    ];
    // the devices attached to it, each to the one before
    let attached = (0..40).map(|number| {
        let va = device + 0x7000 + 0x200 * number;
        block(va, 0x150, &[(0, 0x0150_0003), (8, object), (0x18, va + 0x200)])
    });
    dump.blocks.extend(blocks.into_iter().chain(attached));
    (dump.bugcheck, dump.parameters) = (0x9F, [3, device, triage, irp]);
    let bytes = dump.to_bytes();
    let dump = KernelDump::parse(&bytes).unwrap();
    // the map of memory and the table of bug checks are made once
    let _ = dump.parameters();
    let mut read = None;
    let taken = allocation_counter::measure(|| read = Some(dump.parameters()));
    let [_, device, triage, irp] = read.unwrap();
    let Some(Resolved::Device(device)) = device.resolved else { panic!("a device") };
    let Some(Resolved::PowerTriage(triage)) = triage.resolved else { panic!("a list") };
    let Some(Resolved::Irp(irp)) = irp.resolved else { panic!("a request") };
    assert_eq!((device.attached.len(), triage.irps.len(), irp.locations.len()), (16, 32, 32));
    assert!(taken.bytes_max < 256 << 10, "{} bytes", taken.bytes_max);
}

#[test]
fn parameters_survive_json() {
    let dump = SmallDump::example();
    let wireless = driver(&dump, "rtwlane.sys");
    let read = parameters(dump, 0x9F, [3, POOL, 0, POOL + 0x2000], power_request(wireless));
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<[Parameter; 4]>(&json).unwrap(), read);
}

/// The parameters of a real dump, as text.
fn real(name: &str) -> Option<([Parameter; 4], [String; 4])> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    let Ok(bytes) = fs::read(folder.join(name)) else {
        println!("skipped: {name} is not in ../shared");
        return None;
    };
    let read = KernelDump::parse(&bytes).unwrap().parameters();
    let texts = texts(&read);
    Some((read, texts))
}

#[test]
fn real_contexts_stand_where_the_second_parameter_says() {
    let check = |name, record: usize| {
        let Some((read, texts)) = real(name) else { return };
        let (registers, _) = read[record].resolved.as_ref().unwrap().registers().unwrap();
        assert_eq!(registers.pc(), read[1].value, "{name}");
        assert!(texts[record].ends_with(&texts[1]), "{name}: {texts:?}");
    };
    check("proxyrule__011620-8250-01.dmp", 3);
    check("r-techsupport__3b_0.dmp", 2);
    check("r-techsupport__7e_0.dmp", 3);
    check("rizinorg__triage_x64.dmp", 3);
}

#[test]
fn a_real_power_request_is_with_the_disk() {
    let Some((read, texts)) = real("r-techsupport__9f.dmp") else { return };
    assert_eq!(texts[3], "IRP_MJ_POWER/IRP_MN_SET_POWER at device of disk.sys (D3)");
    assert!(
        texts[1].starts_with("device of iaStorAC.sys (SCSI\\Disk&Ven_Intel&Prod_Raid_1_Volume"),
        "{}",
        texts[1]
    );
    assert!(texts[1].ends_with("under ACPI.sys, disk.sys, partmgr.sys"), "{}", texts[1]);
    let Some(Resolved::PowerTriage(triage)) = &read[2].resolved else { panic!("{}", texts[2]) };
    assert!(
        triage.irps.iter().any(|pending| pending.irp == read[3].value && pending.pdo == Some(read[1].value))
    );
}

#[test]
fn real_trap_frames() {
    if let Some((_, texts)) = real("r-techsupport__be_0.dmp") {
        assert_eq!(texts[2], "trap frame: rip = ntoskrnl.exe+0x2e8eac");
    }
    // the header of this one has the same registers
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    let Ok(bytes) = fs::read(folder.join("nforest__pagedump.dmp")) else { return };
    let dump = KernelDump::parse(&bytes).unwrap();
    let parameters = dump.parameters();
    let (trap, _) = parameters[2].resolved.as_ref().unwrap().registers().unwrap();
    let context = dump.context().unwrap().named();
    assert!(trap.named().iter().all(|register| context.contains(register)), "{trap:x?}");
}

#[test]
fn a_real_process_has_its_name() {
    let Some((_, texts)) = real("r-techsupport__ef.dmp") else { return };
    assert!(texts[0].starts_with("svchost.exe"), "{}", texts[0]);
}
