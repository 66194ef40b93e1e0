//! How many distinct machines, in memory that does not grow with the fleet: exact up to some thousands, about beyond.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// The smallest hashes that are kept. The error beyond is one in the root of it: 1.6 %.
const KEPT: usize = 4_096;

/// The smallest hashes of a set: among evenly spread numbers the largest of them tells how many there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    smallest: BTreeSet<u64>,
}

impl Sketch {
    pub(super) fn add(&mut self, item: impl Hash) {
        let mut hasher = DefaultHasher::new();
        item.hash(&mut hasher);
        let hash = hasher.finish();
        if self.smallest.len() == KEPT && self.smallest.last().is_some_and(|last| hash > *last) {
            return;
        }
        self.smallest.insert(hash);
        if self.smallest.len() > KEPT {
            self.smallest.pop_last();
        }
    }

    /// Exact where fewer than [`KEPT`] were added.
    pub(super) fn len(&self) -> u64 {
        let kept = u64::try_from(self.smallest.len()).unwrap_or(u64::MAX);
        let last = self.smallest.last().filter(|_| self.smallest.len() == KEPT);
        let estimate =
            last.map(|last| u128::from(kept - 1) * u128::from(u64::MAX) / u128::from((*last).max(1)));
        estimate.map_or(kept, |estimate| u64::try_from(estimate).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_while_small_and_about_beyond() {
        for (machines, error) in [(0, 0), (1, 0), (4_095, 0), (20_000, 1_000), (300_000, 15_000)] {
            let mut sketch = Sketch::default();
            for _ in 0..2 {
                for machine in 0..machines {
                    sketch.add(("acme", format!("pc-{machine}")));
                }
            }
            assert!(sketch.len().abs_diff(machines) <= error, "{} of {machines}", sketch.len());
            assert!(sketch.smallest.len() <= KEPT);
        }
    }
}
