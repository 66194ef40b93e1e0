//! Puts a small dump together: header, area table, areas in the writer's own order, then the secondary data.

use super::areas::{self, Strings};
use super::image::Image;
use super::state::{Described, Scene};
use super::{SmallDump, SynthMachine, SynthWriter, blobs, header, header_32};

const ALL_OPTIONS: u32 = 0xffff_ffff;
const KERNEL_OPTIONS: u32 = 0x41;
const DRIVER_LIST_OVERFLOW: u32 = 0x100;
/// `ServicePackBuild` of Windows 7 with service pack 1; no later version has any.
const SERVICE_PACK_1: u32 = 0x100;

/// What the two forms of the area table differ in.
struct Form {
    header: usize,
    context: u32,
    exception: u32,
    table: usize,
    /// Where debugger data and data blocks are entered.
    last: usize,
}

const FORM_64: Form = Form {
    header: header::HEADER_LEN,
    context: header::CONTEXT_AT,
    exception: header::EXCEPTION_AT,
    table: 0x80,
    last: 0x70,
};
const FORM_32: Form = Form {
    header: header_32::HEADER_LEN,
    context: header_32::CONTEXT_AT,
    exception: header_32::EXCEPTION_AT,
    table: 0x68,
    last: 0x58,
};

fn form(machine: SynthMachine) -> &'static Form {
    if machine.is_64_bit() { &FORM_64 } else { &FORM_32 }
}

/// Where the areas came to lie.
#[derive(Default)]
struct Places {
    size_of_dump: u32,
    valid: u32,
    mm: u32,
    unloaded: u32,
    prcb: u32,
    process: u32,
    thread: u32,
    stack: u32,
    debugger_data: u32,
    debugger_data_len: u32,
    drivers: u32,
    strings: u32,
    strings_len: u32,
    blocks: u32,
}

pub(super) fn write(dump: &SmallDump) -> Vec<u8> {
    let form = form(dump.machine());
    let mut image = Image::with_capacity(0x2_8000 + dump.filler);
    image.append_zeros(form.header + form.table);
    let places = match dump.writer {
        SynthWriter::Kernel => append_kernel_areas(dump, &mut image),
        SynthWriter::DebugEngine => append_debug_engine_areas(dump, &mut image),
    };
    put_area_table(dump, form, &places, &mut image);
    blobs::append(dump, &mut image);
    let header = if dump.machine().is_64_bit() {
        header::write(dump, image.len())
    } else {
        header_32::write(dump, image.len())
    };
    image.put(0, &header);
    image.into_bytes()
}

fn scene(dump: &SmallDump) -> Scene<'_> {
    Scene::new(Described {
        writer: dump.writer,
        build: dump.build,
        context: dump.registers,
        state: dump.state,
        process: &dump.process,
        processor: dump.processor.as_ref(),
        directory_table_base: if dump.machine().is_64_bit() {
            header::SMALL_DIRECTORY_TABLE_BASE
        } else {
            header_32::SMALL_DIRECTORY_TABLE_BASE
        },
        drivers: &dump.drivers,
        ps_loaded_module_list: dump.ps_loaded_module_list,
        stack: (dump.stack_base, dump.stack.len()),
        seed: dump.seed,
    })
}

fn append_kernel_areas(dump: &SmallDump, image: &mut Image) -> Places {
    let mut at = Places { mm: image.append(&areas::memory_manager(dump)), ..Places::default() };
    append_machine_state(dump, image, &mut at);
    at.unloaded = image.append(&areas::unloaded(dump));
    append_lists(dump, image, &mut at);
    // room for the marker, then up to the next sector: the file is written through the raw disk driver
    image.append_zeros(4);
    image.align(0x200);
    image.append_zeros(least_size(dump).saturating_sub(image.len()));
    at.size_of_dump = image.offset();
    at.valid = at.size_of_dump - 4;
    image.put(at.valid as usize, b"TRGD");
    at
}

