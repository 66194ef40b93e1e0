//! A search: the crashes that fit a query, how many there are and when, and what they have in common.

use serde::{Deserialize, Serialize};
use storage::questions::{
    Facet, FacetValue, Range, SAMPLE_ONE_IN, SearchCounts, SearchCursor, SearchFilter, SearchKey,
    SearchTotals, SeriesPoint,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::named::{CrashLine, named};
use crate::app::{App, now_ms};
use crate::query::{Key, Query, QueryFault};
use crate::respond::Fault;

pub(crate) mod complete;
pub(crate) mod export;

/// Crashes on one page.
const PAGE: u32 = 50;
/// With about as many crashes as this, facets are counted on a sample of the machines.
const SAMPLED_ABOVE: u64 = 10_000;
/// And of so many crashes at most.
const LOOKED_AT: u64 = 25_000;
/// Bars that are wide enough to be pointed at.
const MOST_STEPS: i64 = 100;
/// Lengths of a step, in seconds, and what they are called.
const STEPS: [(u32, &str); 11] = [
    (60, "minute"),
    (300, "5 minutes"),
    (600, "10 minutes"),
    (1_800, "30 minutes"),
    (3_600, "hour"),
    (7_200, "2 hours"),
    (10_800, "3 hours"),
    (21_600, "6 hours"),
    (43_200, "12 hours"),
    (86_400, "day"),
    (604_800, "week"),
];

/// The query string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// The query; empty: any crash.
    #[param(example = "driver:csagent.sys build:19045 -ring:canary")]
    pub(crate) q: String,
    /// `next` of the page before.
    pub(crate) before: Option<String>,
    /// `false` leaves out what is slow for a program that only wants the list.
    pub(crate) facets: Option<bool>,
}

/// One value of a facet, and the queries that it leads to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FacetLine {
    /// As it stands in a query.
    pub(crate) value: String,
    /// For people, where that is another text: a bug check's name.
    pub(crate) name: String,
    /// Distinct machines of the found crashes that have it.
    pub(crate) machines: u64,
    /// Whether the query asks for it.
    pub(crate) chosen: bool,
    /// The query with it; where it is chosen, without.
    pub(crate) toggle: String,
    /// The query without all that has it.
    pub(crate) exclude: String,
}

/// The values of one fact that most machines have.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FacetLines {
    pub(crate) facet: Facet,
    /// Most machines first, at most 10.
    pub(crate) values: Vec<FacetLine>,
}

/// Everything on the page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Search {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    /// The query as it was understood.
    pub(crate) query: String,
    /// The stretch of time that was searched.
    pub(crate) between: Range,
    /// Whether the query says when; without, it is the last seven days.
    pub(crate) says_when: bool,
    pub(crate) totals: SearchTotals,
    /// Length of a step of the series.
    pub(crate) step_s: u32,
    /// Machines and crashes in each step, oldest first; empty with `facets=false`.
    pub(crate) series: Vec<SeriesPoint>,
    /// Facets were counted on one machine in so many and scaled up: 1 is exact.
    pub(crate) facets_one_in: u64,
    /// What the found crashes have in common, one entry for each fact; empty with `facets=false`.
    pub(crate) facets: Vec<FacetLines>,
    /// Newest first, at most 50.
    pub(crate) crashes: Vec<CrashLine>,
    /// `before` of the next page, where there is one.
    pub(crate) next: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The query is wrong.
    Query {
        query: String,
        fault: QueryFault,
    },
    Other(Fault),
}

impl<F: Into<Fault>> From<F> for Refused {
    fn from(fault: F) -> Self {
        Self::Other(fault.into())
    }
}

impl Search {
    pub(crate) fn step_words(&self) -> &'static str {
        STEPS.into_iter().find(|(step, _)| *step == self.step_s).map_or("step", |(_, words)| words)
    }
}

/// Understands a query, or refuses it.
pub(crate) fn understand(text: &str) -> Result<Query, Refused> {
    Query::parse(text).map_err(|fault| Refused::Query { query: text.to_owned(), fault })
}

pub(crate) async fn gather(app: &App, asked: SearchQuery) -> Result<Search, Refused> {
    let query = understand(&asked.q)?;
    let before = asked.before.filter(|text| !text.is_empty()).map(|text| cursor(&text)).transpose()?;
    let now_ms = now_ms();
    let mut range = query.range(now_ms);
    let step_s = step_s(range);
    if range.to_ms == now_ms {
        // Up to the end of the step that holds now, so that all bars are whole steps.
        range.to_ms = (now_ms.div_euclid(i64::from(step_s) * 1000) + 1) * i64::from(step_s) * 1000;
    }
    let filter = SearchFilter { range, condition: query.condition() };
    let database = &app.database;
    let mut search = Search {
        now_ms,
        query: query.to_string(),
        between: range,
        says_when: query.says_when(),
        totals: SearchTotals::default(),
        step_s,
        series: Vec::new(),
        facets_one_in: 1,
        facets: Vec::new(),
        crashes: Vec::new(),
        next: None,
    };
    if asked.facets == Some(false) {
        let keys = database.search_keys(&filter, PAGE + 1, before).await?;
        return list(app, search, keys).await;
    }
    let about = database.search_about(&filter).await?;
    let counts = if about < SAMPLED_ABOVE {
        database.search_counts(&filter, step_s).await?
    } else {
        search.facets_one_in = one_in(about);
        let ((totals, series), facets) = tokio::try_join!(
            database.search_series(&filter, step_s),
            database.search_facets(&filter, search.facets_one_in),
        )?;
        SearchCounts { totals, series, facets }
    };
    (search.totals, search.series) = (counts.totals, counts.series);
    search.facets = lines(&query, counts.facets);
    let narrowed = SearchFilter { range: newest(&search.series, range, step_s, before), ..filter };
    let keys = database.search_keys(&narrowed, PAGE + 1, before).await?;
    list(app, search, keys).await
}

