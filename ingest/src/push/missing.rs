//! `GET /v1/symbols/missing`: what a tenant's crashes would be named by, for scripts that push.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Json, Response};
use serde::{Deserialize, Serialize};
use storage::questions::{MissingCursor, MissingSymbol};

use super::Inner;
use crate::refusal::Refusal;
use crate::upload::now_ms;

/// How far back crashes count.
const RECENT_MS: i64 = 7 * 86_400_000;
/// Lines of an answer, where nothing is asked for, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1_000;

#[derive(Debug, Default, Deserialize)]
struct Asked {
    limit: Option<u32>,
    /// `next` of an earlier answer; older scripts call it `after`.
    before: Option<String>,
    after: Option<String>,
}

#[derive(Debug, Serialize)]
struct Missing {
    missing: Vec<Line>,
    /// `before` of the next page, where there is one.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: String,
    kind: String,
    crashes: u64,
    machines: u64,
    sites: u64,
    drivers: Vec<String>,
    last_seen_ms: i64,
}

pub(super) async fn missing(State(intake): State<Arc<Inner>>, request: Request) -> Response {
    match answer(&intake, request).await {
        Ok(missing) => Json(missing).into_response(),
        Err(refusal) => intake.refuse(refusal),
    }
}

async fn answer(intake: &Inner, request: Request) -> Result<Missing, Refusal> {
    let (request, _) = request.into_parts();
    let tenant = intake.tenants.tenant(&request)?;
    let bad = |why: &str| Refusal::BadValue { what: "the query".to_owned(), why: why.to_owned() };
    let Query(asked) = Query::<Asked>::try_from_uri(&request.uri)
        .map_err(|_not_numbers| bad("limit is a number, before is the next of an earlier answer"))?;
    let limit = asked.limit.unwrap_or(USUAL).clamp(1, MOST);
    let after = match asked.before.as_deref().or(asked.after.as_deref()) {
        None | Some("") => None,
        Some(text) => Some(
            cursor(tenant, text).ok_or_else(|| bad("before must be what an earlier answer gave as next"))?,
        ),
    };
    let since = now_ms().saturating_sub(RECENT_MS);
    let found = intake
        .database
        .missing_symbols(Some(tenant), since, limit.saturating_add(1), after.as_ref())
        .await
        .map_err(|error| {
            tracing::error!(cause = ?error, "missing symbol files could not be listed");
            Refusal::Away
        })?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    let shown: Vec<MissingSymbol> = found.into_iter().take(limit).collect();
    let next = shown.last().filter(|_| more).map(|last| format!("{}:{}", last.machines, last.id));
    Ok(Missing { missing: shown.into_iter().map(Line::from).collect(), next })
}

impl From<MissingSymbol> for Line {
    fn from(line: MissingSymbol) -> Self {
        let MissingSymbol { tenant: _, id, kind, crashes, machines, sites, drivers, last_seen_ms } = line;
        Self { id, kind, crashes, machines, sites, drivers, last_seen_ms }
    }
}

fn cursor(tenant: &str, text: &str) -> Option<MissingCursor> {
    let (machines, id) = text.split_once(':')?;
    Some(MissingCursor { machines: machines.parse().ok()?, tenant: tenant.to_owned(), id: id.to_owned() })
}
