//! The one gate that every request of pages and API passes: who is it, may they, does it come from our own page. Owns the
//! order of these questions; the answers are beside it.

use std::net::SocketAddr;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::csrf::{Kind, read};
use super::visit::{Visit, within};
use super::{NAME, Visitor, needs};
use crate::app::App;
use crate::link;
use crate::respond::Fault;

/// The middleware.
pub(crate) async fn gate(State(app): State<App>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let asked = Asked::of(&request);
    let visitor = match app.access.visitor(request.headers(), peer, Instant::now()) {
        Ok(visitor) => visitor,
        Err(fault) => return asked.refuse(&fault),
    };
    let visit = visit(&app, &visitor, request.headers(), &asked);
    // Whatever is rendered from here on knows who looks.
    within(visit, async move {
        match enter(&app, request, visitor).await {
            Ok(request) => next.run(request).await,
            Err(Fault::Unauthorized(_)) if asked.is_page() && app.access.can_sign_in() => {
                Redirect::to(&link::with_query("/login", &[("then", &asked.address)])).into_response()
            }
            Err(fault) => asked.refuse(&fault),
        }
    })
    .await
}

/// What the answer to a refusal depends on.
struct Asked {
    method: Method,
    api: bool,
    /// Path and query.
    address: String,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let address = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        Self { method: request.method().clone(), api: is_api(request.uri()), address }
    }

    fn is_page(&self) -> bool {
        !self.api && self.method.is_safe()
    }

    fn refuse(&self, fault: &Fault) -> Response {
        if self.api { fault.json() } else { fault.page() }
    }
}

fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

fn visit(app: &App, visitor: &Visitor, headers: &HeaderMap, asked: &Asked) -> Visit {
    Visit {
        who: visitor.who.clone(),
        form_token: app.access.form_token(visitor),
        can_sign_in: app.access.can_sign_in(),
        remembered: NAME.get(headers).map(link::decode).unwrap_or_default(),
        here: asked.address.clone(),
    }
}

/// The request with who sends it, where they may.
async fn enter(app: &App, request: Request, visitor: Visitor) -> Result<Request, Fault> {
    let (mut parts, mut body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    if let Some(needed) = needs::role(&parts.method, route) {
        app.access.allows(&visitor, needed)?;
    }
    if !parts.method.is_safe() {
        // By the head first: a page of somebody else's gets no further.
        let kind = app.access.check_head(&parts.headers, &visitor)?;
        let whole = read(body).await?;
        if kind == Kind::Form {
            app.access.check_form(&whole, &visitor)?;
        }
        body = Body::from(whole);
    }
    if let Some(who) = &visitor.who {
        parts.extensions.insert(who.clone());
    }
    parts.extensions.insert(visitor);
    Ok(Request::from_parts(parts, body))
}
