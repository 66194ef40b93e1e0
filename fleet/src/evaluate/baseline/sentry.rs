//! Sentry's escalating issues: an issue escalates when its events of the present hour exceed a limit forecast for the
//! day from the hours of the week before.
//!
//! Published in getsentry/sentry, `src/sentry/issues/escalating_issues_alg.py` (the forecast) and `escalating.py` (what it
//! is given: only hours with events; and "events of this hour > today's forecast"), and described in
//! getsentry/rfcs, `text/0078-escalating-issues.md`. An issue is a driver here, an event a machine, and the forecast is
//! made at the beginning of each day.
//!
//! - no hour with 30 events: 200 (also where there is no history at all);
//! - fewer than 168 hours with events: ten times the largest hour;
//! - else the larger of the largest hour times `5 exp(-0.65 cv)`, held to 2..5, and the mean weighted by the day of the
//!   week plus the mean times `1 + 5 cv`, held to 5..8; cv is deviation over mean.

use super::hours::{Hours, WEEK};

const FLOOR: f64 = 200.0;
const ENOUGH_IN_AN_HOUR: f64 = 30.0;
const YOUNG: f64 = 10.0;

/// What the machines of an hour must exceed.
pub(super) fn limit(hours: &Hours, hour: i64) -> f64 {
    let today = hour.div_euclid(24);
    let midnight = today * 24;
    let largest = hours.between(midnight - WEEK, midnight).map(|(_, count)| count).max();
    let largest = largest.map_or(0.0, f64::from);
    if largest < ENOUGH_IN_AN_HOUR {
        return FLOOR;
    }
    let present = hours.between(midnight - WEEK, midnight).count() as i64;
    if present < WEEK {
        return YOUNG * largest;
    }
    let (mean, deviation) = hours.moments(midnight - WEEK, midnight);
    let cv = deviation / mean;
    let bursty = largest * (5.0 * (-0.65 * cv).exp()).clamp(2.0, 5.0);
    let (mut weighted, mut weights) = (0.0, 0.0);
    for (past, count) in hours.between(midnight - WEEK, midnight) {
        let weight = if (today - past.div_euclid(24)) % 7 == 0 { 2.0 } else { 1.0 };
        weighted += weight * f64::from(count);
        weights += weight;
    }
    let spike = weighted / weights + mean * (1.0 + 5.0 * cv).clamp(5.0, 8.0);
    bursty.max(spike).floor()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(count: impl Fn(i64) -> u32) -> Hours {
        let mut hours = Hours::default();
        for hour in 0..WEEK {
            hours.add(hour, count(hour));
        }
        hours
    }

    #[test]
    fn quiet_and_unknown_issues_have_the_floor() {
        assert_eq!(limit(&Hours::default(), WEEK), 200.0);
        assert_eq!(limit(&week(|_| 29), WEEK), 200.0);
    }

    #[test]
    fn an_issue_with_empty_hours_has_ten_times_its_largest() {
        let mut hours = Hours::default();
        hours.add(20, 31);
        assert_eq!(limit(&hours, WEEK), 310.0);
        assert_eq!(limit(&hours, WEEK + 23), 310.0, "the forecast holds all day");
    }

    #[test]
    fn steady_issues_have_the_larger_of_two_limits() {
        // no deviation: bursty 5 x 40; spike 40 + 5 x 40
        assert_eq!(limit(&week(|_| 40), WEEK), 240.0);
        // every other hour 10 and 50: mean 30, deviation 20.06, cv 0.6687; bursty 50 x 5 exp(-0.4346) = 161.9;
        // spike 30 + 30 x (1 + 3.343 held to 5) = 180
        assert_eq!(limit(&week(|hour| if hour % 2 == 0 { 10 } else { 50 }), WEEK), 180.0);
    }

    #[test]
    fn the_same_day_of_the_week_counts_twice() {
        // 100 on the first day, 30 on six: mean 40; weighted (2 x 24 x 100 + 144 x 30) / (48 + 144) = 47.5;
        // deviation sqrt(168 x 600 / 167) = 24.57, cv 0.6142, held to 5: 47.5 + 200 = 247.5;
        // bursty 100 x 5 exp(-0.3992) = 335.4
        let first_day = week(|hour| if hour < 24 { 100 } else { 30 });
        assert_eq!(limit(&first_day, WEEK), 335.0);
        // 40 everywhere but 70 on the first day: mean 44.29, weighted 47.5; spike 47.5 + 5 x 44.29 = 268.9;
        // deviation 10.53, cv 0.2378; bursty 70 x 5 exp(-0.1545) = 299.9
        let gentle = week(|hour| if hour < 24 { 70 } else { 40 });
        assert_eq!(limit(&gentle, WEEK), 299.0);
    }
}
