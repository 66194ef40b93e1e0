//! The list of loaded drivers. Owns names, paths and ranges; never an opinion about a driver.

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::layout::Layout;
use crate::problem::{Damage, Part, Problems};
use crate::ranges::Ranges;
use crate::table::{self, Table};
use crate::text;
use crate::triage::Triage;

/// No driver's path is longer: in UTF-16 units.
const MAX_NAME: u64 = 1024;

/// Images begin at a page.
const PAGE: u64 = 0x1000;

/// A loaded driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// Base name: `Ntfs.sys`. Empty where the dump's string is damaged.
    pub name: String,
    /// Path, where the dump has one: `\SystemRoot\System32\drivers\Ntfs.sys`.
    pub path: Option<String>,
    /// First address.
    pub base: u64,
    /// Size of the image.
    pub size: u32,
    /// Address of its entry point.
    pub entry_point: u64,
    /// PE timestamp: with the size, the key of its image on symbol servers. A hash rather than a date in most images
    /// of Windows itself.
    pub timestamp: u32,
    /// PE checksum.
    pub checksum: u32,
    /// `LDRP_*` flags.
    pub flags: u32,
}

/// The drivers of a dump, and which of them owns an address.
#[derive(Debug, Default)]
pub(crate) struct Drivers {
    pub(crate) list: Vec<Driver>,
    pub(crate) ranges: Ranges,
}

impl Drivers {
    pub(crate) fn new(list: Vec<Driver>, budget: &mut Budget, problems: &mut Problems) -> Self {
        let ranges = list.iter().map(|driver| (driver.base, u64::from(driver.size)));
        let ranges = Ranges::new(ranges, budget).unwrap_or_else(|| {
            problems.add(Part::Drivers, Damage::Budget);
            Ranges::default()
        });
        Self { list, ranges }
    }
}

/// Reads the list, in load order.
pub(crate) fn read(file: Bytes<'_>, layout: &Layout, triage: &Triage, problems: &mut Problems) -> Drivers {
    let mut budget = Budget::large(file.len());
    let count = triage.driver_count;
    let table = Table {
        part: Part::Drivers,
        offset: triage.driver_list_offset,
        count,
        max: u64::MAX,
        stride: layout.driver.stride,
        spare: 0,
    };
    let (mut drivers, entries) = table::open(file, table, &mut budget, problems);
    for (number, entry) in entries {
        match driver(file, entry, layout, &mut budget) {
            Some(driver) => {
                if driver.name.is_empty() {
                    problems.add(Part::Drivers, Damage::EntryUnnamed { entry: number, count });
                }
                drivers.push(driver);
            }
            None => problems.add(Part::Drivers, Damage::EntryInvalid { entry: number, count }),
        }
    }
    Drivers::new(drivers, &mut budget, problems)
}

/// Address of the driver whose entry lies at `offset`.
pub(crate) fn base_at(file: Bytes<'_>, layout: &Layout, offset: u64) -> Option<u64> {
    file.from(offset).word(layout.width, layout.driver.dll_base)
}

/// `None` for an entry whose address is no image's.
fn driver(file: Bytes<'_>, entry: Bytes<'_>, layout: &Layout, budget: &mut Budget) -> Option<Driver> {
    let at = &layout.driver;
    let base = entry.word(layout.width, at.dll_base).filter(|&base| base != 0 && base % PAGE == 0)?;
    let text = name(file, entry.u32(at.driver_name_offset)?.into(), budget).unwrap_or_default();
    // The kernel writes base names, the debugger engine whole paths.
    let (name, path) = match text.rsplit_once('\\') {
        Some((_, name)) => (name.to_owned(), Some(text)),
        None => (text, None),
    };
    Some(Driver {
        name,
        path,
        base,
        size: entry.u32(at.size_of_image)?,
        entry_point: entry.word(layout.width, at.entry_point)?,
        timestamp: entry.u32(at.time_date_stamp)?,
        checksum: entry.u32(at.check_sum)?,
        flags: entry.u32(at.flags)?,
    })
}

/// A `DUMP_STRING`: its length in UTF-16 units (not bytes), then the units. The strings of all entries may be one and
/// the same, so each is paid for.
fn name(file: Bytes<'_>, offset: u64, budget: &mut Budget) -> Option<String> {
    let units = u64::from(file.u32(offset)?);
    if offset == 0 || units > MAX_NAME {
        return None;
    }
    let bytes = file.get(offset.checked_add(4)?, units.checked_mul(2)?)?;
    // the text, and its base name once more
    budget.take(text::utf16_cost(bytes.len()).saturating_mul(2))?;
    Some(text::utf16(bytes))
}
