//! Records that a dump's memory holds: CONTEXT, `EXCEPTION_RECORD` and `KTRAP_FRAME`, one file per machine.

mod arm64;
mod x64;
mod x86;

use super::image::Image;
use super::noise;
use super::registers::SynthContext;

/// A CONTEXT record, to place in stack memory for the parameters that point to one: 0x4D0 bytes on x64, 0x390 on
/// ARM64, 0x2CC on x86.
pub fn context_record<'a, R>(registers: &'a R) -> Vec<u8>
where
    SynthContext: From<&'a R>,
{
    match registers.into() {
        SynthContext::X64(registers) => x64::context(&registers),
        SynthContext::Arm64(registers) => arm64::context(&registers),
        SynthContext::X86(registers) => x86::context(&registers),
    }
}

/// A `KTRAP_FRAME` of a fault in the kernel on `fault_address`: 0x190 bytes on x64, 0x150 on ARM64, 0x8C on x86.
///
/// An x86 frame has no place for the address (it is in CR2), and none for the stack pointer of a fault in the
/// kernel: the interrupted stack begins at 0x74, so the last 0x18 bytes are for the caller to overwrite.
pub fn trap_frame<'a, R>(registers: &'a R, fault_address: u64) -> Vec<u8>
where
    SynthContext: From<&'a R>,
{
    match registers.into() {
        SynthContext::X64(registers) => x64::trap_frame(&registers, fault_address),
        SynthContext::Arm64(registers) => arm64::trap_frame(&registers, fault_address),
        SynthContext::X86(registers) => x86::trap_frame(&registers),
    }
}

/// An `EXCEPTION_RECORD64` (0x98 bytes); at most 15 information words.
pub fn exception_record(code: u32, address: u64, information: &[u64]) -> Vec<u8> {
    let mut record = Image::zeros(0x98);
    let words = &information[..information.len().min(15)];
    record.u32(0x00, code);
    record.u64(0x10, address);
    record.u32(0x18, words.len() as u32);
    for (place, &word) in words.iter().enumerate() {
        record.u64(0x20 + 8 * place, word);
    }
    record.into_bytes()
}

/// An `EXCEPTION_RECORD32` (0x50 bytes); at most 15 information words.
pub fn exception_record_32(code: u32, address: u32, information: &[u32]) -> Vec<u8> {
    let mut record = Image::zeros(0x50);
    let words = &information[..information.len().min(15)];
    record.u32(0x00, code);
    record.u32(0x0c, address);
    record.u32(0x10, words.len() as u32);
    for (place, &word) in words.iter().enumerate() {
        record.u32(0x14 + 4 * place, word);
    }
    record.into_bytes()
}

/// The page that holds the stack's lowest address, as the data block that both writers add: it overlaps the stack and
/// says the same where it does.
pub fn stack_page(stack_base: u64, stack: &[u8]) -> (u64, Vec<u8>) {
    const PAGE: usize = 0x1000;
    let address = stack_base & !(PAGE as u64 - 1);
    let from = (stack_base - address) as usize;
    let shared = stack.len().min(PAGE - from);
    let mut page = noise(stack_base, PAGE);
    page[from..from + shared].copy_from_slice(&stack[..shared]);
    (address, page)
}
