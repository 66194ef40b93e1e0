//! `/login`, `/logout`: a token becomes a session. Owns the form and what happens to it; what a session is says `access`.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::access::{Cookie, LIFETIME, Means, Role, Visitor, Who, csrf_field, current, person};
use crate::app::App;
use crate::gather::audit::Action;
use crate::layout::{self, Here};
use crate::respond::{Fault, PageFault};
use crate::{link, text};

/// So long a sign-in waits for its line in the audit log. While storage is away people must get in to see that.
const AUDIT_PATIENCE: Duration = Duration::from_secs(2);

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoginQuery {
    /// Where to go on to.
    then: String,
}

/// The form.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    name: String,
    token: String,
    then: String,
}

/// `GET /login`
pub(crate) async fn page(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<LoginQuery>, QueryRejection>,
) -> Result<Response, PageFault> {
    let then = query?.0.then;
    if visitor.who.as_ref().is_some_and(Who::is_named) {
        return Ok(Redirect::to(link::back(&then)).into_response());
    }
    let name = current().map(|visit| visit.remembered).unwrap_or_default();
    Ok(shown(&app, &Form { name, then, ..Form::default() }, None))
}

fn shown(app: &App, form: &Form, wrong: Option<&Fault>) -> Response {
    let body = render(app.access.can_sign_in(), form, wrong.map(Fault::why));
    let page = layout::page("Sign in", Here::Nowhere, None, &body);
    match wrong {
        Some(fault) => fault.with(page),
        None => page.into_response(),
    }
}

fn render(can: bool, form: &Form, wrong: Option<&str>) -> Markup {
    html! {
        section.card.login {
            h1 { "Sign in" }
            @if can {
                @if let Some(why) = wrong { p.hint role="alert" { (text::visible(why)) } }
                form.filter method="post" action="/login" {
                    (csrf_field())
                    input type="hidden" name="then" value=(link::back(&form.then));
                    label {
                        span { "Your name, as it stands beside what you do" }
                        input type="text" name="name" value=(text::visible(&form.name)) maxlength="100" required
                            autocomplete="username";
                    }
                    label {
                        span { "Token" }
                        input type="password" name="token" maxlength="1000" required autocomplete="current-password";
                    }
                    button type="submit" { "Sign in" }
                }
                p.quiet { "A viewer's token lets you look, a responder's act on incidents, an admin's see who did what. "
                    "You stay signed in for 12 hours." }
            } @else {
                p { "There is nothing to sign in with: tokens are configured under " code { "[access]" } "." }
            }
        }
    }
}

/// `POST /login`
pub(crate) async fn sign_in(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, PageFault> {
    let form: Form = serde_urlencoded::from_bytes(&body?)
        .map_err(|_not_a_form| Fault::BadRequest("The body is no form.".to_owned()))?;
    match admit(&app, &visitor, &form, Instant::now()).await {
        Ok(who) => {
            if let Some(old) = &visitor.session {
                app.access.sessions.end(old);
            }
            let id = app.access.sessions.begin(who.name, who.role, Instant::now());
            let cookie = Cookie::session(visitor.secure).set(&id, LIFETIME.as_secs());
            let mut response = Redirect::to(link::back(&form.then)).into_response();
            response.headers_mut().insert(SET_COOKIE, cookie);
            Ok(response)
        }
        Err(fault) => Ok(shown(&app, &form, Some(&fault))),
    }
}

/// Who signs in, where the token is one.
async fn admit(app: &App, visitor: &Visitor, form: &Form, now: Instant) -> Result<Who, Fault> {
    let name = person(&form.name, "name")?;
    if let Some(wait) = app.access.throttle.wait(visitor.address, now) {
        app.metrics.sign_in("slowed");
        return Err(Fault::TooMany(wait));
    }
    let who = |role| Who { name: name.clone(), role, means: Means::Session, peer: visitor.peer() };
    let Some(role) = app.access.keys.role(form.token.trim()) else {
        app.access.throttle.failed(visitor.address, now);
        app.metrics.sign_in("refused");
        tracing::warn!(name, peer = visitor.peer(), "somebody tried to sign in with a token that nobody has");
        note(app, &who(Role::Viewer), Action::SignInRefused, "").await;
        return Err(Fault::Unauthorized("There is no such token.".to_owned()));
    };
    app.access.throttle.passed(visitor.address);
    app.metrics.sign_in("in");
    note(app, &who(role), Action::SignIn, "").await;
    Ok(who(role))
}

/// `POST /logout`
pub(crate) async fn sign_out(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Response {
    if let (Some(id), Some(who)) = (&visitor.session, &visitor.who) {
        app.access.sessions.end(id);
        note(&app, who, Action::SignOut, "").await;
    }
    let next = if app.access.is_closed() { "/login" } else { "/" };
    let cookie = Cookie::session(visitor.secure).set("", 0);
    (StatusCode::SEE_OTHER, [(SET_COOKIE, cookie)], Redirect::to(next)).into_response()
}

/// A line of the audit log, or of ours where it does not answer.
async fn note(app: &App, who: &Who, action: Action, detail: &str) {
    let written = tokio::time::timeout(AUDIT_PATIENCE, app.audit(who, action, "", detail)).await;
    if !matches!(written, Ok(Ok(()))) {
        tracing::error!(
            name = who.name,
            peer = who.peer,
            action = action.name(),
            "the audit log does not answer: this line is missing there"
        );
    }
}
