//! Secondary data behind a dump: pieces of any content, each named by a GUID. Owns the list; never reads a piece.

mod acpi;
mod black_box;
mod cpuid;
mod display;
mod hypervisor;
mod nvidia;
mod pci;
mod recorder;
mod storage;
#[cfg(test)]
mod tests;
mod triage_data;
mod view;
mod wdf;

pub use acpi::AcpiTable;
pub use black_box::{NtfsNotes, PnpEvent, SlowRequest, Winlogon};
pub use cpuid::{Cpuid, CpuidLeaf, ModelSpecificRegister};
pub use display::{DisplayReport, DisplaySection};
pub use hypervisor::{Hypervisor, HypervisorVersion};
pub use nvidia::NvidiaReport;
pub use pci::PciFunction;
pub use recorder::RecorderLog;
pub use storage::{StorageLog, StoragePort, StorageRequest};
pub use triage_data::{TriageBlock, TriageComponent};
pub use wdf::{WdfDriver, WdfLog, WdfMessage, WdfVersion};

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::guid::Guid;
use crate::problem::{Damage, Part, Problems};
use crate::source::Store;

const FILE_MARK: &[u8] = b"DumpBlob";
const FILE_HEADER_LEN: usize = 0x10;
const FILE_HEADER_SIZE: u64 = 0x08;
const BLOB_HEADER_LEN: u64 = 0x20;
const BLOB_HEADER: usize = 0x20;
/// All headers seen have the first length; stale bytes behind a list have any.
const HEADER_LENS: RangeInclusive<u64> = BLOB_HEADER_LEN..=0x100;
/// Real dumps have 9 to 36.
const MAX_BLOBS: u64 = 4096;

/// A piece of secondary data. A GUID may occur more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// What it is.
    pub guid: Guid,
    /// Where its content begins in the file.
    pub offset: u64,
    /// Length of its content, as far as it lies inside the file; may be 0.
    pub len: u64,
}

/// SMBIOS tables.
pub(crate) const SMBIOS: Guid = Guid::from_text_order(0xbc5c008f_1e3a_44d7_988d_86f6884c6758);
/// What Windows noted about its boots.
pub(crate) const BOOT_STATUS: Guid = Guid::from_text_order(0xf57308df_cc45_4e01_ad76_29a4ebb010ec);
/// Values of the processor's registry key.
pub(crate) const PROCESSOR: Guid = Guid::from_text_order(0x6c7ac389_4313_47dc_9f34_a8800a0fb56c);

/// Whether a list begins at `offset`.
pub(crate) fn begin_at(store: &Store<'_>, offset: u64) -> bool {
    store.read(offset, FILE_HEADER_LEN).is_some_and(|header| header.starts_with(FILE_MARK))
}

/// Reads the list that begins at `offset`, where the dump proper ends.
pub(crate) fn read(store: &Store<'_>, offset: u64, problems: &mut Problems) -> Vec<Blob> {
    if offset >= store.size() {
        return Vec::new();
    }
    let header = store.read(offset, FILE_HEADER_LEN).filter(|header| header.starts_with(FILE_MARK));
    let Some(header_size) = header.and_then(|header| Bytes(&header).u32(FILE_HEADER_SIZE)) else {
        problems.add(Part::Blobs, Damage::Unmarked { offset });
        return Vec::new();
    };
    let mut budget = Budget::small(store.size());
    let mut blobs = Vec::new();
    let mut at = offset.saturating_add(header_size.into());
    for entry in 1..=MAX_BLOBS {
        let entry_header = store.clip(at, BLOB_HEADER_LEN);
        let Some(entry_header) = entry_header.and_then(|header| EntryHeader::read(&header)) else {
            if EntryHeader::is_cut(store, at) {
                problems.add(Part::Blobs, Damage::EntryCut { entry, count: entry, offset: at });
            }
            return blobs;
        };
        let begin = at.saturating_add(entry_header.before);
        let len = entry_header.size.min(store.size().saturating_sub(begin));
        if len < entry_header.size {
            problems.add(Part::Blobs, Damage::EntryCut { entry, count: entry, offset: begin });
        }
        // a vector that grows holds up to three times its content for a moment
        if budget.take(size_of::<Blob>().saturating_mul(3)).is_none() {
            problems.add(Part::Blobs, Damage::Budget);
            return blobs;
        }
        blobs.push(Blob { guid: entry_header.guid, offset: begin, len });
        at = begin.saturating_add(entry_header.size).saturating_add(entry_header.after);
    }
    problems.add(Part::Blobs, Damage::Count { count: MAX_BLOBS.saturating_add(1), read: MAX_BLOBS });
    blobs
}

/// What precedes the content of a piece.
pub(crate) struct EntryHeader {
    pub(crate) guid: Guid,
    /// From the header's first byte to the content.
    pub(crate) before: u64,
    pub(crate) size: u64,
    /// From the content's end to the next header.
    pub(crate) after: u64,
}

impl EntryHeader {
    /// Whether the file ends within a header. What is left of a file behind the list may be padding.
    fn is_cut(store: &Store<'_>, at: u64) -> bool {
        let left = store.clip(at, BLOB_HEADER_LEN).unwrap_or_default();
        left.len() < BLOB_HEADER && left.first().is_some_and(|&size| u64::from(size) == BLOB_HEADER_LEN)
    }

    /// `None` at the end of the list: kernel-written files go on with zeros or stale bytes.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let header = Bytes(bytes);
        let header_size = header.u32(0).map(u64::from).filter(|size| HEADER_LENS.contains(size))?;
        Some(Self {
            guid: Guid(*header.get(4, 16)?.first_chunk::<16>()?),
            size: header.u32(0x14)?.into(),
            before: header_size.checked_add(header.u32(0x18)?.into())?,
            after: header.u32(0x1C)?.into(),
        })
    }
}
