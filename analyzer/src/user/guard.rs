//! Guards against lists whose entries all point at one large string or record: the `minidump` crate checks each
//! against the file, but copies it for every entry, so a 10 MB file could ask for hundreds of gigabytes (0.27.0,
//! `MinidumpModuleList::read`). Adds lengths up beforehand; copies nothing.

use super::Dump;

/// Stream types.
const MODULE_LIST: u32 = 4;
const UNLOADED_MODULE_LIST: u32 = 14;

/// `MINIDUMP_MODULE`: its size, and where it keeps what points elsewhere.
const MODULE: usize = 108;
const MODULE_NAME_RVA: usize = 20;
const MODULE_RECORDS: [usize; 2] = [76, 84];
/// `MINIDUMP_UNLOADED_MODULE`.
const UNLOADED_NAME_RVA: usize = 20;

/// Most bytes one module may point at: a path of `MAX_PATH` has 520, a PDB path as many.
const ENTRY_BYTES: u64 = 16 << 10;
/// Most bytes all modules together may point at: thousands of ordinary ones.
const TOTAL_BYTES: u64 = 16 << 20;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

/// Length of the string at a file offset; 0 where there is none.
fn name_bytes(dump: &[u8], entry: &[u8], at: usize) -> u64 {
    let rva = u32_at(entry, at).and_then(|rva| usize::try_from(rva).ok());
    rva.and_then(|rva| u32_at(dump, rva)).map_or(0, u64::from)
}

fn check(lengths: impl Iterator<Item = u64>) -> Result<(), String> {
    let mut total = 0_u64;
    for (index, length) in lengths.enumerate() {
        if length > ENTRY_BYTES {
            return Err(format!(
                "entry {index} points at {length} bytes of text and records, more than any real one"
            ));
        }
        total = total.saturating_add(length);
    }
    if total > TOTAL_BYTES {
        return Err(format!(
            "its entries point at {total} bytes of text and records, more than any real list"
        ));
    }
    Ok(())
}

/// Whether the module list may be read.
pub(super) fn modules(dump: &Dump<'_>, bytes: &[u8]) -> Result<(), String> {
    let Ok(stream) = dump.get_raw_stream(MODULE_LIST) else { return Ok(()) };
    let Some(count) = u32_at(stream, 0).and_then(|count| usize::try_from(count).ok()) else { return Ok(()) };
    // Some writers put four bytes of padding behind the count.
    let padded = count.checked_mul(MODULE).and_then(|size| size.checked_add(8)) == Some(stream.len());
    let entries = stream.get(if padded { 8 } else { 4 }..).unwrap_or_default();
    check(entries.chunks_exact(MODULE).take(count).map(|entry| {
        let records = MODULE_RECORDS.iter().filter_map(|&at| u32_at(entry, at)).map(u64::from);
        name_bytes(bytes, entry, MODULE_NAME_RVA).saturating_add(records.sum())
    }))
}

/// Whether the list of unloaded modules may be read.
pub(super) fn unloaded(dump: &Dump<'_>, bytes: &[u8]) -> Result<(), String> {
    let Ok(stream) = dump.get_raw_stream(UNLOADED_MODULE_LIST) else { return Ok(()) };
    let size = |at| u32_at(stream, at).and_then(|size| usize::try_from(size).ok());
    let (Some(header), Some(entry_size), Some(count)) = (size(0), size(4), size(8)) else { return Ok(()) };
    if entry_size == 0 {
        return Err("its entries have no size".to_owned());
    }
    let entries = stream.get(header..).unwrap_or_default();
    check(
        entries.chunks_exact(entry_size).take(count).map(|entry| name_bytes(bytes, entry, UNLOADED_NAME_RVA)),
    )
}
