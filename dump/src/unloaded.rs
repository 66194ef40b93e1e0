//! The list of drivers that were unloaded before the crash. Never guesses the rest of a name that Windows cut.

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::layout::Layout;
use crate::problem::{Damage, Part, Problems};
use crate::table::{self, Table};
use crate::text;
use crate::time::FileTime;
use crate::triage::Triage;

/// Windows remembers 50.
const MAX_ENTRIES: u64 = 50;
/// Bytes of a name: 12 UTF-16 units.
const NAME_LEN: u64 = 24;

/// An unloaded driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnloadedDriver {
    /// Name. In a small dump it is cut to 12 units: `dump_storpor`.
    pub name: String,
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
    /// When it was unloaded. Small dumps do not tell.
    pub time: Option<FileTime>,
}

/// Reads the list, newest first.
pub(crate) fn read(
    file: Bytes<'_>,
    layout: &Layout,
    triage: &Triage,
    problems: &mut Problems,
) -> Vec<UnloadedDriver> {
    let (at, begin) = (&layout.unloaded, triage.unloaded_drivers_offset);
    if begin == 0 {
        return Vec::new();
    }
    let Some(count) = file.u32(begin).map(u64::from) else {
        problems.add(Part::Unloaded, Damage::Outside { offset: begin });
        return Vec::new();
    };
    let table = Table {
        part: Part::Unloaded,
        offset: begin.saturating_add(at.first),
        count,
        max: MAX_ENTRIES,
        stride: at.stride,
        spare: 0,
    };
    let mut budget = Budget::small(file.len());
    let (mut unloaded, entries) = table::open(file, table, &mut budget, problems);
    for (number, entry) in entries {
        match driver(entry, layout, &mut budget) {
            Some(driver) => unloaded.push(driver),
            None if is_empty(entry, layout) => {}
            None => problems.add(Part::Unloaded, Damage::EntryInvalid { entry: number, count }),
        }
    }
    unloaded
}

/// Whether a place of the list was never used.
fn is_empty(entry: Bytes<'_>, layout: &Layout) -> bool {
    let address = |offset| entry.word(layout.width, offset);
    (address(layout.unloaded.start_address), address(layout.unloaded.end_address)) == (Some(0), Some(0))
}

/// `None` for an entry without a range.
fn driver(entry: Bytes<'_>, layout: &Layout, budget: &mut Budget) -> Option<UnloadedDriver> {
    let at = &layout.unloaded;
    let start = entry.word(layout.width, at.start_address)?;
    let end = entry.word(layout.width, at.end_address)?;
    if start >= end {
        return None;
    }
    // the length is that of the whole name, of which the entry has the first units
    let len = u64::from(entry.u16(at.name_length)?).min(NAME_LEN);
    let name = entry.get(at.driver_name, len)?;
    budget.take(text::utf16_cost(name.len()))?;
    Some(UnloadedDriver { name: text::utf16(name), start, end, time: None })
}
