//! Which rollup answers, of those that say the same: by the minute, or by the hour where a range is long. A question is
//! written once, with names for what is counted of a rollup's sets.

use super::{HOUR_MS, Range};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// `crash_minutes`
    Minutes,
    /// `driver_minutes`, where one driver is asked for.
    DriverMinutes,
    /// `crash_hours`
    Hours,
}

impl Grain {
    /// Hours where the range begins and ends with one.
    pub(super) fn of(range: Range) -> Self {
        if range.is_whole_hours() { Self::Hours } else { Self::Minutes }
    }

    /// The same for a series in steps of `step` ms.
    pub(super) fn of_steps(range: Range, step: i64) -> Self {
        if step % HOUR_MS == 0 { Self::of(range) } else { Self::Minutes }
    }

    /// For a question about one driver, whose minutes stand by themselves.
    pub(super) fn of_one_driver(self) -> Self {
        if self == Self::Minutes { Self::DriverMinutes } else { self }
    }

    /// A question in this one's words: `$rollup`, its `$time`, and what its sets of `$machines`, `$crashes` and `$buckets`
    /// count.
    pub(super) fn say(self, question: &str) -> String {
        let [rollup, time, machines, crashes, buckets] = match self {
            Self::Minutes => [
                "crash_minutes",
                "minute",
                "uniqCombined64Merge(14)(crash_minutes.machines)",
                "uniqExactMerge(crash_minutes.crashes)",
                "uniqExactMerge(crash_minutes.buckets)",
            ],
            Self::DriverMinutes => [
                "driver_minutes",
                "minute",
                "uniqCombined64Merge(14)(driver_minutes.machines)",
                "uniqCombined64Merge(17)(driver_minutes.crashes)",
                "uniqExact(driver_minutes.bucket)",
            ],
            Self::Hours => [
                "crash_hours",
                "hour",
                "uniqCombined64Array(14)(crash_hours.machines)",
                "uniqExactArray(crash_hours.crashes)",
                "uniqExactArray(crash_hours.buckets)",
            ],
        };
        [
            ("$rollup", rollup),
            ("$time", time),
            ("$machines", machines),
            ("$crashes", crashes),
            ("$buckets", buckets),
        ]
        .iter()
        .fold(question.to_owned(), |said, (name, words)| said.replace(name, words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_answer_only_for_whole_ones() {
        let range = |from_ms, to_ms| Range { from_ms, to_ms };
        assert_eq!(Grain::of(range(0, 2 * HOUR_MS)), Grain::Hours);
        assert_eq!(Grain::of(range(60_000, 2 * HOUR_MS)), Grain::Minutes);
        assert_eq!(Grain::of_steps(range(0, 2 * HOUR_MS), 60_000), Grain::Minutes);
        assert_eq!(Grain::of_steps(range(0, 2 * HOUR_MS), 60_000).of_one_driver(), Grain::DriverMinutes);
        assert_eq!(Grain::of_steps(range(0, 2 * HOUR_MS), HOUR_MS).of_one_driver(), Grain::Hours);
    }

    #[test]
    fn a_question_is_said_in_the_words_of_a_rollup() {
        let question = "SELECT $machines AS machines FROM $rollup WHERE $time >= {from:Int64}";
        assert_eq!(
            Grain::Hours.say(question),
            "SELECT uniqCombined64Array(14)(crash_hours.machines) AS machines FROM crash_hours WHERE hour >= {from:Int64}"
        );
    }
}
