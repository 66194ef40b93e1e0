//! The few formulas of statistics that the detector needs. Pure.

/// Upper 99 % quantile of a Gamma distribution with shape `a` and rate 1 (Wilson and Hilferty; within 2 % from 0.5 on).
pub(crate) fn gamma_99(a: f64) -> f64 {
    const Z: f64 = 2.326_347_9;
    let root = 1.0 - 1.0 / (9.0 * a) + Z / (3.0 * a.sqrt());
    a * root.max(0.0).powi(3)
}

/// The most that a Poisson count of this mean is in 99.9 of 100 cases, roughly and never too low.
pub(crate) fn poisson_most(mean: f64) -> f64 {
    mean + 3.1 * mean.sqrt() + 2.0
}

/// A count as a number to reckon with: exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// FNV-1a, 128 bits: a name for the same thing on every machine and in every build.
pub(crate) fn fnv128(parts: &[&[u8]]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    }
    hash
}

/// The same in 64 bits.
pub(crate) fn fnv64(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A short number for something that is only told apart.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    // splitmix64 over both.
    let mut x = a ^ b.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_the_tables() {
        // Values of the Gamma distribution's 0.99 quantile.
        for (a, expected) in [(0.5, 3.317), (1.0, 4.605), (5.0, 11.605), (50.0, 67.90), (1000.0, 1075.2)] {
            let found = gamma_99(a);
            assert!((found / expected - 1.0).abs() < 0.02, "{a}: {found} is not {expected}");
        }
    }

    #[test]
    fn hashes_keep_parts_apart() {
        assert_ne!(fnv128(&[b"ab", b"c"]), fnv128(&[b"a", b"bc"]));
        assert_ne!(mix(1, 2), mix(2, 1));
    }
}
