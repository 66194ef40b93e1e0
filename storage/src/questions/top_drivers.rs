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

/// Machines are ranked first, with all that tie with the last one: the sets of crashes are read of these few.
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
    AND (driver, kind, culprit) IN (
        SELECT driver, kind, culprit
        FROM $rollup
        WHERE $time >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
            AND $time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
            AND (driver != '') = {named:Bool}
        GROUP BY driver, kind, culprit
        ORDER BY $machines DESC
        LIMIT {limit:UInt32} WITH TIES
    )
GROUP BY driver, kind, culprit
ORDER BY machines DESC, crashes DESC, driver, kind, culprit
LIMIT {limit:UInt32}";

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

    /// The drivers and modules that are blamed for the most machines, in whole minutes.
    pub async fn top_drivers(&self, range: Range, limit: u32) -> Result<Vec<DriverSummary>, DatabaseError> {
        self.culprits(range, limit, true).await
    }

    /// The same for crashes that are blamed on no image: hardware, a process, a person, or unknown.
    pub async fn unattributed(&self, range: Range) -> Result<Vec<DriverSummary>, DatabaseError> {
        self.culprits(range, 100, false).await
    }

    async fn culprits(
        &self,
        range: Range,
        limit: u32,
        named: bool,
    ) -> Result<Vec<DriverSummary>, DatabaseError> {
        self.ask_built(&Grain::of(range).say(SQL))
            .param("from", range.from_ms)
            .param("to", range.to_ms)
            .param("named", named)
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("rank the drivers"))
    }
}
