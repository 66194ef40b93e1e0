//! Draws that the world needs beyond the plain ones, and what is a hash instead of a draw.

use dump::synth::hash;

use crate::random::Random;

/// In [0, 1), always the same for one value and one salt.
pub(super) fn unit(value: u64, salt: u64) -> f64 {
    (hash(value ^ salt) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A name as a number to hash with.
pub(super) fn salt(text: &str) -> u64 {
    text.bytes().fold(0x5eed, |sum, byte| hash(sum ^ u64::from(byte)))
}

/// Normal, mean 0, deviation 1.
pub(super) fn gauss(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

/// How many of something that happens `mean` times on average.
pub(super) fn poisson(random: &mut Random, mean: f64) -> u64 {
    if mean > 60.0 {
        // the normal is within a percent of it from here on
        return (mean + mean.sqrt() * gauss(random) + 0.5).max(0.0) as u64;
    }
    let (end, mut product, mut count) = ((-mean).exp(), random.unit(), 0);
    while product > end {
        product *= random.unit();
        count += 1;
    }
    count
}

/// Between the two, each doubling as likely as the next.
pub(super) fn log_uniform(random: &mut Random, least: f64, most: f64) -> f64 {
    if most <= least { least } else { least * (most / least).powf(random.unit()) }
}

/// Places picked by weight in constant time.
#[derive(Debug, Clone, Default)]
pub(super) struct Alias {
    /// Odds of keeping a place, out of 2^32, and where to go else.
    cells: Vec<(u32, u32)>,
    /// Sum of all weights.
    pub(super) sum: f64,
}

impl Alias {
    /// Takes over new weights; the memory is used again.
    pub(super) fn set(&mut self, weights: &[f64]) {
        self.sum = weights.iter().sum();
        self.cells.clear();
        self.cells.resize(weights.len(), (u32::MAX, 0));
        let scale = weights.len() as f64 / self.sum.max(f64::MIN_POSITIVE);
        let mut left: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..weights.len() as u32).partition(|&place| left[place as usize] < 1.0);
        while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
            let odds = left[less as usize];
            self.cells[less as usize] = ((odds * f64::from(u32::MAX)) as u32, more);
            left[more as usize] -= 1.0 - odds;
            if left[more as usize] < 1.0 {
                large.pop();
                small.push(more);
            }
        }
    }

    /// A place.
    pub(super) fn pick(&self, random: &mut Random) -> usize {
        let draw = random.next();
        let place = (((draw >> 32) * self.cells.len() as u64) >> 32) as usize;
        let (odds, other) = self.cells[place];
        if draw as u32 <= odds { place } else { other as usize }
    }
}

/// One bit a machine.
#[derive(Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// Room for so many.
    pub(super) fn new(count: u64) -> Self {
        Self(vec![0; (count / 64 + 1) as usize])
    }

    /// Sets a bit; whether it was clear.
    pub(super) fn insert(&mut self, bit: u64) -> bool {
        let word = &mut self.0[(bit / 64) as usize];
        let mask = 1 << (bit % 64);
        let fresh = *word & mask == 0;
        *word |= mask;
        fresh
    }

    /// Whether a bit is set.
    pub(super) fn has(&self, bit: u64) -> bool {
        self.0[(bit / 64) as usize] & (1 << (bit % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_picked_by_weight() {
        let weights = [5.0, 0.0, 1.0, 3.0, 0.5, 0.5];
        let (mut alias, mut random) = (Alias::default(), Random::new(3));
        alias.set(&weights);
        let mut counts = [0_u32; 6];
        for _ in 0..200_000 {
            counts[alias.pick(&mut random)] += 1;
        }
        for (count, weight) in counts.into_iter().zip(weights) {
            let expected = 20_000.0 * weight;
            assert!(
                (f64::from(count) - expected).abs() <= 5.0 * expected.sqrt() + 1.0,
                "{count} for {weight}"
            );
        }
    }

    #[test]
    fn counts_have_mean_and_variance_of_poisson() {
        let mut random = Random::new(4);
        for mean in [0.02, 3.0, 59.0, 700.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| poisson(&mut random, mean) as f64).collect();
            let average = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|draw| (draw - average).powi(2)).sum::<f64>() / 20_000.0;
            assert!((average - mean).abs() < 5.0 * (mean / 20_000.0).sqrt(), "{average} for {mean}");
            assert!((variance / mean - 1.0).abs() < 0.25, "{variance} for {mean}");
        }
    }
}
