//! Where dumps have their fields, and numbers that mean something there. Found in the dump itself: a table is wherever
//! its header says it is.

use crate::random::Random;

const HEADERS: [usize; 2] = [0x2000, 0x1000];
/// Of the header: bug check, parameters, type, sizes, times, attributes; of dumps of either width.
const HEADER_FIELDS: [usize; 40] = [
    0x000, 0x004, 0x008, 0x00c, 0x010, 0x014, 0x018, 0x01c, 0x020, 0x024, 0x028, 0x02c, 0x030, 0x034, 0x038,
    0x040, 0x048, 0x050, 0x058, 0x05c, 0x060, 0x080, 0x088, 0x090, 0x098, 0x0a0, 0x320, 0x348, 0x378, 0x8a0,
    0xf00, 0xf10, 0xf88, 0xf98, 0xfa0, 0xfa8, 0x1038, 0x1048, 0x1050, 0x12f0,
];
/// Length of a `TRIAGE_DUMP64`; the headers of other types are shorter.
const TYPE_HEADER: usize = 0x80;

fn u32_at(dump: &[u8], at: usize) -> Option<usize> {
    let bytes = dump.get(at..at.checked_add(4)?)?;
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize)
}

fn u64_at(dump: &[u8], at: usize) -> Option<u64> {
    dump.get(at..at.checked_add(8)?)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn header_len(dump: &[u8]) -> usize {
    HEADERS[usize::from(dump.get(4..8) == Some(b"DUMP"))]
}

/// A place worth a change.
pub(crate) fn place(dump: &[u8], random: &mut Random) -> usize {
    let header = header_len(dump);
    match random.below(8) {
        0 => random.one_of(HEADER_FIELDS),
        1 => header + 4 * random.below(TYPE_HEADER / 4),
        2..5 => table(dump, random),
        5 => table(dump, random) + 8 * random.below(0x200),
        6 => said(dump, random),
        _ => random.below(dump.len()),
    }
}

/// Somewhere at the beginning of what the header of the dump's type points at.
fn table(dump: &[u8], random: &mut Random) -> usize {
    let at = header_len(dump) + 4 * random.below(TYPE_HEADER / 4);
    let table = u32_at(dump, at).filter(|&table| table < dump.len()).unwrap_or(at);
    // One more step: a name's or a block's own offset.
    let step = table + 4 * random.below(64);
    let within = u32_at(dump, step).filter(|&within| within > 0x1000 && within < dump.len());
    match within {
        Some(within) if random.below(3) == 0 => within + 4 * random.below(16),
        _ => {
            let reach = random.one_of([4, 16, 64, 256]);
            table + 2 * random.below(reach)
        }
    }
}

/// A place where the dump is not zero.
fn said(dump: &[u8], random: &mut Random) -> usize {
    let from = random.below(dump.len());
    dump.get(from..).and_then(|rest| rest.iter().position(|&byte| byte != 0)).map_or(from, |skip| from + skip)
}

/// A number that some field may hold.
pub(crate) fn value(dump: &[u8], random: &mut Random) -> u64 {
    let header = header_len(dump);
    let small = random.below(64) as u64;
    match random.below(16) {
        0 => small,
        1 => u64::from(u32::MAX) - small,
        2 => u64::MAX - small,
        3 => 1 << random.below(64),
        4 => (1 << random.below(64)) - 1,
        5 => dump.len() as u64 - small.min(dump.len() as u64),
        6 => dump.len() as u64 + small,
        7 => 0x4547_4150,
        8 => 0x4547_4150_4547_4150,
        9 => random.below(dump.len()) as u64,
        10 => (table(dump, random) & !7) as u64,
        11 => u32_at(dump, header + 4 * random.below(TYPE_HEADER / 4)).unwrap_or(0) as u64,
        12 => u64_at(dump, table(dump, random) & !7).unwrap_or(0).wrapping_add(small),
        13 => address(dump, random),
        14 => address(dump, random).wrapping_add(random.below(0x1000) as u64),
        _ => address(dump, random).wrapping_sub(small),
    }
}

/// An address that the dump has memory or an image at, or a page of physical memory.
fn address(dump: &[u8], random: &mut Random) -> u64 {
    let header = header_len(dump);
    let triage = |at: usize| u32_at(dump, header + at);
    let of_table =
        |offset: Option<usize>, count: Option<usize>, stride: usize, field: usize, random: &mut Random| {
            let entry = random.below(count?.min(64));
            u64_at(dump, offset?.checked_add(entry * stride + field)?)
        };
    let found = match random.below(5) {
        0 => u64_at(dump, header + 0x48),
        1 => of_table(triage(0x78), triage(0x7c), 16, 0, random),
        2 => of_table(triage(0x30), triage(0x34), 0x90, 0x38, random),
        3 => u64_at(dump, 0x40 + 8 * random.below(4)),
        _ => Some((0x1000 * random.below(64) as u64) | 0x63),
    };
    found.unwrap_or(0xffff_f800_0000_0000)
}
