//! `/api/v1`: what the pages show, as JSON, under the same addresses, and what only programs ask for. Field names are a
//! contract: add, never rename. Each handler says here what it takes and gives; `openapi` makes the document of it.

use axum::Json;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{self, Means, Role, Who};
use crate::act;
use crate::app::App;
use crate::gather::{
    audit, bucket, crash, crashes, driver, fleet, gate, hardware, incidents, machine, status, symbols,
    targets,
};
use crate::openapi;
use crate::range::RangeQuery;
use crate::respond::{ApiFault, Fault};
use crate::routes::Routes;

mod search;

type Answer<T> = Result<Json<T>, ApiFault>;

/// Whose machine.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MachineQuery {
    /// Whose it is; empty in an installation of one tenant.
    #[serde(default)]
    #[param(required = false)]
    pub(crate) tenant: String,
}

impl From<QueryRejection> for Fault {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadRequest(rejection.body_text())
    }
}

impl From<BytesRejection> for Fault {
    fn from(_cut_off: BytesRejection) -> Self {
        Self::BadRequest("The body was cut off or is too long.".to_owned())
    }
}

impl From<PathRejection> for Fault {
    fn from(rejection: PathRejection) -> Self {
        Self::BadRequest(rejection.body_text())
    }
}

pub(crate) fn routes() -> Routes {
    Routes::described(described()).fallback(not_found)
}

/// Every endpoint with its description. A route is only added as `routes!(handler)`: what is not described is not there.
pub(crate) fn described() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(fleet))
        .routes(routes!(search::search))
        .routes(routes!(search::complete))
        .routes(routes!(search::export))
        .routes(routes!(crashes))
        .routes(routes!(crash))
        .routes(routes!(facts))
        .routes(routes!(act::analyse::post))
        .routes(routes!(bucket))
        .routes(routes!(act::notes::post))
        .routes(routes!(drivers))
        .routes(routes!(driver))
        .routes(routes!(incidents))
        .routes(routes!(incident))
        .routes(routes!(act::post))
        .routes(routes!(targets))
        .routes(routes!(act::test::post))
        .routes(routes!(gate))
        .routes(routes!(machines))
        .routes(routes!(machine))
        .routes(routes!(symbols))
        .routes(routes!(status))
        .routes(routes!(act::retry::post))
        .routes(routes!(me))
        .routes(routes!(audit))
        .routes(routes!(openapi::document))
}

async fn not_found() -> Response {
    Fault::NotFound("There is no such endpoint.".to_owned()).json()
}

