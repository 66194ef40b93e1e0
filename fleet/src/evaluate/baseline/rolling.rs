//! Rolling z-score: how many standard deviations a count lies above the mean of the week before it.
//!
//! A. Newdigate, "How to use Prometheus for anomaly detection in GitLab" (about.gitlab.com, 23 July 2019): z of a rate
//! against `avg_over_time[1w]` and `stddev_over_time[1w]`, taken there for suspicious beyond 3 and used on few, large,
//! near-normal series. Here the unit is an hour, and it takes 5 deviations.

use super::hours::{Hours, WEEK};

const DEVIATIONS: f64 = 5.0;

/// What the machines of an hour must exceed.
pub(super) fn limit(hours: &Hours, hour: i64) -> f64 {
    let (mean, deviation) = hours.moments(hour - WEEK, hour);
    mean + DEVIATIONS * deviation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_week_before_is_the_measure() {
        let mut hours = Hours::default();
        hours.add(-1, 1_000_000);
        for hour in 0..84 {
            hours.add(2 * hour, 2);
        }
        // 84 hours with 2 and 84 with none: mean 1, squared deviations 168, of 167
        let expected = 1.0 + 5.0 * (168.0_f64 / 167.0).sqrt();
        assert!((limit(&hours, 168) - expected).abs() < 1e-9, "{}", limit(&hours, 168));
    }
}
