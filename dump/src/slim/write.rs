//! Writes a slim dump: the parts in the order in which they were, one behind the other, and the fields that say where
//! they are. Where the old dump was cut or missed its end mark, the new one is and does, by as many bytes.

use std::collections::BTreeMap;

use super::choice;
use super::map::{Map, Run};
use super::secondary::Secondary;
use crate::bytes::{Bytes, Width};
use crate::header::Writer;
use crate::kernel_dump::KernelDump;
use crate::layout::Layout;
use crate::triage::Triage;

/// A kernel stack has 24 KiB, with its expansions 92.
const MOST_STACK: u64 = 128 << 10;
/// One page.
const MOST_DATA_PAGE: u64 = 0x1000;
/// Real ones have 0x340 to 0x3A0 bytes.
const MOST_DEBUGGER_DATA: u64 = 0x1000;
/// Windows remembers 50.
const MOST_UNLOADED: u64 = 50;
/// No machine loads more.
const MOST_DRIVERS: u64 = 4096;
/// The reader's own bound, in UTF-16 units.
const MOST_UNITS: u64 = 1024;
const ALIGNED: u64 = 8;
/// Slim dumps of real ones have 90 to 200 KB.
const USUAL: usize = 256 << 10;
/// `StringPoolSize`, from `StringPoolOffset`.
const STRING_POOL_SIZE: u64 = 4;
const END_MARK: &[u8] = b"TRGD";

/// The dump to make slim.
pub(super) struct Input<'a, 'd> {
    pub(super) file: Bytes<'a>,
    pub(super) layout: &'static Layout,
    pub(super) dump: &'d KernelDump<'a>,
    pub(super) triage: Triage,
}

/// A file that is written. It remembers that it grew larger than what it was made from, and stops.
pub(super) struct Image {
    bytes: Vec<u8>,
    most: usize,
}

