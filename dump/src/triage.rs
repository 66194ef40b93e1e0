//! The header of a small dump: where its tables are. Owns the checks of the file's length and end mark; never reads a
//! table.

use crate::bytes::Bytes;
use crate::header::{DumpType, Header, Writer};
use crate::layout::Layout;
use crate::problem::{Damage, Part, Problems};

/// Larger than any `KPRCB`.
const MAX_AREA_LEN: u64 = 0x2_0000;
/// In `TriageOptions`: the list of drivers was longer than its room.
const OVERFLOWED: u32 = 0x100;
/// `TriageOptions` of the debugger engine: all bits, which mean nothing.
const ALL_OPTIONS: u32 = u32::MAX;

/// At `ValidOffset`.
const END_MARK: u32 = u32::from_le_bytes(*b"TRGD");

/// A `TRIAGE_DUMP`: offsets from the file's first byte, sizes and counts; 0 where a part is absent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Triage {
    pub(crate) service_pack_build: u32,
    pub(crate) size_of_dump: u64,
    pub(crate) memory_manager: Area,
    pub(crate) unloaded_drivers_offset: u64,
    pub(crate) prcb: Area,
    pub(crate) process: Area,
    pub(crate) thread: Area,
    pub(crate) call_stack_offset: u64,
    pub(crate) size_of_call_stack: u64,
    pub(crate) driver_list_offset: u64,
    pub(crate) driver_count: u64,
    /// Where in the file the entry of the driver is that the kernel blamed.
    pub(crate) broken_driver_offset: u64,
    /// The list of drivers had more than the dump has.
    pub(crate) drivers_overflowed: bool,
    /// Lowest saved address.
    pub(crate) top_of_stack: u64,
    pub(crate) data_page_address: u64,
    pub(crate) data_page_offset: u64,
    pub(crate) data_page_size: u64,
    pub(crate) debugger_data_offset: u64,
    pub(crate) debugger_data_size: u64,
    pub(crate) data_blocks_offset: u64,
    pub(crate) data_blocks_count: u64,
}

/// A part whose size is told nowhere: it ends where another part begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) offset: u64,
    pub(crate) end: u64,
}

impl Area {
    /// Its bytes; `None` where it is absent or outside.
    pub(crate) fn of<'a>(self, file: Bytes<'a>) -> Option<Bytes<'a>> {
        let len = self.end.checked_sub(self.offset)?.min(MAX_AREA_LEN);
        if self.offset == 0 { None } else { file.clip(self.offset, len).map(Bytes) }
    }
}

/// Whether `TriageOptions` are those of the debugger engine, which in some dumps is all that tells it: its header is
/// copied from the dump that it shrank.
pub(crate) fn is_by_debug_engine(file: Bytes<'_>, layout: &Layout, header: &Header) -> bool {
    let options = layout.header.size.saturating_add(layout.triage.triage_options);
    header.dump_type == DumpType::Triage && file.u32(options) == Some(ALL_OPTIONS)
}

/// Reads the header of a small dump.
pub(crate) fn read(
    file: Bytes<'_>,
    layout: &Layout,
    header: &Header,
    problems: &mut Problems,
) -> Option<Triage> {
    let begin = layout.header.size;
    let Some(bytes) = file.get(begin, layout.triage.size).map(Bytes) else {
        problems.add(
            Part::TriageHeader,
            Damage::Cut { offset: begin, len: file.len().saturating_sub(begin), needed: layout.triage.size },
        );
        return None;
    };
    let triage = fields(bytes, layout)?;
    check_length(file, layout, header, &triage, bytes, problems);
    Some(triage)
}

fn fields(bytes: Bytes<'_>, layout: &Layout) -> Option<Triage> {
    let at = &layout.triage;
    let field = |offset| bytes.u32(offset).map(u64::from);
    let parts = [
        at.size_of_dump,
        at.valid_offset,
        at.mm_offset,
        at.unloaded_drivers_offset,
        at.prcb_offset,
        at.process_offset,
        at.thread_offset,
        at.call_stack_offset,
        at.driver_list_offset,
        at.string_pool_offset,
        at.debugger_data_offset,
        at.data_blocks_offset,
    ];
    let area = |part| {
        let offset = field(part)?;
        let begins = parts.iter().filter_map(|&part| field(part));
        Some(Area { offset, end: begins.filter(|&begin| begin > offset).min().unwrap_or(offset) })
    };
    let options = bytes.u32(at.triage_options)?;
    Some(Triage {
        service_pack_build: bytes.u32(at.service_pack_build)?,
        size_of_dump: field(at.size_of_dump)?,
        memory_manager: area(at.mm_offset)?,
        unloaded_drivers_offset: field(at.unloaded_drivers_offset)?,
        prcb: area(at.prcb_offset)?,
        process: area(at.process_offset)?,
        thread: area(at.thread_offset)?,
        call_stack_offset: field(at.call_stack_offset)?,
        size_of_call_stack: field(at.size_of_call_stack)?,
        driver_list_offset: field(at.driver_list_offset)?,
        driver_count: field(at.driver_count)?,
        broken_driver_offset: field(at.broken_driver_offset)?,
        drivers_overflowed: options != ALL_OPTIONS && options & OVERFLOWED != 0,
        top_of_stack: layout.width.address(bytes.word(layout.width, at.top_of_stack)?),
        data_page_address: layout.width.address(bytes.word(layout.width, at.data_page_address)?),
        data_page_offset: field(at.data_page_offset)?,
        data_page_size: field(at.data_page_size)?,
        debugger_data_offset: field(at.debugger_data_offset)?,
        debugger_data_size: field(at.debugger_data_size)?,
        data_blocks_offset: field(at.data_blocks_offset)?,
        data_blocks_count: field(at.data_blocks_count)?,
    })
}

fn check_length(
    file: Bytes<'_>,
    layout: &Layout,
    header: &Header,
    triage: &Triage,
    bytes: Bytes<'_>,
    problems: &mut Problems,
) {
    // The kernel writes the size of the whole file; the debugger engine copies that of the dump it shrank.
    let planned = header.required_dump_space.filter(|_| header.writer == Writer::Kernel).unwrap_or(0);
    let needed = planned.max(triage.size_of_dump);
    if file.len() < needed {
        problems.add(Part::File, Damage::Short { len: file.len(), needed });
    }
    let mark = bytes.u32(layout.triage.valid_offset).map(u64::from).unwrap_or(0);
    if mark < file.len() && file.u32(mark) != Some(END_MARK) {
        problems.add(Part::TriageHeader, Damage::Unmarked { offset: mark });
    }
}
