//! How many machines and crashes incidents came to, and what arrives of one now.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{TICK_S, end_of_tick_s};
use crate::database::{Database, DatabaseError};

/// How far back machines that are not new are remembered.
const PAST_MS: i64 = 86_400_000;
/// Minutes that the growth is taken from.
const GROWTH_MINUTES: i64 = 5;

/// An incident's stretch of time, by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IncidentSpan {
    /// Which incident; its driver and tenant are those of its events.
    pub incident_id: Uuid,
    /// First arrival.
    pub from_ms: i64,
    /// After the last.
    pub to_ms: i64,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct IncidentCount {
    /// Which incident.
    #[serde(with = "clickhouse::serde::uuid")]
    pub incident_id: Uuid,
    /// Distinct machines.
    pub machines: u64,
    /// Crashes.
    pub crashes: u64,
}

/// What arrives of a driver's crashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DriverNow {
    /// Distinct machines of the last minute.
    pub last_minute: u64,
    /// Of the minute before.
    pub minute_before: u64,
    /// Machines a minute, over the last five, that had not crashed in it before.
    pub growth_per_minute: f64,
}

/// Names are joined where they are stored: out of dumps they may be longer than a question's parameters should be.
const COUNTS: &str = "
WITH spans AS (
    SELECT incident_id, argMin(tenant, seq) AS tenant, argMin(driver, seq) AS driver,
        arrayFirstIndex(id -> id = incident_id, {ids:Array(UUID)}) AS place,
        fromUnixTimestamp64Milli(({froms:Array(Int64)})[place], 'UTC') AS begin,
        fromUnixTimestamp64Milli(({tos:Array(Int64)})[place], 'UTC') AS end
    FROM incident_events
    WHERE incident_id IN (SELECT arrayJoin({ids:Array(UUID)}))
    GROUP BY incident_id
)
SELECT
    incident_id,
    uniqCombined64(14)(held.machine) AS machines,
    uniqCombined64(17)(held.crash_id) AS crashes
FROM driver_crashes AS held
INNER JOIN spans ON held.driver = spans.driver AND held.tenant = spans.tenant
WHERE held.driver IN (SELECT driver FROM spans)
    AND held.happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') - INTERVAL 30 DAY
    AND held.stored_at >= begin AND held.happened_at < end AND held.happened_at >= begin - INTERVAL 30 DAY
GROUP BY incident_id";

const NOW: &str = "
SELECT
    uniqCombined64MergeIf(14)(arrivals.machines, age < 60) AS last_minute,
    uniqCombined64MergeIf(14)(arrivals.machines, age >= 60 AND age < 120) AS minute_before,
    (uniqCombined64Merge(14)(arrivals.machines)
        - uniqCombined64MergeIf(14)(arrivals.machines, age >= 60 * {minutes:Int64})) / {minutes:Int64}
        AS growth_per_minute
FROM (
    SELECT machines, {now_s:Int64} - 1 - toInt64(toUnixTimestamp(tick)) AS age
    FROM arrivals
    WHERE tick >= toDateTime({since_s:Int64}, 'UTC') AND tick < toDateTime({now_s:Int64}, 'UTC')
        AND tenant = {tenant:String} AND driver = {driver:String}
) AS arrivals";

impl Database {
    /// What incidents about a driver came to; one without any crash is left out. Some hundreds at most.
    pub async fn incident_counts(&self, spans: &[IncidentSpan]) -> Result<Vec<IncidentCount>, DatabaseError> {
        let Some(from_ms) = spans.iter().map(|span| span.from_ms.max(0)).min() else { return Ok(Vec::new()) };
        let of = |value: fn(&IncidentSpan) -> i64| spans.iter().map(value).collect::<Vec<i64>>();
        self.ask(COUNTS)
            .param("ids", spans.iter().map(|span| span.incident_id.to_string()).collect::<Vec<_>>())
            .param("froms", of(|span| span.from_ms.max(0)))
            .param("tos", of(|span| span.to_ms.max(0)))
            .param("from", from_ms)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("count what incidents came to"))
    }

    /// What arrives of a driver's crashes at `now_ms`, in an incident that began at `since_ms`: from the tick that holds its
    /// first crashes.
    pub async fn driver_now(
        &self,
        tenant: &str,
        driver: &str,
        since_ms: i64,
        now_ms: i64,
    ) -> Result<DriverNow, DatabaseError> {
        let since_ms = since_ms.max(now_ms.saturating_sub(PAST_MS)).max(0);
        self.ask(NOW)
            .param("tenant", tenant)
            .param("driver", driver)
            .param("since_s", since_ms / (TICK_S * 1000) * TICK_S)
            .param("now_s", end_of_tick_s(now_ms))
            .param("minutes", GROWTH_MINUTES)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("count what arrives of an incident"))
    }
}
