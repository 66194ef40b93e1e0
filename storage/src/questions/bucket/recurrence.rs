//! Whether a bucket comes back to the machines that it took down, and how soon.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{BucketFilter, of_bucket, of_bucket_within};
use crate::database::{Database, DatabaseError};
use crate::questions::Range;

/// Machines that are looked at one by one. In an outage there are millions: a hash picks some of them, fairly.
const MOST_MACHINES: u64 = 50_000;

/// How a bucket returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recurrence {
    /// Machines that were looked at.
    pub machines: u64,
    /// Those of them with more than one crash of it.
    pub recurring: u64,
    /// The most crashes of one machine, as far as 1,000 are counted.
    pub most: u64,
    /// Median time from one crash of a machine to its next, ms; none where none came back.
    pub median_gap_ms: Option<i64>,
    /// One machine in so many was looked at; 1: all.
    pub one_in: u64,
}

#[derive(Row, Deserialize)]
struct Found {
    machines: u64,
    recurring: u64,
    most: u64,
    median_gap_ms: f64,
}

const SQL: &str = concat!(
    "SELECT count() AS machines, countIf(length(times) > 1) AS recurring, max(length(times)) AS most,
        medianArray(arraySlice(arrayDifference(times), 2)) AS median_gap_ms
    FROM (",
    of_bucket_within!(
        "machine_key,
         arrayMap(crash -> crash.1, arraySort(groupUniqArray(1000)((toUnixTimestamp64Milli(happened_at), crash_id)))) AS times",
        " AND machine_key % {one_in:UInt64} = 0 GROUP BY machine_key"
    ),
    ")"
);

impl Database {
    /// How a bucket returns to its machines within a range, of which it is known how many there are.
    pub async fn bucket_recurrence(
        &self,
        filter: BucketFilter<'_>,
        range: Range,
        machines: u64,
    ) -> Result<Recurrence, DatabaseError> {
        let one_in = machines.div_ceil(MOST_MACHINES).max(1);
        let found: Found = self
            .within(SQL, filter, range)
            .param("one_in", one_in)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("look whether a bucket returns"))?;
        // Without a gap the median is none.
        #[expect(clippy::cast_possible_truncation, reason = "a gap is less than a range, which is some days")]
        let median_gap_ms = found.median_gap_ms.is_finite().then_some(found.median_gap_ms.round() as i64);
        Ok(Recurrence {
            machines: found.machines,
            recurring: found.recurring,
            most: found.most,
            median_gap_ms: median_gap_ms.filter(|_| found.recurring > 0),
            one_in,
        })
    }
}
