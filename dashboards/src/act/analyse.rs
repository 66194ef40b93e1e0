//! Somebody wants a crash looked at again: `POST /api/v1/crashes/{id}/analyse` for programs, `POST /crashes/{id}/analyse` for
//! the button of the crash's page. Its kept dump goes through the queue as an upload does, under the same crash id, so no
//! count changes; an analysis with symbols of its own becomes due. Who may is settled before: `access/gate.rs`.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use storage::message::{Content, META_VERSION, Message, Meta};
use storage::questions::CrashForm;
use storage::rows::CrashRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::{Body, by, by_form};
use crate::access::Who;
use crate::app::{App, now_ms};
use crate::gather::audit::Action;
use crate::link;
use crate::respond::{ApiFault, Fault, PageFault};

/// One crash within this: what was read seconds ago comes out the same.
const ONE_IN_MS: i64 = 10_000;

/// A crash that will be analysed again.
#[derive(Serialize, ToSchema)]
#[schema(as = AnalyseAccepted)]
struct Accepted {
    /// Which crash.
    crash_id: Uuid,
    /// When it was asked for, ms since 1970.
    at_ms: i64,
}

/// Analyse a crash again
///
/// Its kept dump goes through the queue as an upload does, by the present rules; no count changes. Refused where the dump was
/// not kept, and within ten seconds of the last analysis.
#[utoipa::path(
    post, path = "/crashes/{id}/analyse", tag = "Crashes",
    params(("id" = Uuid, Path, description = "Id of the crash.")),
    request_body(content = Body, example = json!({ "by": "ada" })),
    responses((status = 202, description = "It is queued.", body = Accepted)),
)]
pub(crate) async fn post(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiFault> {
    let Path(id) = path?;
    let by = by(&who, &Body::of_json(&body?)?.by)?;
    let accepted = wish(&app, &who.called(&by), &id).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// With a form; leads back to the page.
pub(crate) async fn form(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, PageFault> {
    let Path(id) = path?;
    let Accepted { crash_id, .. } =
        wish(&app, &by_form(&who, "somebody on the page of the crash"), &id).await?;
    Ok(Redirect::to(&link::with_query(&link::crash(crash_id), &[("queued", "1")])).into_response())
}

async fn wish(app: &App, who: &Who, id: &str) -> Result<Accepted, Fault> {
    let unknown = || Fault::NotFound("There is no such crash.".to_owned());
    let crash_id = Uuid::parse_str(id).map_err(|_not_an_id| unknown())?;
    let at_ms = now_ms();
    let (row, forms) = app.database.crash_and_forms(crash_id).await?.ok_or_else(unknown)?;
    may(&forms, at_ms)?;
    queue(app, who, row, at_ms).await?;
    tracing::info!(crash = %crash_id, by = who.name, "a crash is analysed again");
    Ok(Accepted { crash_id, at_ms })
}

fn may(forms: &[CrashForm], now_ms: i64) -> Result<(), Fault> {
    let newest = forms.iter().map(|form| form.stored_at_ms).max().unwrap_or(0);
    if now_ms.saturating_sub(newest) < ONE_IN_MS {
        return Err(Fault::Conflict("The crash was analysed seconds ago.".to_owned()));
    }
    Ok(())
}

/// The kept dump once more into the queue, with what its row says of the upload.
async fn queue(app: &App, who: &Who, row: CrashRow, now_ms: i64) -> Result<(), Fault> {
    let not_kept = || Fault::Conflict("Its dump was not kept: there is nothing to analyse again.".to_owned());
    let blobs = app.blobs.as_ref().ok_or_else(not_kept)?;
    let kept = app.database.kept_dump(row.crash_id).await?.ok_or_else(not_kept)?;
    app.audit(who, Action::Reanalyse, &row.crash_id.to_string(), &row.machine).await?;
    // The worker deletes what it was given, so it is given a copy.
    let spooled = blobs.spool_again(&kept.blob, row.crash_id).await?;
    let meta = meta(row, kept.raw_len, spooled);
    app.database.deep_again(meta.crash_id, now_ms).await?;
    app.queue.append(Message { meta, value: Bytes::new() }).await?;
    Ok(())
}

/// As the upload had it: when it arrived is part of what the crash's row is found by.
fn meta(row: CrashRow, raw_len: u64, spooled: String) -> Meta {
    Meta {
        version: META_VERSION,
        crash_id: row.crash_id,
        tenant: row.tenant,
        machine: row.machine,
        ring: row.ring,
        site: row.site,
        network: String::new(),
        tags: row.tags.into_iter().collect::<BTreeMap<_, _>>(),
        received_at_ms: row.received_at,
        raw_len,
        content: Content::Blob(spooled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_twice_within_seconds() {
        let form = |stored_at_ms| CrashForm {
            revision: 1,
            received_at_ms: 0,
            stored_at_ms,
            outcome: String::new(),
            raw_len: 0,
            analyzer_version: 1,
            driver: String::new(),
            bucket: String::new(),
            kept: true,
        };
        assert!(may(&[form(100_000), form(1)], 109_999).is_err());
        assert!(may(&[form(100_000), form(1)], 110_000).is_ok());
        assert!(may(&[], 0).is_err() && may(&[], 10_000).is_ok());
    }
}
