//! Registers of each machine from bytes made by hand.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests write structures by hand"
)]

use super::*;

/// Numbers at offsets, in `len` bytes of noise that is no register's value.
fn structure(len: usize, values: &[(usize, usize, u64)]) -> Vec<u8> {
    let mut bytes = vec![0xA5; len];
    for &(offset, width, value) in values {
        bytes[offset..offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    bytes
}

fn named(registers: &Registers, name: &str) -> Option<u64> {
    registers.named().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[test]
fn x64_context() {
    let read = |flags, dr7| {
        let values = [(0x30, 4, flags), (0x70, 8, dr7), (0x98, 8, 0x10), (0xA0, 8, 0x20), (0xF8, 8, 0x30)];
        let mut bytes = structure(0x100, &values);
        bytes[0x68..0x70].fill(0);
        context(Bytes(&bytes), Machine::X64)
    };
    let all = read(0x0010_001F, 0x400).unwrap();
    assert_eq!((all.pc(), all.sp(), all.fp(), all.lr()), (0x30, 0x10, 0x20, None));
    assert_eq!(all.named().len(), 30);
    assert_eq!(read(0x0010_001F, 0xFFFF_898F_906D_9848).unwrap().named().len(), 24, "a stale dr7");
    let control = read(0x0010_0001, 0x400).unwrap();
    let names: Vec<_> = control.named().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["rip", "rsp", "rflags", "cs", "ss"]);
    assert_eq!(control.fp(), 0, "rbp belongs to the integer registers");
    assert_eq!(read(0x0001_001F, 0x400), None, "flags of x86");
    assert_eq!(read(0x0040_0007, 0x400), None, "flags of ARM64");
    assert_eq!(read(0x4547_4150, 0x400), None, "a page that was never written");
}

#[test]
fn x64_trap_frame() {
    let read = |active, cs| {
        let values = [
            (0x2B, 1, active),
            (0x158, 8, 5),
            (0x168, 8, 6),
            (0x170, 2, cs),
            (0x180, 8, 7),
            (0x188, 2, 0x18),
        ];
        trap_frame(Bytes(&structure(0x190, &values)), Machine::X64, 0)
    };
    let trap = read(1, 0x10).unwrap();
    assert_eq!((trap.fp(), trap.pc(), trap.sp()), (5, 6, 7));
    assert_eq!(trap.source(), RegisterSource::TrapFrame);
    assert_eq!((named(&trap, "rbx"), named(&trap, "r12")), (None, None), "never saved");
    assert_eq!(named(&trap, "r11"), Some(0xA5A5_A5A5_A5A5_A5A5));
    assert_eq!(named(&read(2, 0x33).unwrap(), "rbx"), Some(0xA5A5_A5A5_A5A5_A5A5), "a system call's");
    assert_eq!(read(1, 0x08), None, "no selector of Windows");
}

#[test]
fn arm64_context() {
    let read = |flags, len| {
        let values =
            [(0, 4, flags), (4, 4, 0x6000_0344), (0x08, 8, 1), (0xE8, 8, 2), (0xF0, 8, 3), (0xF8, 8, 4)];
        let mut bytes = structure(0x390, &values);
        bytes[0x100..0x110].copy_from_slice(&structure(16, &[(0, 8, 5), (8, 8, 6)]));
        context(Bytes(&bytes[..len]), Machine::Arm64)
    };
    let all = read(0x0040_000F, 0x390).unwrap();
    assert_eq!((all.fp(), all.lr(), all.sp(), all.pc()), (3, Some(4), 5, 6));
    assert_eq!((named(&all, "x0"), named(&all, "x28"), all.named().len()), (Some(1), Some(2), 34));
    let Registers::Arm64(registers) = all else { panic!("{all:?}") };
    assert_eq!((registers.cpsr, registers.debug.unwrap().wvr[1]), (0x6000_0344, 0xA5A5_A5A5_A5A5_A5A5));
    let Some(Registers::Arm64(cut)) = read(0x0040_000F, 0x110) else { panic!("the beginning is enough") };
    assert_eq!(cut.debug, None);
    assert_eq!(read(0x0040_0001, 0x390).unwrap().named().len(), 5);
    assert_eq!(read(0x0010_000F, 0x390), None, "flags of x64");
    assert_eq!(read(0x0040_000F, 0x10F), None, "cut");
}

#[test]
fn arm64_trap_frame() {
    let read = |spsr, sp, pc| {
        let values = [(2, 1, 0), (8, 8, 0x29), (0x90, 4, spsr), (0x94, 4, 0x9600_0004), (0x98, 8, sp)];
        let mut bytes = structure(0x150, &values);
        let rest = [(0x00, 8, 1), (0x90, 8, 2), (0x98, 8, 3), (0xA0, 8, 4), (0xA8, 8, pc)];
        for (offset, width, value) in rest {
            bytes[0xA0 + offset..][..width].copy_from_slice(&u64::to_le_bytes(value)[..width]);
        }
        trap_frame(Bytes(&bytes), Machine::Arm64, 0)
    };
    let trap = read(0x6000_0345, 0xFFFF_A000_0000_1000, 0xFFFF_F800_1234_5670).unwrap();
    assert_eq!((named(&trap, "x0"), named(&trap, "x18"), named(&trap, "x19")), (Some(1), Some(2), None));
    assert_eq!((trap.lr(), trap.fp(), trap.pc()), (Some(3), 4, 0xFFFF_F800_1234_5670));
    let Registers::Arm64(registers) = trap else { panic!("{trap:?}") };
    assert_eq!((registers.esr, registers.far), (Some(0x9600_0004), Some(0x29)));
    assert_eq!(read(0x6000_0345, 0xFFFF_A000_0000_1008, 0x1000), None, "a stack that is not aligned");
    assert_eq!(read(0x6000_0349, 0xFFFF_A000_0000_1000, 0x1000), None, "a mode that Windows does not run in");
}

#[test]
fn x86_context() {
    let read = |flags| {
        let values = [(0, 4, flags), (0x14, 4, 0), (0x18, 4, 0), (0xB4, 4, 1), (0xB8, 4, 2), (0xC4, 4, 3)];
        context(Bytes(&structure(0xCC, &values)), Machine::X86)
    };
    let all = read(0x0001_003F).unwrap();
    assert_eq!((all.fp(), all.pc(), all.sp(), all.named().len()), (1, 2, 3, 22));
    assert_eq!(read(0x0001_0001).unwrap().named().len(), 6);
    assert_eq!(read(0x0010_003F), None, "flags of x64");
}

#[test]
fn x86_trap_frame() {
    let read = |cs, eflags| {
        let values =
            [(0x10, 2, 0x08), (0x14, 4, 0x77), (0x68, 4, 9), (0x6C, 2, cs), (0x70, 4, eflags), (0x74, 4, 5)];
        trap_frame(Bytes(&structure(0x8C, &values)), Machine::X86, 0xFFFF_FFFF_D9F0_EAEC)
    };
    assert_eq!(read(0x08, 0x10297).unwrap().sp(), 0xD9F0_EB60, "in the kernel the processor pushes no stack");
    assert_eq!(read(0x1B, 0x10297).unwrap().sp(), 5, "of a process it does");
    assert_eq!(read(0x00, 0x10297).unwrap().sp(), 0x77, "a frame that was edited");
    assert_eq!(read(0x1234, 0x20202).unwrap().sp(), 5, "virtual-8086 code has any selector");
    assert_eq!(read(0x1234, 0x10297), None);
    assert_eq!(read(0x08, 0x10297).unwrap().pc(), 9);
}

#[test]
fn an_unknown_machine_has_none() {
    let machine = Machine::Unknown(0x200);
    assert_eq!((context_len(machine), trap_frame_len(machine)), (0, 0));
    assert_eq!(context(Bytes(&[0; 0x400]), machine), None);
    assert_eq!(trap_frame(Bytes(&[0; 0x400]), machine, 0), None);
}
