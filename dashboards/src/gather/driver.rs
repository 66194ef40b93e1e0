//! One driver or module.

use serde::Serialize;
use storage::questions::{CrashFilter, DeepSite, Evidence, IncidentSummary, Range, SeriesPoint};

use super::FEW;
use super::fleet::count_up;
use super::named::{CrashLine, named};
use crate::app::{App, now_ms};
use crate::range::Span;
use crate::respond::Fault;

/// Everything on a driver's page.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Driver {
    pub(crate) now_ms: i64,
    pub(crate) driver: String,
    pub(crate) range: Span,
    pub(crate) between: Range,
    pub(crate) series: Vec<SeriesPoint>,
    /// What its crashes that arrived within the range have in common.
    pub(crate) evidence: Evidence,
    pub(crate) incidents: Vec<IncidentSummary>,
    /// The newest, whatever the range.
    pub(crate) recent: Vec<CrashLine>,
    /// What its fault sites are called with symbols.
    pub(crate) deep_sites: Vec<DeepSite>,
}

pub(crate) async fn gather(app: &App, driver: String, span: Span) -> Result<Driver, Fault> {
    let now_ms = now_ms();
    let between = span.range(now_ms);
    let filter = CrashFilter { driver: Some(driver.clone()), ..CrashFilter::default() };
    let database = &app.database;
    let (series, evidence, incidents, recent, deep_sites) = tokio::try_join!(
        database.driver_series(&driver, between, span.step_s()),
        database.incident_evidence(None, &driver, between.from_ms, between.to_ms),
        database.incidents(false, 1000),
        database.crashes(&filter, FEW, None),
        database.deep_sites(&driver),
    )?;
    if recent.is_empty() {
        return Err(Fault::NotFound(format!("No crash is blamed on {:?}.", cut(&driver))));
    }
    let is_its = |incident: &IncidentSummary| incident.driver == driver && incident.is_of_driver();
    let mut incidents: Vec<IncidentSummary> = incidents.into_iter().filter(is_its).take(10).collect();
    for incident in incidents.iter_mut().filter(|incident| !incident.is_over()) {
        count_up(app, incident).await?;
    }
    let recent = named(app, recent).await?;
    Ok(Driver { now_ms, driver, range: span, between, series, evidence, incidents, recent, deep_sites })
}

/// Enough of a name to recognise it in a sentence.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(80).collect()
}
