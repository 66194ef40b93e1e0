//! `/api/v1/search`: crashes by any fact, what may come next in a query, and all of them as a file.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::access::Who;
use crate::app::App;
use crate::gather::audit::Action;
use crate::gather::search;
use crate::query::QueryFault;
use crate::respond::Body;

/// Search crashes by any fact
///
/// A page of 50 crashes that fit the query, how many there are, when they happened and what they have in common. `before` of the
/// next page is this one's `next`. A wrong query is refused with the place where it is wrong, and what may have been meant.
#[utoipa::path(
    get, path = "/search", tag = "Crashes", params(search::SearchQuery),
    responses(
        (status = 200, description = "OK", body = search::Search),
        (status = 400, description = "The query is wrong, or another parameter.", body = AnyBody<'_>),
    ),
)]
pub(super) async fn search(
    State(app): State<App>,
    query: Result<Query<search::SearchQuery>, QueryRejection>,
) -> Result<Json<search::Search>, SearchFault> {
    Ok(Json(search::gather(&app, query?.0).await?))
}

/// What may come next in a query
///
/// Keys, then values by the machines that have them.
#[utoipa::path(get, path = "/search/complete", tag = "Crashes", params(search::complete::CompleteQuery), responses((status = 200, description = "OK", body = search::complete::Completion)))]
pub(super) async fn complete(
    State(app): State<App>,
    query: Result<Query<search::complete::CompleteQuery>, QueryRejection>,
) -> Answer<search::complete::Completion> {
    Ok(Json(search::complete::gather(&app, query?.0).await?))
}

/// All that a search finds, as a file
///
/// CSV, or one JSON object whose `crashes` are those of the search. At most 100,000; the file says where it was cut.
#[utoipa::path(
    get, path = "/search/export", tag = "Crashes", params(search::export::ExportQuery),
    responses(
        (status = 200, description = "The file.", content(
            (search::export::File = "application/json"),
            (String = "text/csv"),
        )),
        (status = 400, description = "The query is wrong, or another parameter.", body = AnyBody<'_>),
    ),
)]
pub(super) async fn export(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    query: Result<Query<search::export::ExportQuery>, QueryRejection>,
) -> Result<Response, SearchFault> {
    let Query(asked) = query?;
    let (q, format) = (asked.q.clone(), asked.format.name());
    // Only what can be answered is an export; nothing of it has left yet.
    let answer = search::export::answer(&app, asked).await?;
    app.audit(&who, Action::Export, &q, format).await?;
    Ok(answer)
}

/// Why a search has no answer: as any fault, with the place where a query is wrong.
pub(super) struct SearchFault(search::Refused);

impl<F: Into<search::Refused>> From<F> for SearchFault {
    fn from(refused: F) -> Self {
        Self(refused.into())
    }
}

/// Why a query has no answer.
#[derive(Serialize, ToSchema)]
#[schema(as = QueryRefusal)]
pub(super) struct QueryBody<'a> {
    error: QueryDetail<'a>,
}

/// What a search may be refused with.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = SearchRefusal)]
#[expect(dead_code, reason = "read by the macro that makes the schema; each is sent by itself")]
pub(super) enum AnyBody<'a> {
    Query(QueryBody<'a>),
    Other(Body<'a>),
}

/// The place where it is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = QueryRefusalReason)]
pub(super) struct QueryDetail<'a> {
    /// `bad_query`.
    code: &'static str,
    #[serde(flatten)]
    #[schema(value_type = QueryFault)]
    fault: &'a QueryFault,
}

impl IntoResponse for SearchFault {
    fn into_response(self) -> Response {
        match self.0 {
            search::Refused::Other(fault) => fault.json(),
            search::Refused::Query { fault, .. } => {
                let error = QueryDetail { code: "bad_query", fault: &fault };
                (StatusCode::BAD_REQUEST, Json(QueryBody { error })).into_response()
            }
        }
    }
}
