//! How much speaks against a rate or a ratio of two rates: logarithms of e-values, which hold however often one looks.
//!
//! Crashed machines come as two Poisson processes, with machine-hours for time. Against the ratio rho stands a mixture:
//! the new version's rate is r rho times the old one's, r being one of four, and the old one's is drawn from Gamma
//! distributions with shape 1/2 over eight powers of ten. The likelihood of the mixture over that of any one pair of rates
//! is a martingale under that pair, whatever decides how machine-hours come; over the largest likelihood of all pairs
//! within the null it is never more. So by Ville's inequality it *ever* exceeds 1/alpha with a chance of alpha at most
//! (universal inference: Wasserman, Ramdas and Balakrishnan, PNAS 2020; mixtures: Robbins 1970). No normal approximation
//! is in it, no plan of looks, and an old version that never crashed is no special case.
//!
//! What it costs: a version five times as bad stops after 13 crashed machines (median), where a test that knew both rates
//! and looked all the time would need six.

use crate::attribution::stats::ln_gamma;
use crate::stats::float;

use super::Arm;

/// What the alternatives are, times what is tested; downwards their inverses.
const FACTORS: [f64; 4] = [2.0, 5.0, 15.0, 60.0];
/// Machine-hours to one crash that the old version's rate may be around.
const SCALES: [f64; 8] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
/// Ratios and rates that are looked at.
const LEAST: f64 = 1e-9;
const MOST: f64 = 1e6;

/// Where the alternatives are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Against "no more than this".
    Above,
    /// Against "no less than this".
    Below,
}

impl Side {
    fn factors(self) -> impl Iterator<Item = f64> + Clone {
        FACTORS.into_iter().map(move |factor| match self {
            Self::Above => factor,
            Self::Below => factor.recip(),
        })
    }
}

/// Crashed machines and machine-hours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counts {
    pub(super) x_new: f64,
    pub(super) h_new: f64,
    pub(super) x_old: f64,
    pub(super) h_old: f64,
}

impl Counts {
    pub(super) fn of(new: Arm, old: Arm) -> Self {
        // Whoever counted the hours may know nothing of a machine that crashed at once: it ran for a minute at least.
        let hours = |arm: Arm| {
            let told = if arm.machine_hours.is_finite() { arm.machine_hours.clamp(0.0, 1e12) } else { 0.0 };
            told.max(float(arm.crashed) / 60.0)
        };
        Self { x_new: float(new.crashed), h_new: hours(new), x_old: float(old.crashed), h_old: hours(old) }
    }

    /// What speaks against a ratio of at most, or at least, this.
    pub(super) fn against_ratio(self, ratio: f64, side: Side) -> f64 {
        let Self { x_new, h_new, x_old, h_old } = self;
        let n = x_new + x_old;
        let null = if self.is_within(ratio, side) {
            peak(x_new, h_new) + peak(x_old, h_old)
        } else {
            peak(n, h_old + ratio * h_new) + if x_new > 0.0 { x_new * ratio.ln() } else { 0.0 }
        };
        let shape = ln_gamma(n + 0.5) - ln_gamma(0.5);
        let terms = side.factors().flat_map(|factor| {
            let times = factor * ratio;
            let (gain, hours) = (x_new * times.ln() + shape, times * h_new + h_old);
            SCALES.map(|b| gain - (n + 0.5) * (b + hours).ln() + 0.5 * b.ln())
        });
        mean_exp(terms) - null
    }

    /// Whether the new version is at least so many times as bad, by the best guess.
    pub(super) fn is_times_as_bad(self, ratio: f64) -> bool {
        self.h_old > 0.0 && self.x_new * self.h_old >= ratio * self.x_old * self.h_new
    }

    /// Whether the ratio that fits best is one of those tested.
    fn is_within(self, ratio: f64, side: Side) -> bool {
        let (new, old) = (self.x_new * self.h_old, ratio * self.x_old * self.h_new);
        match side {
            Side::Above => new <= old,
            Side::Below => new >= old,
        }
    }

