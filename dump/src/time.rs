//! Points and spans of time as Windows counts them. Never asks the clock.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const MS_1601_TO_1970: i64 = 11_644_473_600_000;
const TICKS_PER_MS: u64 = 10_000;
const TICKS_PER_SECOND: u64 = 10_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// A point in time: units of 100 ns since 1601-01-01, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileTime(pub u64);

impl FileTime {
    /// From seconds since 1970.
    pub fn from_unix_seconds(seconds: u32) -> Self {
        // both factors fit: 11644473600 + 2^32 seconds are 1.6e17 units
        Self(u64::from(seconds).saturating_add(11_644_473_600).saturating_mul(TICKS_PER_SECOND))
    }

    /// Milliseconds since 1970; negative before.
    pub fn unix_ms(self) -> i64 {
        i64::try_from(self.0 / TICKS_PER_MS).unwrap_or(i64::MAX).saturating_sub(MS_1601_TO_1970)
    }

    /// Units of 100 ns within the second.
    fn subsecond(self) -> u64 {
        self.0 % TICKS_PER_SECOND
    }
}

/// RFC 3339, UTC, with all seven digits: `2025-08-31T21:33:01.9236670Z`.
impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / TICKS_PER_SECOND;
        let (year, month, day) = civil_from_days_since_1601(seconds / SECONDS_PER_DAY);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let fraction = self.subsecond();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z")
    }
}

/// Year, month and day of a day counted from 1601-01-01, which begins a 400-year cycle of the calendar.
fn civil_from_days_since_1601(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March 1600, leap days come last in their year, century and cycle.
    const FEBRUARY_TO_DECEMBER: u64 = 306;
    let days = days.saturating_add(FEBRUARY_TO_DECEMBER);
    let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
    let century = (day_of_cycle / 36_524).min(3);
    let day_of_century = day_of_cycle.saturating_sub(century.saturating_mul(36_524));
    let four_years = day_of_century / 1_461;
    let day_of_four = day_of_century % 1_461;
    let year_of_four = (day_of_four / 365).min(3);
    let day_of_year = day_of_four.saturating_sub(year_of_four.saturating_mul(365));
    // Months from March are 31, 30, 31, 30, 31 days long, over and over: 153 days in five months.
    let month_from_march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let first_day_of_month = month_from_march.saturating_mul(153).saturating_add(2) / 5;
    let day = day_of_year.saturating_sub(first_day_of_month).saturating_add(1);
    let (month, next_year) = if month_from_march < 10 {
        (month_from_march.saturating_add(3), 0)
    } else {
        (month_from_march.saturating_sub(9), 1)
    };
    let year = [(cycle, 400), (century, 100), (four_years, 4), (year_of_four, 1), (next_year, 1)]
        .into_iter()
        .fold(1600_u64, |year, (count, years)| year.saturating_add(count.saturating_mul(years)));
    (year, month, day)
}

/// A span of time: units of 100 ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticks100ns(pub u64);

impl Ticks100ns {
    /// The same span as a [`Duration`].
    pub fn as_duration(self) -> Duration {
        let nanos = u32::try_from((self.0 % TICKS_PER_SECOND).saturating_mul(100)).unwrap_or(0);
        Duration::new(self.0 / TICKS_PER_SECOND, nanos)
    }
}