/// Windows 7 still writes what its settings promise: a "small memory dump" of 128 KB, 256 KB on 64 bits.
fn least_size(dump: &SmallDump) -> usize {
    match dump.machine() {
        _ if dump.build >= 9200 => 0,
        SynthMachine::X86 => 0x2_0000,
        SynthMachine::X64 | SynthMachine::Arm64 => 0x4_0000,
    }
}

fn append_debug_engine_areas(dump: &SmallDump, image: &mut Image) -> Places {
    let mut at = Places { mm: image.append(&areas::memory_manager(dump)), ..Places::default() };
    at.unloaded = image.append(&areas::unloaded(dump));
    append_machine_state(dump, image, &mut at);
    append_lists(dump, image, &mut at);
    image.align(8);
    at.valid = image.append(b"TRGD");
    at.size_of_dump = image.offset();
    at
}

fn append_machine_state(dump: &SmallDump, image: &mut Image, at: &mut Places) {
    let scene = scene(dump);
    at.prcb = image.append(&scene.prcb());
    at.process = image.append(&scene.process());
    at.thread = image.append(&scene.thread());
    at.stack = image.append(&dump.stack);
    image.align(8);
    let debugger_data = scene.debugger_data();
    at.debugger_data = image.append(&debugger_data);
    at.debugger_data_len = debugger_data.len() as u32;
}

/// Drivers, their names, and the data blocks. A block's bytes follow the one before without a gap.
fn append_lists(dump: &SmallDump, image: &mut Image, at: &mut Places) {
    at.drivers = image.offset();
    let strings = Strings::of(dump, at.drivers + areas::drivers_len(dump));
    image.append(&areas::drivers(dump, &strings));
    at.strings = image.append(&strings.bytes);
    at.strings_len = strings.bytes.len() as u32;
    at.blocks = image.offset();
    let mut table = Image::with_capacity(16 * dump.blocks.len());
    let mut data_at = at.blocks + 16 * dump.blocks.len() as u32;
    for (address, bytes) in &dump.blocks {
        table.append(&block_address(dump.machine(), *address).to_le_bytes());
        table.append(&data_at.to_le_bytes());
        table.append(&(bytes.len() as u32).to_le_bytes());
        data_at += bytes.len() as u32;
    }
    image.append(&table.into_bytes());
    for (_, bytes) in &dump.blocks {
        image.append(bytes);
    }
}

/// The entries have 64 bits on x86 too, and its addresses are sign-extended in them.
fn block_address(machine: SynthMachine, address: u64) -> u64 {
    if machine.is_64_bit() { address } else { address as u32 as i32 as u64 }
}

fn put_area_table(dump: &SmallDump, form: &Form, at: &Places, image: &mut Image) {
    let options = match dump.writer {
        SynthWriter::Kernel if dump.details.driver_list_overflow => KERNEL_OPTIONS | DRIVER_LIST_OVERFLOW,
        SynthWriter::Kernel => KERNEL_OPTIONS,
        SynthWriter::DebugEngine => ALL_OPTIONS,
    };
    // real dumps never set it, whatever the flags say
    let broken_driver = dump
        .details
        .broken_driver
        .map_or(0, |place| at.drivers + (areas::driver_entry(dump.machine()) * place) as u32);
    let first = [
        if dump.build == 7601 { SERVICE_PACK_1 } else { 0 },
        at.size_of_dump,
        at.valid,
        form.context,
        form.exception,
        at.mm,
        at.unloaded,
        at.prcb,
        at.process,
        at.thread,
        at.stack,
        dump.stack.len() as u32,
        at.drivers,
        dump.drivers.len() as u32,
        at.strings,
        at.strings_len,
        broken_driver,
        options,
    ];
    for (place, value) in first.into_iter().enumerate() {
        image.u32(form.header + 4 * place, value);
    }
    let word = if dump.machine().is_64_bit() { 8 } else { 4 };
    image.word(word, form.header + 0x48, dump.stack_base);
    let last = [at.debugger_data, at.debugger_data_len, at.blocks, dump.blocks.len() as u32];
    for (place, value) in last.into_iter().enumerate() {
        image.u32(form.header + form.last + 4 * place, value);
    }
}