    /// What speaks against the new version's rate being at most, or at least, this.
    pub(super) fn against_rate(self, rate: f64, side: Side) -> f64 {
        mean_exp(side.factors().map(|factor| self.x_new * factor.ln() - (factor - 1.0) * rate * self.h_new))
    }

    /// The ratio is surely at least this; 0 where there is no bound.
    pub(super) fn ratio_low(self, threshold: f64) -> f64 {
        if self.x_new == 0.0 {
            return 0.0;
        }
        edge(LEAST, MOST, |ratio| self.against_ratio(ratio, Side::Above) >= threshold).unwrap_or(0.0)
    }

    /// The ratio is surely at most this.
    pub(super) fn ratio_high(self, threshold: f64) -> Option<f64> {
        edge(MOST, LEAST, |ratio| self.against_ratio(ratio, Side::Below) >= threshold)
    }

    /// The new version's rate is surely at most this.
    pub(super) fn rate_high(self, threshold: f64) -> Option<f64> {
        edge(MOST, LEAST, |rate| self.against_rate(rate, Side::Below) >= threshold)
    }
}

/// Logarithm of a Poisson likelihood at its peak, without what does not depend on the rate.
fn peak(x: f64, h: f64) -> f64 {
    if x > 0.0 { x * (x / h).ln() - x } else { 0.0 }
}

/// The last value that is ruled out, on the way from one that should be; `None` if that is not.
fn edge(from: f64, to: f64, is_out: impl Fn(f64) -> bool) -> Option<f64> {
    if !is_out(from) {
        return None;
    }
    let (mut out, mut inside) = (from.ln(), to.ln());
    for _ in 0..40 {
        let middle = f64::midpoint(out, inside);
        if is_out(middle.exp()) { out = middle } else { inside = middle }
    }
    Some(out.exp())
}

/// The logarithm of the mean of exponentials.
fn mean_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = terms.clone().fold(f64::MIN, f64::max);
    let (sum, count) = terms.fold((0.0, 0.0), |(sum, count), term| (sum + (term - most).exp(), count + 1.0));
    most + (sum / count).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: Counts = Counts { x_new: 12.0, h_new: 400.0, x_old: 40.0, h_old: 9_000.0 };

    #[test]
    fn nothing_seen_is_no_evidence() {
        let none = Counts { x_new: 0.0, h_new: 0.0, x_old: 0.0, h_old: 0.0 };
        for side in [Side::Above, Side::Below] {
            assert!(none.against_ratio(1.0, side) <= 0.0 && none.against_rate(1.0, side) <= 1e-9);
        }
    }

    #[test]
    fn an_interval_is_around_what_was_seen() {
        let threshold = 100.0_f64.ln();
        let ratio = (12.0 / 400.0) / (40.0 / 9_000.0);
        let (low, high) = (COUNTS.ratio_low(threshold), COUNTS.ratio_high(threshold).unwrap());
        // The exact interval of one look, 99 % on each side, is 2.9 to 14.3.
        assert!((1.0..2.9).contains(&low) && low < ratio && (14.3..28.0).contains(&high), "{low} {high}");
        // What is ruled out stays ruled out further away.
        for away in [1.01, 1.5, 3.0, 10.0] {
            assert!(COUNTS.against_ratio(low / away, Side::Above) >= threshold);
            assert!(COUNTS.against_ratio(high * away, Side::Below) >= threshold);
        }
    }

    #[test]
    fn machines_without_a_crash_bound_a_rate() {
        let clean = Counts { x_new: 0.0, h_new: 1_000.0, x_old: 0.0, h_old: 0.0 };
        let high = clean.rate_high(100.0_f64.ln()).unwrap();
        // One look gives 4.6 crashes in these hours.
        assert!((4.6e-3..7e-3).contains(&high), "{high}");
    }
}
