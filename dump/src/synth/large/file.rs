//! The file of a large dump: header, the table that says which pages are there, the pages, the secondary data.

use std::collections::BTreeMap;

use super::super::debugger_data::field;
use super::super::image::Image;
use super::super::state::{Described, Scene};
use super::super::{SynthWriter, blobs, header, header_32};
use super::frames::{Frames, Placed};
use super::memory::PAGE;
use super::tables::{Paging, Tables};
use super::{LargeDump, SynthDumpType, contents};

/// How many runs the header has room for: 700 bytes for all.
const RUNS_64: usize = 42;
const RUNS_32: usize = 86;

pub(super) fn write(dump: &LargeDump) -> Vec<u8> {
    let paging = Paging::of(dump.machine(), dump.pae);
    let scene = scene(dump, 0);
    let memory = contents::of(dump, &scene);
    let mut frames = Frames::new(paging.physical(), dump.crash.seed);
    let first_table = frames.one();
    let placed = Placed::of(&memory, &mut frames);
    let mut tables = Tables::of(paging, first_table, &mut frames, &memory, &placed);
    tables.map_themselves(dump.crash.build);
    let root = tables.root;
    let mut pages = std::mem::take(&mut tables.pages);
    // the process says where the tables are, so its page is made again now that this is known
    let memory = contents::of(dump, &self::scene(dump, root));
    for (number, page) in memory.pages {
        if let Some(frame) = placed.frame(paging.physical(), number) {
            pages.insert(frame, page.bytes);
        }
    }
    assemble(dump, &scene, paging, root, pages)
}

fn scene(dump: &LargeDump, directory_table_base: u64) -> Scene<'_> {
    let crash = &dump.crash;
    Scene::new(Described {
        writer: SynthWriter::Kernel,
        build: crash.build,
        context: crash.registers,
        state: crash.state,
        process: &crash.process,
        processor: crash.processor.as_ref(),
        directory_table_base,
        drivers: &crash.drivers,
        ps_loaded_module_list: crash.ps_loaded_module_list,
        stack: (crash.stack_base, crash.stack.len()),
        seed: crash.seed,
    })
}

/// Header, table, pages, secondary data.
fn assemble(
    dump: &LargeDump,
    scene: &Scene<'_>,
    paging: Paging,
    root: u64,
    mut pages: BTreeMap<u64, Vec<u8>>,
) -> Vec<u8> {
    let is_64_bit = dump.machine().is_64_bit();
    let most_runs = match (dump.dump_type, is_64_bit) {
        (SynthDumpType::Full, true) => RUNS_64,
        (SynthDumpType::Full, false) => RUNS_32,
        _ => usize::MAX,
    };
    let runs = fill_gaps(&mut pages, most_runs);
    let header_runs = if dump.dump_type == SynthDumpType::Full { &*runs } else { paging.machine_runs() };
    let mut image = Image::with_capacity(PAGE * (pages.len() + 64));
    image.append_zeros(if is_64_bit { header::HEADER_LEN } else { header_32::HEADER_LEN });
    match dump.dump_type {
        SynthDumpType::Full => (),
        SynthDumpType::BitmapFull => append_bitmap(&mut image, b"FDMP", paging, &pages),
        SynthDumpType::BitmapKernel => append_bitmap(&mut image, b"SDMP", paging, &pages),
        SynthDumpType::RangesKernel | SynthDumpType::RangesActive => append_ranges(&mut image, &runs, None),
        SynthDumpType::RangesFull => append_ranges(&mut image, &runs, Some(pages.len() as u64)),
    }
    for page in pages.values() {
        image.append(page);
    }
    if dump.has_secondary_data {
        blobs::append(&dump.crash, &mut image);
    }
    let file_len = image.len();
    let active_processes = scene.variable(field::PS_ACTIVE_PROCESS_HEAD);
    let mut h = if is_64_bit {
        header::common(&dump.crash, dump.dump_type.number(), root)
    } else {
        header_32::common(&dump.crash, dump.dump_type.number(), root, dump.pae)
    };
    if is_64_bit {
        write_fields_64(dump, &mut h, header_runs, active_processes, file_len);
    } else {
        write_fields_32(dump, &mut h, header_runs, active_processes, file_len);
    }
    image.put(0, h.bytes());
    image.into_bytes()
}

/// Whether the debugger writes dumps of this type, not the kernel.
fn is_by_debugger(dump: &LargeDump) -> bool {
    dump.dump_type.number() >= 8
}

