//! Runs a thing a few hundred times and prints the median and the 95th percentile: machines differ, and this one is noisy.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Measures and prints.
pub(crate) fn measure<T>(name: &str, rounds: usize, mut run: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let started = Instant::now();
            black_box(run());
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |percent: usize| times.get(rounds * percent / 100).copied().unwrap_or_default();
    println!("{name:<44} median {:>10.1?}   p95 {:>10.1?}", at(50), at(95));
}
