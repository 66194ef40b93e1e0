//! The 8 KiB header in front of a small dump. Fields that the real writers leave alone keep the fill pattern.

use super::image::{Image, utf16_z};
use super::noise::hash;
use super::{SmallDump, SynthWriter, context_record};

/// What Windows fills the header with before it writes fields.
const UNWRITTEN: [u8; 4] = *b"PAGE";
pub(super) const HEADER_LEN: usize = 0x2000;
/// Where the context and the exception are; the area table repeats both.
pub(super) const CONTEXT_AT: u32 = 0x348;
pub(super) const EXCEPTION_AT: u32 = 0xf00;

/// Writes the header of a dump whose file will be `file_len` bytes long.
pub(super) fn write(dump: &SmallDump, file_len: usize) -> Vec<u8> {
    let mut h = Image::repeating(UNWRITTEN, HEADER_LEN);
    h.put(0x004, b"DU64");
    h.u32(0x008, 15);
    h.u32(0x00c, dump.build);
    h.u64(0x010, 0x001a_d000);
    h.u64(0x020, dump.ps_loaded_module_list);
    h.u64(0x028, dump.ps_loaded_module_list.wrapping_sub(0xc640));
    h.u32(0x030, 0x8664);
    h.u32(0x034, dump.processors);
    h.u32(0x038, dump.bugcheck);
    for (place, &parameter) in dump.parameters.iter().enumerate() {
        h.u64(0x040 + 8 * place, parameter);
    }
    h.u64(0x080, dump.kd_debugger_data_block);
    h.put(CONTEXT_AT as usize, &context_record(&dump.registers));
    write_exception(dump, &mut h);
    h.u32(0xf98, 4);
    h.u64(0xfa8, dump.system_time);
    h.u64(0x1030, dump.uptime);
    h.u32(0x1040, 1);
    h.u32(0x1044, 0x110);
    match dump.writer {
        SynthWriter::Kernel => write_kernel_fields(dump, file_len, &mut h),
        SynthWriter::DebugEngine => write_debug_engine_fields(dump, file_len, &mut h),
    }
    h.into_bytes()
}

/// Always the breakpoint inside the kernel's own bug-check routine: of no use to anyone, so real dumps have it too.
fn write_exception(dump: &SmallDump, h: &mut Image) {
    let at = EXCEPTION_AT as usize;
    h.u32(at, 0x8000_0003);
    h.u32(at + 0x04, 1);
    h.u64(at + 0x08, 0);
    h.u64(at + 0x10, dump.registers.rip);
    h.u32(at + 0x18, 0);
}

fn write_kernel_fields(dump: &SmallDump, file_len: usize, h: &mut Image) {
    h.u64(0x018, 0xffff_c200_0000_0000);
    h.fill(0x060, 0x080, 0);
    write_physical_runs(dump, h);
    h.u64(0xfa0, file_len as u64);
    h.u32(0x1038, 0xdff);
    h.u32(0x103c, 0);
    h.u32(0x1050, 0x8);
    h.u32(0x1054, dump.boot_id);
    if dump.build >= 26100 {
        h.u32(0x1050, 0x2_1008);
        h.put(0x104e, &[4]);
        write_diagnostics(dump, h);
    }
}

/// The ranges of physical memory: three runs, 8 GB in all, varied a little by the seed.
fn write_physical_runs(dump: &SmallDump, h: &mut Image) {
    let top = 0x1f_0000 + hash(dump.seed) % 0x4000;
    let runs = [(0x1, 0x9e), (0x100, 0xc_7f00), (0x10_0000, top)];
    h.u32(0x088, runs.len() as u32);
    h.u32(0x08c, 0);
    h.u64(0x090, runs.iter().map(|run| run.1).sum());
    for (place, (first, count)) in runs.into_iter().enumerate() {
        h.u64(0x098 + 16 * place, first);
        h.u64(0x0a0 + 16 * place, count);
    }
}

/// What builds from 26100 add behind the documented fields: a status line, the build as text, the update revision.
fn write_diagnostics(dump: &SmallDump, h: &mut Image) {
    h.u32(0x1058, 0x298);
    h.u32(0x105c, 0x298);
    h.fill(0x1060, 0x12f0, 0);
    h.put(0x11f0, b"Dump completed successfully.");
    h.put(0x12f0, &utf16_z(&dump.build.to_string()));
    if let Some(ubr) = dump.ubr {
        h.u32(0x1300, ubr);
    }
    h.u32(0x1304, 10);
    h.u32(0x1308, 0);
}

fn write_debug_engine_fields(dump: &SmallDump, file_len: usize, h: &mut Image) {
    h.u64(0x018, dump.ps_loaded_module_list.wrapping_add(0xd_1bb0));
    // its context buffer is zeroed to the end, the kernel's is not
    h.fill(CONTEXT_AT as usize + 0x4d0, EXCEPTION_AT as usize, 0);
    // the size of the dump it was made from, give or take: never that of the file
    h.u64(0xfa0, file_len as u64 + 0x9_4b48);
    h.u32(0x1038, 0xcff);
    h.u32(0x1048, 0);
    h.put(0x104d, &[0]);
}
