//! `/api/v1`: what the pages show, as JSON, under the same addresses, and what only programs ask for. Field names are a
//! contract: add, never rename.

use axum::Json;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use crate::access::{self, Means, Role, Who};
use crate::act;
use crate::app::App;
use crate::gather::{
    audit, crash, crashes, driver, fleet, gate, hardware, incidents, machine, status, symbols, targets,
};
use crate::range::RangeQuery;
use crate::respond::{ApiFault, Fault};
use crate::routes::Routes;

type Answer<T> = Result<Json<T>, ApiFault>;

/// Whose machine.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct MachineQuery {
    #[serde(default)]
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
    Routes::default()
        .route("/audit", get(audit))
        .route("/fleet", get(fleet))
        .route("/drivers", get(drivers))
        .route("/drivers/{name}", get(driver))
        .route("/crashes", get(crashes))
        .route("/crashes/{id}", get(crash))
        .route("/incidents", get(incidents))
        .route("/incidents/{id}", get(incident))
        .route("/incidents/{id}/{act}", post(act::post))
        .route("/gate", get(gate))
        .route("/me", get(me))
        .route("/machines", get(machines))
        .route("/machines/{machine}", get(machine))
        .route("/symbols/missing", get(symbols))
        .route("/status", get(status))
        .route("/targets", get(targets))
        .route("/targets/{name}/test", post(act::test::post))
        .fallback(not_found)
}

async fn not_found() -> Response {
    Fault::NotFound("There is no such endpoint.".to_owned()).json()
}

async fn fleet(
    State(app): State<App>,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Answer<fleet::Fleet> {
    Ok(Json(app.fleet(query?.range).await?.as_ref().clone()))
}

async fn drivers(
    State(app): State<App>,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Answer<Vec<fleet::DriverLine>> {
    Ok(Json(app.fleet(query?.range).await?.drivers.clone()))
}

async fn driver(
    State(app): State<App>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Answer<driver::Driver> {
    Ok(Json(driver::gather(&app, name?.0, query?.range).await?))
}

async fn crashes(
    State(app): State<App>,
    query: Result<Query<crashes::CrashesQuery>, QueryRejection>,
) -> Answer<crashes::Crashes> {
    Ok(Json(crashes::gather(&app, query?.0).await?))
}

async fn crash(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer<crash::Crash> {
    Ok(Json(crash::gather(&app, &id?.0).await?))
}

async fn incidents(State(app): State<App>) -> Answer<incidents::Incidents> {
    Ok(Json(incidents::list(&app).await?))
}

async fn incident(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Answer<incidents::Incident> {
    Ok(Json(incidents::one(&app, &id?.0).await?))
}

/// Proxies and clients may keep it for as long as it is kept here.
async fn gate(
    State(app): State<App>,
    query: Result<Query<gate::GateQuery>, QueryRejection>,
) -> Result<Response, ApiFault> {
    let question = gate::question(query?.0)?;
    let gate = app.gates.get(&question, async || gate::gather(&app, &question).await).await?;
    Ok(([(CACHE_CONTROL, "max-age=5")], Json(gate.as_ref())).into_response())
}

async fn machines(
    State(app): State<App>,
    query: Result<Query<hardware::MachinesQuery>, QueryRejection>,
) -> Answer<hardware::Suspects> {
    Ok(Json(hardware::list(&app, query?.0).await?))
}

async fn machine(
    State(app): State<App>,
    machine: Result<Path<String>, PathRejection>,
    query: Result<Query<MachineQuery>, QueryRejection>,
) -> Answer<machine::Machine> {
    Ok(Json(machine::gather(&app, query?.0.tenant, machine?.0).await?))
}

async fn symbols(
    State(app): State<App>,
    query: Result<Query<symbols::SymbolsQuery>, QueryRejection>,
) -> Answer<symbols::Symbols> {
    Ok(Json(symbols::gather(&app, query?.0).await?))
}

async fn targets(State(app): State<App>) -> Answer<targets::Targets> {
    Ok(Json(targets::gather(&app).await?))
}

/// Who the sender of a request is taken for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Me {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) means: Means,
    /// What JSON of a browser that is signed in carries as `X-CSRF-Token`.
    pub(crate) csrf: String,
}

async fn me(Extension(who): Extension<Who>) -> Json<Me> {
    let csrf = access::current().map(|visit| visit.token().to_owned()).unwrap_or_default();
    Json(Me { name: who.name, role: who.role, means: who.means, csrf })
}

async fn audit(
    State(app): State<App>,
    query: Result<Query<audit::AuditQuery>, QueryRejection>,
) -> Answer<audit::Audit> {
    Ok(Json(audit::gather(&app, query?.0).await?))
}

async fn status(State(app): State<App>) -> Answer<status::Status> {
    Ok(Json(status::gather(&app).await?))
}
