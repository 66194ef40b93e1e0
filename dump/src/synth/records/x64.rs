//! x64: CONTEXT and `KTRAP_FRAME`.

use super::super::image::Image;
use super::super::registers::SynthRegisters;

/// Kernel segment selectors and an ordinary floating-point control word.
const KERNEL_CS: u16 = 0x10;
const KERNEL_SS: u16 = 0x18;
const USER_DATA: u16 = 0x2b;
const USER_FS: u16 = 0x53;
const MXCSR: u32 = 0x1f80;
/// `CONTEXT_AMD64` with control, integer, segments and floating point.
const CONTEXT_FLAGS: u32 = 0x0010_000f;
const INTERRUPTS_ON: u32 = 0x246;

fn eflags(registers: &SynthRegisters) -> u32 {
    if registers.eflags == 0 { INTERRUPTS_ON } else { registers.eflags }
}

pub(super) fn context(r: &SynthRegisters) -> Vec<u8> {
    let mut record = Image::zeros(0x4d0);
    record.u32(0x30, CONTEXT_FLAGS);
    record.u32(0x34, MXCSR);
    record.u16(0x38, KERNEL_CS);
    record.u16(0x3a, USER_DATA);
    record.u16(0x3c, USER_DATA);
    record.u16(0x3e, USER_FS);
    record.u16(0x40, USER_DATA);
    record.u16(0x42, KERNEL_SS);
    record.u32(0x44, eflags(r));
    let integers = [
        r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
        r.r14, r.r15, r.rip,
    ];
    for (place, value) in integers.into_iter().enumerate() {
        record.u64(0x78 + 8 * place, value);
    }
    // the floating-point save area: control word, and the control and status register once more
    record.u16(0x100, 0x27f);
    record.u32(0x118, MXCSR);
    record.into_bytes()
}

pub(super) fn trap_frame(r: &SynthRegisters, fault_address: u64) -> Vec<u8> {
    let mut frame = Image::zeros(0x190);
    frame.u32(0x2c, MXCSR);
    for (place, value) in [r.rax, r.rcx, r.rdx, r.r8, r.r9, r.r10, r.r11].into_iter().enumerate() {
        frame.u64(0x30 + 8 * place, value);
    }
    frame.u64(0xd0, fault_address);
    for (place, value) in [r.rbx, r.rdi, r.rsi, r.rbp].into_iter().enumerate() {
        frame.u64(0x140 + 8 * place, value);
    }
    frame.u64(0x168, r.rip);
    frame.u16(0x170, KERNEL_CS);
    frame.u32(0x178, eflags(r));
    frame.u64(0x180, r.rsp);
    frame.u16(0x188, KERNEL_SS);
    frame.into_bytes()
}
