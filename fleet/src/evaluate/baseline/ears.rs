//! EARS C2: a count is an aberration when it exceeds the mean of a short baseline by three standard deviations, with a
//! gap between the two, so that what is beginning does not raise its own limit.
//!
//! L. Hutwagner, W. Thompson, G. M. Seeman, T. Treadwell, "The bioterrorism preparedness and response Early Aberration
//! Reporting System (EARS)", Journal of Urban Health 80 (2003), i89-i96: baseline of 7 units, gap of 2, 3 deviations;
//! the same as `earsC(method = "C2")` of the R package `surveillance`. The unit is a day there. A day is no unit for
//! outages, so it is an hour here.

use super::hours::Hours;

const BASELINE: i64 = 7;
const GAP: i64 = 2;
const DEVIATIONS: f64 = 3.0;

/// What the machines of an hour must exceed.
pub(super) fn limit(hours: &Hours, hour: i64) -> f64 {
    let (mean, deviation) = hours.moments(hour - GAP - BASELINE, hour - GAP);
    mean + DEVIATIONS * deviation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_hours_before_do_not_count() {
        let mut hours = Hours::default();
        for (hour, machines) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 900), (8, 900)] {
            hours.add(hour, machines);
        }
        // 1 to 7: mean 4, squared deviations 28, of 6
        let expected = 4.0 + 3.0 * (28.0_f64 / 6.0).sqrt();
        assert!((limit(&hours, 9) - expected).abs() < 1e-9, "{}", limit(&hours, 9));
    }

    #[test]
    fn hours_without_machines_are_zeros() {
        let mut hours = Hours::default();
        hours.add(3, 7);
        // one 7 and six zeros: mean 1, squared deviations 36 + 6, of 6
        let expected = 1.0 + 3.0 * 7.0_f64.sqrt();
        assert!((limit(&hours, 9) - expected).abs() < 1e-9, "{}", limit(&hours, 9));
        assert_eq!(limit(&Hours::default(), 9), 0.0);
    }
}
