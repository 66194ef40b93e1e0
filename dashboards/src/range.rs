//! `?range=now|1h|24h|7d`: how far back a page looks, and in which steps. Pure.

use serde::{Deserialize, Serialize};
use storage::questions::Range;
use utoipa::{IntoParams, ToSchema};

/// How far back a page looks.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
pub(crate) enum Span {
    #[serde(rename = "now")]
    Now,
    #[default]
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
}

/// The query string of pages that only have a range.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RangeQuery {
    /// How far back to look.
    #[serde(default)]
    #[param(required = false, example = "24h")]
    pub(crate) range: Span,
}

impl Span {
    pub(crate) const ALL: [Self; 4] = [Self::Now, Self::Hour, Self::Day, Self::Week];

    /// As it stands in a query string.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// `the last hour`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Now => "the last 15 minutes",
            Self::Hour => "the last hour",
            Self::Day => "the last 24 hours",
            Self::Week => "the last 7 days",
        }
    }

    /// One bar of a chart: `minute`.
    pub(crate) fn step_words(self) -> &'static str {
        match self {
            Self::Now | Self::Hour => "minute",
            Self::Day => "15 minutes",
            Self::Week => "2 hours",
        }
    }

    /// Length of one bar, seconds: 15, 60, 96 or 84 bars.
    pub(crate) fn step_s(self) -> u32 {
        match self {
            Self::Now | Self::Hour => 60,
            Self::Day => 900,
            Self::Week => 7200,
        }
    }

    fn length_ms(self) -> i64 {
        match self {
            Self::Now => 900_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 604_800_000,
        }
    }

    /// The stretch up to the end of the step that holds `now_ms`, so that all bars are whole steps.
    pub(crate) fn range(self, now_ms: i64) -> Range {
        let step_ms = i64::from(self.step_s()) * 1000;
        let to_ms = (now_ms.div_euclid(step_ms) + 1) * step_ms;
        Range { from_ms: to_ms - self.length_ms(), to_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_now_and_whole_steps() {
        for span in Span::ALL {
            let now_ms = 1_721_362_140_123;
            let range = span.range(now_ms);
            let step_ms = i64::from(span.step_s()) * 1000;
            assert!(range.from_ms < now_ms && now_ms < range.to_ms);
            assert_eq!(((range.to_ms - range.from_ms) % step_ms, range.to_ms % step_ms), (0, 0));
        }
    }
}
