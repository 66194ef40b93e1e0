//! Incidents: the list, and one with all that is known of it.

use serde::Serialize;
use storage::questions::{
    CrashFilter, DeepSite, Evidence, IncidentEvent, IncidentSummary, NotificationRow, SeriesPoint,
};
use uuid::Uuid;

use super::FEW;
use super::fleet::count_up;
use super::named::{CrashLine, named};
use crate::app::{App, now_ms};
use crate::range::Span;
use crate::respond::Fault;

/// The list.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Incidents {
    pub(crate) now_ms: i64,
    /// Open ones first, then newest first.
    pub(crate) incidents: Vec<IncidentSummary>,
}

pub(crate) async fn list(app: &App) -> Result<Incidents, Fault> {
    let mut incidents = app.database.incidents(false, 200).await?;
    for incident in incidents.iter_mut().filter(|incident| incident.state != "resolved") {
        count_up(app, incident).await?;
    }
    incidents.sort_by_key(|incident| incident.state == "resolved");
    Ok(Incidents { now_ms: now_ms(), incidents })
}

/// One incident.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Incident {
    pub(crate) now_ms: i64,
    pub(crate) incident_id: Uuid,
    pub(crate) tenant: String,
    pub(crate) driver: String,
    /// `open`, `acknowledged`, `resolved`.
    pub(crate) state: String,
    /// When the driver left its baseline, as the detector saw it.
    pub(crate) since_ms: i64,
    pub(crate) opened_at_ms: i64,
    pub(crate) resolved_at_ms: Option<i64>,
    /// Why it was opened: the detector's own words.
    pub(crate) reason: Reason,
    pub(crate) evidence: Evidence,
    pub(crate) series: Vec<SeriesPoint>,
    pub(crate) range: Span,
    pub(crate) events: Vec<IncidentEvent>,
    pub(crate) notifications: Vec<NotificationRow>,
    /// What the driver's fault sites are called with symbols.
    pub(crate) deep_sites: Vec<DeepSite>,
    pub(crate) examples: Vec<CrashLine>,
}

/// What the detector wrote into the `opened` event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Reason {
    pub(crate) onset_ms: i64,
    pub(crate) machines: u64,
    pub(crate) span_s: u64,
    pub(crate) expected: f64,
    pub(crate) baseline_per_minute: f64,
    pub(crate) common_mode: f64,
    pub(crate) log10_chance: f64,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct OpenedDetail {
    reason: Reason,
}

pub(crate) async fn one(app: &App, id: &str) -> Result<Incident, Fault> {
    let unknown = || Fault::NotFound("There is no such incident.".to_owned());
    let incident_id = Uuid::parse_str(id).map_err(|_not_an_id| unknown())?;
    let (events, notifications) =
        tokio::try_join!(app.database.incident_events(incident_id), app.database.notifications(incident_id))?;
    let first = events.first().ok_or_else(unknown)?;
    let reason = serde_json::from_str::<OpenedDetail>(&first.detail).unwrap_or_default().reason;
    let turn =
        events.iter().rev().find(|e| ["opened", "acknowledged", "resolved"].contains(&e.kind.as_str()));
    let state = match turn.map(|event| event.kind.as_str()) {
        Some("resolved") => "resolved",
        Some("acknowledged") => "acknowledged",
        _ => "open",
    };
    let resolved_at_ms = turn.filter(|event| event.kind == "resolved").map(|event| event.at_ms);
    let now_ms = now_ms();
    let since_ms = if reason.onset_ms > 0 { reason.onset_ms } else { first.at_ms };
    let until_ms = resolved_at_ms.unwrap_or(now_ms).saturating_add(1);
    let range = span_of(until_ms - since_ms);
    let filter = CrashFilter {
        driver: Some(first.driver.clone()),
        tenant: Some(first.tenant.clone()),
        from_ms: Some(since_ms),
        to_ms: Some(until_ms),
        ..CrashFilter::default()
    };
    let (evidence, series, examples, deep_sites) = tokio::try_join!(
        app.database.incident_evidence(Some(&first.tenant), &first.driver, since_ms, until_ms),
        app.database.driver_series(&first.driver, range.range(until_ms), range.step_s()),
        app.database.crashes(&filter, FEW, None),
        app.database.deep_sites(&first.driver),
    )?;
    // The detector looks at whole windows; the first crash within the one that decided is the better beginning.
    let since_ms = since_ms.max(evidence.first_ms);
    Ok(Incident {
        now_ms,
        incident_id,
        tenant: first.tenant.clone(),
        driver: first.driver.clone(),
        state: state.to_owned(),
        since_ms,
        opened_at_ms: first.at_ms,
        resolved_at_ms,
        reason,
        evidence,
        series,
        range,
        events,
        notifications,
        deep_sites,
        examples: named(app, examples).await?,
    })
}

/// The shortest range that shows the whole incident and what was before it.
fn span_of(length_ms: i64) -> Span {
    match length_ms {
        ..3_000_000 => Span::Hour,
        3_000_000..80_000_000 => Span::Day,
        _ => Span::Week,
    }
}
