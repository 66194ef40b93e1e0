//! Address to image: sorted ranges of the listed images and of the unloaded ones. Pure lookup.

use dump::{Driver, UnloadedDriver};

use super::found::{Owner, Site};

/// The first page of an image holds its headers, never code.
const HEADERS: u64 = 0x1000;
/// Words that point at the start of a page are pointers to sections, hardly ever return addresses. Seen as
/// `WdFilter.sys+0x23000` in a 0x13A.
const PAGE: u64 = 0x1000;

struct Range {
    start: u64,
    end: u64,
    index: usize,
}

/// The images of one dump by address.
pub(super) struct ImageMap {
    loaded: Vec<Range>,
    unloaded: Vec<Range>,
    lowest: u64,
    highest: u64,
}

impl ImageMap {
    pub(super) fn new(drivers: &[Driver], unloaded: &[UnloadedDriver]) -> Self {
        let mut loaded: Vec<Range> = drivers
            .iter()
            .enumerate()
            .map(|(index, driver)| Range {
                start: driver.base,
                end: driver.base.saturating_add(driver.size.into()),
                index,
            })
            .filter(|range| range.start != 0 && range.start < range.end)
            .collect();
        loaded.sort_unstable_by_key(|range| range.start);
        let unloaded = unloaded
            .iter()
            .enumerate()
            .map(|(index, driver)| Range { start: driver.start, end: driver.end, index })
            .filter(|range| range.start != 0 && range.start < range.end)
            .collect();
        let lowest = loaded.first().map_or(u64::MAX, |range| range.start);
        let highest = loaded.iter().map(|range| range.end).max().unwrap_or(0);
        Self { loaded, unloaded, lowest, highest }
    }

    /// The loaded image at an address.
    pub(super) fn site(&self, address: u64) -> Option<Site> {
        if address < self.lowest || address >= self.highest {
            return None;
        }
        let above = self.loaded.partition_point(|range| range.start <= address);
        let range = self.loaded.get(above.checked_sub(1)?)?;
        (address < range.end).then(|| Site { image: range.index, offset: address.wrapping_sub(range.start) })
    }

    /// The same, for words that would be code addresses.
    pub(super) fn code_site(&self, address: u64) -> Option<Site> {
        self.site(address).filter(|site| site.offset >= HEADERS && !site.offset.is_multiple_of(PAGE))
    }

    /// Loaded images first: an address range is used again after an unload.
    pub(super) fn owner(&self, address: u64) -> Owner {
        if let Some(site) = self.site(address) {
            return Owner::Loaded(site);
        }
        // At most 50 entries, newest first.
        self.unloaded
            .iter()
            .find(|range| (range.start..range.end).contains(&address))
            .map_or(Owner::Nobody, |range| Owner::Unloaded(range.index, address.wrapping_sub(range.start)))
    }
}
