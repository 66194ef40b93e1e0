//! The areas of a small dump that list things, each as bytes: memory manager, unloaded drivers, drivers and their
//! names. Where they go is `small`'s business; processor, process, thread and debugger data are `state`'s.

use super::image::{Image, utf16, utf16_z};
use super::noise::hash;
use super::state::pool_address;
use super::{SmallDump, SynthDriver, SynthMachine, SynthMemoryManager, SynthWriter};

/// What the two forms of the lists differ in.
struct Form {
    /// Bytes of a pointer.
    word: usize,
    unloaded_first: usize,
    unloaded: usize,
    driver: usize,
}

fn form(machine: SynthMachine) -> Form {
    if machine.is_64_bit() {
        Form { word: 8, unloaded_first: 8, unloaded: 56, driver: 0x90 }
    } else {
        Form { word: 4, unloaded_first: 4, unloaded: 40, driver: 0x4c }
    }
}

/// `DUMP_MM_STORAGE`: the debugger engine leaves all but version and size zero.
pub(super) fn memory_manager(dump: &SmallDump) -> Vec<u8> {
    let word = form(dump.machine()).word;
    // the 32-bit form ends at 0x34, and what follows it starts on 8 bytes
    let size = 0x18 + 7 * word;
    let mut area = Image::zeros(size.next_multiple_of(8));
    area.u32(0x00, 1);
    area.u32(0x04, size as u32);
    let kernel = (dump.writer == SynthWriter::Kernel).then(SynthMemoryManager::example);
    if let Some(facts) = dump.details.memory_manager.or(kernel) {
        let numbers = [
            facts.special_pool_tag,
            facts.triage_action_taken,
            facts.verify_driver_level,
            facts.kernel_verifier,
        ];
        for (place, number) in numbers.into_iter().enumerate() {
            area.u32(0x08 + 4 * place, number);
        }
        let sizes = [
            facts.maximum_nonpaged_pool,
            facts.allocated_nonpaged_pool,
            facts.paged_pool_maximum,
            facts.paged_pool_allocated,
            facts.committed_pages,
            facts.committed_pages_peak,
            facts.committed_pages_maximum,
        ];
        for (place, size) in sizes.into_iter().enumerate() {
            area.word(word, 0x18 + word * place, size);
        }
    }
    area.into_bytes()
}

/// The kernel writes room for fifty entries, the debugger engine only those there are.
pub(super) fn unloaded(dump: &SmallDump) -> Vec<u8> {
    const MOST: usize = 50;
    let form = form(dump.machine());
    let word = form.word;
    let count = dump.unloaded.len().min(MOST);
    let room = if dump.writer == SynthWriter::Kernel { MOST } else { count };
    let mut area = Image::zeros((form.unloaded_first + form.unloaded * room).next_multiple_of(8));
    area.u32(0, count as u32);
    for (place, (name, start, end)) in dump.unloaded.iter().take(count).enumerate() {
        let at = form.unloaded_first + form.unloaded * place;
        let mut units = utf16(name);
        units.truncate(24);
        area.u16(at, units.len() as u16);
        area.u16(at + 2, units.len() as u16);
        if dump.writer == SynthWriter::Kernel {
            let buffer = pool_address(dump.machine(), dump.seed ^ 0x100) + at as u64;
            area.word(word, at + word, buffer);
        }
        area.put(at + 2 * word, &units);
        area.word(word, at + 2 * word + 24, *start);
        area.word(word, at + 3 * word + 24, *end);
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
            // it reserves for the worst alignment of every string (seen in 7 of 7 real dumps) and uses less
            let units: usize = dump.drivers.iter().map(|driver| driver.name.encode_utf16().count()).sum();
            let reserved = (2 * units + 15 * dump.drivers.len()).next_multiple_of(8);
            pool.append_zeros(reserved.saturating_sub(pool.len()));
        }
        Self { bytes: pool.into_bytes(), offsets }
    }
}

/// Where Windows loads a driver from; the core ones lie a folder higher.
pub(super) fn nt_path(driver: &SynthDriver) -> String {
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

/// The length of one entry of the driver list.
pub(super) fn driver_entry(machine: SynthMachine) -> usize {
    form(machine).driver
}

/// The length of the list, up to the string pool.
pub(super) fn drivers_len(dump: &SmallDump) -> u32 {
    (driver_entry(dump.machine()) * dump.drivers.len()).next_multiple_of(8) as u32
}

/// The loader's entries. The debugger engine knows only name, base, size, checksum and timestamp.
pub(super) fn drivers(dump: &SmallDump, strings: &Strings) -> Vec<u8> {
    let mut area = Image::zeros(drivers_len(dump) as usize);
    for (place, driver) in dump.drivers.iter().enumerate() {
        let at = driver_entry(dump.machine()) * place;
        area.u32(at, strings.offsets[place]);
        let entry = at + form(dump.machine()).word;
        match dump.writer {
            SynthWriter::Kernel => {
                let address =
                    |place: usize| pool_address(dump.machine(), dump.seed ^ 0x400) + 0x100 * place as u64;
                let links = [address(place + 1), address(place.saturating_sub(1))];
                let names = [address(place) + 0x40, address(place) + 0xa0];
                put_loader_entry(dump.machine(), &mut area, entry, driver, links, names, place);
            }
            SynthWriter::DebugEngine => put_image_facts(dump.machine(), &mut area, entry, driver),
        }
    }
    area.into_bytes()
}

/// The checksum that a driver is given: any, but always the same.
pub(super) fn checksum(driver: &SynthDriver) -> u32 {
    (hash(u64::from(driver.timestamp)) & 0xf_ffff) as u32
}

/// The fields of a `KLDR_DATA_TABLE_ENTRY` that both writers know.
fn put_image_facts(machine: SynthMachine, area: &mut Image, at: usize, driver: &SynthDriver) {
    let word = form(machine).word;
    let [size, checksum_at, timestamp] = if word == 8 { [0x40, 0x78, 0x80] } else { [0x20, 0x40, 0x44] };
    area.word(word, at + 6 * word, driver.base);
    area.u32(at + size, driver.size);
    area.u32(at + checksum_at, checksum(driver));
    area.u32(at + timestamp, driver.timestamp);
}

/// A whole `KLDR_DATA_TABLE_ENTRY`, linked, with the buffers of its two names at `names`.
pub(super) fn put_loader_entry(
    machine: SynthMachine,
    area: &mut Image,
    at: usize,
    driver: &SynthDriver,
    links: [u64; 2],
    names: [u64; 2],
    place: usize,
) {
    put_image_facts(machine, area, at, driver);
    let word = form(machine).word;
    area.word(word, at, links[0]);
    area.word(word, at + word, links[1]);
    area.word(word, at + 2 * word, driver.base + u64::from(driver.size) / 2);
    area.u32(at + 3 * word, driver.size / 48);
    area.word(word, at + 7 * word, driver.base + u64::from(driver.size) / 4 + 0x10);
    let [full_name, base_name, flags, load_count] =
        if word == 8 { [0x48, 0x58, 0x68, 0x6c] } else { [0x24, 0x2c, 0x34, 0x38] };
    for (name_at, text, buffer) in
        [(full_name, nt_path(driver), names[0]), (base_name, driver.name.clone(), names[1])]
    {
        let len = utf16(&text).len() as u16;
        area.u16(at + name_at, len);
        area.u16(at + name_at + 2, len);
        area.word(word, at + name_at + word, buffer);
    }
    area.u32(at + flags, if place < 40 { 0x0880_4080 } else { 0x4910_4000 });
    area.u16(at + load_count, 1);
}
