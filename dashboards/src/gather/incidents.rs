//! Incidents: the list, and one with all that is known of it.

use detector::Subject;
use detector::attribution::Attribution;
use serde::Serialize;
use storage::questions::{
    CrashFilter, DeepSite, DriverNow, Evidence, Facets, NotificationRow, Ours, Range, SeriesPoint,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::FEW;
use super::named::{CrashLine, named};
use crate::app::{App, now_ms};
use crate::range::Span;
use crate::respond::Fault;
use crate::stats::{Against, StandsOut, stand_out};

mod acts;
mod list;
mod record;
mod timeline;

pub(crate) use acts::{Ticket, Waiting};
pub(crate) use list::{Incidents, IncidentsQuery, count_crashes, list};
pub(crate) use record::{Happened, Reason, Shares};
use record::{Record, state};
pub(crate) use timeline::{Kind, Moment, Times};

/// One incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Incident {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    /// Which incident.
    pub(crate) incident_id: Uuid,
    /// Whose machines; empty in an installation of one tenant.
    pub(crate) tenant: String,
    /// What it is about, in words: a driver's name where it is about a driver.
    pub(crate) driver: String,
    /// `open`, `acknowledged`, `resolved`, `merged`.
    pub(crate) state: String,
    /// `sev1`, `sev2`; empty where it was not recorded.
    pub(crate) severity: String,
    /// What is counted.
    pub(crate) subject: Subject,
    /// What else alarmed on the same machines.
    pub(crate) also: Vec<Subject>,
    /// First machine beyond the usual, as the detector saw it.
    pub(crate) since_ms: i64,
    /// When it was opened, ms since 1970.
    pub(crate) opened_at_ms: i64,
    /// When it was over or became part of another, ms since 1970; null while it is not.
    pub(crate) resolved_at_ms: Option<i64>,
    /// Nobody is told until then.
    pub(crate) muted_until_ms: Option<i64>,
    /// Who works on it; empty while nobody does.
    pub(crate) acknowledged_by: String,
    /// How often it came back.
    pub(crate) reopened: u32,
    /// The one that it became part of.
    pub(crate) merged_into: Option<Uuid>,
    /// Distinct machines since its onset.
    pub(crate) machines: u64,
    /// Machines that could be affected, where known.
    pub(crate) exposed: Option<u64>,
    /// Distinct sites since its onset.
    pub(crate) sites: u64,
    /// Machines of the minute before its newest event.
    pub(crate) last_minute: u64,
    /// Machines of the minute before that one.
    pub(crate) minute_before: u64,
    /// When its newest event was.
    pub(crate) known_at_ms: i64,
    /// Why it was opened, in the detector's numbers.
    pub(crate) reason: Reason,
    /// What the machines share.
    pub(crate) attribution: Option<Attribution>,
    /// What a sample of its machines has, as the detector counted it.
    pub(crate) shares: Shares,
    /// What its crashes have in common; empty where it is not about the crashes of one driver.
    pub(crate) evidence: Evidence,
    /// Machines and crashes in each step of `range` up to its end or now, oldest first; empty where it is not about the
    /// crashes of one driver.
    pub(crate) series: Vec<SeriesPoint>,
    pub(crate) range: Span,
    /// Oldest first.
    pub(crate) events: Vec<Happened>,
    /// What people did that is no step yet.
    pub(crate) waiting: Vec<Waiting>,
    /// Where else it is worked on, the newest first.
    pub(crate) tickets: Vec<Ticket>,
    /// All that was or is to be sent about it, oldest first.
    pub(crate) notifications: Vec<NotificationRow>,
    /// What inventories call the driver's versions, where they do.
    pub(crate) version_names: Vec<VersionName>,
    /// What the driver's fault sites are called with symbols.
    pub(crate) deep_sites: Vec<DeepSite>,
    /// Its newest crashes, newest first, at most 20; empty where it is about silence or a build of Windows.
    pub(crate) examples: Vec<CrashLine>,
    /// Crashes that arrived since its onset; 0 where they cannot be told from others.
    pub(crate) crashes: u64,
    /// What arrives now, while it is open and about a driver.
    pub(crate) now: Option<DriverNow>,
    /// What its machines have more often than those that crashed otherwise.
    pub(crate) stands_out: Vec<StandsOut>,
    /// Both sides of that: how many machines, and since when they were looked at.
    pub(crate) against: Against,
    /// From the first crash to the last word.
    pub(crate) timeline: Vec<Moment>,
    pub(crate) times: Times,
}

