//! What the found crashes have in common: the most frequent values of ten facts, in one pass.

use std::collections::BTreeSet;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{SearchFilter, within};
use crate::database::{Database, DatabaseError};

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
}

macro_rules! columns {
    () => {
        "driver, driver_timestamp, bugcheck, bugcheck_name, bucket, os_build, model, ring, site, kind, confidence"
    };
}
const COLUMNS: u64 = 11;

/// A sample is one of machines, not of crashes: it has all crashes of each of its machines, so that distinct ones can be
/// counted in it.
const SQL: [&str; 2] = [
    concat!(
        "SELECT
    toUInt64(grouping(",
        columns!(),
        ")) AS grouping_set,
    ",
        columns!(),
        ",
    uniqCombined64(12)(who) AS machines
FROM (
    SELECT ",
        columns!(),
        ", sipHash64(tenant, machine) AS who
    FROM crashes FINAL
    WHERE sipHash64(tenant, machine) % {one_in:UInt64} = 0 AND ",
        within!()
    ),
    "
)
GROUP BY GROUPING SETS (
    (driver), (driver_timestamp), (bugcheck, bugcheck_name), (bucket), (os_build), (model), (ring), (site), (kind),
    (confidence))
ORDER BY grouping_set, machines DESC, driver, driver_timestamp, bugcheck, bugcheck_name, bucket, os_build, model, ring, site, kind,
    confidence
LIMIT {most:UInt32} BY grouping_set",
];

impl FacetRow {
    fn value(self) -> Option<FacetValue> {
        let columns = (1 << COLUMNS) - 1;
        let grouped_by = |column: u64| self.grouping_set & (1 << (COLUMNS - 1 - column)) == 0;
        let column =
            (0..COLUMNS).find(|column| grouped_by(*column)).filter(|_| self.grouping_set <= columns)?;
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

impl Database {
    /// The values that most machines have, of each fact, most first: counted on one machine in `one_in`, and scaled up.
    pub async fn search_facets(
        &self,
        filter: &SearchFilter,
        one_in: u64,
    ) -> Result<Vec<FacetValue>, DatabaseError> {
        let one_in = one_in.max(1);
        let rows: Vec<FacetRow> = self
            .search(SQL, filter)
            .param("one_in", one_in)
            .param("most", MOST)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count facets"))?;
        let scaled =
            |value: FacetValue| FacetValue { machines: value.machines.saturating_mul(one_in), ..value };
        let mut codes = BTreeSet::new();
        // One code has one name, but for rows that another version of the table named: the usual name speaks for it.
        // To pick it in the database would cost as much as two facets.
        let is_new = |value: &FacetValue| {
            value.facet != Facet::Bugcheck || value.number == 0 || codes.insert(value.number)
        };
        Ok(rows.into_iter().filter_map(FacetRow::value).filter(is_new).map(scaled).collect())
    }
}
