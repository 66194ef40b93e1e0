//! Every cause, written and read back by the parser.

use dump::synth::SynthWriter;
use dump::{KernelDump, Writer, identify};

use super::{Cause, Crash, describe};
use crate::machines::{Fleet, FleetConfig};

const BYTES: usize = 180 * 1024;

fn fleet() -> Fleet {
    Fleet::new(&FleetConfig { machines: 50, sites: 10, seed: 3 })
}

fn crash(cause: Cause, driver: Option<usize>) -> Crash {
    Crash {
        machine: 17,
        cause,
        driver,
        offset: 0x4_2468,
        touched: 0x9c,
        system_time: 133_546_200_861_234_567,
        boot_id: 12,
    }
}

fn check(cause: Cause, look: impl Fn(&KernelDump<'_>, u64)) {
    let fleet = fleet();
    for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
        let bytes = describe(&fleet, &crash(cause, Some(fleet.falcon())), writer, BYTES).to_bytes();
        let dump = KernelDump::parse(&bytes).unwrap();
        assert_eq!(dump.problems(), [], "{cause:?}");
        let written_by = if writer == SynthWriter::Kernel { Writer::Kernel } else { Writer::DebugEngine };
        assert_eq!(dump.header().writer, written_by);
        let falcon = dump.drivers().iter().find(|driver| driver.name == "csagent.sys").unwrap();
        assert_eq!((falcon.size, falcon.timestamp), (0x3e_c000, 0x6680_9a17));
        look(&dump, falcon.base + 0x4_2468);
    }
}

#[test]
fn parameters_name_the_instruction() {
    check(Cause::Irql, |dump, fault| {
        assert_eq!(dump.header().bugcheck, 0xd1);
        assert_eq!(dump.header().parameters, [0x9c, 2, 0, fault]);
        let (driver, offset) = dump.driver_at(fault).unwrap();
        assert_eq!((driver.name.as_str(), offset), ("csagent.sys", 0x4_2468));
    });
    check(Cause::PageFault, |dump, fault| {
        assert_eq!(dump.header().bugcheck, 0x50);
        assert_eq!(dump.header().parameters, [0x9c, 0, fault, 2]);
    });
}

#[test]
fn records_lie_in_stack_memory() {
    check(Cause::SystemService, |dump, fault| {
        let [status, instruction, context, _] = dump.header().parameters;
        assert_eq!((status, instruction), (0xc000_0005, fault));
        assert_eq!(dump.context_at(context).unwrap().pc(), fault);
    });
    check(Cause::ThreadException, |dump, fault| {
        assert_eq!((dump.header().bugcheck_raw, dump.header().bugcheck), (0x1000_007e, 0x7e));
        let [_, instruction, record, context] = dump.header().parameters;
        assert_eq!(instruction, fault);
        assert_eq!(dump.context_at(context).unwrap().pc(), fault);
        assert_eq!(dump.context().unwrap().pc(), fault);
        let record = dump.exception_at(record).unwrap();
        assert_eq!((record.code, record.address), (0xc000_0005, fault));
        assert_eq!(record.information, [0, 0x9c]);
    });
    check(Cause::FastFail, |dump, fault| {
        let [corrupt_list, frame, record, _] = dump.header().parameters;
        assert_eq!(corrupt_list, 3);
        assert_eq!(dump.trap_frame_at(frame).unwrap().pc(), fault);
        assert_eq!(dump.exception_at(record).unwrap().code, 0xc000_0409);
    });
}

#[test]
fn a_power_irp_leads_to_its_holder() {
    check(Cause::PowerIrp, |dump, fault| {
        let [_, _, _, irp] = dump.header().parameters;
        let location = dump.read_u64(irp + 0xb8).unwrap();
        let device = dump.read_u64(location + 0x28).unwrap();
        let object = dump.read_u64(device + 8).unwrap();
        assert_eq!(dump.read_u64(object + 0x18).unwrap(), fault - 0x4_2468);
        let name = dump.read(dump.read_u64(object + 0x40).unwrap(), 6).unwrap();
        assert_eq!(&*name, b"\\\0D\0r\0");
    });
}

#[test]
fn only_the_culprit_and_its_caller_are_on_the_stack() {
    check(Cause::DpcWatchdog, |dump, _| {
        let (_, bytes) = dump.stack().unwrap();
        let owners: Vec<String> = bytes
            .chunks_exact(8)
            .filter_map(|word| dump.driver_at(u64::from_le_bytes(word.try_into().unwrap())))
            .map(|(driver, _)| driver.name.to_lowercase())
            .collect();
        assert!(owners.iter().any(|name| name == "csagent.sys"));
        for name in owners {
            assert!(["csagent.sys", "ntoskrnl.exe", "fltmgr.sys"].contains(&name.as_str()), "{name}");
        }
    });
}

#[test]
fn the_machine_is_in_the_dump() {
    let fleet = fleet();
    let crash = crash(Cause::Hardware, None);
    let bytes = describe(&fleet, &crash, SynthWriter::Kernel, BYTES).to_bytes();
    let dump = KernelDump::parse(&bytes).unwrap();
    let machine = &fleet.machines[17];
    assert_eq!(dump.header().bugcheck, 0x124);
    assert_eq!(dump.header().build, machine.build);
    assert_eq!(dump.header().processors, machine.processors);
    assert_eq!(dump.header().boot_id, Some(12));
    assert_eq!(dump.header().system_time.unwrap().0, crash.system_time);
    assert_eq!(dump.smbios().unwrap().model.as_deref(), Some(machine.smbios.model.as_str()));
    assert_eq!(dump.processor().unwrap().mhz, Some(machine.processor.mhz));
    assert_eq!(dump.process_name().as_deref(), Some("System"));
}

#[test]
fn sizes_come_close_to_what_was_asked_for() {
    let fleet = fleet();
    for (machine, cause) in (0..50).zip(Cause::OF_DRIVERS.into_iter().cycle()) {
        let crash = Crash { machine, ..crash(cause, Some(fleet.falcon())) };
        let len = describe(&fleet, &crash, SynthWriter::Kernel, BYTES).to_bytes().len();
        assert!((179 * 1024..183 * 1024).contains(&len), "{len}");
    }
}

#[test]
fn both_forms_of_a_dump_are_one_crash() {
    let fleet = fleet();
    let crash = crash(Cause::PageFault, Some(fleet.falcon()));
    let id = |writer| {
        let bytes = describe(&fleet, &crash, writer, BYTES).to_bytes();
        identify(&bytes, &[0; 32], bytes.len() as u64).unwrap().id
    };
    assert_eq!(id(SynthWriter::Kernel), id(SynthWriter::DebugEngine));
}
