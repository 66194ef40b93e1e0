//! Virtual memory under construction: pages by number, each with its contents and the way it is mapped. Knows no
//! machine and no page table.

use std::collections::BTreeMap;

use super::SynthMapping;

pub(super) const PAGE: usize = 0x1000;

/// One page.
pub(super) struct Page {
    pub(super) bytes: Vec<u8>,
    pub(super) mapping: SynthMapping,
}

/// Pages by virtual page number.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) pages: BTreeMap<u64, Page>,
}

impl Memory {
    /// Puts bytes on ordinary pages.
    pub(super) fn put(&mut self, address: u64, bytes: &[u8]) {
        self.put_mapped(address, bytes, SynthMapping::Page);
    }

    /// Puts bytes on pages mapped as said. A page that is mapped in a special way stays so.
    pub(super) fn put_mapped(&mut self, address: u64, bytes: &[u8], mapping: SynthMapping) {
        let mut at = address;
        let mut rest = bytes;
        while !rest.is_empty() {
            let from = at as usize % PAGE;
            let (now, later) = rest.split_at(rest.len().min(PAGE - from));
            let page =
                self.pages.entry(at / PAGE as u64).or_insert_with(|| Page { bytes: vec![0; PAGE], mapping });
            page.bytes[from..from + now.len()].copy_from_slice(now);
            if page.mapping == SynthMapping::Page {
                page.mapping = mapping;
            }
            at = at.wrapping_add(now.len() as u64);
            rest = later;
        }
    }
}
