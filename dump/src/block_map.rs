//! Which of many blocks of memory has the bytes from an address on. Blocks are unsorted, repeat and overlap: the one
//! that reaches furthest is believed, of those the longest, of those the first in the file. Never looks at the bytes.

use std::cmp::Reverse;

use crate::budget::Budget;

/// Addresses that are one run in the file. Both ends lie inside the file and the address space.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(crate) start: u64,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

const PAGE_SHIFT: u32 = 12;
/// Pages beyond one and a half for each block. In real dumps most blocks lie in one page, a few have tens.
const PAGES_MORE: u64 = 1024;
/// Blocks of pages with the same hash. Real dumps have some tens of blocks in a page.
const MOST_OF_A_CHAIN: u32 = 256;

impl Block {
    /// First address behind.
    pub(crate) fn end(self) -> u64 {
        self.start.saturating_add(self.len.into())
    }

    fn has(self, va: u64) -> bool {
        (self.start..self.end()).contains(&va)
    }

    /// Of blocks that have an address, the one with the greatest is believed.
    fn preference(self) -> (u64, u32, Reverse<u32>) {
        (self.end(), self.len, Reverse(self.offset))
    }

    fn pages(self) -> impl Iterator<Item = u64> {
        (self.start >> PAGE_SHIFT)..=(self.end().saturating_sub(1) >> PAGE_SHIFT)
    }
}

/// Blocks by address. Both forms give the same answers.
#[derive(Debug)]
pub(crate) enum BlockMap {
    /// A table of the pages that have any: made in a fourth of the time that sorting takes.
    Paged(Paged),
    /// For blocks of absurdly many pages, or absurdly many of one page. In ascending order, none inside another:
    /// starts and ends both ascend. So the block with the most bytes from an address on is always the last that begins
    /// at or before it.
    Sorted(Vec<Block>),
}

impl BlockMap {
    pub(crate) fn new(blocks: Vec<Block>, budget: &mut Budget) -> Self {
        match Paged::new(blocks, budget) {
            Ok(paged) => Self::Paged(paged),
            Err(blocks) => Self::Sorted(sorted(blocks)),
        }
    }

    /// The block with the most bytes from an address on.
    pub(crate) fn block(&self, va: u64) -> Option<Block> {
        match self {
            Self::Paged(paged) => paged.block(va),
            Self::Sorted(blocks) => {
                let after = blocks.partition_point(|block| block.start <= va);
                blocks.get(after.checked_sub(1)?).filter(|block| block.has(va)).copied()
            }
        }
    }
}

/// Chains of blocks, one for all pages with the same hash.
#[derive(Debug)]
pub(crate) struct Paged {
    blocks: Vec<Block>,
    /// As many as a power of two.
    chains: Vec<Chain>,
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    first: u32,
    len: u32,
}

/// A page of a block.
#[derive(Debug, Clone, Copy)]
struct Link {
    block: u32,
    /// The next one of the chain.
    next: u32,
}

/// The end of a chain.
const END: u32 = u32::MAX;

impl Paged {
    /// The blocks themselves where they have too many pages, or the budget is too small.
    fn new(blocks: Vec<Block>, budget: &mut Budget) -> Result<Self, Vec<Block>> {
        let count = u64::try_from(blocks.len()).unwrap_or(u64::MAX);
        let (mut chains, room) = budget.vec((count / 2).next_power_of_two());
        let (links, most) = budget.vec(count.saturating_add(count / 2).saturating_add(PAGES_MORE));
        if !room.is_power_of_two() || most < count {
            return Err(blocks);
        }
        chains
            .resize(chains.capacity().min(usize::try_from(room).unwrap_or(0)), Chain { first: END, len: 0 });
        let mut paged = Self { blocks: Vec::new(), chains, links };
        for (number, block) in (0..END).zip(&blocks) {
            for page in block.pages() {
                if paged.add(number, page, most).is_none() {
                    return Err(blocks);
                }
            }
        }
        paged.blocks = blocks;
        Ok(paged)
    }

