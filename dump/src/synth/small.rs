//! Puts a small dump together: header, area table, areas in the writer's own order, then the secondary data.

use super::areas::{self, Strings};
use super::header::{CONTEXT_AT, EXCEPTION_AT, HEADER_LEN};
use super::image::Image;
use super::{SmallDump, SynthWriter, blobs, header};

const AREA_TABLE_LEN: usize = 0x80;
const ALL_OPTIONS: u32 = 0xffff_ffff;
const KERNEL_OPTIONS: u32 = 0x41;

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
    drivers: u32,
    strings: u32,
    strings_len: u32,
    blocks: u32,
}

pub(super) fn write(dump: &SmallDump) -> Vec<u8> {
    let mut image = Image::with_capacity(0x2_8000 + dump.filler);
    image.append_zeros(HEADER_LEN + AREA_TABLE_LEN);
    let places = match dump.writer {
        SynthWriter::Kernel => append_kernel_areas(dump, &mut image),
        SynthWriter::DebugEngine => append_debug_engine_areas(dump, &mut image),
    };
    put_area_table(dump, &places, &mut image);
    blobs::append(dump, &mut image);
    let header = header::write(dump, image.len());
    image.put(0, &header);
    image.into_bytes()
}

fn append_kernel_areas(dump: &SmallDump, image: &mut Image) -> Places {
    let mut at = Places { mm: image.append(&areas::memory_manager(dump)), ..Places::default() };
    append_machine_state(dump, image, &mut at);
    at.unloaded = image.append(&areas::unloaded(dump));
    append_lists(dump, image, &mut at);
    // room for the marker, then up to the next sector: the file is written through the raw disk driver
    image.append_zeros(4);
    image.align(0x200);
    at.size_of_dump = image.offset();
    at.valid = at.size_of_dump - 4;
    image.put(at.valid as usize, b"TRGD");
    at
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
    at.prcb = image.append(&areas::processor_block(dump));
    at.process = image.append(&areas::process(dump));
    at.thread = image.append(&areas::thread(dump));
    at.stack = image.append(&dump.stack);
    image.align(8);
    at.debugger_data = image.append(&areas::debugger_data(dump));
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
        table.append(&address.to_le_bytes());
        table.append(&data_at.to_le_bytes());
        table.append(&(bytes.len() as u32).to_le_bytes());
        data_at += bytes.len() as u32;
    }
    image.append(&table.into_bytes());
    for (_, bytes) in &dump.blocks {
        image.append(bytes);
    }
}

fn put_area_table(dump: &SmallDump, at: &Places, image: &mut Image) {
    let options = match dump.writer {
        SynthWriter::Kernel => KERNEL_OPTIONS,
        SynthWriter::DebugEngine => ALL_OPTIONS,
    };
    let first = [
        0, // service pack
        at.size_of_dump,
        at.valid,
        CONTEXT_AT,
        EXCEPTION_AT,
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
        0, // broken driver: never set, whatever the flags say
        options,
    ];
    for (place, value) in first.into_iter().enumerate() {
        image.u32(HEADER_LEN + 4 * place, value);
    }
    image.u64(HEADER_LEN + 0x48, dump.stack_base);
    let last = [at.debugger_data, areas::debugger_data_len(dump) as u32, at.blocks, dump.blocks.len() as u32];
    for (place, value) in last.into_iter().enumerate() {
        image.u32(HEADER_LEN + 0x70 + 4 * place, value);
    }
}
