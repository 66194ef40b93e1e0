//! The areas of a small dump, each as bytes: memory manager, unloaded drivers, PRCB, EPROCESS, ETHREAD, debugger
//! data, drivers and their names. Where they go is `small`'s business.

use super::image::{Image, utf16, utf16_z};
use super::noise::{hash, noise};
use super::{SmallDump, SynthDriver, SynthWriter};

/// How large a build's structures are, and where EPROCESS.ImageFileName is.
struct Build {
    prcb: usize,
    process: usize,
    thread: usize,
    image_name: usize,
    debugger_data: usize,
}

/// The nearest build whose sizes were seen.
fn layout(build: u32) -> Build {
    match build {
        0..=18361 => {
            Build { prcb: 0x7ec0, process: 0x850, thread: 0x810, image_name: 0x450, debugger_data: 0x380 }
        }
        18362..=26099 => {
            Build { prcb: 0xaf00, process: 0xa40, thread: 0x898, image_name: 0x5a8, debugger_data: 0x380 }
        }
        _ => Build { prcb: 0xcf00, process: 0x840, thread: 0x788, image_name: 0x338, debugger_data: 0x3a0 },
    }
}

/// An address in the system's pool region, stable for one dump.
fn pool_address(dump: &SmallDump, what: u64) -> u64 {
    0xffff_d20b_0000_0000 | (hash(dump.seed ^ what) & 0xffff_fff0)
}

/// `DUMP_MM_STORAGE`: the debugger engine leaves all but version and size zero.
pub(super) fn memory_manager(dump: &SmallDump) -> Vec<u8> {
    let mut area = Image::zeros(0x50);
    area.u32(0x00, 1);
    area.u32(0x04, 0x50);
    if dump.writer == SynthWriter::Kernel {
        area.u32(0x1c, 1);
        area.u32(0x20, 0x3ee6);
        area.u32(0x2c, 1);
        area.u64(0x30, 0x6500);
        area.u64(0x38, 0x0007_7d59);
        area.u64(0x40, 0x0009_7b64);
        area.u64(0x48, 0x001f_ff8d);
    }
    area.into_bytes()
}

/// The kernel writes room for fifty entries, the debugger engine only those there are.
pub(super) fn unloaded(dump: &SmallDump) -> Vec<u8> {
    const ENTRY: usize = 56;
    const MOST: usize = 50;
    let count = dump.unloaded.len().min(MOST);
    let room = if dump.writer == SynthWriter::Kernel { MOST } else { count };
    let mut area = Image::zeros(8 + ENTRY * room);
    area.u32(0, count as u32);
    for (place, (name, start, end)) in dump.unloaded.iter().take(count).enumerate() {
        let at = 8 + ENTRY * place;
        let mut units = utf16(name);
        units.truncate(24);
        area.u16(at, units.len() as u16);
        area.u16(at + 2, units.len() as u16);
        if dump.writer == SynthWriter::Kernel {
            area.u64(at + 8, pool_address(dump, 0x100) + 8 + (ENTRY * place) as u64);
        }
        area.put(at + 16, &units);
        area.u64(at + 40, *start);
        area.u64(at + 48, *end);
    }
    area.into_bytes()
}

pub(super) fn processor_block(dump: &SmallDump) -> Vec<u8> {
    let len = layout(dump.build).prcb;
    // two thirds of a PRCB are lookaside lists and arrays that are still empty
    let mut area = Image::zeros(len);
    area.put(0, &noise(dump.seed ^ 0x01, len / 3));
    area.u32(0x00, 0x1f80);
    area.u64(0x08, pool_address(dump, 0x200));
    area.into_bytes()
}

pub(super) fn process(dump: &SmallDump) -> Vec<u8> {
    let build = layout(dump.build);
    let mut area = Image::zeros(build.process);
    // the upper half: counters and list links; the lower half keeps zeros so that a name search finds one name
    area.put(0, &noise(dump.seed ^ 0x02, 0x100));
    area.put(0, &[3, 0, 0, 0, 0, 0, 0, 0]);
    area.u64(0x08, pool_address(dump, 0x300));
    let mut name = dump.process.as_bytes().to_vec();
    name.truncate(14);
    area.put(build.image_name, &name);
    // PriorityClass follows the fifteen bytes of the name
    area.put(build.image_name + 15, &[2]);
    area.into_bytes()
}

pub(super) fn thread(dump: &SmallDump) -> Vec<u8> {
    let len = layout(dump.build).thread;
    let mut area = Image::zeros(len);
    area.put(0, &noise(dump.seed ^ 0x03, len / 2));
    area.put(0, &[6, 0, 0, 0, 0, 0, 0, 0]);
    area.u64(0x28, (dump.stack_base | 0xfff).wrapping_add(1));
    area.into_bytes()
}

pub(super) fn debugger_data_len(dump: &SmallDump) -> usize {
    layout(dump.build).debugger_data
}

