//! The fleet at a glance.

use serde::Serialize;
use storage::questions::{DriverSummary, IncidentSummary, NewBucket, NewDriver, Range, SeriesPoint};
use utoipa::ToSchema;

use super::hardware::Suspects;
use super::ledger::{self, Ledger};
use crate::app::{App, now_ms};
use crate::expected::Expected;
use crate::range::Span;
use crate::respond::Fault;

pub(crate) mod past;

use past::Past;

/// Everything on the fleet page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Fleet {
    /// The server's clock at this answer, ms since 1970.
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
    /// Incidents that are not over, newest first, at most 50.
    pub(crate) open_incidents: Vec<IncidentSummary>,
    /// Drivers and modules that are blamed within the range, most machines first, at most 20.
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
    let database = &app.database;
    let open = async {
        let mut incidents = database.incidents(true, 50).await?;
        for incident in &mut incidents {
            count_up(app, incident).await?;
        }
        Ok(incidents)
    };
    let (last_minute, open_incidents, past, ledger, fleet_machines) = tokio::try_join!(
        async { Ok::<_, Fault>(database.fleet_now(now_ms, 60).await?) },
        open,
        app.fleet_past(span, now_ms),
        ledger::gather(database, &app.queue),
        app.fleet_machines(),
    )?;
    let Past { between, series, expected, drivers, new_drivers, new_buckets, unattributed } = (*past).clone();
    Ok(Fleet {
        now_ms,
        range: span,
        between,
        machines_last_minute: last_minute.machines,
        fleet_machines,
        series,
        expected,
        open_incidents,
        drivers,
        new_drivers,
        new_buckets,
        unattributed,
        suspects: app.suspects().await.map(|suspects| suspects.as_ref().clone()),
        ledger,
    })
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
