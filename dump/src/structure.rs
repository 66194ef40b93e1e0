//! What control block, process and thread share: a raw copy of a kernel structure, and what a pointer, an id, a time in
//! it must look like to be believed. Never knows a structure.

use std::ops::Range;

use crate::bytes::{Bytes, Width};
use crate::header::Header;
use crate::time::FileTime;

/// Ids of processes and threads are handles: multiples of four. No system has ever had so many.
const MAX_ID: u64 = 1 << 31;
/// Clocks are set while a system runs: what it noted before may seem to be before its start, or after its end.
const DAY: u64 = 24 * 60 * 60 * 10_000_000;

/// A raw copy of a structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Structure<'a> {
    pub(crate) bytes: Bytes<'a>,
    pub(crate) width: Width,
    pub(crate) header: &'a Header,
}

impl<'a> Structure<'a> {
    pub(crate) fn new(bytes: Bytes<'a>, header: &'a Header) -> Self {
        Self { bytes, width: header.width(), header }
    }

    /// Size of a pointer.
    pub(crate) fn word_len(&self) -> u64 {
        self.width.len()
    }

    pub(crate) fn word(&self, offset: u64) -> Option<u64> {
        self.bytes.word(self.width, offset)
    }

    /// A pointer into the kernel's half of memory.
    pub(crate) fn kernel_pointer(&self, offset: Option<u64>) -> Option<u64> {
        self.word(offset?).filter(|&va| self.width.is_kernel(va))
    }

    /// A pointer into the half of a process.
    pub(crate) fn user_pointer(&self, offset: Option<u64>) -> Option<u64> {
        let most = match self.width {
            Width::W32 => u64::from(u32::MAX),
            Width::W64 => 1 << 47,
        };
        self.word(offset?).filter(|&va| va != 0 && va < most && !self.width.is_kernel(va))
    }

    /// Id of a process or thread.
    pub(crate) fn id(&self, offset: u64) -> Option<u64> {
        self.word(offset).filter(|&id| id != 0 && id < MAX_ID && id.is_multiple_of(4))
    }

    /// Whether a `LIST_ENTRY` is at a place: both pointers lead into the kernel.
    pub(crate) fn is_list_entry(&self, offset: u64) -> bool {
        let back = offset.checked_add(self.word_len());
        self.kernel_pointer(Some(offset)).is_some() && self.kernel_pointer(back).is_some()
    }

    /// The first number in a range of places that is a time at which this system ran. By chance one in a million
    /// numbers is.
    pub(crate) fn time(&self, places: Range<u64>) -> Option<FileTime> {
        let end = self.header.system_time?.0;
        let start = end.checked_sub(self.header.uptime?.0)?;
        let ran = start.saturating_sub(DAY)..=end.saturating_add(DAY);
        let first = places.start.checked_next_multiple_of(8)?;
        let step = usize::try_from(8).ok()?;
        let mut times = (first..places.end).step_by(step).filter_map(|offset| self.bytes.u64(offset));
        times.find(|time| ran.contains(time)).map(FileTime)
    }
}

#[cfg(test)]
pub(crate) mod tests;