/// `KDDEBUGGER_DATA64`: list entry, `KDBG`, its own size, the kernel's base, then addresses inside the kernel.
pub(super) fn debugger_data(dump: &SmallDump) -> Vec<u8> {
    let len = debugger_data_len(dump);
    let kernel = dump.drivers.first().map_or(0, |driver| driver.base);
    let mut area = Image::zeros(len);
    let head = kernel + 0xc2_e700;
    area.u64(0x00, head);
    area.u64(0x08, head);
    area.put(0x10, b"KDBG");
    area.u32(0x14, len as u32);
    area.u64(0x18, kernel);
    area.u64(0x20, kernel + 0x3f_4e40);
    area.u64(0x48, dump.ps_loaded_module_list);
    area.u64(0x50, dump.ps_loaded_module_list.wrapping_sub(0xc640));
    for at in (0x58..len - 8).step_by(16) {
        area.u64(at, kernel + 0xc0_0000 + (hash(at as u64) & 0xf_fff8));
    }
    area.into_bytes()
}

/// The string pool, and where each driver's name lies in the file.
pub(super) struct Strings {
    pub(super) bytes: Vec<u8>,
    offsets: Vec<u32>,
}

impl Strings {
    /// Names as the writer gives them. The length counts UTF-16 units; every string starts on 8 bytes.
    pub(super) fn of(dump: &SmallDump, at: u32) -> Self {
        let mut pool = Image::with_capacity(64 * dump.drivers.len());
        let mut offsets = Vec::with_capacity(dump.drivers.len());
        for driver in &dump.drivers {
            let name = match dump.writer {
                SynthWriter::Kernel => driver.name.clone(),
                SynthWriter::DebugEngine => nt_path(driver),
            };
            let units = utf16_z(&name);
            offsets.push(at + pool.append(&(units.len() as u32 / 2 - 1).to_le_bytes()));
            pool.append(&units);
            pool.align(8);
        }
        if dump.writer == SynthWriter::Kernel {
            // it reserves for the worst alignment of every string (seen in 6 of 6 real dumps) and uses less
            let units: usize = dump.drivers.iter().map(|driver| driver.name.encode_utf16().count()).sum();
            let reserved = (2 * units + 15 * dump.drivers.len()).next_multiple_of(8);
            pool.append_zeros(reserved.saturating_sub(pool.len()));
        }
        Self { bytes: pool.into_bytes(), offsets }
    }
}

/// Where Windows loads a driver from; the core ones lie a folder higher.
fn nt_path(driver: &SynthDriver) -> String {
    const CORE: [&str; 9] = [
        "ntoskrnl.exe",
        "hal.dll",
        "kd.dll",
        "kdcom.dll",
        "win32k.sys",
        "win32kbase.sys",
        "win32kfull.sys",
        "ci.dll",
        "mcupdate_GenuineIntel.dll",
    ];
    let folder =
        if CORE.iter().any(|core| core.eq_ignore_ascii_case(&driver.name)) { "" } else { "drivers\\" };
    format!("\\SystemRoot\\system32\\{folder}{}", driver.name)
}

const DRIVER_ENTRY: usize = 0x90;

pub(super) fn drivers_len(dump: &SmallDump) -> u32 {
    (DRIVER_ENTRY * dump.drivers.len()) as u32
}

/// The loader's entries. The debugger engine knows only name, base, size, checksum and timestamp.
pub(super) fn drivers(dump: &SmallDump, strings: &Strings) -> Vec<u8> {
    let mut area = Image::zeros(DRIVER_ENTRY * dump.drivers.len());
    for (place, driver) in dump.drivers.iter().enumerate() {
        let at = DRIVER_ENTRY * place;
        area.u32(at, strings.offsets[place]);
        area.u64(at + 0x38, driver.base);
        area.u32(at + 0x48, driver.size);
        area.u32(at + 0x80, (hash(u64::from(driver.timestamp)) & 0xf_ffff) as u32);
        area.u32(at + 0x88, driver.timestamp);
        if dump.writer == SynthWriter::Kernel {
            put_loader_fields(dump, place, driver, &mut area);
        }
    }
    area.into_bytes()
}

fn put_loader_fields(dump: &SmallDump, place: usize, driver: &SynthDriver, area: &mut Image) {
    let at = DRIVER_ENTRY * place;
    let entry_address = |place: usize| pool_address(dump, 0x400) + 0x100 * place as u64;
    area.u64(at + 0x08, entry_address(place + 1));
    area.u64(at + 0x10, entry_address(place.saturating_sub(1)));
    area.u64(at + 0x18, driver.base + u64::from(driver.size) / 2);
    area.u32(at + 0x20, driver.size / 48);
    area.u64(at + 0x40, driver.base + u64::from(driver.size) / 4 + 0x10);
    let (path, name) = (utf16(&nt_path(driver)).len() as u16, utf16(&driver.name).len() as u16);
    area.u16(at + 0x50, path);
    area.u16(at + 0x52, path);
    area.u64(at + 0x58, entry_address(place) + 0x40);
    area.u16(at + 0x60, name);
    area.u16(at + 0x62, name);
    area.u64(at + 0x68, entry_address(place) + 0xa0);
    area.u32(at + 0x70, if place < 40 { 0x0880_4080 } else { 0x4910_4000 });
    area.u16(at + 0x74, 1);
}
