//! How much crashes at a time: the week of each region, the second Tuesday of a month, a fleet that grows, and how each
//! driver's rate drifts.

use super::chance::{Alias, gauss};
use super::machines::{REGION_COUNT, offset_ms};
use crate::random::Random;
use crate::scenario::{Growth, NoiseConfig, PatchDay};

/// A day, ms.
pub(super) const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// What a working day's hours see, local time; nights at a third of the mean.
const DAY: [f64; 24] = [
    0.35, 0.33, 0.32, 0.32, 0.33, 0.36, 0.45, 0.8, 1.6, 2.2, 2.1, 1.9, 1.5, 1.7, 1.9, 1.8, 1.6, 1.3, 0.9,
    0.75, 0.65, 0.55, 0.45, 0.4,
];

/// Monday first. Machines that were off over the weekend start again.
const DAYS: [f64; 7] = [1.15, 1.0, 1.0, 1.0, 0.95, 0.42, 0.38];

/// What an hour of the week sees, mean 1.
#[derive(Debug)]
struct Week([f64; 168]);

impl Week {
    fn new(weight: f64) -> Self {
        let mut hours = [0.0; 168];
        for (place, hour) in hours.iter_mut().enumerate() {
            let morning = if (8..11).contains(&place) { 1.3 } else { 1.0 };
            *hour = DAY[place % 24] * DAYS[place / 24] * morning;
        }
        let mean = hours.iter().sum::<f64>() / 168.0;
        Self(hours.map(|hour| 1.0 + weight * (hour / mean - 1.0)))
    }

    /// At a local time, from one hour's middle to the next one's in a straight line.
    fn at(&self, local_ms: i64) -> f64 {
        // 1970 began on a Thursday
        let hours = (local_ms + 3 * DAY_MS - HOUR_MS / 2).rem_euclid(7 * DAY_MS) as f64 / HOUR_MS as f64;
        let (place, part) = (hours as usize % 168, hours.fract());
        self.0[place] * (1.0 - part) + self.0[(place + 1) % 168] * part
    }
}

/// How much of the usual crashes at a time.
#[derive(Debug)]
pub(super) struct Traffic {
    week: Week,
    patch_day: PatchDay,
    growth: Growth,
    start_ms: i64,
    /// Shares of crashes of the regions, in an average week.
    regions: [f64; REGION_COUNT],
}

impl Traffic {
    pub(super) fn new(noise: &NoiseConfig, start_ms: i64, regions: [f64; REGION_COUNT]) -> Self {
        let (patch_day, growth) = (noise.patch_day, noise.growth);
        Self { week: Week::new(noise.weekly), patch_day, growth, start_ms, regions }
    }

    /// What each region contributes; the sum is the whole fleet's rate as a multiple of its mean.
    pub(super) fn at(&self, at_ms: i64) -> [f64; REGION_COUNT] {
        let weeks = (at_ms - self.start_ms) as f64 / (7 * DAY_MS) as f64;
        let fleet = (1.0 + self.growth.per_week).powf(weeks) * self.patch(at_ms);
        std::array::from_fn(|region| fleet * self.regions[region] * self.week_at(region, at_ms))
    }

    /// What the hour of the week makes of a region.
    pub(super) fn week_at(&self, region: usize, at_ms: i64) -> f64 {
        self.week.at(at_ms + offset_ms(region)).max(0.0)
    }

    /// Up within an hour, back in a straight line.
    fn patch(&self, at_ms: i64) -> f64 {
        let length = self.patch_day.hours * HOUR_MS as f64;
        let since = [0, 1, 2].map(|days| {
            let begin = (at_ms.div_euclid(DAY_MS) - days) * DAY_MS;
            if is_patch_day(begin) { (at_ms - begin - 17 * HOUR_MS) as f64 } else { -1.0 }
        });
        let Some(since) = since.into_iter().find(|&since| since >= 0.0 && since < length) else { return 1.0 };
        let rise = (since / HOUR_MS as f64).min(1.0);
        1.0 + (self.patch_day.factor - 1.0) * rise.min(1.0 - since / length)
    }
}

/// Whether a day is the second Tuesday of its month.
fn is_patch_day(day_ms: i64) -> bool {
    let days = day_ms.div_euclid(DAY_MS);
    (days + 3).rem_euclid(7) == 1 && (8..15).contains(&day_of_month(days))
}

/// From 1; days count from 1 January 1970.
fn day_of_month(days: i64) -> i64 {
    // days since 1 March of year 0 of the 400-year cycle that leap days repeat in
    let of_era = (days + 719_468).rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    of_year - (153 * month + 2) / 5 + 1
}

/// How often each driver crashes: by rank, and drifting from day to day.
#[derive(Debug, Clone)]
pub(super) struct Rates {
    /// Share of each driver, by number; of those that appear later, what it comes to be.
    base: Vec<f64>,
    /// Logarithm of how far it has drifted.
    drifted: Vec<f64>,
    /// Day of appearing, of the drivers that do.
    later: Vec<f64>,
    weights: Vec<f64>,
    drift: f64,
    random: Random,
    /// Picks a driver.
    pub(super) pick: Alias,
}