impl Incident {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "resolved" | "merged")
    }
}

/// What inventories call a version of a driver.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct VersionName {
    /// PE timestamp.
    pub(crate) timestamp: u32,
    /// What the file says of itself.
    pub(crate) version: String,
}

/// What ClickHouse knows of an incident's crashes.
#[derive(Default)]
struct Crashes {
    evidence: Evidence,
    series: Vec<SeriesPoint>,
    version_names: Vec<VersionName>,
    deep_sites: Vec<DeepSite>,
    examples: Vec<CrashLine>,
    facets: Facets,
    now: Option<DriverNow>,
}

fn unknown() -> Fault {
    Fault::NotFound("There is no such incident.".to_owned())
}

fn id_of(id: &str) -> Result<Uuid, Fault> {
    Uuid::parse_str(id).map_err(|_not_an_id| unknown())
}

/// Where an incident stands.
pub(crate) async fn standing(app: &App, id: &str) -> Result<(Uuid, &'static str), Fault> {
    let incident_id = id_of(id)?;
    let events = app.database.incident_events(incident_id).await?;
    if events.is_empty() { Err(unknown()) } else { Ok((incident_id, state(&events).0)) }
}

pub(crate) async fn one(app: &App, id: &str) -> Result<Incident, Fault> {
    let incident_id = id_of(id)?;
    let (events, notifications, done) = tokio::try_join!(
        app.database.incident_events(incident_id),
        app.database.notifications(incident_id),
        app.database.incident_acts(incident_id),
    )?;
    let (Some(first), Some(newest)) = (events.first(), events.last()) else { return Err(unknown()) };
    let record = Record::of(&events);
    let (state, turned_at_ms) = state(&events);
    let resolved_at_ms = matches!(state, "resolved" | "merged").then_some(turned_at_ms);
    let now_ms = now_ms();
    let subject = record.subject.unwrap_or_else(|| Subject::Driver(first.driver.clone()));
    let since_ms = if record.onset_ms > 0 { record.onset_ms } else { first.at_ms };
    let until_ms = resolved_at_ms.unwrap_or(now_ms).saturating_add(1);
    let range = span_of(until_ms.saturating_sub(since_ms));
    let between = Between { since_ms, until_ms, range, is_open: resolved_at_ms.is_none(), now_ms };
    let crashes = crashes(app, &first.tenant, &subject, between).await?;
    // Rows of the old form know a window that the onset lies in; its first crash is the better beginning.
    let since_ms = if record.is_whole { since_ms } else { since_ms.max(crashes.evidence.first_ms) };
    let happened: Vec<Happened> = events.iter().map(Happened::of).collect();
    let stations =
        timeline::Stations { onset_ms: since_ms, first_crash_ms: crashes.evidence.first_ms, resolved_at_ms };
    let (timeline, times) = timeline::of(stations, &happened, &notifications);
    Ok(Incident {
        now_ms,
        incident_id,
        tenant: first.tenant.clone(),
        driver: first.driver.clone(),
        state: state.to_owned(),
        severity: record.severity,
        subject,
        also: record.also,
        since_ms,
        opened_at_ms: first.at_ms,
        resolved_at_ms,
        muted_until_ms: record.muted_until_ms.filter(|until| *until > now_ms),
        acknowledged_by: record.acknowledged_by,
        reopened: record.reopened,
        merged_into: record.merged_into,
        machines: record.machines.max(crashes.evidence.machines),
        exposed: record.exposed,
        sites: record.sites.max(crashes.evidence.site_count),
        crashes: crashes.evidence.crashes,
        now: crashes.now,
        stands_out: stand_out(&crashes.facets),
        against: Against::of(&crashes.facets),
        timeline,
        times,
        last_minute: record.last_minute,
        minute_before: record.minute_before,
        known_at_ms: newest.at_ms,
        reason: record.reason,
        attribution: record.attribution,
        shares: record.shares,
        evidence: crashes.evidence,
        series: crashes.series,
        range,
        waiting: acts::waiting(&done, &happened, now_ms),
        tickets: acts::tickets(&done),
        events: happened,
        notifications,
        version_names: crashes.version_names,
        deep_sites: crashes.deep_sites,
        examples: crashes.examples,
    })
}

