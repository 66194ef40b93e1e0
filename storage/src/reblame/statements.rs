//! The statements of each rollup: which of its keys say something else than the crashes, how a stretch is made anew and what
//! was there before deleted, and in which hours it has anything. What a rollup makes of crashes is its view's word.

use super::rollup::Rollup;
use crate::database::DatabaseError;
use crate::database::views::View;

/// A stretch in the crashes as the arrivals count them.
const STORED: &str = "stored_at >= fromUnixTimestamp64Milli({from_s:Int64} * 1000, 'UTC')
    AND stored_at < fromUnixTimestamp64Milli({to_s:Int64} * 1000, 'UTC')";

/// The same as everything else counts them.
const HAPPENED: &str = "happened_at >= fromUnixTimestamp64Milli({from_s:Int64} * 1000, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to_s:Int64} * 1000, 'UTC')
    AND received_at >= fromUnixTimestamp64Milli({from_s:Int64} * 1000 - 300000, 'UTC')";

impl Rollup {
    /// What its rows are cut by.
    fn time(self) -> &'static str {
        match self {
            Self::Arrivals => "tick",
            Self::Minutes | Self::Drivers => "minute",
            Self::Hours => "hour",
        }
    }

    /// Which crashes a stretch of it is made of.
    fn crashes(self) -> &'static str {
        match self {
            Self::Arrivals => STORED,
            Self::Minutes | Self::Drivers | Self::Hours => HAPPENED,
        }
    }

    /// What is counted of rows of one key to tell whether they say the same. Sets that are not exact come out the same for
    /// the same crashes.
    fn counts(self) -> &'static str {
        match self {
            Self::Arrivals => "uniqExactMerge(crashes)",
            Self::Minutes => "(uniqExactMerge(crashes), uniqExactMerge(buckets))",
            Self::Drivers => "uniqCombined64Merge(17)(crashes)",
            Self::Hours => "(uniqExactArray(crashes), uniqExactArray(buckets))",
        }
    }

    /// The crashes of one row.
    fn of_a_row(self) -> &'static str {
        match self {
            Self::Arrivals | Self::Minutes | Self::Drivers => "finalizeAggregation(crashes)",
            Self::Hours => "length(crashes)",
        }
    }

    /// The rows of a stretch.
    fn within(self) -> String {
        let time = self.time();
        format!(
            "{time} >= toDateTime({{from_s:Int64}}, 'UTC') AND {time} < toDateTime({{to_s:Int64}}, 'UTC')"
        )
    }

    fn view(self) -> Result<View, DatabaseError> {
        View::into_table(self.table())
    }
}

/// Counts the keys that are stale, and says from when to when they lie.
pub(super) fn stale(rollup: Rollup) -> Result<String, DatabaseError> {
    let (table, time, counts, view) = (rollup.table(), rollup.time(), rollup.counts(), rollup.view()?);
    let held = format!("SELECT * FROM {table} WHERE {}", rollup.within());
    let there = view.select("crashes FINAL", rollup.crashes());
    Ok(format!(
        "SELECT count() AS rows, ifNull(min(toInt64(toUnixTimestamp({time}))), 0) AS from_s,
    ifNull(max(toInt64(toUnixTimestamp({time}))), 0) AS to_s
FROM ({})",
        differ(view.keys(), counts, &held, &there)
    ))
}

/// The keys that one side alone has, or both with other counts.
pub(super) fn differ(keys: &str, counts: &str, held: &str, there: &str) -> String {
    format!(
        "SELECT {keys} FROM (
    SELECT {keys}, {counts} AS counts FROM ({held}) GROUP BY {keys}
    UNION ALL
    SELECT {keys}, {counts} AS counts FROM ({there}) GROUP BY {keys}
)
GROUP BY {keys}
HAVING count() != 2 OR min(counts) != max(counts)"
    )
}

/// Adds what the crashes say.
pub(super) fn add(rollup: Rollup) -> Result<String, DatabaseError> {
    Ok(rollup.view()?.insert("crashes FINAL", rollup.crashes()))
}

/// Deletes `froms` and `tos` from `parts`. A deletion rewrites a mask of each part, whatever it finds there: one statement
/// for all stretches of a round.
pub(super) fn forget(rollup: Rollup) -> String {
    let (table, time, within) = (rollup.table(), rollup.time(), rollup.within());
    format!(
        "DELETE FROM {table} WHERE {within}
    AND arrayExists(
        (from_s, to_s) -> toInt64(toUnixTimestamp({time})) >= from_s AND toInt64(toUnixTimestamp({time})) < to_s,
        {{froms:Array(Int64)}}, {{tos:Array(Int64)}})
    AND _part IN {{parts:Array(String)}}"
    )
}

/// About how many crashes it has in each hour.
pub(super) fn hours(rollup: Rollup) -> String {
    let (table, time, crashes, within) = (rollup.table(), rollup.time(), rollup.of_a_row(), rollup.within());
    format!(
        "SELECT toInt64(toUnixTimestamp(toStartOfHour({time}))) AS hour_s, toUInt64(sum({crashes})) AS crashes
FROM {table} WHERE {within}
GROUP BY hour_s
ORDER BY hour_s"
    )
}
