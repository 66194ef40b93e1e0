//! The 4 KiB header in front of an x86 dump.

use super::header::{UNWRITTEN, attributes, has_boot_id, machine_type};
use super::image::Image;
use super::noise::hash;
use super::{SmallDump, SynthWriter, context_record};

pub(super) const HEADER_LEN: usize = 0x1000;
/// Where the context and the exception are; the area table repeats both.
pub(super) const CONTEXT_AT: u32 = 0x320;
pub(super) const EXCEPTION_AT: u32 = 0x7d0;
/// Page tables of the process in small dumps, which have none: with PAE they start on 32 bytes, not on a page.
pub(super) const SMALL_DIRECTORY_TABLE_BASE: u64 = 0x07f5_9020;

/// What every dump's header says of the crash.
pub(super) fn common(dump: &SmallDump, dump_type: u32, directory_table_base: u64, pae: bool) -> Image {
    let mut h = Image::repeating(UNWRITTEN, HEADER_LEN);
    h.put(0x004, b"DUMP");
    h.u32(0x008, 15);
    h.u32(0x00c, dump.build);
    h.u32(0x010, directory_table_base as u32);
    h.u32(0x018, dump.ps_loaded_module_list as u32);
    h.u32(0x020, machine_type(dump.machine()));
    h.u32(0x024, dump.processors);
    h.u32(0x028, dump.bugcheck);
    for (place, &parameter) in dump.parameters.iter().enumerate() {
        h.u32(0x02c + 4 * place, parameter as u32);
    }
    h.put(0x05c, &[u8::from(pae)]);
    h.u32(0x060, dump.kd_debugger_data_block as u32);
    h.put(CONTEXT_AT as usize, &context_record(&dump.registers));
    write_exception(dump.registers.pc() as u32, &mut h);
    h.u32(0xf88, dump_type);
    h.u32(0xf94, 1);
    h.u32(0xf98, 0x110);
    h.u64(0xfb8, dump.uptime);
    h.u64(0xfc0, dump.system_time);
    h
}

/// Writes the header of a small dump whose file will be `file_len` bytes long.
pub(super) fn write(dump: &SmallDump, file_len: usize) -> Vec<u8> {
    let mut h = common(dump, 4, SMALL_DIRECTORY_TABLE_BASE, true);
    h.u32(0x01c, dump.ps_loaded_module_list.wrapping_sub(0x7928) as u32);
    if let Some(attributes) = attributes(dump) {
        h.u32(0x8a0, attributes);
    }
    match dump.writer {
        SynthWriter::Kernel => {
            h.u32(0x014, 0xa000_0000);
            h.fill(0x03c, 0x05c, 0);
            let top = 0xd_d39f + hash(dump.seed) % 0x1000;
            write_physical_runs(&mut h, &[(0x1, 0x9c), (0x100, top), (0xd_e7dd + 0x1000, 0xc)]);
            h.u32(0xf8c, 0xdff);
            h.u32(0xf90, 0);
            h.u64(0xfa0, file_len as u64);
            if has_boot_id(dump) {
                h.u32(0x8a4, dump.boot_id);
            }
        }
        SynthWriter::DebugEngine => {
            h.u32(0x014, dump.ps_loaded_module_list.wrapping_add(0x2_0284) as u32);
            h.put(0x05d, &[0]);
            h.fill(CONTEXT_AT as usize + 0x2cc, EXCEPTION_AT as usize, 0);
            h.u32(0xf8c, 0xcff);
            h.u32(0xf9c, 0);
            h.u64(0xfa0, file_len as u64 + 0x9_4b48);
        }
    }
    h.into_bytes()
}

/// The breakpoint inside the kernel's bug-check routine, as in 64-bit dumps.
fn write_exception(pc: u32, h: &mut Image) {
    for (place, value) in [0x8000_0003, 1, 0, pc, 0].into_iter().enumerate() {
        h.u32(EXCEPTION_AT as usize + 4 * place, value);
    }
}

/// `PHYSICAL_MEMORY_DESCRIPTOR32`: first page and count of each run.
pub(super) fn write_physical_runs(h: &mut Image, runs: &[(u64, u64)]) {
    h.u32(0x064, runs.len() as u32);
    h.u32(0x068, runs.iter().map(|run| run.1).sum::<u64>() as u32);
    for (place, &(first, count)) in runs.iter().enumerate() {
        h.u32(0x06c + 8 * place, first as u32);
        h.u32(0x070 + 8 * place, count as u32);
    }
}