    fn add(&mut self, block: u32, page: u64, most: u64) -> Option<()> {
        let link = u32::try_from(self.links.len()).ok().filter(|&link| u64::from(link) < most)?;
        let at = self.chain(page);
        let chain = self.chains.get_mut(at).filter(|chain| chain.len < MOST_OF_A_CHAIN)?;
        self.links.push(Link { block, next: chain.first });
        *chain = Chain { first: link, len: chain.len.saturating_add(1) };
        Some(())
    }

    fn chain(&self, page: u64) -> usize {
        const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
        let mixed = usize::try_from(page.wrapping_mul(GOLDEN_RATIO) >> 32).unwrap_or(0);
        mixed & self.chains.len().saturating_sub(1)
    }

    fn block(&self, va: u64) -> Option<Block> {
        let mut best: Option<Block> = None;
        let mut next = self.chains.get(self.chain(va >> PAGE_SHIFT))?.first;
        while let Some(link) = self.links.get(usize::try_from(next).ok()?) {
            let block = *self.blocks.get(usize::try_from(link.block).ok()?)?;
            if block.has(va) && best.is_none_or(|best| block.preference() > best.preference()) {
                best = Some(block);
            }
            next = link.next;
        }
        best
    }
}

fn sorted(mut blocks: Vec<Block>) -> Vec<Block> {
    // the longest first where starts are equal: one number, compared without a branch
    let key = |block: &Block| {
        u128::from(block.start) << 64 | u128::from(!block.len) << 32 | u128::from(block.offset)
    };
    blocks.sort_unstable_by_key(key);
    blocks.dedup_by(|next, kept| next.end() <= kept.end());
    blocks
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_paged(blocks: impl Iterator<Item = Block>, budget: u64) -> bool {
        matches!(BlockMap::new(blocks.collect(), &mut Budget::large(budget)), BlockMap::Paged(_))
    }

    #[test]
    fn absurd_blocks_are_sorted() {
        let block = |number: u64| Block { start: number << 40, offset: 0, len: 3 << PAGE_SHIFT };
        assert!(is_paged((0..600).map(block), 1 << 20));
        assert!(!is_paged((0..800).map(block), 1 << 20), "too many pages");
        let small = |number: u64| Block { start: number, offset: 0, len: 1 };
        assert!(is_paged((0..256).map(small), 1 << 20));
        assert!(!is_paged((0..257).map(small), 1 << 20), "too many of one page");
        assert!(!is_paged((0..20_000).map(|number| block(number * 7)), 0), "too small a budget");
        assert!(!is_paged([Block { start: 0, offset: 0, len: u32::MAX }].into_iter(), 1 << 20));
        assert!(is_paged([].into_iter(), 0));
    }

    proptest! {
        /// Against the plain definition.
        #[test]
        fn both_forms_give_the_same_answers(
            blocks in prop::collection::vec((0_u64..0x40, 0_u32..4, 1_u32..40), 0..20),
            scale in prop::sample::select(vec![1_u32, 0x400]),
        ) {
            let blocks: Vec<Block> = blocks
                .into_iter()
                .map(|(start, offset, len)| Block { start: start * u64::from(scale), offset, len: len * scale })
                .collect();
            let paged = BlockMap::Paged(Paged::new(blocks.clone(), &mut Budget::large(0)).unwrap());
            let sorted = BlockMap::Sorted(sorted(blocks.clone()));
            let place = |block: Option<Block>| block.map(|block| (block.start, block.offset, block.len));
            for va in (0..0x70 * u64::from(scale)).step_by(scale as usize / 3 + 1) {
                let best = blocks.iter().filter(|block| block.has(va)).max_by_key(|block| block.preference());
                prop_assert_eq!(place(paged.block(va)), place(best.copied()), "{:#x}", va);
                prop_assert_eq!(place(sorted.block(va)), place(best.copied()), "{:#x}", va);
            }
        }
    }
}
