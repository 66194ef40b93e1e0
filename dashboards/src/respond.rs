//! Faults and headers: what people get when something is wrong (a code and a safe sentence; the log has the cause),
//! and what every answer carries so that a hostile name that slipped through could still do nothing.

use std::time::Duration;

use axum::Json;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Serialize;
use storage::blobs::BlobError;
use storage::database::DatabaseError;
use storage::queue::QueueError;
use utoipa::ToSchema;

use crate::access;
use crate::layout::{self, Here};

/// Nothing may be loaded, run or asked but what is ours, and nothing that stands in a page itself; forms only lead back.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// Why a page cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no such thing; the sentence says which.
    NotFound(String),
    /// The question makes no sense; the sentence says why.
    BadRequest(String),
    /// Who asks is not known.
    Unauthorized(String),
    /// Who asks may not; the sentence says why and what to do.
    Forbidden(String),
    /// It cannot be done as things stand.
    Conflict(String),
    /// The body is of another type than is taken.
    MediaType(String),
    /// Too many ask at once.
    Busy(String),
    /// It was tried too often; again after this.
    TooMany(Duration),
    /// ClickHouse or the queue does not answer.
    Away,
}

/// Why there is no answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Refusal)]
pub(crate) struct Body<'a> {
    error: Detail<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RefusalReason)]
pub(crate) struct Detail<'a> {
    /// A stable word for programs.
    code: &'a str,
    /// A sentence for people; it may change.
    message: &'a str,
}

impl Fault {
    fn parts(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::NotFound(why) => (StatusCode::NOT_FOUND, "not_found", why),
            Self::BadRequest(why) => (StatusCode::BAD_REQUEST, "bad_request", why),
            Self::Unauthorized(why) => (StatusCode::UNAUTHORIZED, "unauthorized", why),
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, "forbidden", why),
            Self::Conflict(why) => (StatusCode::CONFLICT, "conflict", why),
            Self::MediaType(why) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", why),
            Self::Busy(why) => (StatusCode::SERVICE_UNAVAILABLE, "busy", why),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many tokens were wrong. Wait a minute, and try again.",
            ),
            Self::Away => (
                StatusCode::SERVICE_UNAVAILABLE,
                "storage_unavailable",
                "The storage behind this page does not answer. Uploads are still taken and nothing is lost; \
                 try again in a moment.",
            ),
        }
    }

    /// What people are told.
    pub(crate) fn why(&self) -> &str {
        self.parts().2
    }

    /// Under this fault's status, a page that says more.
    pub(crate) fn with(&self, page: Markup) -> Response {
        self.headed((self.parts().0, page).into_response())
    }

    /// As a page.
    pub(crate) fn page(&self) -> Response {
        let (status, _, why) = self.parts();
        let title = match self {
            Self::NotFound(_) => "Not found",
            Self::BadRequest(_) | Self::Conflict(_) | Self::MediaType(_) | Self::Busy(_) => {
                "That does not work"
            }
            Self::Unauthorized(_) | Self::Forbidden(_) | Self::TooMany(_) => "Not allowed",
            Self::Away => "Storage is away",
        };
        let body: Markup = html! {
            section.card.notice {
                h1 { (title) }
                p { (crate::text::visible(why)) }
                p {
                    @if let (Self::Unauthorized(_), Some(link)) = (self, access::sign_in_link()) {
                        a href=(link) { "Sign in" } " · "
                    }
                    a href="/" { "To the fleet" }
                }
            }
        };
        self.headed((status, layout::page(title, Here::Nowhere, None, &body)).into_response())
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Response {
        let (status, code, message) = self.parts();
        let response = (status, Json(Body { error: Detail { code, message } })).into_response();
        self.headed(response)
    }

    fn headed(&self, mut response: Response) -> Response {
        match self {
            Self::Unauthorized(_) => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooMany(wait) => {
                response.headers_mut().insert(RETRY_AFTER, wait.as_secs().saturating_add(1).into());
            }
            _ => {}
        }
        response
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        if let DatabaseError::Invalid(why) = error {
            return Self::BadRequest(why.to_owned());
        }
        tracing::error!(error = chain(&error), "a page could not be gathered");
        Self::Away
    }
}

impl From<BlobError> for Fault {
    fn from(error: BlobError) -> Self {
        if error.is_not_found() {
            return Self::NotFound("The dump was kept, and is gone since.".to_owned());
        }
        tracing::error!(error = chain(&error), "a kept dump cannot be read");
        Self::Away
    }
}

impl From<QueueError> for Fault {
    fn from(error: QueueError) -> Self {
        tracing::error!(error = chain(&error), "a page could not ask the queue");
        Self::Away
    }
}

/// As a page: what handlers of pages return on failure.
pub(crate) struct PageFault(Fault);

impl<F: Into<Fault>> From<F> for PageFault {
    fn from(fault: F) -> Self {
        Self(fault.into())
    }
}

impl IntoResponse for PageFault {
    fn into_response(self) -> Response {
        self.0.page()
    }
}

/// As JSON: what handlers of the API return on failure.
pub(crate) struct ApiFault(Fault);

impl<F: Into<Fault>> From<F> for ApiFault {
    fn from(fault: F) -> Self {
        Self(fault.into())
    }
}

impl IntoResponse for ApiFault {
    fn into_response(self) -> Response {
        self.0.json()
    }
}

/// Sets on every answer what keeps a browser from doing anything but showing it.
pub(crate) async fn guard(mut response: Response) -> Response {
    let fixed: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Nobody else learns where a link was. With "no-referrer" a browser hides from us too that a form is our own page's.
        (REFERRER_POLICY, "same-origin"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Crashes are nobody's business but the fleet's: no proxy keeps them.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
