//! Questions about the lists of a dump: drivers, unloaded drivers, secondary data.

use std::borrow::Cow;

use super::{Body, KernelDump, Read};
use crate::blobs::{self, Blob};
use crate::drivers::{self, Driver, Drivers};
use crate::large;
use crate::problem::Problems;
use crate::unloaded::{self, UnloadedDriver};

/// Most that is read of one piece of secondary data through a [`crate::Source`]. Real ones have 2.5 MB at most.
const MOST_OF_A_BLOB: u64 = 64 << 20;

impl KernelDump<'_> {
    pub(super) fn read_drivers(&self) -> &Read<Drivers> {
        self.drivers.get_or_init(|| {
            let mut problems = Problems::default();
            let drivers = match &self.body {
                Body::Small(triage) => drivers::read(self.file(), self.layout, triage, &mut problems),
                Body::Large(large) => large::drivers(large.memory(&self.store), &self.header, &mut problems),
                Body::Nothing => Drivers::default(),
            };
            (drivers, problems.into_vec())
        })
    }

    pub(super) fn read_unloaded(&self) -> &Read<Vec<UnloadedDriver>> {
        self.unloaded.get_or_init(|| {
            let mut problems = Problems::default();
            let unloaded = match &self.body {
                Body::Small(triage) => unloaded::read(self.file(), self.layout, triage, &mut problems),
                Body::Large(large) => self.debugger_data().map_or_else(Vec::new, |data| {
                    large::unloaded(large.memory(&self.store), data, &mut problems)
                }),
                Body::Nothing => Vec::new(),
            };
            (unloaded, problems.into_vec())
        })
    }

    pub(super) fn read_blobs(&self) -> &Read<Vec<Blob>> {
        self.blobs.get_or_init(|| {
            let mut problems = Problems::default();
            let blobs = match &self.body {
                Body::Small(triage) => blobs::read(&self.store, triage.size_of_dump, &mut problems),
                // most large dumps have none
                Body::Large(large) if blobs::begin_at(&self.store, large.end()) => {
                    blobs::read(&self.store, large.end(), &mut problems)
                }
                Body::Large(_) | Body::Nothing => Vec::new(),
            };
            (blobs, problems.into_vec())
        })
    }

    /// Loaded drivers in load order.
    pub fn drivers(&self) -> &[Driver] {
        &self.read_drivers().0.list
    }

    /// The loaded driver that owns an address, and the address's offset in it.
    pub fn driver_at(&self, va: u64) -> Option<(&Driver, u64)> {
        self.driver_index_at(va).and_then(|(index, offset)| Some((self.drivers().get(index)?, offset)))
    }

    /// The same, as an index into [`Self::drivers`].
    pub fn driver_index_at(&self, va: u64) -> Option<(usize, u64)> {
        let va = self.layout.width.address(va);
        let drivers = &self.read_drivers().0;
        let index = drivers.ranges.owner(va)?;
        Some((index, va.checked_sub(drivers.list.get(index)?.base)?))
    }

    /// The driver that the kernel itself names as broken. No dump seen so far has one.
    pub fn broken_driver(&self) -> Option<&Driver> {
        let triage = self.small().filter(|triage| triage.broken_driver_offset != 0)?;
        let base = drivers::base_at(self.file(), self.layout, triage.broken_driver_offset)?;
        self.drivers().iter().find(|driver| driver.base == base)
    }

    /// Whether a small dump says that more drivers were loaded than it lists.
    pub fn drivers_overflowed(&self) -> bool {
        self.small().is_some_and(|triage| triage.drivers_overflowed)
    }

    /// Unloaded drivers, newest first.
    pub fn unloaded(&self) -> &[UnloadedDriver] {
        &self.read_unloaded().0
    }

    /// The last driver that owned an address before it was unloaded, and the address's offset in it.
    pub fn unloaded_at(&self, va: u64) -> Option<(&UnloadedDriver, u64)> {
        let va = self.layout.width.address(va);
        let driver = self.unloaded().iter().find(|driver| (driver.start..driver.end).contains(&va))?;
        Some((driver, va.checked_sub(driver.start)?))
    }

    /// Secondary data.
    pub fn blobs(&self) -> &[Blob] {
        &self.read_blobs().0
    }

    /// The content of a piece of secondary data.
    pub fn blob_data(&self, blob: &Blob) -> Cow<'_, [u8]> {
        self.store.clip(blob.offset, blob.len.min(MOST_OF_A_BLOB)).unwrap_or_default()
    }
}
