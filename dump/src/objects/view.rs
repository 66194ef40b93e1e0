//! What the readers of objects ask of a dump, so that they can be tested on a few bytes. Owns nothing.

use std::borrow::Cow;

use super::location::Location;
use crate::bytes::{Bytes, Width};

/// Memory of a dump, and whose addresses are whose.
pub(crate) trait View {
    /// Width of a pointer.
    fn width(&self) -> Width;
    /// Exactly `len` bytes.
    fn bytes(&self, va: u64, len: usize) -> Option<Cow<'_, [u8]>>;
    /// What there is in one run, up to `most` bytes.
    fn run(&self, va: u64, most: usize) -> Option<Cow<'_, [u8]>>;
    /// The driver that owns an address.
    fn location(&self, va: u64) -> Option<Location>;

    /// Byte at an offset of a structure.
    fn u8(&self, va: u64, offset: u64) -> Option<u8> {
        Bytes(&self.bytes(va.checked_add(offset)?, 1)?).u8(0)
    }

    /// Half word at an offset of a structure.
    fn u16(&self, va: u64, offset: u64) -> Option<u16> {
        Bytes(&self.bytes(va.checked_add(offset)?, 2)?).u16(0)
    }

    /// A pointer at an offset of a structure; `None` also where it is null.
    fn pointer(&self, va: u64, offset: u64) -> Option<u64> {
        let len = match self.width() {
            Width::W32 => 4,
            Width::W64 => 8,
        };
        let bytes = self.bytes(va.checked_add(offset)?, len)?;
        Bytes(&bytes).word(self.width(), 0).filter(|&pointer| pointer != 0)
    }

    /// One of two offsets: of 32-bit systems, of 64-bit ones (x64 and ARM64 share them).
    fn at(&self, on_32: u64, on_64: u64) -> u64 {
        match self.width() {
            Width::W32 => on_32,
            Width::W64 => on_64,
        }
    }
}
