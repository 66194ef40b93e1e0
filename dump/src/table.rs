//! Tables of entries of one size. Owns the check of a count against what there is, in the file and of memory; never
//! reads an entry.

use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::problem::{Damage, Part, Problems};

/// Where a table is, as the file says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) part: Part,
    pub(crate) offset: u64,
    /// Entries it says.
    pub(crate) count: u64,
    /// Entries it may have.
    pub(crate) max: u64,
    /// Size of an entry.
    pub(crate) stride: u64,
    /// Items that are wanted beside those of the table.
    pub(crate) spare: u64,
}

/// The whole entries that lie inside the file, each with its number from 1, and an empty vector with room for an item
/// of each. That it is not all entries is told.
pub(crate) fn open<'a, T>(
    file: Bytes<'a>,
    table: Table,
    budget: &mut Budget,
    problems: &mut Problems,
) -> (Vec<T>, impl Iterator<Item = (u64, Bytes<'a>)> + use<'a, T>) {
    let size = table.count.min(table.max).saturating_mul(table.stride);
    let bytes = file.clip(table.offset, size).unwrap_or_default();
    let entries = bytes.chunks_exact(usize::try_from(table.stride).unwrap_or(usize::MAX));
    let inside = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let (items, room) = budget.vec(inside.saturating_add(table.spare));
    let read = inside.min(room.saturating_sub(table.spare));
    if read < table.count {
        problems.add(table.part, Damage::Count { count: table.count, read });
    }
    (items, (1..=read).zip(entries.map(Bytes)))
}
