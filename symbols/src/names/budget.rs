//! What one question may cost. Counts bytes, not time: the same question about the same file gets the same answer on any
//! machine, whatever was asked before. A question that has no more left loses what is still missing, not what was found.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::unit::Unit;

/// Records and lines walked, and types read. The dearest address of the samples (`crash.pdb`, eight places) takes 176 KB.
pub(super) const MAX_BYTES: u32 = 8 << 20;

/// Units beside the one of the address: with link-time code generation, callees are named by their own unit.
pub(super) const MAX_UNIT_BYTES: u32 = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Budget {
    bytes: Cell<u32>,
    unit_bytes: Cell<u32>,
    /// Units asked for, so that each is looked for once, even where they push each other out of the cache.
    units: RefCell<Vec<(u16, Option<Arc<Unit>>)>>,
}

impl Budget {
    /// Bytes that are about to be walked; `None` where they are too many.
    pub(super) fn spend(&self, bytes: u32) -> Option<()> {
        spend(&self.bytes, bytes, MAX_BYTES)
    }

    /// A unit that this question has, or may read.
    pub(super) fn unit(
        &self,
        number: u16,
        bytes: u32,
        read: impl FnOnce() -> Option<Arc<Unit>>,
    ) -> Option<Arc<Unit>> {
        let known =
            self.units.borrow().iter().find(|(known, _)| *known == number).map(|(_, unit)| unit.clone());
        known.unwrap_or_else(|| {
            let unit = spend(&self.unit_bytes, bytes, MAX_UNIT_BYTES).and_then(|()| read());
            self.units.borrow_mut().push((number, unit.clone()));
            unit
        })
    }

    /// What was walked so far.
    #[cfg(test)]
    pub(super) fn spent(&self) -> u32 {
        self.bytes.get()
    }
}

/// What does not fit is not taken, and what is smaller may still fit.
fn spend(spent: &Cell<u32>, bytes: u32, most: u32) -> Option<()> {
    let sum = spent.get().checked_add(bytes).filter(|sum| *sum <= most)?;
    spent.set(sum);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_looked_for_once_and_only_where_it_fits() {
        let budget = Budget::default();
        let read = Cell::new(0);
        let ask = |number, bytes| {
            let unit = budget.unit(number, bytes, || {
                read.set(read.get() + 1);
                None
            });
            assert!(unit.is_none());
            read.get()
        };
        assert_eq!(ask(1, MAX_UNIT_BYTES - 10), 1);
        assert_eq!(ask(1, MAX_UNIT_BYTES - 10), 1);
        assert_eq!(ask(2, 11), 1);
        assert_eq!(ask(3, 10), 2);
        assert_eq!(ask(4, 1), 2);
        assert_eq!(ask(5, 0), 3);
    }
}