/// The fleet at a glance
///
/// Machines that crash now and over the range, open incidents, the drivers that take the most machines down, machines whose
/// own hardware is suspect, and the ledger. At most a second old.
#[utoipa::path(get, path = "/fleet", tag = "Fleet", params(RangeQuery), responses((status = 200, description = "OK", body = fleet::Fleet)))]
async fn fleet(
    State(app): State<App>,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Answer<fleet::Fleet> {
    Ok(Json(app.fleet(query?.range).await?.as_ref().clone()))
}

/// The drivers that take the most machines down
///
/// The same lines as in the fleet's answer.
#[utoipa::path(get, path = "/drivers", tag = "Drivers", params(RangeQuery), responses((status = 200, description = "OK", body = Vec<fleet::DriverLine>)))]
async fn drivers(
    State(app): State<App>,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Answer<Vec<fleet::DriverLine>> {
    Ok(Json(app.fleet(query?.range).await?.drivers.clone()))
}

/// One driver
///
/// Its machines over time, versions side by side, what stands out, fault sites, buckets, bug checks, sites, rings, models,
/// incidents and newest crashes.
#[utoipa::path(get, path = "/drivers/{name}", tag = "Drivers", params(("name" = String, Path, description = "Base name, lower case.", example = "csagent.sys"), RangeQuery), responses((status = 200, description = "OK", body = driver::Driver)))]
async fn driver(
    State(app): State<App>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Answer<driver::Driver> {
    Ok(Json(driver::gather(&app, name?.0, query?.range).await?))
}

/// Crashes, newest arrivals first
///
/// A page of 50; `before` of the next page is this one's `next`.
#[utoipa::path(get, path = "/crashes", tag = "Crashes", params(crashes::CrashesQuery), responses((status = 200, description = "OK", body = crashes::Crashes)))]
async fn crashes(
    State(app): State<App>,
    query: Result<Query<crashes::CrashesQuery>, QueryRejection>,
) -> Answer<crashes::Crashes> {
    Ok(Json(crashes::gather(&app, query?.0).await?))
}

/// One crash, whole
///
/// The row, the report and the facts as the analyzer wrote them (`docs/schema/` has their schemas), and the analysis with
/// symbols of its fault site.
#[utoipa::path(get, path = "/crashes/{id}", tag = "Crashes", params(("id" = Uuid, Path, description = "Id of the crash.")), responses((status = 200, description = "OK", body = crash::Crash)))]
async fn crash(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer<crash::Crash> {
    Ok(Json(crash::gather(&app, &id?.0).await?))
}

/// What the rules judged
///
/// As the analyzer wrote it, and as `bluescope blame` reads it: `docs/FACTS.md`. Null in rows from before that was kept.
#[utoipa::path(get, path = "/crashes/{id}/facts", tag = "Crashes", params(("id" = Uuid, Path, description = "Id of the crash.")), responses((status = 200, description = "OK", body = serde_json::Value)))]
async fn facts(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer<serde_json::Value> {
    Ok(Json(crash::facts(&app, &id?.0).await?))
}

/// One bucket
///
/// How much there is of it, on which versions and at which fault sites, what its machines have that others have not, buckets
/// like it, what people noted, and its newest analysed crash.
#[utoipa::path(get, path = "/buckets/{bucket}", tag = "Crashes", params(("bucket" = String, Path, description = "FAILURE_BUCKET_ID without symbols.", example = "AV_R_INVALID_csagent!unknown_function"), bucket::BucketQuery), responses((status = 200, description = "OK", body = bucket::Bucket)))]
async fn bucket(
    State(app): State<App>,
    bucket: Result<Path<String>, PathRejection>,
    query: Result<Query<bucket::BucketQuery>, QueryRejection>,
) -> Answer<bucket::Bucket> {
    Ok(Json(bucket::gather(&app, bucket?.0, query?.0).await?))
}

/// Incidents
///
/// Newest first, on each page open ones before the others; `before` of the next page is this one's `next`.
#[utoipa::path(get, path = "/incidents", tag = "Incidents", params(incidents::IncidentsQuery), responses((status = 200, description = "OK", body = incidents::Incidents)))]
async fn incidents(
    State(app): State<App>,
    query: Result<Query<incidents::IncidentsQuery>, QueryRejection>,
) -> Answer<incidents::Incidents> {
    Ok(Json(incidents::list(&app, query?.0).await?))
}

/// One incident
///
/// What, since when, how many machines, what they share, what happened to it, what was sent to whom, and example crashes.
#[utoipa::path(get, path = "/incidents/{id}", tag = "Incidents", params(("id" = Uuid, Path, description = "Id of the incident.")), responses((status = 200, description = "OK", body = incidents::Incident)))]
async fn incident(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Answer<incidents::Incident> {
    Ok(Json(incidents::one(&app, &id?.0).await?))
}

/// May a rollout go on?
///
/// `pass`, `hold` or `stop`, with the reason and the figures. A query parameter that is not known is refused. Answers may be
/// five seconds old. `docs/GATE.md` says how it decides.
#[utoipa::path(get, path = "/gate", tag = "Rollouts", params(gate::GateQuery), responses((status = 200, description = "OK", body = gate::Gate)))]
async fn gate(
    State(app): State<App>,
    query: Result<Query<gate::GateQuery>, QueryRejection>,
) -> Result<Response, ApiFault> {
    let question = gate::question(query?.0)?;
    let gate = app.gate(&question).await?;
    // Proxies and clients may keep it for as long as it is kept here.
    Ok(([(CACHE_CONTROL, "max-age=5")], Json(gate.as_ref())).into_response())
}

/// Machines whose own hardware is suspect
///
/// The surest 500, by a week of crashes; `more` says whether there are others. Only with `suspect=true`.
#[utoipa::path(get, path = "/machines", tag = "Machines", params(hardware::MachinesQuery), responses((status = 200, description = "OK", body = hardware::Suspects)))]
async fn machines(
    State(app): State<App>,
    query: Result<Query<hardware::MachinesQuery>, QueryRejection>,
) -> Answer<hardware::Suspects> {
    Ok(Json(hardware::list(&app.database, query?.0).await?))
}

/// One machine
///
/// Its newest 200 crashes, what they say about its hardware, their buckets, its uptimes, and what it runs; `/api/v1/crashes?machine=` has all of them, by page.
#[utoipa::path(get, path = "/machines/{machine}", tag = "Machines", params(("machine" = String, Path, description = "Name of the machine."), MachineQuery), responses((status = 200, description = "OK", body = machine::Machine)))]
async fn machine(
    State(app): State<App>,
    machine: Result<Path<String>, PathRejection>,
    query: Result<Query<MachineQuery>, QueryRejection>,
) -> Answer<machine::Machine> {
    Ok(Json(machine::gather(&app, query?.0.tenant, machine?.0).await?))
}

/// Symbol files: wanted, and arrived
///
/// Those that recent crashes lack, by machines, a page of 100; and the newest that were pushed. `before` of the next page is
/// this one's `next`.
#[utoipa::path(get, path = "/symbols/missing", tag = "Symbols", params(symbols::SymbolsQuery), responses((status = 200, description = "OK", body = symbols::Symbols)))]
async fn symbols(
    State(app): State<App>,
    query: Result<Query<symbols::SymbolsQuery>, QueryRejection>,
) -> Answer<symbols::Symbols> {
    Ok(Json(symbols::gather(&app, query?.0).await?))
}

/// Targets of notifications
///
/// Who is told of incidents, and how each of them is doing.
#[utoipa::path(get, path = "/targets", tag = "Incidents", responses((status = 200, description = "OK", body = targets::Targets)))]
async fn targets(State(app): State<App>) -> Answer<targets::Targets> {
    Ok(Json(targets::gather(&app).await?))
}

/// Who the sender of a request is taken for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Me {
    /// Who signed in, here or at a trusted proxy; else what stands for that: `admin token`, `somebody`.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) means: Means,
    /// What JSON of a browser that is signed in carries as `X-CSRF-Token`.
    pub(crate) csrf: String,
}

/// Who am I?
///
/// What a token or a session is taken for.
#[utoipa::path(get, path = "/me", tag = "Access", responses((status = 200, description = "OK", body = Me)))]
async fn me(Extension(who): Extension<Who>) -> Json<Me> {
    let csrf = access::current().map(|visit| visit.token().to_owned()).unwrap_or_default();
    Json(Me { name: who.name, role: who.role, means: who.means, csrf })
}

/// Who did what
///
/// Sign-ins, acts, downloads, exports, pushes: newest first, a page of 100; `before` of the next page is this one's `next`. For
/// admins.
#[utoipa::path(get, path = "/audit", tag = "Access", params(audit::AuditQuery), responses((status = 200, description = "OK", body = audit::Audit)))]
async fn audit(
    State(app): State<App>,
    query: Result<Query<audit::AuditQuery>, QueryRejection>,
) -> Answer<audit::Audit> {
    Ok(Json(audit::gather(&app, query?.0).await?))
}

/// The ledger and the dead letters
///
/// accepted = analysed + unreadable + dead-lettered + queued, and whether the sum holds.
#[utoipa::path(get, path = "/status", tag = "Pipeline", responses((status = 200, description = "OK", body = status::Status)))]
async fn status(State(app): State<App>) -> Answer<status::Status> {
    Ok(Json(status::gather(&app).await?))
}
