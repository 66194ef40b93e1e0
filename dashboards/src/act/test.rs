//! `POST /api/v1/targets/{name}/test`: somebody wants to know whether a target is reached. Owns the checks of who asks, and
//! writes the wish down; the alerts role, which has the targets' secrets, tries it. Takes JSON, and the form of our own page.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use storage::questions::{ActRow, TargetRow};
use uuid::Uuid;

use super::{Body, by, read};
use crate::app::{App, now_ms};
use crate::respond::{ApiFault, Fault};

/// One test of a target within this: nobody needs more, and a channel is not to be flooded.
const ONE_IN_MS: i64 = 10_000;
/// Who acts by a form, which asks for no name.
const BY_FORM: &str = "somebody on the page of targets";

/// What a form has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    token: String,
}

#[derive(Serialize)]
struct Accepted<'a> {
    act_id: Uuid,
    target: &'a str,
    at_ms: i64,
}

/// The handler.
pub(crate) async fn post(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiFault> {
    let Path(name) = path?;
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let by_form = is_form(&parts.headers);
    let by = if by_form {
        // Before the body is read: a page of somebody else's gets no further.
        app.permit.check_page(&parts.headers)?;
        let body = read(body).await?;
        let form: Form = serde_urlencoded::from_bytes(&body)
            .map_err(|_not_a_form| Fault::BadRequest("The body is no form.".to_owned()))?;
        app.permit.check_form(&parts.headers, peer, &form.token)?;
        BY_FORM.to_owned()
    } else {
        app.permit.check(&parts.headers, peer)?;
        let body: Body = serde_json::from_slice(&read(body).await?).map_err(|error| {
            Fault::BadRequest(format!("The body is no JSON object as expected: {error}."))
        })?;
        by(&body)?
    };
    let at_ms = now_ms();
    let targets = app.database.targets().await.map_err(Fault::from)?;
    may(&targets, &name, at_ms)?;
    let row = ActRow {
        act_id: Uuid::new_v4(),
        incident_id: Uuid::nil(),
        at_ms,
        by,
        kind: "test".to_owned(),
        detail: serde_json::json!({ "target": name }).to_string(),
        written_at_ms: 0,
    };
    app.database.put_act(&row).await.map_err(Fault::from)?;
    tracing::info!(target_name = name, by = row.by, "somebody wants to try a target");
    if by_form {
        return Ok(Redirect::to("/targets?asked").into_response());
    }
    let accepted = Accepted { act_id: row.act_id, target: &name, at_ms };
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
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