impl Rates {
    /// `later`: day of appearing and rank that is taken after.
    pub(super) fn new(drivers: usize, zipf: f64, drift: f64, later: &[(f64, f64)], seed: u64) -> Self {
        let weights: Vec<f64> = (1..=drivers).map(|rank| (rank as f64).powf(-zipf)).collect();
        let sum: f64 = weights.iter().sum();
        let mut base: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        base.extend(later.iter().map(|(_, rank)| rank.powf(-zipf) / sum));
        let (drifted, weights) = (vec![0.0; base.len()], vec![0.0; base.len()]);
        let later = later.iter().map(|(day, _)| *day).collect();
        Self { base, drifted, later, weights, drift, random: Random::new(seed), pick: Alias::default() }
    }

    /// The next day, counted from the world's beginning. Called once for each in order.
    pub(super) fn turn(&mut self, day: i64) {
        let old = self.base.len() - self.later.len();
        for (place, weight) in self.weights.iter_mut().enumerate() {
            if self.drift > 0.0 {
                self.drifted[place] += self.drift * gauss(&mut self.random);
            }
            // machines get a new driver over three days
            let there = place
                .checked_sub(old)
                .map_or(1.0, |later| ((day as f64 - self.later[later]) / 3.0).clamp(0.0, 1.0));
            *weight = there * self.base[place] * self.drifted[place].exp();
        }
        self.pick.set(&self.weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 1 July 2024.
    const MONDAY: i64 = 1_719_792_000_000;

    fn mean(noise: &NoiseConfig, from_ms: i64, hours: i64) -> f64 {
        let traffic = Traffic::new(noise, MONDAY, [0.4, 0.4, 0.2]);
        let sums = (0..hours * 60).map(|minute| traffic.at(from_ms + minute * 60_000).iter().sum::<f64>());
        sums.sum::<f64>() / (hours * 60) as f64
    }

    #[test]
    fn an_ordinary_week_has_mean_one_and_its_shape() {
        let noise = NoiseConfig { weekly: 1.0, ..NoiseConfig::none() };
        assert!((mean(&noise, MONDAY, 168) - 1.0).abs() < 0.001);
        // in Europe, an hour ahead
        let week = Traffic::new(&noise, MONDAY, [0.0, 1.0, 0.0]);
        let hour = |hours: i64| week.at(MONDAY + hours * HOUR_MS).iter().sum::<f64>();
        assert!(hour(8) > 2.5 && hour(26) < 0.4 && hour(5 * 24 + 11) < 0.9, "{} {}", hour(8), hour(26));
        assert!(mean(&noise, MONDAY + 5 * DAY_MS + 6 * HOUR_MS, 24) < 0.6);
        assert!((mean(&NoiseConfig::none(), MONDAY, 50) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_second_tuesday_is_loud() {
        let noise = NoiseConfig { patch_day: PatchDay { factor: 3.0, hours: 10.0 }, ..NoiseConfig::none() };
        let tuesday = MONDAY + 8 * DAY_MS;
        assert!(
            is_patch_day(tuesday) && !is_patch_day(tuesday - 7 * DAY_MS) && !is_patch_day(tuesday + DAY_MS)
        );
        let height = mean(&noise, tuesday + 18 * HOUR_MS, 1);
        assert!((2.6..2.9).contains(&height), "{height}");
        assert_eq!(mean(&noise, tuesday + 28 * HOUR_MS, 10), 1.0);
        assert!(mean(&noise, tuesday + 26 * HOUR_MS, 1) < 1.4);
    }

    #[test]
    fn the_day_of_the_month_is_the_calendars() {
        // 29 February 2024, 1 March 2023, 31 December 2000
        for (days, expected) in [(19_782, 29), (19_417, 1), (11_322, 31), (0, 1)] {
            assert_eq!(day_of_month(days), expected);
        }
    }

    #[test]
    fn a_fleet_grows() {
        let noise = NoiseConfig { growth: Growth { per_week: 0.2 }, ..NoiseConfig::none() };
        let weeks = mean(&noise, MONDAY + 21 * DAY_MS, 1) / mean(&noise, MONDAY + 14 * DAY_MS, 1);
        assert!((weeks - 1.2).abs() < 0.001, "{weeks}");
    }

    #[test]
    fn rates_go_by_rank_drift_and_new_ones_come() {
        let mut rates = Rates::new(1000, 1.0, 0.0, &[(2.0, 100.0)], 5);
        rates.turn(0);
        assert!((rates.weights[0] / rates.weights[9] - 10.0).abs() < 1e-9);
        assert!((rates.pick.sum - 1.0).abs() < 1e-9 && rates.weights[1000] == 0.0);
        rates.turn(5);
        assert!((rates.weights[1000] - rates.weights[99]).abs() < 1e-12);
        let mut drifting = Rates::new(1000, 1.0, 0.05, &[], 5);
        (0..16).for_each(|day| drifting.turn(day));
        let steps: Vec<f64> = drifting.drifted.clone();
        let deviation = (steps.iter().map(|step| step * step).sum::<f64>() / 1000.0).sqrt();
        assert!((deviation - 0.2).abs() < 0.02, "{deviation}");
    }
}
