//! Virtual memory of a large dump, page by page. Owns runs across pages: borrowed where they are one piece of a file in
//! memory, else put together. Never allocates before it knows that the dump has every page.

use std::borrow::Cow;

use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::header::Header;
use crate::paging::{Paging, Ram};
use crate::physical::PAGE;
use crate::text;

/// Where in `KDDEBUGGER_DATA64` its mark is.
const OWNER_TAG: u64 = 0x10;
/// Longest text of a `UNICODE_STRING`, in bytes.
const MAX_TEXT: u16 = 2048;

/// Virtual memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Virtual<'s> {
    pub(super) ram: Ram<'s>,
    pub(super) paging: Option<Paging>,
    pub(super) width: Width,
}

/// How much speaks for a way to translate addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    Nothing,
    /// An address of the header leads to a page of the dump.
    Page,
    /// Behind it is what should be there.
    Content,
}

/// A run of addresses: where its first byte is, how many there are, and whether they are one piece of the file.
struct Extent {
    offset: u64,
    len: u64,
    one_piece: bool,
}

impl<'s> Virtual<'s> {
    /// Where in the file the byte at an address is.
    pub(crate) fn offset_of(self, va: u64) -> Option<u64> {
        self.ram.offset_of(self.paging?.translate(self.ram, va)?)
    }

    /// Exactly `len` bytes from an address on.
    pub(crate) fn read(self, va: u64, len: usize) -> Option<Cow<'s, [u8]>> {
        self.run(va, len).filter(|bytes| bytes.len() == len)
    }

    /// The bytes from an address on, at most as many, up to the first that the dump does not have.
    pub(crate) fn run(self, va: u64, most: usize) -> Option<Cow<'s, [u8]>> {
        let va = self.width.address(va);
        let extent = self.extent(va, u64::try_from(most).ok()?)?;
        let len = usize::try_from(extent.len).ok()?;
        if extent.one_piece {
            return self.ram.store.read(extent.offset, len);
        }
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = va.checked_add(u64::try_from(bytes.len()).ok()?)?;
            let piece = usize::try_from(left_in_page(at)).ok()?.min(len.checked_sub(bytes.len())?);
            bytes.extend_from_slice(&self.ram.store.read(self.offset_of(at)?, piece)?);
        }
        Some(Cow::Owned(bytes))
    }

    /// How far the dump has the bytes from an address on. No run is longer than the file: one page may be at any number
    /// of addresses.
    fn extent(self, va: u64, most: u64) -> Option<Extent> {
        let size = self.ram.store.size();
        let room = self.width.address(u64::MAX).checked_sub(va)?.saturating_add(1);
        let most = most.min(size).min(room);
        let mut extent = Extent { offset: self.offset_of(va)?, len: 0, one_piece: true };
        let mut next = Some(extent.offset);
        while let Some(offset) = next {
            extent.one_piece &= extent.offset.checked_add(extent.len) == Some(offset);
            let at = va.checked_add(extent.len)?;
            let in_page = left_in_page(at);
            let piece = in_page.min(most.saturating_sub(extent.len)).min(size.checked_sub(offset)?);
            extent.len = extent.len.checked_add(piece)?;
            if piece < in_page || extent.len >= most {
                break;
            }
            next = self.offset_of(va.checked_add(extent.len)?);
        }
        (extent.len != 0).then_some(extent)
    }

    pub(crate) fn u32(self, va: u64) -> Option<u32> {
        Bytes(&self.read(va, 4)?).u32(0)
    }

    /// A number of the dump's own width; an address, mostly.
    pub(crate) fn word(self, va: u64) -> Option<u64> {
        let len = usize::try_from(self.width.len()).ok()?;
        Bytes(&self.read(va, len)?).word(self.width, 0)
    }

    /// Address of the `index`th word from `va` on.
    pub(super) fn nth_word(self, va: u64, index: u64) -> Option<u64> {
        va.checked_add(index.checked_mul(self.width.len())?)
    }

    /// The text of the `UNICODE_STRING` at `offset` in a structure. `None` where the dump does not have it, it is longer
    /// than any, or there is no memory left for it.
    pub(super) fn text(self, structure: Bytes<'_>, offset: u64, budget: &mut Budget) -> Option<String> {
        let len = structure.u16(offset).filter(|&len| len <= MAX_TEXT && len % 2 == 0)?;
        let buffer = structure.word(self.width, self.nth_word(offset, 1)?)?;
        if len == 0 {
            return Some(String::new());
        }
        // the text, and its bytes where they have to be put together
        budget.take(text::utf16_cost(len.into()).saturating_add(len.into()))?;
        Some(text::utf16(&self.read(buffer, len.into())?))
    }

    /// What speaks for the page tables: the list of drivers leads to an entry that leads back, or the debugger data have
    /// their mark.
    pub(super) fn trust(self, header: &Header) -> Trust {
        let list = header.ps_loaded_module_list;
        let first = self.word(list);
        let back = first.and_then(|first| self.word(self.nth_word(first, 1)?));
        let tag = header.kd_debugger_data_block.checked_add(OWNER_TAG).and_then(|tag| self.read(tag, 4));
        if back.is_some_and(|back| list != 0 && self.width.address(back) == self.width.address(list))
            || tag.as_deref() == Some(b"KDBG".as_slice())
        {
            Trust::Content
        } else if first.is_some() || tag.is_some() {
            Trust::Page
        } else {
            Trust::Nothing
        }
    }
}

fn left_in_page(va: u64) -> u64 {
    PAGE.saturating_sub(va & PAGE.saturating_sub(1))
}
