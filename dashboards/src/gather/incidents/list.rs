//! The list of incidents: filtered, a page at a time, and what each came to.

use serde::{Deserialize, Serialize};
use storage::questions::{IncidentCursor, IncidentFilter, IncidentSpan, IncidentState, IncidentSummary};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::{App, now_ms};
use crate::respond::Fault;

/// Incidents on one page.
const PAGE: u32 = 50;
/// Open ones are all on the first page: more than this burn at once nowhere.
const MOST_OPEN: u32 = 200;

/// The query string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncidentsQuery {
    /// Which ones.
    pub(crate) state: IncidentState,
    /// `next` of the page before.
    pub(crate) before: Option<String>,
}

/// Everything on the page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Incidents {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    pub(crate) filter: IncidentsQuery,
    /// Open ones first, then newest first.
    pub(crate) incidents: Vec<IncidentSummary>,
    /// `before` of the next page, where there is one.
    pub(crate) next: Option<String>,
}

pub(crate) async fn list(app: &App, query: IncidentsQuery) -> Result<Incidents, Fault> {
    let now_ms = now_ms();
    let before = query.before.as_deref().filter(|text| !text.is_empty()).map(cursor).transpose()?;
    let ask = async |state, limit| {
        let filter = IncidentFilter { state, driver: None };
        app.database.some_incidents(&filter, limit, before).await
    };
    let mut incidents = Vec::new();
    let mut next = None;
    let (open, paged) = match (query.state, before) {
        (IncidentState::All, None) => (true, IncidentState::Over),
        // Behind the first page all of them are over: the open ones stand on it.
        (IncidentState::All, Some(_)) => (false, IncidentState::Over),
        (state, _) => (false, state),
    };
    if open {
        incidents = ask(IncidentState::Open, MOST_OPEN).await?;
    }
    let mut page = ask(paged, PAGE + 1).await?;
    if page.len() > PAGE as usize {
        page.truncate(PAGE as usize);
        let last = page.last().map(IncidentSummary::cursor);
        next = last.map(|cursor| format!("{}.{}", cursor.opened_at_ms, cursor.incident_id));
    }
    incidents.append(&mut page);
    count_crashes(app, &mut incidents, now_ms).await?;
    Ok(Incidents { now_ms, filter: query, incidents, next })
}

fn cursor(text: &str) -> Result<IncidentCursor, Fault> {
    let parsed =
        text.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, Uuid::parse_str(id).ok()?)));
    let (opened_at_ms, incident_id) =
        parsed.ok_or_else(|| Fault::BadRequest("before must be what a page gave as next.".to_owned()))?;
    Ok(IncidentCursor { opened_at_ms, incident_id })
}

/// What the crashes of incidents about a driver came to, over ones too: the detector counts machines and its steps name
/// no crashes, and an open one has grown since its newest step.
pub(crate) async fn count_crashes(
    app: &App,
    incidents: &mut [IncidentSummary],
    now_ms: i64,
) -> Result<(), Fault> {
    let span = |incident: &IncidentSummary| IncidentSpan {
        incident_id: incident.incident_id,
        from_ms: incident.since_ms,
        to_ms: incident.resolved_at_ms.unwrap_or(now_ms).saturating_add(1),
    };
    let spans = |over: bool| -> Vec<IncidentSpan> {
        let these = incidents.iter().filter(|one| one.is_of_driver() && one.is_over() == over);
        these.map(span).collect()
    };
    let (over, open) = (spans(true), spans(false));
    let (over, open) =
        tokio::try_join!(app.counts_of_over(over), async { Ok(app.database.incident_counts(&open).await?) })?;
    for incident in incidents {
        let mut counts = open.iter().chain(over.iter());
        if let Some(count) = counts.find(|count| count.incident_id == incident.incident_id) {
            incident.crashes = incident.crashes.max(count.crashes);
            if !incident.is_over() {
                incident.machines = incident.machines.max(count.machines);
            }
        }
    }
    Ok(())
}
