//! The form with one bit for each page of the machine, set where the file has it; pages follow in ascending order. Owns
//! the directory that tells, without counting from the beginning, the how-manieth page one is; the bits stay in the
//! file. Never trusts the number of bits.

use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::physical::PAGE;
use crate::problem::{Damage, Part, Problems};
use crate::source::Store;

/// Bytes of bitmap for each number of the directory, which so takes an eighth of the bitmap: a 262144th of the memory.
/// With 512 bytes, reading words one after another took a third longer.
const BLOCK: u64 = 64;
const BLOCK_BITS: u64 = BLOCK * 8;
/// Bytes of bitmap that are read at once.
const CHUNK: u64 = 1024 * BLOCK;

/// What the header of a bitmap says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Where the bitmap begins.
    pub(crate) bits_at: u64,
    /// How many bits it has.
    pub(crate) bits: u64,
    /// How many of them are set.
    pub(crate) present: u64,
    /// Where the first page is.
    pub(crate) first_page: u64,
}

impl Place {
    /// Types 5 to 7. Bitmap dumps of either width have the same header.
    pub(crate) fn of_bitmap(store: &Store<'_>, at: u64) -> Option<Self> {
        let head = store.read(at, 0x38)?;
        let head = Bytes(&head);
        Some(Self {
            bits_at: at.checked_add(0x38)?,
            bits: head.u64(0x30)?,
            present: head.u64(0x28)?,
            first_page: head.u64(0x20)?,
        })
    }

    /// Type 2, Windows 2000 to Vista: `SUMMARY_DUMP32` and `64`, which end in an `RTL_BITMAP` with its pointer.
    pub(crate) fn of_summary(store: &Store<'_>, at: u64, width: Width) -> Option<Self> {
        let head = store.read(at, 0x18)?;
        let head = Bytes(&head);
        let bits_at = match width {
            Width::W32 => 0x20,
            Width::W64 => 0x28,
        };
        Some(Self {
            bits_at: at.checked_add(bits_at)?,
            bits: head.u32(0x10)?.into(),
            present: head.u32(0x14)?.into(),
            first_page: head.u32(0x0C)?.into(),
        })
    }
}

/// A bitmap.
#[derive(Debug)]
pub(crate) struct Bitmap {
    pub(crate) place: Place,
    /// Bits that are set.
    pub(crate) present: u64,
    /// Bits set before each block.
    ranks: Vec<u64>,
}

impl Bitmap {
    pub(crate) fn read(store: &Store<'_>, mut place: Place, problems: &mut Problems) -> Option<Self> {
        let part = Part::PhysicalMemory;
        let Some(room) =
            place.first_page.min(store.size()).checked_sub(place.bits_at).filter(|&room| room != 0)
        else {
            problems.add(part, Damage::Outside { offset: place.first_page });
            return None;
        };
        let said = place.bits;
        place.bits = said.min(room.saturating_mul(8));
        let (ranks, blocks) = Budget::small(store.size()).vec(place.bits.div_ceil(BLOCK_BITS));
        place.bits = place.bits.min(blocks.saturating_mul(BLOCK_BITS));
        let mut bitmap = Self { place, present: 0, ranks };
        bitmap.count(store);
        if bitmap.place.bits < said {
            problems.add(part, Damage::Count { count: said, read: bitmap.place.bits });
        }
        if bitmap.present != place.present {
            problems.add(part, Damage::Count { count: place.present, read: bitmap.present });
        }
        Some(bitmap)
    }

    /// Counts all bits. Those that cannot be read are dropped, and all behind them.
    fn count(&mut self, store: &Store<'_>) {
        let len = self.place.bits.div_ceil(8);
        let mut at = 0_u64;
        while at < len {
            let chunk = len.saturating_sub(at).min(CHUNK);
            let bytes = usize::try_from(chunk).ok();
            let bytes = bytes.and_then(|chunk| store.read(self.place.bits_at.checked_add(at)?, chunk));
            let Some(bytes) = bytes else {
                self.place.bits = at.saturating_mul(8);
                return;
            };
            for block in bytes.chunks(usize::try_from(BLOCK).unwrap_or(usize::MAX)) {
                self.ranks.push(self.present);
                self.present = self.present.saturating_add(ones(block));
            }
            at = at.saturating_add(chunk);
            if at == len
                && let Some(&last) = bytes.last()
            {
                // bits behind the last page mean nothing
                self.present = self.present.saturating_sub(u64::from(surplus(last, self.place.bits)));
            }
        }
    }

    /// Where in the file a page is.
    pub(crate) fn offset_of(&self, store: &Store<'_>, page: u64) -> Option<u64> {
        if page >= self.place.bits {
            return None;
        }
        let block = page.checked_div(BLOCK_BITS)?;
        let rank = *self.ranks.get(usize::try_from(block).ok()?)?;
        let before = page.checked_rem(BLOCK_BITS)?.checked_div(8)?;
        let at = self.place.bits_at.checked_add(block.checked_mul(BLOCK)?)?;
        let bytes = store.read(at, usize::try_from(before).ok()?.checked_add(1)?)?;
        let (&last, bytes) = bytes.split_last()?;
        let bit = 1_u8.checked_shl(u32::try_from(page & 7).ok()?)?;
        if last & bit == 0 {
            return None;
        }
        let below = u64::from((last & bit.wrapping_sub(1)).count_ones());
        let rank = rank.checked_add(ones(bytes))?.checked_add(below)?;
        self.place.first_page.checked_add(rank.checked_mul(PAGE)?)
    }
}

/// Bits that are set.
fn ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|&word| u64::from_le_bytes(word).count_ones());
    words.chain(rest.iter().map(|byte| byte.count_ones())).map(u64::from).sum()
}

/// Bits that are set in the last byte of a bitmap behind its last bit.
fn surplus(last: u8, bits: u64) -> u32 {
    match u32::try_from(bits & 7) {
        Ok(used @ 1..) => last.checked_shr(used).unwrap_or(0).count_ones(),
        _ => 0,
    }
}
