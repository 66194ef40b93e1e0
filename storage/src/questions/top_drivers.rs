//! Who takes the most machines down.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Range;
use super::grain::Grain;
use crate::database::{Database, DatabaseError};

/// One driver or module that is blamed, or one kind of culprit that is no image.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DriverSummary {
    /// Base name, lower case; empty for culprits that are no image.
    pub driver: String,
    /// `kernel`, `live`, `user`.
    pub kind: String,
    /// `driver`, `module`, `hardware`, ...
    pub culprit: String,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
    /// First crash within the range.
    pub first_seen_ms: i64,
    /// Last crash within the range.
    pub last_seen_ms: i64,
    /// Distinct buckets.
    pub buckets: u64,
}

/// Who is blamed for the most machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// The drivers and modules, most machines first.
    pub drivers: Vec<DriverSummary>,
    /// The same for crashes that are blamed on no image: hardware, a process, a person, or unknown.
    pub unattributed: Vec<DriverSummary>,
}

/// Whom a summary is about.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Culprit {
    /// As [`DriverSummary::driver`].
    pub driver: String,
    /// As [`DriverSummary::kind`].
    pub kind: String,
    /// As [`DriverSummary::culprit`].
    pub culprit: String,
}

/// Machines are ranked first, with all that tie with the last one: the sets of crashes are read of these few. What is
/// blamed on no image is of some kinds only, and all of them are read with them.
const SQL: &str = "
SELECT
    driver,
    kind,
    culprit,
    $machines AS machines,
    $crashes AS crashes,
    toUnixTimestamp64Milli(min(first_seen)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last_seen)) AS last_seen_ms,
    $buckets AS buckets
FROM $rollup
WHERE $time >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
    AND $time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND (driver = '' OR (driver, kind, culprit) IN (
        SELECT driver, kind, culprit
        FROM $rollup
        WHERE $time >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
            AND $time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
            AND driver != ''
        GROUP BY driver, kind, culprit
        ORDER BY $machines DESC
        LIMIT {limit:UInt32} WITH TIES
    ))
GROUP BY driver, kind, culprit
ORDER BY machines DESC, crashes DESC, driver, kind, culprit
LIMIT {limit:UInt32} BY driver = ''";

const RANKS: &str = "
SELECT driver, kind, culprit
FROM $rollup
WHERE $time >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
    AND $time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND driver != ''
GROUP BY driver, kind, culprit
ORDER BY $machines DESC, driver, kind, culprit
LIMIT {limit:UInt32}";

impl Database {
    /// Who is blamed for the most machines, most first, and nothing else of them: a third of what the figures cost.
    pub async fn ranked_drivers(&self, range: Range, limit: u32) -> Result<Vec<Culprit>, DatabaseError> {
        self.ask_built(&Grain::of(range).say(RANKS))
            .param("from", range.from_ms)
            .param("to", range.to_ms)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("rank the drivers of before"))
    }

    /// Who is blamed for the most machines, in whole minutes; at most `limit` of each.
    pub async fn top_drivers(&self, range: Range, limit: u32) -> Result<Ranking, DatabaseError> {
        let found: Vec<DriverSummary> = self
            .ask_built(&Grain::of(range).say(SQL))
            .param("from", range.from_ms)
            .param("to", range.to_ms)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("rank the drivers"))?;
        let (drivers, unattributed) = found.into_iter().partition(|summary| !summary.driver.is_empty());
        Ok(Ranking { drivers, unattributed })
    }
}