fn write_fields_64(dump: &LargeDump, h: &mut Image, runs: &[(u64, u64)], processes: u64, file_len: usize) {
    h.u64(0x018, 0xffff_c200_0000_0000);
    h.u64(0x028, processes);
    h.fill(0x060, 0x080, 0);
    header::write_physical_runs(h, runs);
    h.u64(0xfa0, file_len as u64);
    h.u32(0x103c, 0);
    if is_by_debugger(dump) {
        h.u32(0x1048, 0);
        h.put(0x104d, &[0]);
        return;
    }
    if let Some(attributes) = attributes(dump) {
        h.u32(0x1050, attributes);
    }
    if dump.crash.build >= 10240 {
        h.u32(0x1054, dump.crash.boot_id);
    }
    if dump.crash.build >= 26100 {
        h.put(0x104e, &[4]);
        header::write_diagnostics(dump.crash.build, dump.crash.ubr, h);
    }
}

fn write_fields_32(dump: &LargeDump, h: &mut Image, runs: &[(u64, u64)], processes: u64, file_len: usize) {
    h.u32(0x014, 0xa000_0000);
    h.u32(0x01c, processes as u32);
    h.fill(0x03c, 0x05c, 0);
    header_32::write_physical_runs(h, runs);
    h.u32(0xf90, 0);
    h.u64(0xfa0, file_len as u64);
    if is_by_debugger(dump) {
        h.put(0x05d, &[0]);
        h.u32(0xf9c, 0);
        return;
    }
    if let Some(attributes) = attributes(dump) {
        h.u32(0x8a0, attributes);
    }
    if dump.crash.build >= 10240 {
        h.u32(0x8a4, dump.crash.boot_id);
    }
}

/// As of small dumps, without the flag that says that it is one.
fn attributes(dump: &LargeDump) -> Option<u32> {
    let of_kernel = match dump.crash.build {
        ..=9199 => None,
        9200..=26099 => Some(0),
        _ => Some(0x2_1000),
    };
    if dump.crash.details.live { Some(of_kernel.unwrap_or(0) | header::LIVE_DUMP) } else { of_kernel }
}

/// Runs of neighbouring pages: first page and count. Where there would be more than `most`, the smallest gaps are
/// filled with zeros.
fn fill_gaps(pages: &mut BTreeMap<u64, Vec<u8>>, most: usize) -> Vec<(u64, u64)> {
    let mut bridge = 0;
    loop {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for &frame in pages.keys() {
            match runs.last_mut() {
                Some((first, count)) if frame - (*first + *count) <= bridge => *count = frame - *first + 1,
                _ => runs.push((frame, 1)),
            }
        }
        if runs.len() <= most {
            for &(first, count) in &runs {
                for frame in first..first + count {
                    pages.entry(frame).or_insert_with(|| vec![0; PAGE]);
                }
            }
            return runs;
        }
        bridge = bridge * 2 + 1;
    }
}

/// `BMP_HEADER64`; x86 has the same.
fn append_bitmap(image: &mut Image, signature: &[u8; 4], paging: Paging, pages: &BTreeMap<u64, Vec<u8>>) {
    let bits = paging.machine_runs().last().map_or(0, |(first, count)| first + count);
    let mut bitmap = vec![0; bits.div_ceil(8) as usize];
    for frame in pages.keys() {
        bitmap[(frame / 8) as usize] |= 1 << (frame % 8);
    }
    let start = image.len();
    let first_page = (start + 0x38 + bitmap.len()).next_multiple_of(PAGE);
    let mut head = Image::zeros(0x38);
    head.put(0x00, signature);
    head.put(0x04, b"DUMP");
    head.u64(0x20, first_page as u64);
    head.u64(0x28, pages.len() as u64);
    head.u64(0x30, bits);
    image.append(head.bytes());
    image.append(&bitmap);
    image.append_zeros(first_page - image.len());
}

/// `RDMP_HEADER64`. With a count of pages it is the form of complete dumps, which counts its ranges too; without one a
/// range of nothing ends the list.
fn append_ranges(image: &mut Image, runs: &[(u64, u64)], pages: Option<u64>) {
    let start = image.len();
    let mut table = Image::zeros(0x30);
    for (first, count) in runs {
        table.append(&first.to_le_bytes());
        table.append(&count.to_le_bytes());
    }
    if let Some(pages) = pages {
        table.u32(0x20, runs.len() as u32);
        table.u64(0x28, pages);
    } else {
        table.append_zeros(0x10);
    }
    // what counts as metadata starts 0x20 bytes into this
    let metadata_len = table.len() - 0x20;
    table.put(0x00, &[0x40, 0, 0, 0]);
    table.put(0x04, b"RDMPDUMP");
    table.u64(0x10, metadata_len as u64);
    table.u64(0x18, (start + 0x20 + metadata_len) as u64);
    image.append(table.bytes());
}
