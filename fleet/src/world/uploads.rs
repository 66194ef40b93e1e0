//! From the crash to the upload: the way home, times in which nothing is taken in, and clocks that lie.

use super::chance::{gauss, log_uniform, unit};
use super::clusters::next_moment;
use crate::random::Random;
use crate::scenario::{Clocks, NoiseConfig, Stalls, Uploads};

/// Spread of the logarithm of how long late uploads take.
const LATE_SPREAD: f64 = 1.2;
const HOUR_MS: f64 = 3_600_000.0;

/// When crashes arrive, and when they say they happened.
#[derive(Debug)]
pub(super) struct Arrivals {
    uploads: Uploads,
    clocks: Clocks,
    release_ms: f64,
    /// Beginning and end of each stall, in order, none touching another.
    stalls: Vec<(i64, i64)>,
}

impl Arrivals {
    pub(super) fn new(noise: &NoiseConfig, start_ms: i64, end_ms: i64, seed: u64) -> Self {
        let stalls = stalls(&noise.stalls, start_ms, end_ms, &mut Random::new(seed));
        let release_ms = noise.stalls.release_s * 1000.0;
        Self { uploads: noise.uploads, clocks: noise.clocks, release_ms, stalls }
    }

    /// When a crash arrives.
    pub(super) fn arrives(&self, random: &mut Random, crashed_ms: i64) -> i64 {
        let late = self.uploads.late_share > 0.0 && random.chance(self.uploads.late_share);
        if late { self.arrives_late(random, crashed_ms) } else { self.arrives_promptly(random, crashed_ms) }
    }

    fn arrives_promptly(&self, random: &mut Random, crashed_ms: i64) -> i64 {
        let mean = self.uploads.prompt_s;
        let delay = if mean > 0.0 { 1000.0 * random.gap(1.0 / mean) } else { 0.0 };
        // nobody's prompt upload takes more than ten times the mean
        self.held_back(random, crashed_ms + delay.min(10_000.0 * mean) as i64)
    }

    /// When a crash arrives that waits for the next start.
    pub(super) fn arrives_late(&self, random: &mut Random, crashed_ms: i64) -> i64 {
        let hours = self.uploads.late_median_h * (LATE_SPREAD * gauss(random)).exp();
        self.held_back(random, crashed_ms + (hours.min(self.uploads.late_most_h) * HOUR_MS) as i64)
    }

    fn held_back(&self, random: &mut Random, at_ms: i64) -> i64 {
        match self.stall(at_ms) {
            Some((_, end)) => end + (self.release_ms * random.unit()) as i64,
            None => at_ms,
        }
    }

    /// The stall at a time.
    pub(super) fn stall(&self, at_ms: i64) -> Option<(i64, i64)> {
        let after = self.stalls.partition_point(|&(begin, _)| begin <= at_ms);
        let last = after.checked_sub(1).and_then(|place| self.stalls.get(place)).copied();
        last.filter(|&(_, end)| at_ms < end)
    }

    /// When the last uploads that show are in, of so many machines that crash until `end_ms`.
    pub(super) fn tail_ms(&self, machines: f64, end_ms: i64) -> i64 {
        let late = machines * self.uploads.late_share;
        let median = self.uploads.late_median_h.max(0.01);
        // ten an hour no longer show
        let hour = (1..=self.uploads.late_most_h.ceil() as i64).rev().find(|&hour| {
            let deviations = (hour as f64 / median).ln() / LATE_SPREAD;
            let density = (-0.5 * deviations * deviations).exp() / (2.507 * LATE_SPREAD * hour as f64);
            late * density > 10.0
        });
        let tail = hour.map_or(0, |hour| hour * HOUR_MS as i64);
        let end = end_ms + (10_000.0 * self.uploads.prompt_s) as i64;
        self.stall(end).map_or(end, |(_, end)| end + self.release_ms as i64).max(end_ms + tail)
    }

