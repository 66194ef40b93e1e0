//! What lies in the memory of a crashed machine: driver images, the lists of drivers, the kernel's variables,
//! processor, process and thread, the stack.

use super::super::areas::{checksum, nt_path, put_loader_entry};
use super::super::debugger_data::field;
use super::super::header::machine_type;
use super::super::image::{Image, utf16};
use super::super::state::{Scene, pool_address};
use super::super::{SmallDump, SynthDriver, SynthMachine};
use super::memory::Memory;
use super::{LargeDump, SynthMapping};

/// Room for one loader entry and its two names.
const LOADER_ENTRY: u64 = 0x200;
const FULL_NAME_AT: u64 = 0xa0;
const BASE_NAME_AT: u64 = 0x180;
/// `MmUnloadedDrivers` is an array of fifty, filled round and round.
const UNLOADED: usize = 50;
/// The next place of an array that has been round.
const NEXT_WHEN_ROUND: usize = 13;

/// Everything that is in memory, at its virtual address.
pub(super) fn of(dump: &LargeDump, scene: &Scene<'_>) -> Memory {
    let mut memory = Memory::default();
    let crash = &dump.crash;
    put_images(crash, &mut memory);
    put_loader_list(crash, scene, &mut memory);
    put_unloaded(crash, scene, &mut memory);
    put_variables(crash, scene, &mut memory);
    memory.put(scene.state.prcb, &scene.prcb());
    memory.put(scene.state.process, &scene.process());
    memory.put(scene.state.thread, &scene.thread());
    for (address, bytes) in &crash.blocks {
        memory.put(*address, bytes);
    }
    memory.put(crash.stack_base, &crash.stack);
    for more in &dump.memory {
        memory.put_mapped(more.address, &more.bytes, more.mapping);
    }
    memory
}

/// The first page of every image. The kernel's own image has large pages where it lies on such a boundary.
fn put_images(crash: &SmallDump, memory: &mut Memory) {
    for (place, driver) in crash.drivers.iter().enumerate() {
        let is_large = place == 0 && driver.base % 0x20_0000 == 0;
        let mapping = if is_large { SynthMapping::Large } else { SynthMapping::Page };
        memory.put_mapped(driver.base, &image_head(crash.machine(), driver), mapping);
    }
}

/// MZ and PE headers of an image without sections.
fn image_head(machine: SynthMachine, driver: &SynthDriver) -> Vec<u8> {
    const PE_AT: usize = 0x80;
    let optional = PE_AT + 0x18;
    let mut head = Image::zeros(0x1000);
    head.put(0, b"MZ");
    head.u32(0x3c, PE_AT as u32);
    head.put(PE_AT, b"PE\0\0");
    head.u16(PE_AT + 0x04, machine_type(machine) as u16);
    head.u32(PE_AT + 0x08, driver.timestamp);
    let (magic, optional_len) = if machine.is_64_bit() { (0x20b, 0xf0) } else { (0x10b, 0xe0) };
    head.u16(PE_AT + 0x14, optional_len);
    head.u16(PE_AT + 0x16, 0x22);
    head.u16(optional, magic);
    head.u32(optional + 0x10, 0x1000);
    if machine.is_64_bit() {
        head.u64(optional + 0x18, driver.base);
    } else {
        head.u32(optional + 0x1c, driver.base as u32);
    }
    head.u32(optional + 0x20, 0x1000);
    head.u32(optional + 0x24, 0x200);
    head.u32(optional + 0x38, driver.size);
    head.u32(optional + 0x3c, 0x400);
    head.u32(optional + 0x40, checksum(driver));
    head.u16(optional + 0x44, 1); // runs in the kernel
    head.u32(optional + if machine.is_64_bit() { 0x6c } else { 0x5c }, 16);
    head.into_bytes()
}

