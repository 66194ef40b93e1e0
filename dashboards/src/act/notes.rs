//! Somebody knows something about a bucket: `POST /api/v1/buckets/{bucket}/notes` for programs, `POST
//! /buckets/{bucket}/notes` for the form of the bucket's page. Owns the checks of what is written. Nothing is ever changed
//! or taken back. Who may is settled before: `access/gate.rs`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use storage::questions::NoteRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::body::{by, must};
use crate::access::{self, NAME_SECONDS, Who};
use crate::app::{App, now_ms};
use crate::gather::audit::Action;
use crate::link;
use crate::respond::{ApiFault, Fault, PageFault};

/// Characters of a note.
const MOST_WORDS: usize = 2_000;
/// Longest address of an issue: trackers' own have less than 200 characters.
const MOST_LINK: usize = 500;
/// Longest name of a bucket: those that are made up by hostile dumps.
const MOST_BUCKET: usize = 8 * 1024;

/// The body, whichever way it came; a form has more fields, which others read.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = NoteBody)]
struct Body {
    /// Who writes; whoever has signed in is already known.
    by: String,
    /// What is known; may be left out where there is a link.
    note: String,
    /// Where the issue is tracked: an address.
    link: String,
}

/// The query string: whose crashes the note is about. Not in the form, where a hostile name would stand as it is.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct Whose {
    /// Whose; empty in an installation of one tenant.
    tenant: Option<String>,
}

/// A note that is kept.
#[derive(Serialize, ToSchema)]
#[schema(as = NoteAccepted)]
struct Accepted {
    /// Id of the note.
    note_id: Uuid,
    /// When it was written, ms since 1970.
    at_ms: i64,
}

/// Note something about a bucket
///
/// Notes are only ever added; the newest link is shown as the known issue.
#[utoipa::path(
    post, path = "/buckets/{bucket}/notes", tag = "Crashes",
    params(("bucket" = String, Path, description = "FAILURE_BUCKET_ID without symbols."), Whose),
    request_body(content = Body, example = json!({ "by": "ada", "note": "fixed in 7.12", "link": "https://tracker.example/1" })),
    responses((status = 201, description = "It is kept.", body = Accepted)),
)]
pub(crate) async fn post(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Whose>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiFault> {
    let (Path(bucket), Query(whose)) = (path?, query?);
    let body: Body = serde_json::from_slice(&body?)
        .map_err(|error| Fault::BadRequest(format!("The body is no JSON object as expected: {error}.")))?;
    let row = write(&app, &who, bucket, &whose, &body).await?;
    let accepted = Accepted { note_id: row.note_id, at_ms: row.at_ms };
    Ok((StatusCode::CREATED, Json(accepted)).into_response())
}

/// With a form; leads back to the page.
pub(crate) async fn form(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Whose>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, PageFault> {
    let (Path(bucket), Query(whose)) = (path?, query?);
    let body: Body = serde_urlencoded::from_bytes(&body?)
        .map_err(|_not_a_form| Fault::BadRequest("The body is no form.".to_owned()))?;
    let row = write(&app, &who, bucket, &whose, &body).await?;
    let mut response = Redirect::to(&link::bucket(whose.tenant.as_deref(), &row.bucket)).into_response();
    if !who.is_named() {
        let cookie = access::NAME.set(&link::encode(&row.who), NAME_SECONDS);
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn write(app: &App, who: &Who, bucket: String, whose: &Whose, body: &Body) -> Result<NoteRow, Fault> {
    let tenant = whose.tenant.as_deref().unwrap_or_default();
    let row = note(&by(who, &body.by)?, (tenant, bucket), body, now_ms())?;
    app.audit(&who.called(&row.who), Action::Note, &row.bucket, &row.link).await?;
    app.database.put_bucket_note(&row).await?;
    tracing::info!(bucket = row.bucket, by = row.who, "somebody notes something about a bucket");
    Ok(row)
}

/// Checks what is written.
fn note(who: &str, (tenant, bucket): (&str, String), body: &Body, at_ms: i64) -> Result<NoteRow, Fault> {
    let note = body.note.replace("\r\n", "\n");
    let (note, link) = (note.trim(), body.link.trim());
    must(tenant.len().max(bucket.len()) <= MOST_BUCKET, "The name of bucket or tenant is too long.")?;
    must(!note.is_empty() || !link.is_empty(), "There is neither a `note` nor a `link`.")?;
    must(note.chars().count() <= MOST_WORDS, "`note` is longer than 2000 characters.")?;
    must(
        !note.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')),
        "`note` has control characters.",
    )?;
    must(
        link.is_empty() || (link.len() <= MOST_LINK && link::outside(link).is_some()),
        "`link` is no address such as https://tracker.example/ISSUE-1.",
    )?;
    Ok(NoteRow {
        note_id: Uuid::new_v4(),
        tenant: tenant.to_owned(),
        bucket,
        at_ms,
        who: who.to_owned(),
        note: note.to_owned(),
        link: link.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, link: &str, expected: Result<(), &str>) {
        let body = Body { note: words.to_owned(), link: link.to_owned(), ..Body::default() };
        match (note("ada", ("", "AV_x".to_owned()), &body, 7), expected) {
            (Ok(_), Ok(())) => {}
            (Err(Fault::BadRequest(why)), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_note_says_something() {
        check("rolled back\r\nat 04:20", "", Ok(()));
        check("", " https://tracker.example/browse/DRV-17?x=1#c2 ", Ok(()));
        check(" ", "", Err("neither"));
        check("a\0", "", Err("control"));
        check(&"x".repeat(2001), "", Err("longer"));
        let long = note("ada", ("", "x".repeat(MOST_BUCKET + 1)), &Body::default(), 7);
        assert!(matches!(long, Err(Fault::BadRequest(why)) if why.contains("too long")));
    }

    #[test]
    fn a_link_leads_to_the_web_and_nowhere_else() {
        for wrong in
            ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/status", "https:///x", "DRV-17"]
        {
            check("x", wrong, Err("`link` is no address"));
        }
        check("x", &format!("https://a/{}", "x".repeat(500)), Err("`link` is no address"));
    }
}
