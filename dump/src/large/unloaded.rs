//! The drivers that were unloaded before a large dump, from the kernel's ring of 50. Owns the order of the ring; never
//! shortens a name.

use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::debugger_data::DebuggerData;
use crate::large::Virtual;
use crate::problem::{Damage, Part, Problems};
use crate::time::FileTime;
use crate::unloaded::UnloadedDriver;

/// `MI_UNLOADED_DRIVERS`
const MAX_ENTRIES: u64 = 50;

/// Where the fields of an `UNLOADED_DRIVERS` are. Its first is the name.
struct EntryLayout {
    len: u64,
    start_address: u64,
    end_address: u64,
    current_time: u64,
}

static ENTRY64: EntryLayout =
    EntryLayout { len: 0x28, start_address: 0x10, end_address: 0x18, current_time: 0x20 };
static ENTRY32: EntryLayout =
    EntryLayout { len: 0x18, start_address: 0x08, end_address: 0x0C, current_time: 0x10 };

/// Reads the ring, newest first.
pub(crate) fn unloaded(
    memory: Virtual<'_>,
    data: &DebuggerData,
    problems: &mut Problems,
) -> Vec<UnloadedDriver> {
    let addresses = &data.addresses;
    let (Some(pointer), Some(last)) = (addresses.mm_unloaded_drivers, addresses.mm_last_unloaded_driver)
    else {
        return Vec::new();
    };
    let (Some(ring), Some(next)) = (memory.word(pointer), memory.u32(last)) else {
        problems.add(Part::Unloaded, Damage::Absent { address: pointer });
        return Vec::new();
    };
    // the ring is allocated when the first driver goes
    if ring == 0 {
        return Vec::new();
    }
    let mut budget = Budget::small(memory.ram.store.size());
    let mut unloaded = Vec::new();
    let next = u64::from(next).min(MAX_ENTRIES);
    for entry in (0..next).rev().chain((next..MAX_ENTRIES).rev()) {
        match driver(memory, ring, entry, &mut budget) {
            Entry::Driver(driver) => unloaded.push(driver),
            Entry::Empty => {}
            Entry::Invalid(damage) => problems.add(Part::Unloaded, damage),
        }
    }
    unloaded
}

enum Entry {
    Driver(UnloadedDriver),
    /// Not yet used, or used for a driver whose name found no memory.
    Empty,
    Invalid(Damage),
}

fn driver(memory: Virtual<'_>, ring: u64, entry: u64, budget: &mut Budget) -> Entry {
    let at = match memory.width {
        Width::W32 => &ENTRY32,
        Width::W64 => &ENTRY64,
    };
    let address = ring.saturating_add(entry.saturating_mul(at.len));
    let bytes = usize::try_from(at.len).ok().and_then(|len| memory.read(address, len));
    let Some(bytes) = bytes else { return Entry::Invalid(Damage::Absent { address }) };
    let bytes = Bytes(&bytes);
    let (start, end) = (bytes.word(memory.width, at.start_address), bytes.word(memory.width, at.end_address));
    let number = entry.saturating_add(1);
    match (start, end) {
        (Some(0), Some(0)) => Entry::Empty,
        (Some(start), Some(end)) if start < end => Entry::Driver(UnloadedDriver {
            name: memory.text(bytes, 0, budget).unwrap_or_default(),
            start,
            end,
            time: bytes.u64(at.current_time).filter(|&time| time != 0).map(FileTime),
        }),
        _ => Entry::Invalid(Damage::EntryInvalid { entry: number, count: MAX_ENTRIES }),
    }
}
