//! `POST /api/v1/incidents/{id}/{act}`: what people do to incidents. Owns the checks of who asks and what is asked, and
//! writes the act down; the alerts role reads it and makes it a step of the incident.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};
use storage::questions::ActRow;
use uuid::Uuid;

use crate::app::{App, now_ms};
use crate::gather::incidents::standing;
use crate::respond::{ApiFault, Fault};

mod permit;
pub(crate) mod test;

pub(crate) use permit::Permit;

/// Room for the longest words, each character escaped.
const MAX_BODY: usize = 16 * 1024;
/// Nobody types that slowly into curl; whoever sends a byte a second holds a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Characters of a person's name.
const MOST_NAME: usize = 100;
/// Characters of a comment.
const MOST_WORDS: usize = 2_000;
/// Longer than this, an incident that is muted is one that nobody will ever hear of again.
const MOST_MUTE: Duration = Duration::from_hours(30 * 24);

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Acknowledge,
    Resolve,
    Mute,
    Unmute,
    Comment,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Acknowledge, Self::Resolve, Self::Mute, Self::Unmute, Self::Comment];

    /// As it stands in the address and in the row.
    fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Comment => "comment",
        }
    }

    fn of(name: &str) -> Result<Self, Fault> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            Fault::NotFound(format!("There is no such act. There are: {all}."))
        })
    }
}

/// The body.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Body {
    by: String,
    words: String,
    until: Option<String>,
    #[serde(rename = "for")]
    length: Option<String>,
}

/// A body that makes sense.
#[derive(Debug, PartialEq, Eq)]
struct Act {
    by: String,
    words: String,
    until_ms: Option<i64>,
}

/// The answer.
#[derive(Serialize)]
struct Accepted {
    act_id: Uuid,
    incident_id: Uuid,
    kind: &'static str,
    at_ms: i64,
    until_ms: Option<i64>,
}

/// The handler.
pub(crate) async fn post(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, ApiFault> {
    let Path((id, kind)) = path?;
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    app.permit.check(&parts.headers, peer)?;
    let kind = Kind::of(&kind)?;
    let body = read(body).await?;
    let at_ms = now_ms();
    let act = act(kind, &body, at_ms)?;
    let incident_id = exists(&app, &id, kind).await?;
    let act_id = Uuid::new_v4();
    let row = ActRow {
        act_id,
        incident_id,
        at_ms,
        by: act.by.clone(),
        kind: kind.name().to_owned(),
        detail: serde_json::json!({ "until_ms": act.until_ms, "words": act.words }).to_string(),
        written_at_ms: 0,
    };
    app.database.put_act(&row).await.map_err(Fault::from)?;
    if kind != Kind::Comment && !act.words.is_empty() {
        // What somebody says while doing something stands in the time line as any words do.
        let words = ActRow { act_id: Uuid::new_v4(), kind: Kind::Comment.name().to_owned(), ..row };
        app.database.put_act(&words).await.map_err(Fault::from)?;
    }
    tracing::info!(incident = %incident_id, act = kind.name(), by = act.by, "somebody acts on an incident");
    let accepted = Accepted { act_id, incident_id, kind: kind.name(), at_ms, until_ms: act.until_ms };
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// The incident, where it is in a state in which that can be done.
async fn exists(app: &App, id: &str, kind: Kind) -> Result<Uuid, Fault> {
    let (incident_id, state) = standing(app, id).await?;
    match (kind, state) {
        (Kind::Comment, _) | (_, "open" | "acknowledged") => Ok(incident_id),
        _ => Err(Fault::Conflict(format!("The incident is {state}: it only takes comments."))),
    }
}

/// A body, in time and not too long.
async fn read(body: axum::body::Body) -> Result<axum::body::Bytes, Fault> {
    let body = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY)).await;
    body.map_err(|_elapsed| Fault::BadRequest("The body did not arrive within 10 seconds.".to_owned()))?
        .map_err(|_too_long_or_cut| {
            Fault::BadRequest(format!("The body was cut off or is longer than {MAX_BODY} bytes."))
        })
}

fn must(holds: bool, why: &str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::BadRequest(why.to_owned())) }
}

/// Who does it.
fn by(body: &Body) -> Result<String, Fault> {
    let by = body.by.trim();
    must(!by.is_empty(), "`by` is missing: who does it.")?;
    must(by.chars().count() <= MOST_NAME, "`by` is longer than 100 characters.")?;
    must(!by.chars().any(char::is_control), "`by` has control characters.")?;
    Ok(by.to_owned())
}

