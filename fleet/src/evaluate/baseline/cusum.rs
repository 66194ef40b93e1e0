//! Poisson CUSUM, bare: a cumulative sum of log-likelihood ratios of three times the usual rate against the usual rate.
//!
//! J. M. Lucas, "Counted Data CUSUM's", Technometrics 27 (1985), 129-144, with the limit of G. Lorden, "Procedures for
//! Reacting to a Change in Distribution", Annals of Mathematical Statistics 42 (1971), 1897-1908: the mean time to a
//! false alarm is at least `exp(limit)` steps. The limit is set for one false alarm a month over all drivers, as if
//! counts were Poisson with the rate of the history, which they are not: no allowance for an uncertain rate, for hours
//! of the week, for the whole fleet's movements or for sites.

use super::ENOUGH;

/// Which multiple of the usual rate it looks for.
const RHO: f64 = 3.0;
/// A driver without history is taken to have one machine in 30 days.
const PRIOR_DAYS: f64 = 30.0;
const DAY_MS: f64 = 86_400_000.0;
/// Steps of 10 s in 28 days.
const STEPS: f64 = 28.0 * 8640.0;

/// What the sum must reach.
pub(super) fn limit(series: usize) -> f64 {
    (series.max(1) as f64 * STEPS).ln()
}

/// The sum of one driver.
#[derive(Debug, Clone, Default)]
pub(super) struct Chart {
    /// Usual rate, machines a ms.
    rate: f64,
    sum: f64,
    at_ms: i64,
    /// Since the sum was zero.
    machines: u32,
}

impl Chart {
    /// With the rate of `machines` in `span_ms` of history.
    pub(super) fn new(machines: u64, span_ms: i64, start_ms: i64) -> Self {
        let prior = 1.0 / (PRIOR_DAYS * DAY_MS);
        let rate = if span_ms > 0 { (machines as f64 / span_ms as f64).max(prior) } else { prior };
        Self { rate, sum: 0.0, at_ms: start_ms, machines: 0 }
    }

    /// Counts a machine: whether the limit is reached, by enough machines.
    pub(super) fn machine(&mut self, at_ms: i64, limit: f64) -> bool {
        let passed = (at_ms - self.at_ms).max(0) as f64;
        self.at_ms = self.at_ms.max(at_ms);
        self.sum -= (RHO - 1.0) * self.rate * passed;
        if self.sum <= 0.0 {
            (self.sum, self.machines) = (0.0, 0);
        }
        self.sum += RHO.ln();
        self.machines += 1;
        self.sum >= limit && self.machines >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_log_likelihood_ratio() {
        // one machine an hour was usual; four within an hour
        let hour = 3_600_000;
        let mut chart = Chart::new(100, 100 * hour, 0);
        for quarter in 1..=4 {
            chart.machine(quarter * hour / 4, 100.0);
        }
        // the first one finds the sum at zero, which waiting does not lower; then three quarters of an hour pass
        let expected = 4.0 * 3.0_f64.ln() - 2.0 * 0.75;
        assert!((chart.sum - expected).abs() < 1e-9, "{}", chart.sum);
        // three hours of silence bring it down to nothing
        chart.machine(4 * hour, 100.0);
        assert!((chart.sum - 3.0_f64.ln()).abs() < 1e-9, "{}", chart.sum);
        assert_eq!(chart.machines, 1);
    }

    #[test]
    fn a_driver_that_was_never_seen_needs_twenty_machines() {
        let mut chart = Chart::new(0, 100, 0);
        let alarms: Vec<bool> = (0..25).map(|second| chart.machine(second * 1000, limit(10_000))).collect();
        // 22 divided by ln 3 is 19.7 machines
        assert_eq!(alarms.iter().position(|alarm| *alarm), Some(19));
        assert!((limit(10_000) - 21.607).abs() < 1e-3, "{}", limit(10_000));
    }
}
