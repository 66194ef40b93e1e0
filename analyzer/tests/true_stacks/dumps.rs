//! A case as a kernel small dump: as it was, as a dump whose header has the fault, as one with a context record.

use std::collections::BTreeMap;

use dump::synth::{
    SmallDump, SynthArm64Registers, SynthContext, SynthDriver, SynthMachine, SynthRegisters, UserDump,
    UserModule, context_record as record,
};

use super::cases::{Case, Fault, Loaded, Region, Step, Tour, number};

/// Where a context record is put: no stack is there.
const RECORD: u64 = 0xFFFF_A804_2200_0100;
const ACCESS_VIOLATION: u64 = 0xFFFF_FFFF_C000_0005;

pub(crate) fn as_it_was(case: &Case, modules: &[Loaded]) -> SmallDump {
    let parameters = std::array::from_fn(|n| number(&case.parameters[n]));
    write(&case.machine, modules, &case.registers, &case.memory, case.bugcheck, parameters)
}

/// `0x7E` as small dumps have it: the header has the registers of the fault.
pub(crate) fn context_in_header(case: &Case, fault: &Fault, modules: &[Loaded]) -> SmallDump {
    let at = context(&case.machine, &fault.registers).pc();
    let parameters = [ACCESS_VIOLATION, at, 0, 0];
    write(&case.machine, modules, &fault.registers, &case.memory, 0x1000_007E, parameters)
}

/// `0x3B`: the header has the caller of `KeBugCheckEx`, the fault is in memory.
pub(crate) fn context_record(case: &Case, fault: &Fault, modules: &[Loaded]) -> SmallDump {
    let registers = context(&case.machine, &fault.registers);
    let parameters = [0xC000_0005, registers.pc(), RECORD, 0];
    let mut dump = write(&case.machine, modules, &case.registers, &case.memory, 0x3B, parameters);
    dump.blocks.push((RECORD, record(&registers)));
    dump
}

/// A crash that somebody asked for: nothing but the header tells where.
pub(crate) fn step(tour: &Tour, step: &Step, modules: &[Loaded]) -> SmallDump {
    write(&tour.machine, modules, &tour.registers(step), &step.memory, 0xE2, [0; 4])
}

fn context(machine: &str, registers: &BTreeMap<String, String>) -> SynthContext {
    let of = |name: &str| number(&registers[name]);
    if machine == "arm64" {
        let x = std::array::from_fn(|n| of(&format!("x{n}")));
        let registers =
            SynthArm64Registers { x, fp: of("fp"), lr: of("lr"), sp: of("sp"), pc: of("pc"), cpsr: 0 };
        return registers.into();
    }
    let registers = SynthRegisters {
        rip: of("rip"),
        rsp: of("rsp"),
        rax: of("rax"),
        rbx: of("rbx"),
        rcx: of("rcx"),
        rdx: of("rdx"),
        rsi: of("rsi"),
        rdi: of("rdi"),
        rbp: of("rbp"),
        r8: of("r8"),
        r9: of("r9"),
        r10: of("r10"),
        r11: of("r11"),
        r12: of("r12"),
        r13: of("r13"),
        r14: of("r14"),
        r15: of("r15"),
        eflags: 0,
    };
    registers.into()
}

fn write(
    machine: &str,
    modules: &[Loaded],
    registers: &BTreeMap<String, String>,
    memory: &[Region],
    bugcheck: u32,
    parameters: [u64; 4],
) -> SmallDump {
    let registers = context(machine, registers);
    let kind = if machine == "arm64" { SynthMachine::Arm64 } else { SynthMachine::X64 };
    let drivers = modules.iter().map(|module| SynthDriver {
        name: module.name.clone(),
        base: number(&module.base),
        size: module.size,
        timestamp: module.timestamp,
    });
    // The stack that the processor was on is saved as the stack, the others as blocks. A stack that overflowed is left
    // by its lower end.
    let mut blocks: Vec<_> = memory.iter().map(Region::read).collect();
    let on = blocks.iter().position(|(start, bytes)| {
        let from = start - 0x1000;
        registers.sp().checked_sub(from).is_some_and(|skip| skip <= 0x1000 + bytes.len() as u64)
    });
    let (stack_base, stack) = blocks.remove(on.unwrap());
    SmallDump {
        bugcheck,
        parameters,
        drivers: drivers.collect(),
        unloaded: Vec::new(),
        registers,
        stack_base,
        stack,
        blocks,
        filler: 0,
        ..SmallDump::example_of(kind)
    }
}

/// The same fault as that of a process, whose modules are the drivers. `None` where it ran off its stack.
pub(crate) fn of_a_process(case: &Case, fault: &Fault, modules: &[Loaded]) -> Option<UserDump> {
    let SynthContext::X64(registers) = context(&case.machine, &fault.registers) else {
        panic!("{}", case.name)
    };
    let on = |region: &(u64, Vec<u8>)| {
        registers.rsp.checked_sub(region.0).is_some_and(|skip| skip <= region.1.len() as u64)
    };
    let (stack_base, stack) = case.memory.iter().map(Region::read).find(on)?;
    let module = |module: &Loaded| UserModule {
        path: format!("C:\\Windows\\{}", module.name),
        base: number(&module.base),
        size: module.size,
        timestamp: module.timestamp,
        version: [1, 0, 0, 0],
        pdb: module.pdb.split('/').next().unwrap().to_owned(),
    };
    Some(UserDump {
        exception_address: registers.rip,
        registers,
        stack_base,
        stack,
        modules: modules.iter().map(module).collect(),
        ..UserDump::example()
    })
}
