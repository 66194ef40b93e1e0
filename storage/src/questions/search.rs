//! Crashes that fit a condition: how many, when, which, and what they have in common.
//!
//! Each crash is read in its best form (`FINAL`): a form that lost may fit where the one that won does not. On two million
//! rows that costs a third more than counting forms, and every number on the page is then of the same crashes.

use clickhouse::Row;
use clickhouse::query::Query;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::condition::Sql;
use super::crashes::{CrashSummary, summary_columns};
use super::{Range, SeriesPoint, bounded, fill};
use crate::database::{Database, DatabaseError};

pub use self::condition::{Condition, NumberField, Pattern, Place, TextField};
pub use self::facets::{Facet, FacetValue, SAMPLE_ONE_IN, SearchCounts};
pub use self::values::{KnownValue, ValuesOf};

mod condition;
mod facets;
mod values;

/// So many rows are read by their keys at once: the list travels in the address of a request.
pub const ROWS_AT_ONCE: usize = 500;

/// Crashes of a stretch of time. `received_at` follows from `happened_at` and lets partitions be skipped.
macro_rules! within {
    () => {
        "happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND received_at >= fromUnixTimestamp64Milli({from:Int64} - 300000, 'UTC')
    AND "
    };
}
use within;

/// What a search asks of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchFilter {
    /// When they happened, as far as the machines' clocks can be believed.
    pub range: Range,
    /// What else holds for them.
    pub condition: Condition,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchTotals {
    /// Crashes.
    pub crashes: u64,
    /// Distinct machines.
    pub machines: u64,
}

/// Where one crash is in the table, and in a list that is sorted by when they happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct SearchKey {
    /// When it happened, ms since 1970.
    pub happened_at: i64,
    /// The dump's own time.
    pub crashed_at: i64,
    /// Its id.
    #[serde(with = "clickhouse::serde::uuid")]
    pub crash_id: Uuid,
}

/// The last crash of one page; the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchCursor {
    /// When it happened, ms since 1970.
    pub happened_at_ms: i64,
    /// Its id.
    pub crash_id: Uuid,
}

impl SearchKey {
    /// Where a page that ends with it goes on.
    pub fn cursor(&self) -> SearchCursor {
        SearchCursor { happened_at_ms: self.happened_at, crash_id: self.crash_id }
    }
}

#[derive(Row, Deserialize)]
struct StepRow {
    /// 1 in the row that is of the whole range.
    whole: u64,
    at_ms: i64,
    machines: u64,
    crashes: u64,
}

/// The whole and its steps in one pass.
const SERIES: [&str; 2] = [
    concat!(
        "SELECT toUInt64(grouping(step)) AS whole, step AS at_ms, uniqCombined64(14)(who) AS machines, count() AS crashes
FROM (
    SELECT intDiv(toUnixTimestamp64Milli(happened_at), {step:Int64}) * {step:Int64} AS step, sipHash64(tenant, machine) AS who
    FROM crashes FINAL
    WHERE ",
        within!()
    ),
    "
)
GROUP BY GROUPING SETS ((), (step))
ORDER BY whole, at_ms",
];

const KEYS: [&str; 2] = [
    concat!("SELECT happened_at, crashed_at, crash_id FROM crashes FINAL WHERE ", within!()),
    "
    AND (happened_at, crash_id) < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'), {before_id:UUID})
ORDER BY happened_at DESC, crash_id DESC
LIMIT {limit:UInt32}",
];

const THESE: &str = concat!(
    "SELECT ",
    summary_columns!(),
    "
FROM crashes
WHERE crashed_at IN (SELECT fromUnixTimestamp64Milli(arrayJoin({times:Array(Int64)}), 'UTC'))
    AND crash_id IN (SELECT arrayJoin({ids:Array(UUID)}))
ORDER BY happened_at DESC, crash_id DESC, revision DESC
LIMIT 1 BY crash_id"
);

/// About how many, of a sample: a twentieth of what it costs to count them.
const ABOUT: [&str; 2] = [concat!("SELECT count() FROM crash_sample AS crashes WHERE ", within!()), ""];

/// The length of a step in ms.
fn steps(filter: &SearchFilter, step_s: u32) -> Result<i64, DatabaseError> {
    bounded(filter.range, i64::from(step_s.max(1)) * 1000)
}

/// Totals and a series out of rows of the whole and of its steps.
fn laid_out(rows: Vec<StepRow>, range: Range, step: i64) -> (SearchTotals, Vec<SeriesPoint>) {
    let (whole, steps): (Vec<StepRow>, Vec<StepRow>) = rows.into_iter().partition(|row| row.whole == 1);
    let totals = whole
        .first()
        .map_or(SearchTotals::default(), |row| SearchTotals { crashes: row.crashes, machines: row.machines });
    let point =
        |row: &StepRow| SeriesPoint { at_ms: row.at_ms, machines: row.machines, crashes: row.crashes };
    let points: Vec<SeriesPoint> = steps.iter().map(point).collect();
    (totals, fill(&points, range, step))
}

impl Database {
    /// About how many crashes a search will find.
    pub async fn search_about(&self, filter: &SearchFilter) -> Result<u64, DatabaseError> {
        let found: u64 = self
            .search(ABOUT, filter)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("estimate what will be found"))?;
        Ok(found.saturating_mul(SAMPLE_ONE_IN))
    }

    /// How many crashes and machines there are, and how many in each step of `step_s` seconds.
    pub async fn search_series(
        &self,
        filter: &SearchFilter,
        step_s: u32,
    ) -> Result<(SearchTotals, Vec<SeriesPoint>), DatabaseError> {
        let step = steps(filter, step_s)?;
        let rows: Vec<StepRow> = self
            .search(SERIES, filter)
            .param("step", step)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count what was searched"))?;
        Ok(laid_out(rows, filter.range, step))
    }

    /// The next crashes by when they happened, newest first. Reads no more of a row than what is asked of it.
    pub async fn search_keys(
        &self,
        filter: &SearchFilter,
        limit: u32,
        before: Option<SearchCursor>,
    ) -> Result<Vec<SearchKey>, DatabaseError> {
        let end = SearchCursor { happened_at_ms: filter.range.to_ms, crash_id: Uuid::nil() };
        let before = before.unwrap_or(end);
        self.search(KEYS, filter)
            .param("before_ms", before.happened_at_ms)
            .param("before_id", before.crash_id.to_string())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("search crashes"))
    }

    /// These crashes in the order of a search; at most [`ROWS_AT_ONCE`].
    pub async fn search_rows(&self, keys: &[SearchKey]) -> Result<Vec<CrashSummary>, DatabaseError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if keys.len() > ROWS_AT_ONCE {
            return Err(DatabaseError::Invalid("too many crashes at once"));
        }
        let times: Vec<i64> = keys.iter().map(|key| key.crashed_at).collect();
        let ids: Vec<String> = keys.iter().map(|key| key.crash_id.to_string()).collect();
        self.ask(THESE)
            .param("times", times)
            .param("ids", ids)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read what was searched"))
    }

    /// A question around a condition: the text of both is ours, their values are bound.
    fn search(&self, around: [&'static str; 2], filter: &SearchFilter) -> Query {
        let condition = Sql::of(&filter.condition);
        let [before, after] = around;
        let query = self.ask_built(&[before, condition.text(), after].concat());
        condition
            .bind(query)
            .param("from", filter.range.from_ms.max(0))
            .param("to", filter.range.to_ms.max(0))
    }
}
