//! How much memory reading one dump may take. Tables of a dump may overlap and repeat: many entries may share one long
//! name. Every allocation that grows with the dump's content asks here first, so the sum stays below the dump's size
//! plus a constant.

/// Room for the tables of a dump that is nearly nothing but tables.
const FLOOR: usize = 64 * 1024;

/// Bytes that may still be allocated.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Budget {
    /// For a dump of `len` bytes.
    pub(crate) fn for_dump(len: usize) -> Self {
        Self { left: len.saturating_add(FLOOR) }
    }

    /// An empty vector with room for `count` items, or for as many as may be had; and how many that is.
    pub(crate) fn vec<T>(&mut self, count: u64) -> (Vec<T>, u64) {
        let size = size_of::<T>().max(1);
        let room = usize::try_from(count).unwrap_or(usize::MAX).min(self.left.checked_div(size).unwrap_or(0));
        self.left = self.left.saturating_sub(room.saturating_mul(size));
        (Vec::with_capacity(room), u64::try_from(room).unwrap_or(u64::MAX))
    }

    /// Takes `bytes`, or nothing where fewer are left.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }
}
