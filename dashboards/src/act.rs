//! What people do to incidents: `POST /api/v1/incidents/{id}/{act}` for programs, `POST /incidents/{id}/{act}` for the forms
//! of the incident's page. Owns the checks of what is asked, and writes the act down; the alerts role reads it and makes it a
//! step of the incident. Who may is settled before: `access/gate.rs`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use storage::questions::ActRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{self, NAME_SECONDS, Who};
use crate::app::{App, now_ms};
use crate::gather::audit::Action;
use crate::gather::incidents::standing;
use crate::link;
use crate::respond::{ApiFault, Fault, PageFault};

pub(crate) mod analyse;
mod body;
pub(crate) mod notes;
pub(crate) mod retry;
pub(crate) mod test;

use body::{Act, Body, Form, act};

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = ActKind, rename_all = "lowercase")]
pub(crate) enum Kind {
    Acknowledge,
    Resolve,
    Mute,
    Unmute,
    Comment,
    /// Says where else it is worked on. The detector hears nothing of it.
    Ticket,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Acknowledge, Self::Resolve, Self::Mute, Self::Unmute, Self::Comment, Self::Ticket];

    /// As it stands in the address and in the row.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Comment => "comment",
            Self::Ticket => "ticket",
        }
    }

    /// The step of an incident that the alerts role makes of it; a ticket makes none.
    pub(crate) fn step(self) -> Option<&'static str> {
        match self {
            Self::Acknowledge => Some("acknowledged"),
            Self::Resolve => Some("resolved"),
            Self::Mute => Some("muted"),
            Self::Unmute => Some("unmuted"),
            Self::Comment => Some("commented"),
            Self::Ticket => None,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn of(name: &str) -> Result<Self, Fault> {
        Self::named(name).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            Fault::NotFound(format!("There is no such act. There are: {all}."))
        })
    }

    fn action(self) -> Action {
        match self {
            Self::Acknowledge => Action::Acknowledge,
            Self::Resolve => Action::Resolve,
            Self::Mute => Action::Mute,
            Self::Unmute => Action::Unmute,
            Self::Comment => Action::Comment,
            Self::Ticket => Action::Ticket,
        }
    }
}

/// The answer.
#[derive(Serialize, ToSchema)]
#[schema(as = ActAccepted)]
struct Accepted {
    /// Id of what was written down.
    act_id: Uuid,
    /// Which incident.
    incident_id: Uuid,
    /// What was done: `acknowledge`, `resolve`, `mute`, `unmute`, `comment`, `ticket`.
    kind: &'static str,
    /// When, ms since 1970.
    at_ms: i64,
    /// Until when it is muted, ms since 1970; null for all but `mute`.
    until_ms: Option<i64>,
}

/// Do something to an incident
///
/// Acknowledge, resolve, mute, unmute, comment or link a ticket. The act is durable when the answer comes and stands in the
/// incident's history within seconds. `until` and `for` are of `mute` alone, which needs one of them; `comment` needs `words`,
/// and `ticket` a ticket. `by` is needed where a token or a proxy does not say who asks.
#[utoipa::path(
    post, path = "/incidents/{id}/{act}", tag = "Incidents",
    params(
        ("id" = Uuid, Path, description = "Id of the incident."),
        ("act" = inline(Kind), Path, description = "What is done.", example = "acknowledge"),
    ),
    request_body(content = Body, example = json!({ "by": "ada", "words": "on it" })),
    responses((status = 202, description = "It is written down.", body = Accepted)),
)]
pub(crate) async fn post(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiFault> {
    let Path((id, kind)) = path?;
    let kind = Kind::of(&kind)?;
    let act = act(&who, kind, Body::of_json(&body?)?, now_ms())?;
    let accepted = perform(&app, &who, &id, kind, &act).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// `POST /incidents/{id}/{act}`, with a form; leads back to the page.
pub(crate) async fn form(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, PageFault> {
    let Path((id, kind)) = path?;
    let kind = Kind::of(&kind)?;
    let act = act(&who, kind, Form::read(&body?)?.into(), now_ms())?;
    let Accepted { incident_id, .. } = perform(&app, &who, &id, kind, &act).await?;
    let page = link::with_query(&link::incident(incident_id), &[("did", kind.name())]);
    let mut response = Redirect::to(&page).into_response();
    if !who.is_named() {
        let cookie = access::NAME.set(&link::encode(&act.by), NAME_SECONDS);
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn perform(app: &App, who: &Who, id: &str, kind: Kind, act: &Act) -> Result<Accepted, Fault> {
    let incident_id = exists(app, id, kind).await?;
    app.audit(&who.called(&act.by), kind.action(), &incident_id.to_string(), &act.detail()).await?;
    let (act_id, at_ms) = (Uuid::new_v4(), act.at_ms);
    let row = ActRow {
        act_id,
        incident_id,
        at_ms,
        by: act.by.clone(),
        kind: kind.name().to_owned(),
        detail: match kind {
            Kind::Ticket => serde_json::json!({ "ticket": act.ticket, "words": act.words }),
            _ => serde_json::json!({ "until_ms": act.until_ms, "words": act.words }),
        }
        .to_string(),
        written_at_ms: 0,
    };
    app.database.put_act(&row).await?;
    if kind != Kind::Comment && !act.words.is_empty() {
        // What somebody says while doing something stands in the time line as any words do.
        let words = ActRow { act_id: Uuid::new_v4(), kind: Kind::Comment.name().to_owned(), ..row };
        app.database.put_act(&words).await?;
    }
    tracing::info!(incident = %incident_id, act = kind.name(), by = act.by, "somebody acts on an incident");
    Ok(Accepted { act_id, incident_id, kind: kind.name(), at_ms, until_ms: act.until_ms })
}

/// The incident, where it is in a state in which that can be done.
async fn exists(app: &App, id: &str, kind: Kind) -> Result<Uuid, Fault> {
    let (incident_id, state) = standing(app, id).await?;
    match (kind, state) {
        (Kind::Comment | Kind::Ticket, _) | (_, "open" | "acknowledged") => Ok(incident_id),
        _ => Err(Fault::Conflict(format!("The incident is {state}: it only takes comments and tickets."))),
    }
}