/// `PsLoadedModuleList`: a ring of entries through its head.
fn put_loader_list(crash: &SmallDump, scene: &Scene<'_>, memory: &mut Memory) {
    let head = crash.ps_loaded_module_list;
    let first = pool_address(scene.machine, crash.seed ^ 0x400) & !0xfff;
    let count = crash.drivers.len();
    // place 0 and count + 1 are the head
    let address = |place: usize| match place {
        0 => head,
        place if place > count => head,
        place => first + LOADER_ENTRY * (place as u64 - 1),
    };
    put_words(memory, scene, head, &[address(1), address(count)]);
    for (place, driver) in crash.drivers.iter().enumerate() {
        let at = address(place + 1);
        let mut entry = Image::zeros(FULL_NAME_AT as usize);
        let names = [at + FULL_NAME_AT, at + BASE_NAME_AT];
        let links = [address(place + 2), address(place)];
        put_loader_entry(scene.machine, &mut entry, 0, driver, links, names, place);
        memory.put(at, entry.bytes());
        memory.put(names[0], &utf16(&nt_path(driver)));
        memory.put(names[1], &utf16(&driver.name));
    }
}

/// `MmUnloadedDrivers`, a pointer to an array, and `MmLastUnloadedDriver`, the next place in it.
fn put_unloaded(crash: &SmallDump, scene: &Scene<'_>, memory: &mut Memory) {
    let word = scene.word();
    let entry = 4 * word + 8;
    let array = pool_address(scene.machine, crash.seed ^ 0x500) & !0xfff;
    let names = array + 0x1000;
    let count = crash.unloaded.len().min(UNLOADED);
    let next = if count < UNLOADED { count } else { NEXT_WHEN_ROUND };
    put_words(memory, scene, scene.variable(field::MM_UNLOADED_DRIVERS), &[array]);
    memory.put(scene.variable(field::MM_LAST_UNLOADED_DRIVER), &(next as u32).to_le_bytes());
    let mut area = Image::zeros(entry * UNLOADED);
    for (age, (name, start, end)) in crash.unloaded.iter().take(count).enumerate() {
        let place = (next + UNLOADED - 1 - age) % UNLOADED;
        let at = entry * place;
        let name_at = names + 0x40 * place as u64;
        let units = utf16(name);
        let units = &units[..units.len().min(0x40)];
        memory.put(name_at, units);
        area.u16(at, units.len() as u16);
        area.u16(at + 2, units.len() as u16);
        area.word(word, at + word, name_at);
        area.word(word, at + 2 * word, *start);
        area.word(word, at + 3 * word, *end);
        // the older, the earlier
        area.u64(at + 4 * word, crash.system_time.wrapping_sub(600_000_000 * (age as u64 + 1)));
    }
    memory.put(array, area.bytes());
}

/// The kernel's variables that the debugger's data block leads to.
fn put_variables(crash: &SmallDump, scene: &Scene<'_>, memory: &mut Memory) {
    memory.put(crash.kd_debugger_data_block, &scene.debugger_data());
    let [first, second, third, fourth] = crash.parameters;
    let data = [u64::from(crash.bugcheck & 0x0fff_ffff), first, second, third, fourth];
    put_words(memory, scene, scene.variable(field::KI_BUGCHECK_DATA), &data);
    let link = scene.state.process + (scene.build.process.id + scene.word()) as u64;
    put_words(memory, scene, scene.variable(field::PS_ACTIVE_PROCESS_HEAD), &[link, link]);
    let processors: Vec<u64> = (0..u64::from(crash.processors))
        .map(|number| match number {
            number if number == u64::from(scene.state.processor_number) => scene.state.prcb,
            number => pool_address(scene.machine, crash.seed ^ 0x600 ^ number) & !0xfff | 0x180,
        })
        .collect();
    put_words(memory, scene, scene.variable(field::KI_PROCESSOR_BLOCK), &processors);
    let flavour = match scene.machine {
        SynthMachine::X64 => "amd64fre",
        SynthMachine::Arm64 => "arm64fre",
        SynthMachine::X86 => "x86fre",
    };
    let lab = format!("{}.1.{flavour}.synth_release.191206-1406\0", crash.build);
    memory.put(scene.variable(field::NT_BUILD_LAB), lab.as_bytes());
}

fn put_words(memory: &mut Memory, scene: &Scene<'_>, address: u64, words: &[u64]) {
    for (place, word) in words.iter().enumerate() {
        let bytes = &word.to_le_bytes()[..scene.word()];
        memory.put(address + (scene.word() * place) as u64, bytes);
    }
}
