//! What was to be expected of a fleet at some time of the week, from the same hours of the weeks before. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use storage::questions::FleetHour;
use utoipa::ToSchema;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Weeks that are looked back.
pub(crate) const WEEKS: i64 = 4;
/// So many hours of the same place in the week make a guess; else those of the same time of day are asked.
const LEAST_WEEKS: usize = 2;
const LEAST_DAYS: usize = 3;
/// Standard deviations of a count, and how far a fleet's hours differ beside.
const SURE: f64 = 3.0;
const UNEVEN: f64 = 0.25;

/// A band for each step of a series.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Expected {
    /// Machines that were to be expected at least.
    pub(crate) low: Vec<f64>,
    /// And at most.
    pub(crate) high: Vec<f64>,
}

/// The band for steps that begin at these times; nothing while too little of the past is known. Outages of the past do
/// not count: it goes by the middle one of the hours.
pub(crate) fn band(steps: &[i64], step_s: u32, hours: &[FleetHour]) -> Option<Expected> {
    let by_hour: BTreeMap<i64, u64> = hours.iter().map(|hour| (hour.at_ms, hour.machines)).collect();
    let from_ms = *by_hour.keys().next()?;
    let of_hour = |hour_ms: i64| -> Option<f64> {
        let at = |back: i64| {
            (hour_ms - back >= from_ms).then(|| by_hour.get(&(hour_ms - back)).copied().unwrap_or(0))
        };
        let weeks: Vec<u64> = (1..=WEEKS).filter_map(|week| at(week * WEEK_MS)).collect();
        if weeks.len() >= LEAST_WEEKS {
            return middle(weeks);
        }
        let days: Vec<u64> = (1..=7).filter_map(|day| at(day * DAY_MS)).collect();
        if days.len() >= LEAST_DAYS { middle(days) } else { None }
    };
    let share = f64::from(step_s) / 3600.0;
    let mut band = Expected { low: Vec::new(), high: Vec::new() };
    for step in steps {
        let hour_ms = step.div_euclid(HOUR_MS) * HOUR_MS;
        let later = (1..i64::from(step_s.div_ceil(3600))).map(|more| hour_ms + more * HOUR_MS);
        // A step of several hours is their mean.
        let all: Vec<f64> = std::iter::once(hour_ms).chain(later).map(of_hour).collect::<Option<_>>()?;
        #[expect(clippy::cast_precision_loss, reason = "at most some hours")]
        let usual = all.iter().sum::<f64>() / all.len() as f64 * share;
        let off = SURE * usual.sqrt() + UNEVEN * usual;
        band.low.push((usual - off).max(0.0));
        band.high.push(usual + off + 1.0);
    }
    Some(band)
}

fn middle(mut counts: Vec<u64>) -> Option<f64> {
    counts.sort_unstable();
    let (low, high) = (counts.get((counts.len().checked_sub(1)?) / 2)?, counts.get(counts.len() / 2)?);
    #[expect(clippy::cast_precision_loss, reason = "machines")]
    Some(f64::midpoint(*low as f64, *high as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks of so many machines at each hour; the newest hour is the last before time 0 of the next.
    fn past(weeks: i64, machines: impl Fn(i64) -> u64) -> Vec<FleetHour> {
        (-weeks * 168..0).map(|hour| FleetHour { at_ms: hour * HOUR_MS, machines: machines(hour) }).collect()
    }

    #[test]
    fn the_same_hour_of_the_weeks_before_is_what_was_to_be_expected() {
        // Busy at one hour of the week, one outage at it.
        let busy = |hour: i64| match hour {
            -168 => 100_000,
            _ if hour.rem_euclid(168) == 0 => 6_000,
            _ => 600,
        };
        let band = band(&[0, 60_000, HOUR_MS], 60, &past(4, busy)).unwrap();
        assert!(band.low[0] < 100.0 && band.high[0] > 100.0 && band.high[0] < 160.0, "{band:?}");
        assert_eq!(band.low[0].to_bits(), band.low[1].to_bits());
        assert!(band.high[2] < 25.0, "{band:?}");
    }

    #[test]
    fn days_stand_in_for_weeks_and_nothing_for_less() {
        let days: Vec<FleetHour> = past(1, |_| 60).into_iter().skip(2 * 24).collect();
        assert!(band(&[0], 900, &days).is_some());
        let hours: Vec<FleetHour> = past(1, |_| 60).into_iter().skip(6 * 24).collect();
        assert_eq!(band(&[0], 900, &hours), None);
        assert_eq!(band(&[0], 900, &[]), None);
    }

    #[test]
    fn long_steps_are_the_sum_of_their_hours() {
        let band = band(&[0], 7200, &past(3, |hour| if hour.rem_euclid(2) == 0 { 10 } else { 30 })).unwrap();
        assert!(band.low[0] < 40.0 && band.high[0] > 40.0, "{band:?}");
    }
}
