//! The 8 KiB header in front of a 64-bit dump. Fields that the real writers leave alone keep the fill pattern.
//! What all kinds of dumps say comes first, then what only small ones do.

use super::image::{Image, utf16_z};
use super::noise::hash;
use super::{SmallDump, SynthMachine, SynthWriter, context_record};

/// What Windows fills the header with before it writes fields.
pub(super) const UNWRITTEN: [u8; 4] = *b"PAGE";
pub(super) const HEADER_LEN: usize = 0x2000;
/// Where the context and the exception are; the area table repeats both.
pub(super) const CONTEXT_AT: u32 = 0x348;
pub(super) const EXCEPTION_AT: u32 = 0xf00;
/// Page tables of the process in small dumps, which have none.
pub(super) const SMALL_DIRECTORY_TABLE_BASE: u64 = 0x001a_d000;
/// `DUMP_FILE_ATTRIBUTES`.
pub(super) const KERNEL_GENERATED_TRIAGE_DUMP: u32 = 0x8;
pub(super) const LIVE_DUMP: u32 = 0x10;

/// The header's machine type.
pub(super) fn machine_type(machine: SynthMachine) -> u32 {
    match machine {
        SynthMachine::X64 => 0x8664,
        SynthMachine::Arm64 => 0xaa64,
        SynthMachine::X86 => 0x14c,
    }
}

/// Whether the header of a dump that the kernel wrote counts boots: a field younger than Windows 8.1.
pub(super) fn has_boot_id(dump: &SmallDump) -> bool {
    dump.writer == SynthWriter::Kernel && dump.build >= 10240
}

/// The attributes, or nothing where the writer leaves them alone: they came with Windows 8.
pub(super) fn attributes(dump: &SmallDump) -> Option<u32> {
    let of_kernel = match dump.build {
        _ if dump.writer == SynthWriter::DebugEngine => None,
        ..=9199 => None,
        9200..=26099 => Some(KERNEL_GENERATED_TRIAGE_DUMP),
        _ => Some(0x2_1000 | KERNEL_GENERATED_TRIAGE_DUMP),
    };
    if dump.details.live { Some(of_kernel.unwrap_or(0) | LIVE_DUMP) } else { of_kernel }
}

/// What every dump's header says of the crash.
pub(super) fn common(dump: &SmallDump, dump_type: u32, directory_table_base: u64) -> Image {
    let mut h = Image::repeating(UNWRITTEN, HEADER_LEN);
    h.put(0x004, b"DU64");
    h.u32(0x008, 15);
    h.u32(0x00c, dump.build);
    h.u64(0x010, directory_table_base);
    h.u64(0x020, dump.ps_loaded_module_list);
    h.u32(0x030, machine_type(dump.machine()));
    h.u32(0x034, dump.processors);
    h.u32(0x038, dump.bugcheck);
    for (place, &parameter) in dump.parameters.iter().enumerate() {
        h.u64(0x040 + 8 * place, parameter);
    }
    h.u64(0x080, dump.kd_debugger_data_block);
    h.put(CONTEXT_AT as usize, &context_record(&dump.registers));
    write_exception(dump.registers.pc(), &mut h);
    h.u32(0xf98, dump_type);
    h.u64(0xfa8, dump.system_time);
    h.u64(0x1030, dump.uptime);
    h.u32(0x1040, 1);
    h.u32(0x1044, 0x110);
    h
}

/// Writes the header of a small dump whose file will be `file_len` bytes long.
pub(super) fn write(dump: &SmallDump, file_len: usize) -> Vec<u8> {
    let mut h = common(dump, 4, SMALL_DIRECTORY_TABLE_BASE);
    h.u64(0x028, dump.ps_loaded_module_list.wrapping_sub(0xc640));
    if let Some(attributes) = attributes(dump) {
        h.u32(0x1050, attributes);
    }
    match dump.writer {
        SynthWriter::Kernel => write_kernel_fields(dump, file_len, &mut h),
        SynthWriter::DebugEngine => write_debug_engine_fields(dump, file_len, &mut h),
    }
    h.into_bytes()
}

/// Always the breakpoint inside the kernel's own bug-check routine: of no use to anyone, so real dumps have it too.
fn write_exception(pc: u64, h: &mut Image) {
    let at = EXCEPTION_AT as usize;
    h.u32(at, 0x8000_0003);
    h.u32(at + 0x04, 1);
    h.u64(at + 0x08, 0);
    h.u64(at + 0x10, pc);
    h.u32(at + 0x18, 0);
}

fn write_kernel_fields(dump: &SmallDump, file_len: usize, h: &mut Image) {
    h.u64(0x018, 0xffff_c200_0000_0000);
    h.fill(0x060, 0x080, 0);
    write_physical_runs(h, &physical_runs(dump.seed));
    h.u64(0xfa0, file_len as u64);
    h.u32(0x1038, 0xdff);
    h.u32(0x103c, 0);
    if has_boot_id(dump) {
        h.u32(0x1054, dump.boot_id);
    }
    if dump.build >= 26100 {
        h.put(0x104e, &[4]);
        write_diagnostics(dump.build, dump.ubr, h);
    }
}

/// The ranges of physical memory of a machine with 8 GB: three runs, varied a little by the seed.
pub(super) fn physical_runs(seed: u64) -> [(u64, u64); 3] {
    [(0x1, 0x9e), (0x100, 0xc_7f00), (0x10_0000, 0x1f_0000 + hash(seed) % 0x4000)]
}

/// `PHYSICAL_MEMORY_DESCRIPTOR64`: first page and count of each run.
pub(super) fn write_physical_runs(h: &mut Image, runs: &[(u64, u64)]) {
    h.u32(0x088, runs.len() as u32);
    h.u32(0x08c, 0);
    h.u64(0x090, runs.iter().map(|run| run.1).sum());
    for (place, &(first, count)) in runs.iter().enumerate() {
        h.u64(0x098 + 16 * place, first);
        h.u64(0x0a0 + 16 * place, count);
    }
}

/// What builds from 26100 add behind the documented fields: a status line, the build as text, the update revision.
pub(super) fn write_diagnostics(build: u32, ubr: Option<u32>, h: &mut Image) {
    h.u32(0x1058, 0x298);
    h.u32(0x105c, 0x298);
    h.fill(0x1060, 0x12f0, 0);
    h.put(0x11f0, b"Dump completed successfully.");
    h.put(0x12f0, &utf16_z(&build.to_string()));
    if let Some(ubr) = ubr {
        h.u32(0x1300, ubr);
    }
    h.u32(0x1304, 10);
    h.u32(0x1308, 0);
}

fn write_debug_engine_fields(dump: &SmallDump, file_len: usize, h: &mut Image) {
    h.u64(0x018, dump.ps_loaded_module_list.wrapping_add(0xd_1bb0));
    // its context buffer is zeroed to the end, the kernel's is not
    let context_end = CONTEXT_AT as usize + context_record(&dump.registers).len();
    h.fill(context_end, EXCEPTION_AT as usize, 0);
    // the size of the dump it was made from, give or take: never that of the file
    h.u64(0xfa0, file_len as u64 + 0x9_4b48);
    h.u32(0x1038, 0xcff);
    h.u32(0x1048, 0);
    h.put(0x104d, &[0]);
}
