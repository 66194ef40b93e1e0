//! One driver or module.

use serde::Serialize;
use storage::database::Database;
use storage::questions::{
    BuildSeen, DeepSite, Evidence, Exposure, IncidentFilter, IncidentState, IncidentSummary, Range,
    SeriesPoint, TopMachine,
};
use utoipa::ToSchema;

use super::FEW;
use super::incidents::count_crashes;
use super::named::{CrashLine, named};
use crate::app::{App, now_ms};
use crate::range::Span;
use crate::respond::Fault;
use crate::stats::{StandsOut, stand_out};

mod versions;

pub(crate) use versions::{Release, Source, Version};

/// Incidents shown, changes asked for, machines listed.
const INCIDENTS: u32 = 10;
const CHANGES: u32 = 1_000;
const MACHINES: u32 = 10;

/// Everything on a driver's page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Driver {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    /// Base name, as it was asked for.
    pub(crate) driver: String,
    /// Who makes it, where that is known.
    pub(crate) known: Option<Known>,
    pub(crate) range: Span,
    pub(crate) between: Range,
    /// Machines and crashes in each step of the range, oldest first.
    pub(crate) series: Vec<SeriesPoint>,
    /// What its crashes that happened within the range have in common.
    pub(crate) evidence: Evidence,
    /// Its versions side by side, the newest first.
    pub(crate) versions: Vec<Version>,
    /// Whether inventories name it: without, no rate can be known.
    pub(crate) exposure_known: bool,
    /// Exposure is told from one machine in so many.
    pub(crate) exposure_one_in: u64,
    /// What was released within the range, oldest first.
    pub(crate) releases: Vec<Release>,
    /// What its machines have more often than those that crashed in something else.
    pub(crate) stands_out: Vec<StandsOut>,
    /// Machines that crashed in it more than once within the range.
    pub(crate) top_machines: Vec<TopMachine>,
    /// Incidents about it, newest first, whatever the range, at most 10.
    pub(crate) incidents: Vec<IncidentSummary>,
    /// The newest, whatever the range.
    pub(crate) recent: Vec<CrashLine>,
    /// What its fault sites are called with symbols.
    pub(crate) deep_sites: Vec<DeepSite>,
}

/// What the table of drivers says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Known {
    /// Who makes it.
    pub(crate) vendor: String,
    /// Whether it comes with Windows.
    pub(crate) inbox: bool,
    /// How far it is blamed: `definite`, `maybe`, `ignore`.
    #[schema(value_type = String)]
    pub(crate) blame: blame::Owner,
}

fn known(driver: &str) -> Option<Known> {
    let found = blame::known(driver)?;
    Some(Known { vendor: found.vendor.clone(), inbox: found.inbox, blame: found.owner })
}

/// What its crashes tell: `app/kept.rs` keeps it. Fields as of [`Driver`].
#[derive(Debug)]
pub(crate) struct Past {
    between: Range,
    series: Vec<SeriesPoint>,
    evidence: Evidence,
    exposure: Exposure,
    builds: Vec<BuildSeen>,
    top_machines: Vec<TopMachine>,
    recent: Vec<CrashLine>,
    deep_sites: Vec<DeepSite>,
}

impl Past {
    pub(crate) async fn gather(database: &Database, driver: &str, span: Span) -> Result<Self, Fault> {
        let between = span.range(now_ms());
        let recent = async {
            let newest = database.newest_of_driver(None, driver, None, FEW).await?;
            named(database, newest).await
        };
        let (series, evidence, exposure, builds, top_machines, recent, deep_sites) = tokio::try_join!(
            async { Ok(database.driver_series(driver, between, span.step_s()).await?) },
            async { Ok(database.driver_evidence(driver, between).await?) },
            async { Ok(database.driver_exposure(driver, between).await?) },
            async { Ok(database.driver_builds(driver).await?) },
            async { Ok(database.top_machines(driver, between, MACHINES).await?) },
            recent,
            async { Ok(database.deep_sites(driver).await?) },
        )?;
        if recent.is_empty() && exposure.builds.is_empty() {
            return Err(Fault::NotFound(format!("No crash is blamed on {:?}.", cut(driver))));
        }
        Ok(Self { between, series, evidence, exposure, builds, top_machines, recent, deep_sites })
    }
}

pub(crate) async fn gather(app: &App, driver: String, span: Span) -> Result<Driver, Fault> {
    let now_ms = now_ms();
    let database = &app.database;
    let filter = IncidentFilter { state: IncidentState::All, driver: Some(driver.clone()) };
    let (past, incidents, changes) = tokio::try_join!(
        app.driver_past(&driver, span),
        async { Ok(database.some_incidents(&filter, INCIDENTS * 2, None).await?) },
        async { Ok(database.changes(None, span.range(now_ms), CHANGES).await?) },
    )?;
    let Past { between, series, evidence, exposure, builds, top_machines, recent, deep_sites } =
        past.as_ref();
    let mut incidents: Vec<IncidentSummary> =
        incidents.into_iter().filter(IncidentSummary::is_of_driver).take(INCIDENTS as usize).collect();
    count_crashes(app, &mut incidents, now_ms).await?;
    Ok(Driver {
        now_ms,
        known: known(&driver),
        range: span,
        between: *between,
        series: series.clone(),
        versions: versions::side_by_side(&evidence.versions, builds, exposure),
        exposure_known: !exposure.builds.is_empty(),
        exposure_one_in: exposure.one_in,
        releases: versions::releases(&driver, builds, &changes, *between),
        stands_out: stand_out(&evidence.facets),
        evidence: evidence.clone(),
        top_machines: top_machines.clone(),
        incidents,
        recent: recent.clone(),
        deep_sites: deep_sites.clone(),
        driver,
    })
}

/// Enough of a name to recognise it in a sentence.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(80).collect()
}