/// Of how many machines one is looked at.
fn one_in(crashes: u64) -> u64 {
    crashes.div_ceil(LOOKED_AT).next_power_of_two().max(SAMPLE_ONE_IN)
}

/// The page of the found keys.
async fn list(app: &App, mut search: Search, mut keys: Vec<SearchKey>) -> Result<Search, Refused> {
    let more = keys.len() > PAGE as usize;
    keys.truncate(PAGE as usize);
    let last = keys.last().filter(|_| more).map(SearchKey::cursor);
    search.next = last.map(|cursor| format!("{}.{}", cursor.happened_at_ms, cursor.crash_id));
    search.crashes = named(&app.database, app.database.search_rows(&keys).await?).await?;
    Ok(search)
}

/// The newest part of the range that has a page of crashes: the steps are counted already, and on a busy fleet the page is
/// found in one of a hundred of them.
fn newest(series: &[SeriesPoint], range: Range, step_s: u32, before: Option<SearchCursor>) -> Range {
    let end = before.map_or(range.to_ms, |cursor| cursor.happened_at_ms);
    let step_ms = i64::from(step_s) * 1000;
    let mut found = 0;
    for point in series.iter().rev() {
        // The step in which the page begins may have all of its crashes on pages before.
        if point.at_ms.saturating_add(step_ms) <= end {
            found += point.crashes;
        }
        if found > u64::from(PAGE) {
            return Range { from_ms: point.at_ms.max(range.from_ms), ..range };
        }
    }
    range
}

fn step_s(range: Range) -> u32 {
    let length_s = range.to_ms.saturating_sub(range.from_ms) / 1000;
    let fits = |(step, _): &(u32, &str)| length_s / i64::from(*step) <= MOST_STEPS;
    STEPS.into_iter().find(fits).map_or(604_800, |(step, _)| step)
}

fn lines(query: &Query, found: Vec<FacetValue>) -> Vec<FacetLines> {
    let mut facets: Vec<FacetLines> = Vec::new();
    let mut found = found;
    found.sort_by_key(|value| value.facet);
    for value in found {
        let line = line(query, &value);
        match facets.last_mut().filter(|lines| lines.facet == value.facet) {
            Some(lines) => lines.values.push(line),
            None => facets.push(FacetLines { facet: value.facet, values: vec![line] }),
        }
    }
    facets
}

fn line(query: &Query, found: &FacetValue) -> FacetLine {
    let hex = |number: u32| format!("0x{number:x}");
    let (key, value) = match found.facet {
        Facet::Driver => (Key::Driver, found.text.clone()),
        Facet::Version => (Key::Version, hex(found.number)),
        // A user-mode crash has an exception's name and no code.
        Facet::Bugcheck if found.number == 0 => (Key::Bugcheck, found.text.clone()),
        Facet::Bugcheck => (Key::Bugcheck, hex(found.number)),
        Facet::Bucket => (Key::Bucket, found.text.clone()),
        Facet::Build => (Key::Build, found.number.to_string()),
        Facet::Model => (Key::Model, found.text.clone()),
        Facet::Ring => (Key::Ring, found.text.clone()),
        Facet::Site => (Key::Site, found.text.clone()),
        Facet::Kind => (Key::Kind, found.text.clone()),
        Facet::Confidence => (Key::Confidence, found.text.clone()),
    };
    FacetLine {
        chosen: query.asks_for(key, &value),
        toggle: query.toggled(key, &value),
        exclude: query.excluding(key, &value),
        name: if found.facet == Facet::Bugcheck { found.text.clone() } else { value.clone() },
        machines: found.machines,
        value,
    }
}

fn cursor(text: &str) -> Result<SearchCursor, Fault> {
    let parsed =
        text.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, Uuid::parse_str(id).ok()?)));
    let (happened_at_ms, crash_id) =
        parsed.ok_or_else(|| Fault::BadRequest("before must be what a page gave as next.".to_owned()))?;
    Ok(SearchCursor { happened_at_ms, crash_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_few_enough_bars() {
        let of_days = |days: i64| Range { from_ms: 0, to_ms: days * 86_400_000 };
        assert_eq!(step_s(Range { from_ms: 0, to_ms: 3_600_000 }), 60);
        assert_eq!(
            [1, 7, 30, 90, 400].map(|days| step_s(of_days(days))),
            [1_800, 7_200, 43_200, 86_400, 604_800]
        );
    }

    #[test]
    fn the_newest_part_holds_a_page_after_the_cursor() {
        let point = |at_s: i64, crashes| SeriesPoint { at_ms: at_s * 1000, machines: crashes, crashes };
        let series = [point(0, 100), point(60, 40), point(120, 20), point(180, 5)];
        let range = Range { from_ms: 10_000, to_ms: 240_000 };
        let from = |before_ms: Option<i64>| {
            let before = before_ms.map(|at| SearchCursor { happened_at_ms: at, crash_id: Uuid::nil() });
            newest(&series, range, 60, before).from_ms
        };
        assert_eq!(from(None), 60_000, "5, 20 and 40 are a page and one more");
        assert_eq!(from(Some(130_000)), 10_000, "of the step of the cursor nothing may be left");
        assert_eq!(
            newest(
                &series[..2],
                range,
                60,
                Some(SearchCursor { happened_at_ms: 61_000, crash_id: Uuid::nil() })
            )
            .from_ms,
            10_000
        );
    }
}
