//! Symbol files: those that recent crashes lack, and those that arrived.

use serde::{Deserialize, Serialize};
use storage::questions::{MissingCursor, MissingSymbol};
use storage::rows::SymbolFileRow;
use utoipa::{IntoParams, ToSchema};

use super::FEW;
use crate::app::{App, now_ms};
use crate::respond::Fault;

/// Files on one page.
const PAGE: u32 = 100;
/// How far back crashes count.
const RECENT_MS: i64 = 7 * 86_400_000;

/// The query string.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct SymbolsQuery {
    /// Any, where it is not there; an empty one is a tenant too.
    pub(crate) tenant: Option<String>,
    /// `next` of the page before.
    pub(crate) before: Option<String>,
    /// An older name of `before`.
    pub(crate) after: Option<String>,
}

/// Everything on the page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Symbols {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    /// Crashes count from here on.
    pub(crate) since_ms: i64,
    /// Whose crashes and files; null for all.
    pub(crate) tenant: Option<String>,
    /// By machines.
    pub(crate) missing: Vec<MissingSymbol>,
    /// `before` of the next page, where there is one.
    pub(crate) next: Option<String>,
    /// Newest first.
    pub(crate) arrived: Vec<SymbolFileRow>,
}

pub(crate) async fn gather(app: &App, query: SymbolsQuery) -> Result<Symbols, Fault> {
    let now_ms = now_ms();
    let since_ms = now_ms - RECENT_MS;
    let SymbolsQuery { tenant, before, after } = query;
    let after = before.or(after).filter(|text| !text.is_empty()).map(|text| cursor(&text)).transpose()?;
    let whose = tenant.as_deref();
    let (mut missing, arrived) = tokio::try_join!(
        app.database.missing_symbols(whose, since_ms, PAGE + 1, after.as_ref()),
        app.database.symbol_files(whose, FEW),
    )?;
    let more = missing.len() > PAGE as usize;
    missing.truncate(PAGE as usize);
    let last = missing.last().filter(|_| more);
    let next = last.map(|last| format!("{}/{}/{}", last.machines, last.id, last.tenant));
    Ok(Symbols { now_ms, since_ms, tenant, missing, next, arrived })
}

/// `12/crash.pdb/3249d9/acme`: machines, the id, which has two parts, and the tenant.
fn cursor(text: &str) -> Result<MissingCursor, Fault> {
    let parts: Vec<&str> = text.splitn(4, '/').collect();
    let parsed = match parts.as_slice() {
        [machines, name, key, tenant] => {
            machines.parse().ok().map(|machines| (machines, format!("{name}/{key}"), (*tenant).to_owned()))
        }
        _ => None,
    };
    let (machines, id, tenant) =
        parsed.ok_or_else(|| Fault::BadRequest("before must be what a page gave as next.".to_owned()))?;
    Ok(MissingCursor { machines, tenant, id })
}
