//! Somebody wants to know whether a target is reached: `POST /api/v1/targets/{name}/test` for programs, `POST
//! /targets/{name}/test` for the button of our own page. Writes the wish down; the alerts role, which has the targets'
//! secrets, tries it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use storage::questions::{ActRow, TargetRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::{Body, by, by_form};
use crate::access::Who;
use crate::app::{App, now_ms};
use crate::gather::audit::Action;
use crate::respond::{ApiFault, Fault, PageFault};

/// One test of a target within this: nobody needs more, and a channel is not to be flooded.
const ONE_IN_MS: i64 = 10_000;

/// A test that will be made.
#[derive(Serialize, ToSchema)]
#[schema(as = TestAccepted)]
struct Accepted {
    /// Id of what was written down.
    act_id: Uuid,
    /// Name of the target.
    target: String,
    /// When it was asked for, ms since 1970.
    at_ms: i64,
}

/// Try a target of notifications
///
/// The alerts role sends a notification that says that it is a test, within seconds and once; `/api/v1/targets` says what
/// came of it. At most one in ten seconds.
#[utoipa::path(
    post, path = "/targets/{name}/test", tag = "Incidents",
    params(("name" = String, Path, description = "Name of the target in the configuration.", example = "on-call")),
    request_body(content = Body, example = json!({ "by": "ada" })),
    responses((status = 202, description = "It is written down.", body = Accepted)),
)]
pub(crate) async fn post(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiFault> {
    let Path(name) = path?;
    let by = by(&who, &Body::of_json(&body?)?.by)?;
    let accepted = wish(&app, &who.called(&by), name).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// With a form; leads back to the page.
pub(crate) async fn form(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, PageFault> {
    let Path(name) = path?;
    wish(&app, &by_form(&who, "somebody on the page of targets"), name).await?;
    Ok(Redirect::to("/targets?asked").into_response())
}

async fn wish(app: &App, who: &Who, target: String) -> Result<Accepted, Fault> {
    let at_ms = now_ms();
    may(&app.database.targets().await?, &target, at_ms)?;
    app.audit(who, Action::Test, &target, "").await?;
    let row = ActRow {
        act_id: Uuid::new_v4(),
        incident_id: Uuid::nil(),
        at_ms,
        by: who.name.clone(),
        kind: "test".to_owned(),
        detail: serde_json::json!({ "target": target }).to_string(),
        written_at_ms: 0,
    };
    app.database.put_act(&row).await?;
    tracing::info!(target_name = target, by = row.by, "somebody wants to try a target");
    Ok(Accepted { act_id: row.act_id, target, at_ms })
}

/// Whether there is such a target, and it was not tried just now.
fn may(targets: &[TargetRow], name: &str, now_ms: i64) -> Result<(), Fault> {
    let Some(target) = targets.iter().find(|target| target.name == name) else {
        return Err(Fault::NotFound("There is no such target.".to_owned()));
    };
    match target.tested_at_ms {
        Some(at_ms) if now_ms.saturating_sub(at_ms) < ONE_IN_MS => Err(Fault::Conflict(
            "The target was tried seconds ago: its page says what came of it.".to_owned(),
        )),
        _ => Ok(()),
    }
}
