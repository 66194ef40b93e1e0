//! Somebody wants a dead letter tried again: `POST /api/v1/dead-letters/{partition}/{offset}/retry` for programs, `POST
//! /status/dead-letters/{partition}/{offset}` for the button of the status page. Its upload goes through the queue once more,
//! as another delivery of the same crash: the ledger counts both, every other count the crash. Who may is settled before:
//! `access/gate.rs`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use storage::queue::Position;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::{Body, by, by_form};
use crate::access::Who;
use crate::app::{App, now_ms};
use crate::gather::audit::Action;
use crate::respond::{ApiFault, Fault, PageFault};

/// A dead letter that will be tried again.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterQueued)]
pub(crate) struct Accepted {
    /// Which crash.
    crash_id: Uuid,
    /// When it was queued again, ms since 1970.
    at_ms: i64,
}

/// Try a dead letter again
///
/// Its upload goes through the queue once more, under the same crash id.
#[utoipa::path(
    post, path = "/dead-letters/{partition}/{offset}/retry", tag = "Pipeline",
    params(
        ("partition" = i32, Path, description = "Partition of the delivery that was given up on.", example = 0),
        ("offset" = i64, Path, description = "Its offset.", example = 4711),
    ),
    request_body(content = Body, example = json!({ "by": "ada" })),
    responses((status = 202, description = "It is queued.", body = Accepted)),
)]
pub(crate) async fn post(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<(i32, i64)>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiFault> {
    let Path((partition, offset)) = path?;
    let by = by(&who, &Body::of_json(&body?)?.by)?;
    let accepted = queue(&app, &who.called(&by), Position { partition, offset }).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// With a form; leads back to the page.
pub(crate) async fn form(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<(i32, i64)>, PathRejection>,
) -> Result<Response, PageFault> {
    let Path((partition, offset)) = path?;
    queue(&app, &by_form(&who, "somebody on the status page"), Position { partition, offset }).await?;
    Ok(Redirect::to("/status?queued").into_response())
}

async fn queue(app: &App, who: &Who, position: Position) -> Result<Accepted, Fault> {
    let Some(message) = app.queue.dead_message(position).await? else {
        return Err(Fault::NotFound(
            "There is no such dead letter, or its dump is not kept any longer.".to_owned(),
        ));
    };
    let crash_id = message.meta.crash_id;
    let subject = format!("{}/{}", position.partition, position.offset);
    app.audit(who, Action::Retry, &subject, &crash_id.to_string()).await?;
    app.queue.append(message).await?;
    tracing::info!(crash = %crash_id, by = who.name, "a dead letter is queued again");
    Ok(Accepted { crash_id, at_ms: now_ms() })
}
