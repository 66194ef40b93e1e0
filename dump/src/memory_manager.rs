//! What the memory manager noted for a small dump, `DUMP_MM_STORAGE`: pool, commitment, driver verification. Owns the
//! places of its fields; never judges them.

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Width};

const VERSION: u32 = 1;

/// Pool, commitment and driver verification when the machine went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryManager {
    /// Tag, or size in bytes, of the allocations that are guarded by special pool; 0 for none.
    pub special_pool_tag: u32,
    /// What the kernel turned on at boot because of an earlier crash.
    pub triage_action_taken: u32,
    /// `DRIVER_VERIFIER_*` flags that the administrator set; 0 for none.
    pub verify_driver_level: u32,
    /// Flags for the verification of the kernel itself; 0 for none.
    pub kernel_verifier: u32,
    /// Most nonpaged pool there may be, in pages.
    pub maximum_non_paged_pool: u64,
    /// Nonpaged pool allocated, in pages.
    pub allocated_non_paged_pool: u64,
    /// Most paged pool there may be, in pages.
    pub paged_pool_maximum: u64,
    /// Paged pool allocated, in pages.
    pub paged_pool_allocated: u64,
    /// Pages promised to processes and the kernel.
    pub committed_pages: u64,
    /// Most pages ever promised since boot.
    pub committed_pages_peak: u64,
    /// Pages that may be promised.
    pub commit_limit_maximum: u64,
}

/// Reads a `DUMP_MM_STORAGE32` or `64`. `None` where it was not filled in: the debugger engine writes version and size,
/// and zeros. No system runs without a committed page.
pub(crate) fn read(bytes: Bytes<'_>, width: Width) -> Option<MemoryManager> {
    bytes.u32(0).filter(|&version| version == VERSION)?;
    let size = bytes.u32(4)?;
    let stride = match width {
        Width::W32 => 4_u64,
        Width::W64 => 8,
    };
    let storage = Bytes(bytes.get(0, size.into())?);
    let number = |index: u64| storage.word(width, index.checked_mul(stride)?.checked_add(0x18)?);
    Some(MemoryManager {
        special_pool_tag: storage.u32(0x08)?,
        triage_action_taken: storage.u32(0x0C)?,
        verify_driver_level: storage.u32(0x10)?,
        kernel_verifier: storage.u32(0x14)?,
        maximum_non_paged_pool: number(0)?,
        allocated_non_paged_pool: number(1)?,
        paged_pool_maximum: number(2)?,
        paged_pool_allocated: number(3)?,
        committed_pages: number(4).filter(|&pages| pages != 0)?,
        committed_pages_peak: number(5)?,
        commit_limit_maximum: number(6)?,
    })
}

#[cfg(test)]
mod tests;
