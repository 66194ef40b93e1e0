//! The rules on synthetic dumps: one shape each, and what it must say.

use crate::machine::{
    address, july_page_fault, july_thread_exception, machine, put, put_machine_frame, read, stack_base,
};
use bluescope_analyzer::analysis::Verdict;
use dump::synth::{SmallDump, SynthRegisters};

fn check(dump: &SmallDump, culprit: &str, name: &str, confidence: &str, rule: &str) -> Verdict {
    let verdict = read(dump).verdict;
    let got =
        (verdict.culprit.as_str(), verdict.name.as_str(), verdict.confidence.as_str(), verdict.rule.as_str());
    assert_eq!(got, (culprit, name, confidence, rule), "{:?}", verdict.evidence);
    verdict
}

#[test]
fn both_shapes_of_19_july_name_one_driver() {
    let first = check(&july_page_fault(), "driver", "csagent.sys", "high", "faulting-instruction");
    assert_eq!(first.offset, Some(0xe_14ed));
    assert_eq!(first.bucket, "AV_R_INVALID_csagent!unknown_function");
    let second = check(&july_thread_exception(), "driver", "csagent.sys", "high", "faulting-instruction");
    assert_eq!(second.offset, Some(0xe_35a1));
    assert_eq!(second.bucket, "AV_csagent!unknown_function");
    assert_eq!(first.timestamp, second.timestamp);
}

#[test]
fn an_irql_fault_in_a_driver_carries_the_hash_of_windows() {
    let mut dump = machine(0xd1, [0x10, 2, 0, address("rtwlane.sys", 0x12d0)]);
    dump.drivers.iter_mut().find(|driver| driver.name == "rtwlane.sys").unwrap().name =
        "myfault.sys".to_owned();
    let verdict = check(&dump, "driver", "myfault.sys", "high", "faulting-instruction");
    assert_eq!(verdict.bucket, "AV_myfault!unknown_function");
    assert_eq!(verdict.bucket_hash, "{9745090a-9bce-ccba-c096-ca6e9ca04c64}");
}

#[test]
fn a_framework_at_fault_yields_to_a_third_party_below_it() {
    let fault = address("ndis.sys", 0x1_2a70);
    let mut dump = machine(0xd1, [0x28, 2, 0, fault]);
    put_machine_frame(&mut dump, 0x100, fault);
    check(&dump, "driver", "ndis.sys", "low", "framework-at-fault");
    put(&mut dump, 0x200, &[address("rtwlane.sys", 0x1_0f3b)]);
    check(&dump, "driver", "rtwlane.sys", "low", "stack-scan");
}

#[test]
fn frames_above_the_trap_are_never_counted() {
    let fault = address("ntoskrnl.exe", 0x29_0b9f);
    let mut dump = machine(0x50, [0xffff_8405_0000_0074, 2, fault, 2]);
    put(&mut dump, 0x80, &[address("rtwlane.sys", 0x1_0f3b)]);
    put_machine_frame(&mut dump, 0x100, fault);
    let verdict = check(&dump, "driver", "ntoskrnl.exe", "low", "kernel");
    assert_eq!(verdict.bucket, "AV_W_INVALID_nt!unknown_function");
}

#[test]
fn a_jump_into_nowhere_blames_the_caller() {
    let (record, context) = (stack_base() + 0x600, stack_base() + 0x200);
    let mut dump = machine(0x1000_007e, [0xffff_ffff_c000_0005, 0, record, context]);
    dump.registers =
        SynthRegisters { rip: 0x18, rsp: stack_base() + 0x700, ..SynthRegisters::default() }.into();
    let bytes = dump::synth::exception_record(0xc000_0005, 0x18, &[8, 0x18]);
    dump.stack[0x600..0x600 + bytes.len()].copy_from_slice(&bytes);
    put(&mut dump, 0x700, &[address("rtwlane.sys", 0x4_4444)]);
    let verdict = check(&dump, "driver", "rtwlane.sys", "medium", "bad-jump-caller");
    assert_eq!(verdict.bucket, "AV_NULL_IP_rtwlane!unknown_function");
}

#[test]
fn a_system_service_exception_is_read_through_its_context() {
    let fault = address("rtwlane.sys", 0x2222);
    let mut dump = machine(0x3b, [0xc000_0005, fault, stack_base() + 0x200, 0]);
    let context = SynthRegisters { rip: fault, rsp: stack_base() + 0x750, ..SynthRegisters::default() };
    let bytes = dump::synth::context_record(&context);
    dump.stack[0x200..0x200 + 0x4d0].copy_from_slice(&bytes[..0x4d0]);
    let verdict = check(&dump, "driver", "rtwlane.sys", "high", "faulting-instruction");
    assert!(verdict.evidence[0].contains("context record in parameter 3"), "{:?}", verdict.evidence);
}

#[test]
fn a_display_timeout_names_the_display_driver() {
    let dump = machine(0x116, [0xffff_b48b_e920_b010, address("nvlddmkm.sys", 0x170_0a40), 0, 4]);
    let verdict = check(&dump, "driver", "nvlddmkm.sys", "high", "parameter-pointer");
    assert_eq!(verdict.bucket, "0x116_IMAGE_nvlddmkm.sys");
}