impl Image {
    fn new(most: usize) -> Self {
        Self { bytes: Vec::with_capacity(USUAL.min(most.saturating_add(1))), most }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        let room = self.most.saturating_add(1).saturating_sub(self.bytes.len());
        let bytes = bytes.get(..room).unwrap_or(bytes);
        if self.bytes.capacity().saturating_sub(self.bytes.len()) < bytes.len() {
            // At once as much as it may become: a vector that grows by itself takes three times its content for a moment.
            self.bytes.reserve_exact(room);
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.append(&value.to_le_bytes());
    }

    pub(super) fn zeros(&mut self, len: u64) {
        for _ in 0..len {
            self.append(&[0]);
        }
    }

    fn align(&mut self) {
        let len = self.len();
        self.zeros(len.next_multiple_of(ALIGNED).saturating_sub(len));
    }

    fn len(&self) -> u64 {
        Bytes(&self.bytes).len()
    }

    fn is_too_large(&self) -> bool {
        self.bytes.len() > self.most
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) {
        let range = usize::try_from(offset).ok().and_then(|start| self.bytes.get_mut(start..));
        if let Some(to) = range.and_then(|rest| rest.get_mut(..bytes.len())) {
            to.copy_from_slice(bytes);
        }
    }

    /// A field of four bytes; none of a file larger than such a field can tell fits one.
    fn put_u32(&mut self, offset: u64, value: u64) {
        self.put(offset, &u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
    }
}

/// A part of the dump: where its offset stands, where it was, what of it is kept.
struct Placed<'a> {
    field: u64,
    offset: u64,
    bytes: Option<&'a [u8]>,
}

/// The slim dump; `None` where it is larger than the dump, or that is nearly nothing but a table of blocks: which only a
/// damaged one can be.
pub(super) fn write(input: &Input<'_, '_>) -> Option<Vec<u8>> {
    let Input { file, layout, triage, .. } = input;
    let at = &layout.triage;
    let begin = layout.header.size;
    let head = file.get(0, begin.checked_add(at.size)?)?;
    let field = |offset: u64| begin.saturating_add(offset);

    let stack =
        file.clip(triage.call_stack_offset, triage.size_of_call_stack.min(MOST_STACK)).unwrap_or_default();
    let secondary = Secondary::read(*file, triage.size_of_dump);
    // The map of all memory is gone when the new file begins to take some.
    let runs = choice::choose(map(input, stack, &secondary)?, input.dump, layout.width);
    let mut image = Image::new(file.0.len());
    image.append(head);
    let debugger_data = triage.debugger_data_size.min(MOST_DEBUGGER_DATA);
    let data_page = triage.data_page_size.min(MOST_DATA_PAGE);
    append_areas(input, stack, &mut image);
    image.put_u32(field(at.size_of_call_stack), Bytes(stack).len());
    let kept = |offset, len| file.clip(offset, len).map_or(0, |bytes| Bytes(bytes).len());
    image.put_u32(field(at.debugger_data_size), kept(triage.debugger_data_offset, debugger_data));
    image.put_u32(field(at.data_page_size), kept(triage.data_page_offset, data_page));

    append_drivers(input, &mut image);
    append_blocks(input, &runs, &mut image);
    append_end(input, &secondary, &mut image);
    (!image.is_too_large()).then_some(image.bytes)
}

/// The parts with a field of their own, in the order in which they were: a part of which no size is told ends where the
/// next begins.
fn append_areas(input: &Input<'_, '_>, stack: &[u8], image: &mut Image) {
    let Input { file, layout, triage, .. } = input;
    let at = &layout.triage;
    let clip = |offset: u64, len: u64| if offset == 0 { None } else { file.clip(offset, len) };
    let area = |area: crate::triage::Area| area.of(*file).map(|bytes| bytes.0);
    let part = |field, offset, bytes| Placed { field, offset, bytes };
    let debugger_data = triage.debugger_data_size.min(MOST_DEBUGGER_DATA);
    let data_page = triage.data_page_size.min(MOST_DATA_PAGE);
    let mut parts = [
        part(at.mm_offset, triage.memory_manager.offset, area(triage.memory_manager)),
        part(at.unloaded_drivers_offset, triage.unloaded_drivers_offset, unloaded(input)),
        part(at.prcb_offset, triage.prcb.offset, area(triage.prcb)),
        part(at.process_offset, triage.process.offset, area(triage.process)),
        part(at.thread_offset, triage.thread.offset, area(triage.thread)),
        part(at.call_stack_offset, triage.call_stack_offset, Some(stack).filter(|stack| !stack.is_empty())),
        part(at.data_page_offset, triage.data_page_offset, clip(triage.data_page_offset, data_page)),
        part(
            at.debugger_data_offset,
            triage.debugger_data_offset,
            clip(triage.debugger_data_offset, debugger_data),
        ),
    ];
    parts.sort_by_key(|part| part.offset);
    for part in parts {
        let field = layout.header.size.saturating_add(part.field);
        match part.bytes {
            Some(bytes) => {
                image.align();
                let offset = image.len();
                image.put_u32(field, offset);
                image.append(bytes);
            }
            // What lies outside stays outside, what is empty is absent.
            None if part.offset < file.len() => image.put_u32(field, 0),
            None => {}
        }
    }
    image.align();
}

/// The count and the entries that it counts, without the room that the kernel leaves behind them.
fn unloaded<'a>(input: &Input<'a, '_>) -> Option<&'a [u8]> {
    let Input { file, layout, triage, .. } = input;
    let at = &layout.unloaded;
    let offset = Some(triage.unloaded_drivers_offset).filter(|&offset| offset != 0)?;
    let count = u64::from(file.u32(offset)?).min(MOST_UNLOADED);
    file.clip(offset, at.first.saturating_add(count.saturating_mul(at.stride)))
}

/// The list of drivers, and behind it their names, each once.
fn append_drivers(input: &Input<'_, '_>, image: &mut Image) {
    let Input { file, layout, triage, .. } = input;
    let (at, fields) = (&layout.driver, layout.header.size);
    let field = |offset: u64| fields.saturating_add(offset);
    let list =
        file.clip(triage.driver_list_offset, triage.driver_count.min(MOST_DRIVERS).saturating_mul(at.stride));
    let entries = list.unwrap_or_default().chunks_exact(usize::try_from(at.stride).unwrap_or(usize::MAX));
    let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let begin = image.len();
    let blamed = triage.broken_driver_offset.checked_sub(triage.driver_list_offset);
    let blamed = blamed
        .filter(|from| from.checked_rem(at.stride) == Some(0) && *from < count.saturating_mul(at.stride));
    let size = count.saturating_mul(at.stride);
    image.append(list.and_then(|list| Bytes(list).get(0, size)).unwrap_or_default());
    image.align();
    let pool = image.len();
    let mut names = BTreeMap::new();
    for (index, entry) in (0_u64..).zip(entries.map(Bytes)) {
        let old = entry.u32(at.driver_name_offset).unwrap_or(0);
        let new = *names.entry(old).or_insert_with(|| append_name(*file, old.into(), image));
        let entry_at = begin.saturating_add(index.saturating_mul(at.stride));
        image.put_u32(entry_at.saturating_add(at.driver_name_offset), new);
        if image.is_too_large() {
            return;
        }
    }
    image.put_u32(field(layout.triage.driver_list_offset), if count == 0 { 0 } else { begin });
    image.put_u32(field(layout.triage.driver_count), count);
    image.put_u32(
        field(layout.triage.broken_driver_offset),
        blamed.map_or(0, |from| begin.saturating_add(from)),
    );
    image.put_u32(field(layout.triage.string_pool_offset), pool);
    image.put_u32(
        field(layout.triage.string_pool_offset.saturating_add(STRING_POOL_SIZE)),
        image.len().saturating_sub(pool),
    );
}

/// Appends a `DUMP_STRING`; says where. 0 stands for none, as for one that the reader would not read.
fn append_name(file: Bytes<'_>, offset: u64, image: &mut Image) -> u64 {
    let units = file.u32(offset).map_or(u64::MAX, u64::from);
    let bytes = units.saturating_mul(2).saturating_add(4);
    match file.get(offset, bytes).filter(|_| offset != 0 && units <= MOST_UNITS) {
        Some(name) => {
            let at = image.len();
            image.append(name);
            image.append(&[0; 2]);
            image.align();
            at
        }
        None => 0,
    }
}

/// All memory that would not be kept with other parts.
fn map<'a>(input: &Input<'a, '_>, stack: &'a [u8], secondary: &Secondary<'_>) -> Option<Map<'a>> {
    let Input { file, layout, dump, triage } = input;
    // Windows 11 24H2 keeps memory in secondary data: where that goes, the memory may still be wanted.
    let components = dump.triage_contents();
    let blocks = components.iter().flat_map(|component| &component.blocks);
    let dropped = blocks.filter_map(|block| Some((block.va, block.offset?, block.len.into())));
    let dropped = dropped.filter(|(_, offset, _)| secondary.drops(*offset));
    Map::new(*file, layout, triage, stack, dropped)
}

/// The table of blocks, and behind it their bytes.
fn append_blocks(input: &Input<'_, '_>, runs: &[Run<'_>], image: &mut Image) {
    let layout = input.layout;
    let blocks: Vec<&[Run<'_>]> = runs.chunk_by(|a, b| a.end() == b.start).collect();
    let field = |offset: u64| layout.header.size.saturating_add(offset);
    let count = u64::try_from(blocks.len()).unwrap_or(u64::MAX);
    let table = image.len();
    let mut data = table.saturating_add(count.saturating_mul(16));
    for block in &blocks {
        let (first, len) = (block.first().map_or(0, |run| run.start), len_of(block));
        image.append(&address(first, layout.width).to_le_bytes());
        image.u32(u32::try_from(data).unwrap_or(u32::MAX));
        image.u32(u32::try_from(len).unwrap_or(u32::MAX));
        data = data.saturating_add(len);
    }
    for run in runs {
        image.append(run.bytes);
    }
    image.put_u32(field(layout.triage.data_blocks_offset), if count == 0 { 0 } else { table });
    image.put_u32(field(layout.triage.data_blocks_count), count);
}

fn len_of(block: &[Run<'_>]) -> u64 {
    block.iter().map(|run| Bytes(run.bytes).len()).fold(0, u64::saturating_add)
}

/// As the table holds it: dumps of 32 bits have addresses of the kernel's half sign-extended.
fn address(va: u64, width: Width) -> u64 {
    match width {
        Width::W32 if va >= 0x8000_0000 => va | 0xFFFF_FFFF_0000_0000,
        _ => va,
    }
}

/// The end mark, the secondary data, and the sizes.
fn append_end(input: &Input<'_, '_>, secondary: &Secondary<'_>, image: &mut Image) {
    let Input { file, layout, dump, triage } = input;
    let header = dump.header();
    let field = |offset: u64| layout.header.size.saturating_add(offset);
    let cut = triage.size_of_dump.saturating_sub(file.len());
    image.align();
    let mark = image.len();
    if cut == 0 {
        let mark_at = file.u32(field(layout.triage.valid_offset)).unwrap_or(0);
        image.append(file.get(mark_at.into(), 4).unwrap_or(END_MARK));
    }
    let size_of_dump = image.len().saturating_add(cut);
    image.put_u32(field(layout.triage.size_of_dump), size_of_dump);
    // Never inside another part, which would end there.
    image.put_u32(field(layout.triage.valid_offset), size_of_dump.saturating_sub(4).max(mark));
    if cut == 0 {
        secondary.append(image);
    }
    // The kernel notes the size of its file; the debugger engine leaves that of the dump which it shrank.
    if let Some(planned) = header.required_dump_space.filter(|_| header.writer == Writer::Kernel) {
        let missing = planned.saturating_sub(file.len());
        let size = image.len().saturating_add(missing);
        image.put(layout.header.required_dump_space, &size.to_le_bytes());
    }
}
