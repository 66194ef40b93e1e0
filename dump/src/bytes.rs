//! The checked reader: little-endian numbers and runs of bytes at file offsets. Owns every bounds check of the crate;
//! never knows a format. Offsets are `u64`, so no sum or product of the file's 32-bit numbers can wrap.

/// A file, or a part of one, with offsets from its first byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    /// Length in bytes.
    pub(crate) fn len(self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// Exactly `len` bytes from `offset`.
    pub(crate) fn get(self, offset: u64, len: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(offset).ok()?;
        let end = usize::try_from(offset.checked_add(len)?).ok()?;
        self.0.get(start..end)
    }

    /// What of `len` bytes from `offset` lies inside; `None` where that is nothing.
    pub(crate) fn clip(self, offset: u64, len: u64) -> Option<&'a [u8]> {
        let kept = len.min(self.len().checked_sub(offset)?);
        self.get(offset, kept).filter(|bytes| !bytes.is_empty())
    }

    /// Everything from `offset` on; empty where it lies outside.
    pub(crate) fn from(self, offset: u64) -> Bytes<'a> {
        Bytes(self.clip(offset, u64::MAX).unwrap_or_default())
    }

    fn array<const N: usize>(self, offset: u64) -> Option<[u8; N]> {
        self.0.get(usize::try_from(offset).ok()?..)?.first_chunk::<N>().copied()
    }

    pub(crate) fn u8(self, offset: u64) -> Option<u8> {
        self.array::<1>(offset).map(u8::from_le_bytes)
    }

    pub(crate) fn u16(self, offset: u64) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(self, offset: u64) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// A number of the dump's own width: 4 bytes (zero-extended) or 8.
    pub(crate) fn word(self, width: Width, offset: u64) -> Option<u64> {
        match width {
            Width::W32 => self.u32(offset).map(u64::from),
            Width::W64 => self.u64(offset),
        }
    }
}

/// Width of a pointer in the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    W32,
    W64,
}

impl Width {
    /// Bytes of a pointer.
    pub(crate) fn len(self) -> u64 {
        match self {
            Width::W32 => 4,
            Width::W64 => 8,
        }
    }

    /// An address as this width knows it: 32-bit dumps hold some addresses sign-extended, some not.
    pub(crate) fn address(self, va: u64) -> u64 {
        match self {
            Width::W32 => va & 0xFFFF_FFFF,
            Width::W64 => va,
        }
    }

    /// Whether an address is in the kernel's half.
    pub(crate) fn is_kernel(self, va: u64) -> bool {
        match self {
            Width::W32 => va >= 0x8000_0000,
            Width::W64 => va >= 0xFFFF_8000_0000_0000,
        }
    }
}
