//! ARM64: CONTEXT and `KTRAP_FRAME`.

use super::super::image::Image;
use super::super::registers::SynthArm64Registers;

/// `CONTEXT_ARM64` with control, integer and floating point.
const CONTEXT_FLAGS: u32 = 0x0040_0007;
/// Zero and carry set, EL1 on the stack pointer of EL0: what the kernel runs its threads with.
const KERNEL_CPSR: u32 = 0x6000_0004;

/// `KTRAP_FRAME.ExceptionActive` of a fault, and the syndrome of a data abort in the kernel.
const EXCEPTION_FRAME: u8 = 1;
const DATA_ABORT: u32 = 0x9600_0007;

fn cpsr(registers: &SynthArm64Registers) -> u32 {
    if registers.cpsr == 0 { KERNEL_CPSR } else { registers.cpsr }
}

pub(super) fn context(r: &SynthArm64Registers) -> Vec<u8> {
    let mut record = Image::zeros(0x390);
    record.u32(0x00, CONTEXT_FLAGS);
    record.u32(0x04, cpsr(r));
    for (place, value) in r.x.into_iter().chain([r.fp, r.lr, r.sp, r.pc]).enumerate() {
        record.u64(0x08 + 8 * place, value);
    }
    record.into_bytes()
}

/// Only the registers that a call may change are saved; x19 and up are in the exception frame beside it.
pub(super) fn trap_frame(r: &SynthArm64Registers, fault_address: u64) -> Vec<u8> {
    let mut frame = Image::zeros(0x150);
    frame.put(0x00, &[EXCEPTION_FRAME]);
    frame.u64(0x08, fault_address);
    frame.u32(0x90, cpsr(r));
    frame.u32(0x94, DATA_ABORT);
    frame.u64(0x98, r.sp);
    for (place, value) in r.x.into_iter().take(19).enumerate() {
        frame.u64(0xa0 + 8 * place, value);
    }
    for (place, value) in [r.lr, r.fp, r.pc].into_iter().enumerate() {
        frame.u64(0x138 + 8 * place, value);
    }
    frame.into_bytes()
}