#[test]
fn a_recovered_display_timeout_is_a_live_dump() {
    let dump = machine(0x117, [0xffff_b48b_e920_b010, address("nvlddmkm.sys", 0x170_0a40), 0, 4]);
    let analysis = read(&dump);
    assert_eq!(analysis.kind, "live");
    assert_eq!(analysis.verdict.bucket, "LKD_0x117_IMAGE_nvlddmkm.sys");
}

#[test]
fn a_stuck_power_irp_names_its_holder() {
    let pool = 0xffff_d68f_e35b_8000;
    let [device, driver, irp, location, bus_device, bus_driver] =
        [pool, pool + 0x400, pool + 0x800, pool + 0xa00, pool + 0xc00, pool + 0xe00];
    let mut dump = machine(0x9f, [3, bus_device, 0xffff_d007_d628_7ba0, irp]);
    let mut memory = vec![0; 0x1000];
    let mut write = |at: u64, value: u64| {
        let at = usize::try_from(at - pool).unwrap();
        memory[at..at + 8].copy_from_slice(&value.to_le_bytes());
    };
    // IRPs, device and driver objects say what they are
    for (object, kind) in [(irp, 6), (device, 3), (bus_device, 3), (driver, 4), (bus_driver, 4)] {
        write(object, kind);
    }
    write(irp + 0xb8, location);
    write(location + 0x28, device);
    write(device + 8, driver);
    write(driver + 0x18, address("rtwlane.sys", 0));
    write(bus_device + 8, bus_driver);
    write(bus_driver + 0x18, address("pci.sys", 0));
    dump.blocks.push((pool, memory));
    let verdict = check(&dump, "driver", "rtwlane.sys", "high", "irp-holder");
    assert_eq!(verdict.bucket, "0x9F_3_rtwlane_IMAGE_pci.sys");
}

#[test]
fn a_watchdog_names_what_it_interrupted() {
    let mut dump = machine(0x133, [0, 0x501, 0x500, 0]);
    put_machine_frame(&mut dump, 0x100, address("rtwlane.sys", 0x9_9999));
    let verdict = check(&dump, "driver", "rtwlane.sys", "medium", "faulting-instruction");
    assert_eq!(verdict.bucket, "0x133_DPC_rtwlane!unknown_function");
}

#[test]
fn a_pnp_watchdog_spells_the_service() {
    let dump = machine(0x1d5, [u64::from_le_bytes(*b"rtwlane\0"), 0, 0, 0]);
    check(&dump, "driver", "rtwlane.sys", "high", "driver-name");
}

#[test]
fn a_driver_that_is_gone_is_named() {
    let mut dump = machine(0xce, [0xffff_f803_7100_1234, 0x10, 0xffff_f803_7100_1234, 0]);
    dump.unloaded = vec![("gonedrv.sys".to_owned(), 0xffff_f803_7100_0000, 0xffff_f803_7100_f000)];
    check(&dump, "driver", "gonedrv.sys", "high", "unloaded-driver");
}

#[test]
fn nobodys_fault() {
    check(&machine(0xe2, [0; 4]), "manual", "", "high", "manual");
    check(&machine(0x1c8, [0; 4]), "manual", "", "high", "manual");
    check(&machine(0xef, [0xffff_c08d_7f15_80c0, 0, 0, 0]), "process", "System", "low", "process");
    let hardware = check(&machine(0x124, [0, 0, 0, 0]), "hardware", "", "high", "hardware");
    assert_eq!(hardware.bucket, "0x124_0_GenuineIntel__UNKNOWN_IMAGE_GenuineIntel.sys");
}

#[test]
fn corruption_is_never_blamed_with_confidence() {
    for code in [0x19, 0x1a, 0xc2, 0xc5, 0x13a] {
        let mut dump = machine(code, [0x12, 0, 0, address("rtwlane.sys", 0x1_2345)]);
        put(&mut dump, 0x200, &[address("rtwlane.sys", 0x1_0f3b)]);
        let verdict = read(&dump).verdict;
        assert_eq!(verdict.confidence, "low", "0x{code:x}: {verdict:?}");
        assert!(verdict.evidence.iter().any(|why| why.contains("already damaged")));
    }
    check(&machine(0x109, [0; 4]), "unknown", "", "none", "nobody");
}

#[test]
fn where_the_stack_tells_nothing_nobody_is_blamed() {
    for code in [0x7b, 0x98, 0x9f, 0x109] {
        let mut dump = machine(code, [3, 0, 0, 0]);
        put(&mut dump, 0x200, &[address("rtwlane.sys", 0x1_0f3b), address("rtwlane.sys", 0x1_0f4b)]);
        check(&dump, "unknown", "", "none", "nobody");
    }
}

#[test]
fn a_corrupt_list_is_read_through_its_trap_frame() {
    let fault = address("rtwlane.sys", 0x7_1234);
    let mut dump = machine(0x139, [3, stack_base() + 0x100, stack_base() + 0x600, 0]);
    let registers = SynthRegisters { rip: fault, rsp: stack_base() + 0x400, ..SynthRegisters::default() };
    let frame = dump::synth::trap_frame(&registers, 0);
    dump.stack[0x100..0x100 + frame.len()].copy_from_slice(&frame);
    let verdict = check(&dump, "driver", "rtwlane.sys", "medium", "faulting-instruction");
    assert_eq!(verdict.bucket, "0x139_3_CORRUPT_LIST_ENTRY_rtwlane!unknown_function");
}
