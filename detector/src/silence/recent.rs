//! Who went dark just now, by kind of machine, over a short and a longer window. What machines without an element do
//! at this moment is what those with it are expected to do.

use serde::{Deserialize, Serialize};

use super::fleet::ByKind;
use super::machines::KINDS;
use super::usual::{HUMAN, to_f32};

/// Windows, minutes. The short one follows an office that leaves at six sharp, the long one has less noise.
const WINDOWS_MIN: [f32; 2] = [1.5, 10.0];
/// Weight of not knowing: as if so many machines left as fast as people leave. Where nearly every machine of a kind has
/// the element there is nobody to compare with, and only silence faster than people counts.
const UNKNOWN: f32 = 30.0;

/// Exponentially fading counts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Recent {
    counts: [[f32; KINDS]; WINDOWS_MIN.len()],
    at_ms: i64,
}

impl Recent {
    /// `went` are those of the tick that ends now.
    pub(super) fn add(&mut self, at_ms: i64, went: &ByKind) {
        let minutes = (at_ms - self.at_ms).clamp(0, 86_400_000) as f32 / 60_000.0;
        self.at_ms = at_ms;
        for (counts, window) in self.counts.iter_mut().zip(WINDOWS_MIN) {
            let left = (-minutes / window).exp();
            for (count, went) in counts.iter_mut().zip(went) {
                *count = *count * left + to_f32(*went);
            }
        }
    }

    /// Whether nothing is left that counts.
    pub(super) fn is_quiet(&self) -> bool {
        self.counts.iter().flatten().all(|count| *count < 0.05)
    }

    /// Share a minute that goes dark of `all` without those of `part`, weighed by the kinds of `part`.
    pub(super) fn share_of_others(all: (&Self, &ByKind), part: (&Self, &ByKind)) -> f32 {
        let total: f32 = part.1.iter().map(|count| to_f32(*count)).sum();
        if total <= 0.0 {
            return HUMAN;
        }
        let windows = all.0.counts.iter().zip(&part.0.counts).zip(WINDOWS_MIN);
        let shares = windows.map(|((all_went, part_went), window)| {
            let kinds = all_went.iter().zip(part_went).zip(all.1.iter().zip(part.1));
            kinds
                .map(|((all_went, part_went), (all_awake, part_awake))| {
                    let went = (all_went - part_went).max(0.0);
                    let awake = to_f32(all_awake.saturating_sub(*part_awake)) + went;
                    let share = (went + UNKNOWN * HUMAN * window) / ((awake + UNKNOWN) * window);
                    share * to_f32(*part_awake) / total
                })
                .sum::<f32>()
        });
        shares.fold(0.0, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_of_the_same_kind_are_what_is_expected() {
        let (mut all, mut part) = (Recent::default(), Recent::default());
        for minute in 1..=60 {
            all.add(minute * 60_000, &[1, 0, 0, 40]);
            part.add(minute * 60_000, &[0, 0, 0, 20]);
        }
        let laptops = Recent::share_of_others((&all, &[10_000, 0, 0, 4000]), (&part, &[0, 0, 0, 2000]));
        assert!((0.009..0.02).contains(&laptops), "laptops leave, with the driver or without: {laptops}");
        let desktops = Recent::share_of_others((&all, &[10_000, 0, 0, 4000]), (&part, &[2000, 0, 0, 0]));
        assert!(desktops < 0.001, "{desktops}");
        let alone = Recent::share_of_others((&all, &[10_000, 0, 0, 2000]), (&part, &[0, 0, 0, 2000]));
        assert!(alone >= HUMAN, "nobody to compare with: {alone}");
    }
}
