//! Records against their published structures: every register at its offset, and nothing else anywhere.

use super::super::{
    SynthArm64Registers, SynthContext, SynthRegisters, SynthX86Registers, context_record, exception_record,
    exception_record_32, trap_frame,
};

const X64: SynthRegisters = SynthRegisters {
    rip: 0xffff_f806_7151_14ed,
    rsp: 0xffff_9405_8305_edb0,
    rax: 0x101,
    rbx: 0x102,
    rcx: 0x103,
    rdx: 0x104,
    rsi: 0x105,
    rdi: 0x106,
    rbp: 0x107,
    r8: 0x108,
    r9: 0x109,
    r10: 0x10a,
    r11: 0x10b,
    r12: 0x10c,
    r13: 0x10d,
    r14: 0x10e,
    r15: 0x10f,
    eflags: 0x1_0202,
};

const X86: SynthX86Registers = SynthX86Registers {
    eip: 0xac45_17d7,
    esp: 0xd9f0_eb60,
    ebp: 0xd9f0_eb6c,
    eax: 0x101,
    ebx: 0x102,
    ecx: 0x103,
    edx: 0x104,
    esi: 0x105,
    edi: 0x106,
    eflags: 0x1_0297,
};

fn arm64() -> SynthArm64Registers {
    SynthArm64Registers {
        x: std::array::from_fn(|place| 0x100 + place as u64),
        fp: 0x11d,
        lr: 0x11e,
        sp: 0xffff_a080_3c51_d2d0,
        pc: 0xffff_f803_1234_5678,
        cpsr: 0x8000_0004,
    }
}

/// Checks values of `LEN` bytes at offsets.
fn check<const LEN: usize>(record: &[u8], values: &[(usize, u64)]) {
    for &(at, value) in values {
        assert_eq!(record[at..at + LEN], value.to_le_bytes()[..LEN], "at {at:#x}");
    }
}

#[test]
fn x64_context() {
    let record = context_record(&X64);
    assert_eq!(record.len(), 0x4d0);
    check::<4>(&record, &[(0x30, 0x10_000f), (0x44, 0x1_0202)]);
    check::<2>(&record, &[(0x38, 0x10), (0x42, 0x18)]);
    check::<8>(
        &record,
        &[
            (0x78, X64.rax),
            (0x80, X64.rcx),
            (0x88, X64.rdx),
            (0x90, X64.rbx),
            (0x98, X64.rsp),
            (0xa0, X64.rbp),
            (0xa8, X64.rsi),
            (0xb0, X64.rdi),
            (0xb8, X64.r8),
            (0xc0, X64.r9),
            (0xc8, X64.r10),
            (0xd0, X64.r11),
            (0xd8, X64.r12),
            (0xe0, X64.r13),
            (0xe8, X64.r14),
            (0xf0, X64.r15),
            (0xf8, X64.rip),
        ],
    );
}

#[test]
fn x64_trap_frame() {
    let frame = trap_frame(&X64, 0x9c);
    assert_eq!(frame.len(), 0x190);
    check::<8>(
        &frame,
        &[
            (0x30, X64.rax),
            (0x38, X64.rcx),
            (0x40, X64.rdx),
            (0x48, X64.r8),
            (0x50, X64.r9),
            (0x58, X64.r10),
            (0x60, X64.r11),
            (0xd0, 0x9c),
            (0x140, X64.rbx),
            (0x148, X64.rdi),
            (0x150, X64.rsi),
            (0x158, X64.rbp),
            (0x168, X64.rip),
            (0x180, X64.rsp),
        ],
    );
    check::<2>(&frame, &[(0x170, 0x10), (0x188, 0x18)]);
    check::<4>(&frame, &[(0x178, 0x1_0202)]);
}

