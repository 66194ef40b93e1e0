//! Repeatable randomness: one seed, one fleet, one outage.

use dump::synth::hash;

/// A stream of numbers that depends on its seed alone.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: hash(seed) }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash(self.state)
    }

    /// Below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Seconds to the next event of a Poisson process.
    pub(crate) fn gap(&mut self, per_second: f64) -> f64 {
        -(1.0 - self.unit()).ln() / per_second
    }

    /// `items` in another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// Ranks from 0 with weights 1, 1/2, 1/3, ...
#[derive(Debug, Clone)]
pub(crate) struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(ranks: usize) -> Self {
        let sums = (1..=ranks)
            .scan(0.0, |sum, rank| {
                *sum += 1.0 / rank as f64;
                Some(*sum)
            })
            .collect();
        Self { sums }
    }

    pub(crate) fn pick(&self, random: &mut Random) -> usize {
        let mark = random.unit() * self.sums.last().copied().unwrap_or(0.0);
        self.sums.partition_point(|&sum| sum <= mark).min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, Zipf};

    #[test]
    fn the_first_rank_is_twice_as_likely_as_the_second() {
        let (zipf, mut random) = (Zipf::new(300), Random::new(1));
        let mut counts = [0_u32; 300];
        for _ in 0..100_000 {
            counts[zipf.pick(&mut random)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
        assert!(counts.iter().all(|&count| count > 0));
    }

    #[test]
    fn gaps_have_the_mean_of_the_rate() {
        let mut random = Random::new(2);
        let mean = (0..100_000).map(|_| random.gap(4.0)).sum::<f64>() / 100_000.0;
        assert!((0.245..0.255).contains(&mean), "{mean}");
    }
}
