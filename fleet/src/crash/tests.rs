//! Every cause, written and read back by the parser.

use dump::synth::SynthWriter;
use dump::{KernelDump, Machine, Writer, identify};

use super::{Cause, Crash, describe};
use crate::Architecture;
use crate::machines::{Fleet, FleetConfig};

const BYTES: usize = 180 * 1024;

fn fleet() -> Fleet {
    let config = FleetConfig { machines: 50, sites: 10, seed: 3 };
    Fleet::with_outage(&config, crate::outage("crowdstrike").unwrap())
}

fn crash(cause: Cause, driver: Option<usize>) -> Crash {
    Crash {
        machine: 17,
        cause,
        driver,
        offset: 0x4_2468,
        touched: 0x9c,
        of: None,
        system_time: 133_546_200_861_234_567,
        boot_id: 12,
    }
}

fn check(cause: Cause, look: impl Fn(&KernelDump<'_>, u64)) {
    let fleet = fleet();
    for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
        let bytes =
            describe(&fleet, &crash(cause, fleet.outage_driver("csagent.sys")), writer, BYTES).to_bytes();
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
        let crash = Crash { machine, ..crash(cause, fleet.outage_driver("csagent.sys")) };
        let len = describe(&fleet, &crash, SynthWriter::Kernel, BYTES).to_bytes().len();
        assert!((179 * 1024..183 * 1024).contains(&len), "{len}");
    }
}

#[test]
fn both_forms_of_a_dump_are_one_crash() {
    let fleet = fleet();
    let crash = crash(Cause::PageFault, fleet.outage_driver("csagent.sys"));
    let id = |writer| {
        let bytes = describe(&fleet, &crash, writer, BYTES).to_bytes();
        identify(&bytes, &[0; 32], bytes.len() as u64).unwrap().id
    };
    assert_eq!(id(SynthWriter::Kernel), id(SynthWriter::DebugEngine));
}

/// Every way to crash of every outage, in both forms, on machines of every build.
#[test]
fn outages_read_back_as_they_were_written() {
    let config = FleetConfig { machines: 6, sites: 2, seed: 9 };
    for outage in crate::outages().iter().filter(|outage| outage.has_dumps()) {
        let fleet = Fleet::with_outage(&config, outage);
        for (machine, look) in (0..6).cycle().zip(&outage.crashes) {
            let driver = look.driver.as_ref().map(|name| fleet.outage_driver(name).unwrap());
            let crash = Crash {
                machine,
                offset: look.offset,
                touched: look.touched,
                of: Some(look),
                ..crash(look.cause, driver)
            };
            for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
                let bytes = describe(&fleet, &crash, writer, 0).to_bytes();
                let dump = KernelDump::parse(&bytes).unwrap();
                assert_eq!(dump.problems(), [], "{} {:?}", outage.id, look.cause);
                let header = dump.header();
                assert_eq!((header.bugcheck, header.live), (look.cause.bugcheck(), look.cause.is_live()));
                let is_narrow = outage.machine == Architecture::X86;
                assert_eq!(header.machine == Machine::X86, is_narrow, "{}", outage.id);
                for driver in &outage.drivers {
                    let found = dump.drivers().iter().find(|loaded| loaded.name == driver.name);
                    let place = fleet.outage_driver(&driver.name).unwrap();
                    let build = super::build_of(&fleet, &fleet.machines[machine], place);
                    assert!(found.is_none_or(|found| found.timestamp == build), "{}", outage.id);
                    assert!(found.is_some() || Some(&driver.name) != look.driver.as_ref(), "{}", outage.id);
                }
            }
        }
    }
}

/// What the stack holds above a trap frame was there before the fault, and is nobody's doing.
#[test]
fn what_lies_above_the_fault_is_somebody_elses() {
    let outage = crate::outage("kaspersky-klif").unwrap();
    let fleet = Fleet::with_outage(&FleetConfig { machines: 6, sites: 2, seed: 9 }, outage);
    for look in &outage.crashes {
        let driver = fleet.outage_driver("klif.sys");
        let crash = Crash { machine: 3, of: Some(look), ..crash(look.cause, driver) };
        let dump = describe(&fleet, &crash, SynthWriter::Kernel, 0);
        let owner = |word: &[u8]| {
            let address = u64::from_le_bytes(word.try_into().unwrap());
            let owns = |driver: &&dump::synth::SynthDriver| {
                (driver.base..driver.base + u64::from(driver.size)).contains(&address)
            };
            dump.drivers.iter().find(owns).map(|driver| driver.name.clone())
        };
        let (above, below) = dump.stack.split_at(crate::stack::FRAMES_AT);
        let strangers: Vec<String> = above
            .chunks_exact(8)
            .filter_map(owner)
            .filter(|name| !["ntoskrnl.exe", "FLTMGR.SYS"].contains(&name.as_str()))
            .collect();
        assert!(!strangers.is_empty() && !strangers.contains(&"klif.sys".to_owned()), "{strangers:?}");
        assert!(below.chunks_exact(8).filter_map(owner).filter(|name| name == "klif.sys").count() >= 2);
    }
}
