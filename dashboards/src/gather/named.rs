//! Lists of crashes, each with what its fault site is called with symbols.

use std::collections::BTreeMap;

use serde::Serialize;
use storage::database::Database;
use storage::questions::CrashSummary;
use utoipa::ToSchema;

use crate::respond::Fault;

/// One line of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CrashLine {
    #[serde(flatten)]
    pub(crate) summary: CrashSummary,
    /// Bucket id with symbols, where an analysis of the fault site has one.
    pub(crate) deep_bucket: Option<String>,
}

/// Adds the names that are known.
pub(crate) async fn named(database: &Database, crashes: Vec<CrashSummary>) -> Result<Vec<CrashLine>, Fault> {
    let mut sites: Vec<&str> = crashes.iter().map(|crash| crash.fault_site.as_str()).collect();
    sites.sort_unstable();
    sites.dedup();
    let found = database.deep_buckets(&sites).await?;
    let names: BTreeMap<String, String> =
        found.into_iter().map(|name| (name.fault_site, name.deep_bucket)).collect();
    let line = |summary: CrashSummary| {
        let deep_bucket = names.get(&summary.fault_site).cloned();
        CrashLine { summary, deep_bucket }
    };
    Ok(crashes.into_iter().map(line).collect())
}
