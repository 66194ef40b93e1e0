//! Hours taken together to what one statement may look at. Pure.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::questions::Range;

/// Seconds of an hour.
pub(crate) const HOUR_S: i64 = 3_600;
/// Crashes of a stretch that is looked at with one question: sets of their ids take 50 MB. The worst hour known has some
/// 6 million, and is one stretch.
const MOST_CRASHES: u64 = 1_000_000;

/// An hour in which there is anything, and about how many crashes.
#[derive(Debug, Clone, Copy, Row, Serialize, Deserialize)]
pub(crate) struct Hour {
    pub(crate) hour_s: i64,
    pub(crate) crashes: u64,
}

/// Hours in a row, as many as one question may look at.
pub(crate) fn stretches(hours: &[Hour]) -> Vec<Range> {
    let mut stretches: Vec<(Range, u64)> = Vec::new();
    for one in hours {
        let end_ms = (one.hour_s + HOUR_S) * 1000;
        match stretches.last_mut() {
            Some((stretch, crashes)) if crashes.saturating_add(one.crashes) <= MOST_CRASHES => {
                stretch.to_ms = end_ms;
                *crashes = crashes.saturating_add(one.crashes);
            }
            _ => stretches.push((Range { from_ms: one.hour_s * 1000, to_ms: end_ms }, one.crashes)),
        }
    }
    stretches.into_iter().map(|(stretch, _)| stretch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_taken_together_while_they_are_small() {
        let hour = |number: i64, crashes| Hour { hour_s: number * HOUR_S, crashes };
        let cut = |hours: &[Hour]| -> Vec<(i64, i64)> {
            let hours_of = |range: Range| (range.from_ms / 3_600_000, range.to_ms / 3_600_000);
            stretches(hours).into_iter().map(hours_of).collect()
        };
        assert_eq!(cut(&[]), []);
        assert_eq!(cut(&[hour(1, 5), hour(2, 5), hour(90, 5)]), [(1, 91)]);
        assert_eq!(cut(&[hour(1, 5), hour(2, MOST_CRASHES * 6), hour(3, 5)]), [(1, 2), (2, 3), (3, 4)]);
    }
}
