//! `bluescope schema`: the published shapes. Where they come from is the types' business; `docs/schema/` keeps a copy of each.

use std::process::ExitCode;

use analyzer::Analysis;

use crate::cli::{Document, SchemaArgs};
use crate::terminal;

/// Prints the schema.
pub(crate) fn run(arguments: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let schema = match arguments.document {
        Document::Facts => blame::facts_schema(),
        Document::Verdict => blame::verdict_schema(),
        Document::Report => Analysis::schema(),
        Document::Webhook => serde_json::to_value(alerts::delivery::schema())?,
    };
    terminal::print(&serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
