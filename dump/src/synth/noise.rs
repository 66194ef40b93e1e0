//! Bytes that look and compress like the memory and the trace buffers of real dumps. Deterministic, cheap.

use std::sync::OnceLock;

/// Length of the pool that filler is cut from.
const POOL: usize = 1 << 20;

/// `SplitMix64`: one mixing step of `value`.
pub fn hash(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `len` bytes that compress four to five times with zstd. The same seed gives the same bytes.
///
/// They are cut from one pool that is made once, so this costs little more than a copy.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let pool = pool();
    let mut bytes = Vec::with_capacity(len);
    let mut round = 0;
    while bytes.len() < len {
        let start = (hash(seed ^ round) as usize % (POOL - 4096)) & !7;
        let run = (POOL - start).min(len - bytes.len());
        bytes.extend_from_slice(&pool[start..start + run]);
        round += 1;
    }
    bytes
}

fn pool() -> &'static [u8] {
    static POOL_BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    POOL_BYTES.get_or_init(|| make_pool(POOL))
}

/// Records of 64 bytes: an event header whose time rises, a few pointers into two regions, small numbers, zeros.
fn make_pool(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 64);
    let mut ticks = 0x0132_7d1c_0000_u64;
    let mut at = 0_u64;
    while bytes.len() < len {
        let dice = hash(at);
        at += 1;
        ticks += dice & 0x3fff;
        let words = [
            0xc011_0002_0040_0000 | (dice >> 8 & 0x3),
            ticks,
            0xffff_d20b_f900_0000 | (dice >> 12 & 0xf_fff0),
            0xffff_f807_5c80_0000 | (dice >> 34 & 0x3f) << 4,
            dice >> 40 & 0xf,
            if dice & 3 == 0 { hash(dice) } else { 0 },
            u64::from(dice & 0x30 == 0x10),
            0,
        ];
        for word in words {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes.truncate(len);
    bytes
}
