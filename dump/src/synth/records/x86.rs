//! x86: CONTEXT and `KTRAP_FRAME`.

use super::super::image::Image;
use super::super::registers::SynthX86Registers;

const KERNEL_CS: u32 = 0x08;
const KERNEL_SS: u32 = 0x10;
/// The kernel's FS, through which it finds its processor block.
const KERNEL_FS: u32 = 0x30;
const USER_DATA: u32 = 0x23;
/// `CONTEXT_i386` with control, integer and segments.
const CONTEXT_FLAGS: u32 = 0x0001_0007;
const INTERRUPTS_ON: u32 = 0x246;
/// `DbgArgMark` of a trap frame.
const ARGUMENT_MARK: u32 = 0xbadb_0d00;

fn eflags(registers: &SynthX86Registers) -> u32 {
    if registers.eflags == 0 { INTERRUPTS_ON } else { registers.eflags }
}

pub(super) fn context(r: &SynthX86Registers) -> Vec<u8> {
    let mut record = Image::zeros(0x2cc);
    record.u32(0x00, CONTEXT_FLAGS);
    let from_fs = [
        KERNEL_FS,
        USER_DATA,
        USER_DATA,
        r.edi,
        r.esi,
        r.ebx,
        r.edx,
        r.ecx,
        r.eax,
        r.ebp,
        r.eip,
        KERNEL_CS,
        eflags(r),
        r.esp,
        KERNEL_SS,
    ];
    for (place, value) in from_fs.into_iter().enumerate() {
        record.u32(0x90 + 4 * place, value);
    }
    record.into_bytes()
}

pub(super) fn trap_frame(r: &SynthX86Registers) -> Vec<u8> {
    let mut frame = Image::zeros(0x8c);
    frame.u32(0x00, r.ebp);
    frame.u32(0x04, r.eip);
    frame.u32(0x08, ARGUMENT_MARK);
    for (place, value) in [0, USER_DATA, USER_DATA, r.edx, r.ecx, r.eax].into_iter().enumerate() {
        frame.u32(0x2c + 4 * place, value);
    }
    // no handler on the list
    frame.u32(0x4c, 0xffff_ffff);
    for (place, value) in
        [KERNEL_FS, r.edi, r.esi, r.ebx, r.ebp, 0, r.eip, KERNEL_CS, eflags(r)].into_iter().enumerate()
    {
        frame.u32(0x50 + 4 * place, value);
    }
    frame.into_bytes()
}