#[derive(Clone, Copy)]
struct Between {
    since_ms: i64,
    until_ms: i64,
    range: Span,
    is_open: bool,
    now_ms: i64,
}

/// Asks only what the subject has an answer to: a bug check's incident is not that of a driver of this name, and machines
/// that went dark have sent nothing.
async fn crashes(app: &App, tenant: &str, subject: &Subject, between: Between) -> Result<Crashes, Fault> {
    let Between { since_ms, until_ms, .. } = between;
    let filter = CrashFilter {
        tenant: Some(tenant.to_owned()),
        from_ms: Some(since_ms),
        to_ms: Some(until_ms),
        ..CrashFilter::default()
    };
    let (filter, ours) = match subject {
        Subject::Driver(driver) => return of_driver(app, tenant, driver, between).await,
        Subject::BugCheck(code) => {
            (CrashFilter { bugcheck: Some(*code), ..filter }, Some(Ours::BugCheck(*code)))
        }
        Subject::Bucket(bucket) => {
            (CrashFilter { bucket: Some(bucket.clone()), ..filter }, Some(Ours::Bucket(bucket.clone())))
        }
        Subject::Unattributed => {
            (CrashFilter { driver: Some(String::new()), ..filter }, Some(Ours::Driver(String::new())))
        }
        // All of them: there is nobody left to hold them against.
        Subject::Everything => (filter, None),
        Subject::OsBuild(_) | Subject::Silence(..) => return Ok(Crashes::default()),
    };
    let facets = async {
        match &ours {
            Some(ours) => app.database.incident_facets(Some(tenant), ours, since_ms, until_ms).await,
            None => Ok(Facets::default()),
        }
    };
    let (examples, facets) = tokio::try_join!(app.database.crashes(&filter, FEW, None), facets)?;
    Ok(Crashes { examples: named(&app.database, examples).await?, facets, ..Crashes::default() })
}

async fn of_driver(app: &App, tenant: &str, driver: &str, between: Between) -> Result<Crashes, Fault> {
    let Between { since_ms, until_ms, range, is_open, now_ms } = between;
    let database = &app.database;
    let stretch = Range { from_ms: since_ms, to_ms: until_ms };
    let now = async {
        if !is_open {
            return Ok(None);
        }
        database.driver_now(tenant, driver, since_ms, now_ms).await.map(Some)
    };
    let (evidence, series, examples, builds, deep_sites, now) = tokio::try_join!(
        database.incident_evidence(Some(tenant), driver, since_ms, until_ms),
        database.tenant_driver_series(Some(tenant), driver, range.range(until_ms), range.step_s()),
        database.newest_of_driver(Some(tenant), driver, Some(stretch), FEW),
        database.builds(tenant, driver),
        database.deep_sites(driver),
        now,
    )?;
    let facets = evidence.facets.clone();
    let version_names = builds
        .into_iter()
        .filter(|build| build.timestamp != 0 && !build.version.is_empty())
        .map(|build| VersionName { timestamp: build.timestamp, version: build.version })
        .collect();
    let examples = named(&app.database, examples).await?;
    Ok(Crashes { evidence, series, version_names, deep_sites, examples, facets, now })
}

/// The shortest range that shows the whole incident and what was before it.
fn span_of(length_ms: i64) -> Span {
    match length_ms {
        ..3_000_000 => Span::Hour,
        3_000_000..80_000_000 => Span::Day,
        _ => Span::Week,
    }
}
