//! The list of crashes, filtered, a page at a time.

use serde::{Deserialize, Serialize};
use storage::questions::{CrashFilter, CrashSummary, Cursor};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::named::{CrashLine, named};
use crate::app::App;
use crate::respond::Fault;

/// Crashes on one page.
const PAGE: u32 = 50;

/// Which crashes. An empty value means any, as a form sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct CrashesQuery {
    /// Base name of the driver that is blamed.
    #[param(example = "csagent.sys")]
    pub(crate) driver: Option<String>,
    /// Name of the machine.
    pub(crate) machine: Option<String>,
    /// Whose it is.
    pub(crate) tenant: Option<String>,
    /// `analysed`, `unreadable`, `dead_letter`.
    pub(crate) outcome: Option<String>,
    /// Bucket id.
    pub(crate) bucket: Option<String>,
    /// Site of the machine.
    pub(crate) site: Option<String>,
    /// Ring of the machine.
    pub(crate) ring: Option<String>,
    /// `next` of the page before.
    pub(crate) before: Option<String>,
}

/// Everything on the page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Crashes {
    pub(crate) filter: CrashesQuery,
    /// Newest arrivals first, at most 50.
    pub(crate) crashes: Vec<CrashLine>,
    /// `before` of the next page, where there is one.
    pub(crate) next: Option<String>,
}

pub(crate) async fn gather(app: &App, query: CrashesQuery) -> Result<Crashes, Fault> {
    let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    let filter = CrashFilter {
        driver: given(&query.driver).map(|name| name.to_lowercase()),
        machine: given(&query.machine),
        tenant: given(&query.tenant),
        outcome: given(&query.outcome),
        bucket: given(&query.bucket),
        site: given(&query.site),
        ring: given(&query.ring),
        ..CrashFilter::default()
    };
    let before = given(&query.before).map(|text| cursor(&text)).transpose()?;
    let mut crashes = app.database.crashes(&filter, PAGE + 1, before).await?;
    let more = crashes.len() > PAGE as usize;
    crashes.truncate(PAGE as usize);
    let last = crashes.last().filter(|_| more).map(CrashSummary::cursor);
    let next = last.map(|cursor| format!("{}.{}", cursor.received_at_ms, cursor.crash_id));
    Ok(Crashes { filter: query, crashes: named(&app.database, crashes).await?, next })
}

fn cursor(text: &str) -> Result<Cursor, Fault> {
    let parsed =
        text.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, Uuid::parse_str(id).ok()?)));
    let (received_at_ms, crash_id) =
        parsed.ok_or_else(|| Fault::BadRequest("before must be what a page gave as next.".to_owned()))?;
    Ok(Cursor { received_at_ms, crash_id })
}
