//! The fleet at a glance.

use std::collections::BTreeMap;

use serde::Serialize;
use storage::questions::{DriverSummary, IncidentSummary, NewBucket, NewDriver, Range, SeriesPoint};
use utoipa::ToSchema;

use super::hardware::Suspects;
use super::ledger::{self, Ledger};
use crate::app::{App, now_ms};
use crate::expected::{self, Expected};
use crate::range::Span;
use crate::respond::Fault;

/// Drivers on the page.
const TOP: u32 = 20;
/// New drivers and new buckets on the page.
const NEW: u32 = 10;
/// Drivers whose rank of before is known.
const RANKED: u32 = 200;
const WEEK_MS: i64 = 7 * 86_400_000;

/// Everything on the fleet page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Fleet {
    pub(crate) now_ms: i64,
    pub(crate) range: Span,
    pub(crate) between: Range,
    /// Distinct machines whose kernel crashes arrived within the last minute.
    pub(crate) machines_last_minute: u64,
    /// Machines that told of themselves by heartbeats or inventories; `None` where none does.
    pub(crate) fleet_machines: Option<u64>,
    /// Distinct machines within the range.
    pub(crate) series: Vec<SeriesPoint>,
    /// What was to be expected of each step of the series; `None` while too little of the past is known.
    pub(crate) expected: Option<Expected>,
    pub(crate) open_incidents: Vec<IncidentSummary>,
    pub(crate) drivers: Vec<DriverLine>,
    /// Drivers whose first crash of all is within the range.
    pub(crate) new_drivers: Vec<NewDriver>,
    /// Buckets whose first crash of all is within the range.
    pub(crate) new_buckets: Vec<NewBucket>,
    /// Crashes that are blamed on no image.
    pub(crate) unattributed: Vec<DriverSummary>,
    /// Machines whose own hardware is suspect; `None` while that is not known.
    pub(crate) suspects: Option<Suspects>,
    pub(crate) ledger: Ledger,
}

/// One driver.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DriverLine {
    #[serde(flatten)]
    pub(crate) summary: DriverSummary,
    /// Its first crash of all.
    pub(crate) first_ever_ms: i64,
    /// Its place in the range before, from 1; `None` where it was not among the first 200.
    pub(crate) rank_before: Option<u32>,
    /// Distinct machines in each step of the range.
    pub(crate) spark: Vec<u64>,
}

pub(crate) async fn gather(app: &App, span: Span) -> Result<Fleet, Fault> {
    let now_ms = now_ms();
    let between = span.range(now_ms);
    let before =
        Range { from_ms: between.from_ms - (between.to_ms - between.from_ms), to_ms: between.from_ms };
    let weeks = Range { from_ms: between.from_ms - expected::WEEKS * WEEK_MS, to_ms: between.to_ms };
    let database = &app.database;
    let (
        last_minute,
        series,
        mut open_incidents,
        drivers,
        ranked,
        unattributed,
        hours,
        new_drivers,
        new_buckets,
        ledger,
    ) = tokio::try_join!(
        async { Ok::<_, Fault>(database.fleet_now(now_ms, 60).await?) },
        async { Ok(database.fleet_series(between, span.step_s()).await?) },
        async { Ok(database.incidents(true, 50).await?) },
        async { Ok(database.top_drivers(between, TOP).await?) },
        async { Ok(database.top_drivers(before, RANKED).await?) },
        async { Ok(database.unattributed(between).await?) },
        async { Ok(database.fleet_hours(weeks).await?) },
        async { Ok(database.new_drivers(between, NEW).await?) },
        async { Ok(database.new_buckets(between, NEW).await?) },
        ledger::gather(database, &app.queue),
    )?;
    for incident in &mut open_incidents {
        count_up(app, incident).await?;
    }
    let names: Vec<String> = drivers.iter().map(|summary| summary.driver.clone()).collect();
    let (sparks, first_seen) = tokio::try_join!(
        database.sparklines(&names, between, span.step_s()),
        database.drivers_first_seen(&names),
    )?;
    let first_seen: BTreeMap<String, i64> = first_seen.into_iter().collect();
    let sparks: BTreeMap<String, Vec<u64>> = sparks.into_iter().collect();
    let ranks: BTreeMap<(&str, &str, &str), u32> = ranked.iter().map(key).zip(1..).collect();
    let line = |summary: DriverSummary| {
        let spark = sparks.get(&summary.driver).cloned().unwrap_or_default();
        let rank_before = ranks.get(&key(&summary)).copied();
        let first_ever_ms = first_seen.get(&summary.driver).copied().unwrap_or(summary.first_seen_ms);
        DriverLine { summary, first_ever_ms, rank_before, spark }
    };
    let steps: Vec<i64> = series.iter().map(|point| point.at_ms).collect();
    Ok(Fleet {
        now_ms,
        range: span,
        between,
        machines_last_minute: last_minute.machines,
        fleet_machines: app.fleet_machines().await?,
        new_drivers,
        new_buckets,
        expected: expected::band(&steps, span.step_s(), &hours),
        series,
        open_incidents,
        drivers: drivers.into_iter().map(line).collect(),
        unattributed,
        suspects: app.suspects().await.map(|suspects| suspects.as_ref().clone()),
        ledger,
    })
}

fn key(summary: &DriverSummary) -> (&str, &str, &str) {
    (&summary.driver, &summary.kind, &summary.culprit)
}

/// An open incident's machines and crashes as of now: its events only have them as of when they were written. Only a
/// driver's can be counted by name.
pub(super) async fn count_up(app: &App, incident: &mut IncidentSummary) -> Result<(), Fault> {
    if !incident.is_of_driver() {
        return Ok(());
    }
    let since_ms = incident.opened_at_ms - 60_000;
    let now = app.database.casualties_since(&incident.tenant, &incident.driver, since_ms).await?;
    incident.machines = incident.machines.max(now.machines);
    incident.crashes = incident.crashes.max(now.crashes);
    Ok(())
}