/// Checks a body against what the act needs.
fn act(kind: Kind, body: &[u8], now_ms: i64) -> Result<Act, Fault> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| Fault::BadRequest(format!("The body is no JSON object as expected: {error}.")))?;
    let by = by(&body)?;
    let words = body.words.trim();
    must(words.chars().count() <= MOST_WORDS, "`words` are longer than 2000 characters.")?;
    must(
        !words.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')),
        "`words` have control characters.",
    )?;
    must(kind != Kind::Comment || !words.is_empty(), "`words` are missing: a comment needs them.")?;
    let until_ms = match (kind, body.until.as_deref(), body.length.as_deref()) {
        (Kind::Mute, Some(until), None) => Some(moment(until)?),
        (Kind::Mute, None, Some(length)) => Some(now_ms.saturating_add(length_ms(length)?)),
        (Kind::Mute, _, _) => {
            return Err(Fault::BadRequest("`mute` needs either `until` or `for`.".to_owned()));
        }
        (_, None, None) => None,
        _ => return Err(Fault::BadRequest("`until` and `for` are for `mute` only.".to_owned())),
    };
    if let Some(until_ms) = until_ms {
        let most_ms = i64::try_from(MOST_MUTE.as_millis()).unwrap_or(i64::MAX);
        let ahead_ms = until_ms.saturating_sub(now_ms);
        must(ahead_ms > 0, "The end of the mute is past.")?;
        must(ahead_ms <= most_ms, "A mute lasts 30 days at most.")?;
    }
    Ok(Act { by, words: words.to_owned(), until_ms })
}

fn moment(text: &str) -> Result<i64, Fault> {
    let parsed = text.parse::<Timestamp>().map(Timestamp::as_millisecond);
    parsed.map_err(|_not_a_time| {
        Fault::BadRequest("`until` is no time such as 2026-01-31T09:00:00Z.".to_owned())
    })
}

fn length_ms(text: &str) -> Result<i64, Fault> {
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let length = span.ok().and_then(|length| i64::try_from(length.as_millis()).ok());
    length.ok_or_else(|| Fault::BadRequest("`for` is no length such as 30m, 2h or 3d.".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_721_362_140_000;

    fn check(kind: Kind, body: &str, expected: Result<Option<i64>, &str>) {
        let found = act(kind, body.as_bytes(), NOW_MS).map(|act| act.until_ms);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{body}"),
            (Err(Fault::BadRequest(why)), Err(expected)) => assert!(why.contains(expected), "{body}: {why}"),
            (found, expected) => panic!("{body}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_body_is_what_its_act_needs() {
        check(Kind::Acknowledge, r#"{"by":"ada"}"#, Ok(None));
        check(Kind::Resolve, r#"{"by":"Grüße","words":"two\nlines"}"#, Ok(None));
        check(Kind::Mute, r#"{"by":"ada","for":"2h"}"#, Ok(Some(NOW_MS + 7_200_000)));
        check(Kind::Mute, r#"{"by":"ada","for":"3d"}"#, Ok(Some(NOW_MS + 259_200_000)));
        check(Kind::Mute, r#"{"by":"ada","until":"2024-07-19T06:09:00+02:00"}"#, Err("past"));
        check(
            Kind::Mute,
            r#"{"by":"ada","until":"2024-07-19T06:39:00+02:00"}"#,
            Ok(Some(NOW_MS + 1_800_000)),
        );
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (kind, body, why) in [
            (Kind::Acknowledge, "", "no JSON"),
            (Kind::Acknowledge, "[]", "`by` is missing"),
            (Kind::Acknowledge, r#"{"by":7}"#, "no JSON"),
            (Kind::Acknowledge, r#"{"by":"ada","who":"ada"}"#, "no JSON"),
            (Kind::Acknowledge, r#"{"by":" "}"#, "`by` is missing"),
            (Kind::Acknowledge, r#"{"by":"a\u001bb"}"#, "control"),
            (Kind::Acknowledge, r#"{"by":"ada","for":"2h"}"#, "`mute` only"),
            (Kind::Comment, r#"{"by":"ada"}"#, "`words` are missing"),
            (Kind::Comment, r#"{"by":"ada","words":"a\u0000"}"#, "control"),
            (Kind::Mute, r#"{"by":"ada"}"#, "either"),
            (Kind::Mute, r#"{"by":"ada","for":"2h","until":"2024-07-19T06:09:00Z"}"#, "either"),
            (Kind::Mute, r#"{"by":"ada","for":"31d"}"#, "30 days"),
            (Kind::Mute, r#"{"by":"ada","for":"-2h"}"#, "past"),
            (Kind::Mute, r#"{"by":"ada","for":"ever"}"#, "no length"),
            (Kind::Mute, r#"{"by":"ada","for":"9999999999999h"}"#, "no length"),
            (Kind::Mute, r#"{"by":"ada","until":"tomorrow"}"#, "no time"),
        ] {
            check(kind, body, Err(why));
        }
        check(Kind::Comment, &format!(r#"{{"by":"ada","words":"{}"}}"#, "x".repeat(2001)), Err("longer"));
        check(Kind::Comment, &format!(r#"{{"by":"{}","words":"x"}}"#, "x".repeat(101)), Err("longer"));
    }
}