    /// When a crash happened by the machine's own clock; 0 where it does not say.
    pub(super) fn says(&self, key: u64, crashed_ms: i64) -> i64 {
        let mark = unit(key, 0x636c);
        if mark < self.clocks.wrong_share {
            // two hours to three years, more of them behind than ahead
            let size = 2.0 * HOUR_MS * 13_140.0_f64.powf(unit(key, 0x6f66));
            let ahead = unit(key, 0x6168) < 0.4;
            return crashed_ms + if ahead { size as i64 } else { -(size as i64) };
        }
        if unit(key ^ crashed_ms as u64, 0x756e) < self.clocks.unknown_share { 0 } else { crashed_ms }
    }
}

fn stalls(config: &Stalls, start_ms: i64, end_ms: i64, random: &mut Random) -> Vec<(i64, i64)> {
    let (mut stalls, mut at) = (Vec::new(), start_ms);
    while let Some(begin) = next_moment(config.per_day, at, end_ms, random) {
        let length = 60_000.0 * log_uniform(random, config.least_min, config.most_min);
        let end = begin + length as i64;
        if end >= end_ms {
            break;
        }
        stalls.push((begin, end));
        at = end + (1000.0 * config.release_s) as i64;
    }
    stalls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::traffic::DAY_MS;

    const START: i64 = 1_719_792_000_000;

    #[test]
    fn uploads_are_prompt_late_or_held_back() {
        let noise = NoiseConfig {
            stalls: Stalls { per_day: 2.0, ..Stalls::default() },
            uploads: Uploads::default(),
            ..NoiseConfig::none()
        };
        let end = START + 28 * DAY_MS;
        let arrivals = Arrivals::new(&noise, START, end, 1);
        assert!((20..90).contains(&arrivals.stalls.len()), "{}", arrivals.stalls.len());
        let mut random = Random::new(2);
        let (mut prompt, mut held) = (0, 0);
        for draw in 0..20_000 {
            let crashed = START + draw * 100_000;
            let arrived = arrivals.arrives(&mut random, crashed);
            assert!(arrived >= crashed && arrivals.stall(arrived).is_none());
            match arrivals.stall(crashed) {
                Some((_, stall_end)) if arrived <= stall_end + 180_000 => held += 1,
                _ if arrived - crashed < 250_000 => prompt += 1,
                _ => {}
            }
        }
        assert!((0.8..0.92).contains(&(f64::from(prompt) / f64::from(20_000 - held))), "{prompt} {held}");
        assert!(held > 200, "{held}");
    }

    #[test]
    fn a_hundredth_of_the_clocks_lie_by_hours_to_years() {
        let arrivals = Arrivals::new(&NoiseConfig::default(), START, START + DAY_MS, 1);
        let offsets: Vec<i64> = (0..100_000_u64)
            .map(|key| arrivals.says(dump::synth::hash(key), START))
            .filter(|&said| said != START && said != 0)
            .map(|said| (said - START).abs())
            .collect();
        assert!((900..1100).contains(&offsets.len()), "{}", offsets.len());
        assert!(offsets.iter().min() >= Some(&7_200_000));
        assert!(offsets.iter().max() > Some(&(365 * DAY_MS)));
    }

    #[test]
    fn the_tail_is_longer_the_more_there_are() {
        let arrivals = Arrivals::new(&NoiseConfig::none(), START, START + DAY_MS, 1);
        assert_eq!(arrivals.tail_ms(1e6, START), START);
        let noise =
            NoiseConfig { stalls: Stalls { per_day: 0.0, ..Stalls::default() }, ..NoiseConfig::default() };
        let arrivals = Arrivals::new(&noise, START, START + DAY_MS, 1);
        let hours = |machines: f64| (arrivals.tail_ms(machines, START) - START) / 3_600_000;
        assert!(
            hours(50.0) == 0 && hours(7_000.0) > 4 && hours(1e6) > 24,
            "{} {}",
            hours(7_000.0),
            hours(1e6)
        );
    }
}
