//! What the found crashes have in common: the most frequent values of ten facts, in one pass; and with them how many there
//! are and when, where all of them are looked at anyway.

use std::collections::BTreeSet;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{SearchFilter, SearchTotals, StepRow, laid_out, steps, within};
use crate::database::{Database, DatabaseError};
use crate::questions::SeriesPoint;

/// The table of samples has all crashes of one machine in so many.
pub const SAMPLE_ONE_IN: u64 = 16;
/// Values of each.
const MOST: u32 = 10;

/// A fact whose values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = SearchFacet))]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    /// Blamed driver or module.
    Driver,
    /// PE timestamp of the blamed image.
    Version,
    /// Bug check, or exception.
    Bugcheck,
    /// Bucket id.
    Bucket,
    /// OS build.
    Build,
    /// System model.
    Model,
    /// Ring.
    Ring,
    /// Site.
    Site,
    /// `kernel`, `live`, `user`.
    Kind,
    /// How sure the blame is.
    Confidence,
}

/// One value of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetValue {
    /// Of which.
    pub facet: Facet,
    /// Its text; a bug check's name.
    pub text: String,
    /// Its number: a timestamp, a code, a build; 0 where it has none.
    pub number: u32,
    /// Distinct machines.
    pub machines: u64,
}

/// `grouping` has a bit for each column that a row is not grouped by, the first column's the highest.
#[derive(Row, Deserialize)]
struct FacetRow {
    grouping_set: u64,
    at_ms: i64,
    driver: String,
    driver_timestamp: u32,
    bugcheck: u32,
    bugcheck_name: String,
    bucket: String,
    os_build: u32,
    model: String,
    ring: String,
    site: String,
    kind: String,
    confidence: String,
    machines: u64,
    crashes: u64,
}

macro_rules! columns {
    () => {
        "driver, driver_timestamp, bugcheck, bugcheck_name, bucket, os_build, model, ring, site, kind, confidence"
    };
}
const COLUMNS: u64 = 11;

macro_rules! counted {
    ($table:literal) => {
        [
            concat!(
                "SELECT
    toUInt64(grouping(step, ",
                columns!(),
                ")) AS grouping_set,
    step AS at_ms,
    ",
                columns!(),
                ",
    uniqCombined64(14)(who) AS machines,
    count() AS crashes
FROM (
    SELECT intDiv(toUnixTimestamp64Milli(happened_at), {step:Int64}) * {step:Int64} AS step, ",
                columns!(),
                ", sipHash64(tenant, machine) AS who
    FROM ",
                $table,
                " FINAL
    WHERE sipHash64(tenant, machine) % {one_in:UInt64} = 0 AND ",
                within!()
            ),
            "
)
GROUP BY GROUPING SETS (
    (), (step), (driver), (driver_timestamp), (bugcheck, bugcheck_name), (bucket), (os_build), (model), (ring), (site),
    (kind), (confidence))
ORDER BY grouping_set, at_ms, machines DESC, driver, driver_timestamp, bugcheck, bugcheck_name, bucket, os_build, model, ring,
    site, kind, confidence
LIMIT {most:UInt32} BY grouping_set, at_ms",
        ]
    };
}

const ALL: [&str; 2] = counted!("crashes");
/// A sample is one of machines, not of crashes: it has all crashes of each of its machines, so that distinct ones can be
/// counted in it.
const SAMPLE: [&str; 2] = counted!("crash_sample AS crashes");

impl FacetRow {
    /// Whether it is of a column, from the left: the step's is the highest bit.
    fn is_of(&self, column: u64) -> bool {
        self.grouping_set & (1 << (COLUMNS - column)) == 0
    }

    fn is_whole(&self) -> bool {
        !(0..=COLUMNS).any(|column| self.is_of(column))
    }

    fn is_step(&self) -> bool {
        self.is_of(0)
    }

    fn step(self) -> StepRow {
        let whole = u64::from(self.is_whole());
        StepRow { whole, at_ms: self.at_ms, machines: self.machines, crashes: self.crashes }
    }

    fn value(self) -> Option<FacetValue> {
        let column = (0..COLUMNS).find(|column| self.is_of(column + 1))?;
        let (facet, text, number) = match column {
            0 => (Facet::Driver, self.driver, 0),
            1 => (Facet::Version, String::new(), self.driver_timestamp),
            2 => (Facet::Bugcheck, self.bugcheck_name, self.bugcheck),
            4 => (Facet::Bucket, self.bucket, 0),
            5 => (Facet::Build, String::new(), self.os_build),
            6 => (Facet::Model, self.model, 0),
            7 => (Facet::Ring, self.ring, 0),
            8 => (Facet::Site, self.site, 0),
            9 => (Facet::Kind, self.kind, 0),
            10 => (Facet::Confidence, self.confidence, 0),
            _ => return None,
        };
        Some(FacetValue { facet, text, number, machines: self.machines })
    }
}

/// Everything that is counted of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchCounts {
    /// How many there are.
    pub totals: SearchTotals,
    /// And when.
    pub series: Vec<SeriesPoint>,
    /// The values that most machines have, of each fact, most first.
    pub facets: Vec<FacetValue>,
}

impl Database {
    /// Totals, a series in steps of `step_s` seconds, and facets, of all crashes in one pass.
    pub async fn search_counts(
        &self,
        filter: &SearchFilter,
        step_s: u32,
    ) -> Result<SearchCounts, DatabaseError> {
        let step = steps(filter, step_s)?;
        let (counts, rest): (Vec<FacetRow>, Vec<FacetRow>) = self
            .counted(ALL, filter, step, 1)
            .await?
            .into_iter()
            .partition(|row| row.is_step() || row.is_whole());
        let (totals, series) = laid_out(counts.into_iter().map(FacetRow::step).collect(), filter.range, step);
        Ok(SearchCounts { totals, series, facets: values(rest) })
    }

    /// Facets alone, counted on one machine in `one_in` and scaled up: a multiple of [`SAMPLE_ONE_IN`].
    pub async fn search_facets(
        &self,
        filter: &SearchFilter,
        one_in: u64,
    ) -> Result<Vec<FacetValue>, DatabaseError> {
        let step = filter.range.to_ms.saturating_sub(filter.range.from_ms).max(1);
        let rows = self.counted(SAMPLE, filter, step, one_in).await?.into_iter().filter(|row| !row.is_step());
        let scaled =
            |value: FacetValue| FacetValue { machines: value.machines.saturating_mul(one_in), ..value };
        Ok(values(rows.collect()).into_iter().map(scaled).collect())
    }

    async fn counted(
        &self,
        question: [&'static str; 2],
        filter: &SearchFilter,
        step: i64,
        one_in: u64,
    ) -> Result<Vec<FacetRow>, DatabaseError> {
        self.search(question, filter)
            .param("step", step)
            .param("one_in", one_in.max(1))
            .param("most", MOST)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count what was searched"))
    }
}

/// One code has one name, but for rows that another version of the table named: the usual name speaks for it. To pick it in
/// the database would cost as much as two facets.
fn values(rows: Vec<FacetRow>) -> Vec<FacetValue> {
    let mut codes = BTreeSet::new();
    let is_new = |value: &FacetValue| {
        value.facet != Facet::Bugcheck || value.number == 0 || codes.insert(value.number)
    };
    rows.into_iter().filter_map(FacetRow::value).filter(is_new).collect()
}
