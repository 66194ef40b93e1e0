//! What the graphics kernel wrote: its event logs in every dump, and after a timeout of an adapter (bug checks 0x116,
//! 0x117, 0x141, 0x142) its whole report. Reads the table of sections; nothing of their content is documented, so none
//! is decoded.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;

const SLOT_LEN: usize = 8;
/// Seen: 9 in Windows 7, 21, and 39 in a report of a timeout.
const MAX_SLOTS: usize = 256;
/// Most that the table can take.
pub(super) const TABLE_LEN: u64 = 8 * 256;
/// Seen only in a report of a timeout; begins with `vTDR`.
const TIMEOUT: u32 = 0xFFFF;

/// What the graphics kernel wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplayReport {
    /// Its sections, in the order of the table and of the content.
    pub sections: Vec<DisplaySection>,
    /// The section that the adapter's own driver wrote. Seen only in the report of a timeout, where it begins as
    /// NVIDIA's reports do.
    pub driver_section: Option<DisplaySection>,
}

/// A section of the graphics kernel's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplaySection {
    /// What it is. Of no kind the meaning is documented.
    pub kind: u32,
    /// Where it begins, from the first byte of the blob.
    pub offset: u64,
    /// Its length; may be 0.
    pub len: u64,
}

impl DisplayReport {
    /// Whether an adapter was reset, or could not be: the report then has all that is known of the adapter.
    pub fn is_timeout(&self) -> bool {
        self.sections.iter().any(|section| section.kind == TIMEOUT)
    }
}

/// Reads the table: slots of 8 bytes. The first holds u32 number of slots and u32 offset of the driver's section (0 where
/// there is none), each of the others u32 offset and u32 kind, then zeros. A section ends where the next begins, the last
/// with the blob, whose length is `len`.
///
/// That it is offset and kind, not kind and offset, is told by sections of one kind having one length in all dumps.
pub(crate) fn read(blob: &[u8], len: u64) -> Option<DisplayReport> {
    let header = Bytes(blob);
    let count = usize::try_from(header.u32(0)?).ok()?;
    let driver = u64::from(header.u32(4)?);
    let (slots, _) = blob.as_chunks::<SLOT_LEN>();
    let slots = slots.get(1..count).filter(|_| count <= MAX_SLOTS)?;
    let slot = |slot: &[u8; SLOT_LEN]| Some((u64::from(Bytes(slot).u32(0)?), Bytes(slot).u32(4)?));
    let mut sections: Vec<DisplaySection> = Vec::new();
    let mut least = u64::try_from(count).ok()?.checked_mul(u64::try_from(SLOT_LEN).ok()?)?;
    for (offset, kind) in slots.iter().filter_map(slot).take_while(|&slot| slot != (0, 0)) {
        if !(least..=len).contains(&offset) {
            return None;
        }
        if let Some(before) = sections.last_mut() {
            before.len = offset.checked_sub(before.offset)?;
        }
        sections.push(DisplaySection { kind, offset, len: len.checked_sub(offset)? });
        least = offset;
    }
    let driver_section = sections.iter().find(|section| section.offset == driver).copied();
    let is_whole = !sections.is_empty() && driver_section.is_some() == (driver != 0);
    is_whole.then_some(DisplayReport { sections, driver_section })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(slots: &[(u32, u32)]) -> Vec<u8> {
        let mut blob: Vec<u8> =
            slots.iter().flat_map(|slot| [slot.0, slot.1]).flat_map(u32::to_le_bytes).collect();
        blob.resize(0x100, 0xAA);
        blob
    }

    fn read_whole(blob: &[u8]) -> Option<Vec<(u32, u64, u64)>> {
        let sections = read(blob, 0x100)?.sections;
        Some(sections.iter().map(|section| (section.kind, section.offset, section.len)).collect())
    }

    #[test]
    fn sections_end_where_the_next_begins() {
        let whole = blob(&[(5, 0), (0x28, 9), (0x30, 0x13), (0x100, 0x14), (0, 0)]);
        let expected = vec![(9, 0x28, 8), (0x13, 0x30, 0xD0), (0x14, 0x100, 0)];
        assert_eq!(read_whole(&whole), Some(expected));
        assert!(!read(&whole, 0x100).unwrap().is_timeout());
    }

    #[test]
    fn a_timeout_has_a_section_of_its_own() {
        let report = read(&blob(&[(4, 0x60), (0x20, 0xFFFF), (0x60, 1), (0x90, 2)]), 0x100).unwrap();
        assert!(report.is_timeout());
        assert_eq!(report.driver_section, Some(DisplaySection { kind: 1, offset: 0x60, len: 0x30 }));
    }

    #[test]
    fn offsets_rise_and_stay_inside() {
        assert_eq!(read_whole(&blob(&[(4, 0), (0x20, 9), (0x101, 1), (0, 0)])), None, "behind the end");
        assert_eq!(read_whole(&blob(&[(4, 0), (0x1F, 9), (0, 0), (0, 0)])), None, "inside the table");
        assert_eq!(read_whole(&blob(&[(4, 0), (0x30, 9), (0x20, 1), (0, 0)])), None, "falling");
        assert_eq!(read_whole(&blob(&[(4, 0x31), (0x30, 9), (0, 0), (0, 0)])), None, "no such section");
        assert_eq!(read_whole(&blob(&[(0x200, 0), (0x30, 9)])), None, "more slots than there is room for");
        assert_eq!(read_whole(&blob(&[(4, 0), (0, 0), (0, 0), (0, 0)])), None, "nothing");
    }
}