#[test]
fn x86_context() {
    let record = context_record(&X86);
    assert_eq!(record.len(), 0x2cc);
    check::<4>(
        &record,
        &[
            (0x00, 0x1_0007),
            (0x9c, 0x106),
            (0xa0, 0x105),
            (0xa4, 0x102),
            (0xa8, 0x104),
            (0xac, 0x103),
            (0xb0, 0x101),
            (0xb4, 0xd9f0_eb6c),
            (0xb8, 0xac45_17d7),
            (0xbc, 0x08),
            (0xc0, 0x1_0297),
            (0xc4, 0xd9f0_eb60),
            (0xc8, 0x10),
        ],
    );
    assert_eq!(record[0xcc..], [0; 0x200]);
}

#[test]
fn x86_trap_frame() {
    let frame = trap_frame(&X86, 0);
    assert_eq!(frame.len(), 0x8c);
    check::<4>(
        &frame,
        &[
            (0x38, 0x104),
            (0x3c, 0x103),
            (0x40, 0x101),
            (0x50, 0x30),
            (0x54, 0x106),
            (0x58, 0x105),
            (0x5c, 0x102),
            (0x60, 0xd9f0_eb6c),
            (0x68, 0xac45_17d7),
            (0x6c, 0x08),
            (0x70, 0x1_0297),
        ],
    );
    // a fault in the kernel pushes no stack pointer: here the interrupted stack begins
    assert_eq!(frame[0x74..], [0; 0x18]);
}

#[test]
fn arm64_context() {
    let registers = arm64();
    let record = context_record(&registers);
    assert_eq!(record.len(), 0x390);
    check::<4>(&record, &[(0x00, 0x40_0007), (0x04, 0x8000_0004)]);
    let x: Vec<_> = (0..29).map(|place| (0x08 + 8 * place, 0x100 + place as u64)).collect();
    check::<8>(&record, &x);
    check::<8>(&record, &[(0xf0, 0x11d), (0xf8, 0x11e), (0x100, registers.sp), (0x108, registers.pc)]);
    assert_eq!(record[0x110..], [0; 0x280]);
}

#[test]
fn arm64_trap_frame() {
    let registers = arm64();
    let frame = trap_frame(&registers, 0x18);
    assert_eq!(frame.len(), 0x150);
    check::<4>(&frame, &[(0x90, 0x8000_0004)]);
    let x: Vec<_> = (0..19).map(|place| (0xa0 + 8 * place, 0x100 + place as u64)).collect();
    check::<8>(&frame, &x);
    check::<8>(
        &frame,
        &[(0x08, 0x18), (0x98, registers.sp), (0x138, 0x11e), (0x140, 0x11d), (0x148, registers.pc)],
    );
}

#[test]
fn exception_records() {
    let record = exception_record(0xc000_0005, X64.rip, &[1, 0x28]);
    assert_eq!(record.len(), 0x98);
    check::<4>(&record, &[(0x00, 0xc000_0005), (0x04, 0), (0x18, 2)]);
    check::<8>(&record, &[(0x08, 0), (0x10, X64.rip), (0x20, 1), (0x28, 0x28), (0x30, 0)]);
    let record = exception_record_32(0xc000_0005, X86.eip, &[1, 0x28]);
    assert_eq!(record.len(), 0x50);
    check::<4>(
        &record,
        &[(0x00, 0xc000_0005), (0x0c, 0xac45_17d7), (0x10, 2), (0x14, 1), (0x18, 0x28), (0x1c, 0)],
    );
    assert_eq!(exception_record(1, 2, &[3; 99]).len(), 0x98);
}

#[test]
fn registers_left_out_are_those_of_a_running_kernel() {
    let defaults: [(SynthContext, usize, u32); 3] = [
        (SynthRegisters::default().into(), 0x44, 0x246),
        (SynthX86Registers::default().into(), 0xc0, 0x246),
        (SynthArm64Registers::default().into(), 0x04, 0x6000_0004),
    ];
    for (context, at, flags) in defaults {
        assert_eq!(context_record(&context)[at..at + 4], flags.to_le_bytes());
        assert_eq!((context.pc(), context.sp()), (0, 0));
    }
}
