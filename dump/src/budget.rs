//! How much memory reading one part of a dump may take. Tables of a dump may overlap and repeat: many entries may share
//! one long name. Every allocation that grows with the dump's content asks here first. Each part has a budget of its
//! own, so that what is read of it does not depend on what was asked before; together they stay below twice the dump's
//! size plus a constant.

/// Room for the tables of a dump that is nearly nothing but tables.
const FLOOR: u64 = 64 * 1024;

/// Bytes that may still be allocated for one part.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Budget {
    /// For the drivers or the memory map of a dump of `len` bytes: three eighths of them. A small dump that is read
    /// through a source is in memory, too.
    pub(crate) fn large(len: u64) -> Self {
        Self::of((len / 8).saturating_mul(3))
    }

    /// For a part that has little to remember: an eighth.
    pub(crate) fn small(len: u64) -> Self {
        Self::of(len / 8)
    }

    fn of(share: u64) -> Self {
        Self { left: usize::try_from(share.saturating_add(FLOOR)).unwrap_or(usize::MAX) }
    }

    /// How many items there is room for.
    fn room<T>(&self) -> usize {
        self.left.checked_div(size_of::<T>().max(1)).unwrap_or(0)
    }

    /// An empty vector with room for `count` items, or for as many as may be had; and how many that is.
    pub(crate) fn vec<T>(&mut self, count: u64) -> (Vec<T>, u64) {
        let room = usize::try_from(count).unwrap_or(usize::MAX).min(self.room::<T>());
        self.left = self.left.saturating_sub(room.saturating_mul(size_of::<T>()));
        (Vec::with_capacity(room), u64::try_from(room).unwrap_or(u64::MAX))
    }

    /// Takes `bytes`, or nothing where fewer are left.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }
}
