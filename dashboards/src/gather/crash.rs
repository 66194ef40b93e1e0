//! One crash, whole.

use serde::Serialize;
use serde_json::Value;
use storage::rows::{CrashRow, DeepRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::hardware::{self, Hardware};
use crate::app::App;
use crate::report::Report;
use crate::respond::Fault;

/// Everything on a crash's page. As JSON, report and facts stand beside the row as the analyzer wrote them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Crash {
    pub(crate) crash: CrashRow,
    /// The row's confidence, lowered where the machine's hardware is suspect.
    pub(crate) effective_confidence: String,
    pub(crate) machine_suspect: bool,
    /// What the machine's crashes around this one say about its hardware.
    pub(crate) machine_hardware: Option<Hardware>,
    pub(crate) facts: Value,
    pub(crate) report: Value,
    /// The analysis with symbols: its own, or one of the same fault site.
    pub(crate) deep: Option<Deep>,
    #[serde(skip)]
    pub(crate) read: Report,
    /// Why the report could not be read, where it could not.
    #[serde(skip)]
    pub(crate) unread: Option<String>,
}

/// An analysis with symbols.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Deep {
    /// Whose dump was analysed.
    pub(crate) crash_id: Uuid,
    /// Whether that is this crash.
    pub(crate) own: bool,
    pub(crate) analysed_at_ms: i64,
    pub(crate) analyzer_version: u32,
    pub(crate) deep_bucket: String,
    pub(crate) deep_bucket_hash: String,
    pub(crate) deep_confidence: String,
    /// Files that it wanted and nobody had.
    pub(crate) missing: Vec<MissingFile>,
    pub(crate) report: Value,
    #[serde(skip)]
    pub(crate) read: Report,
}

/// A symbol file that is not there.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MissingFile {
    pub(crate) id: String,
    pub(crate) kind: String,
}

pub(crate) async fn gather(app: &App, id: &str) -> Result<Crash, Fault> {
    let unknown = || Fault::NotFound("There is no such crash.".to_owned());
    let id = Uuid::parse_str(id).map_err(|_not_an_id| unknown())?;
    let mut crash = app.database.crash(id).await?.ok_or_else(unknown)?;
    let deep = app.database.deep_of(&crash).await?.and_then(|row| deep(row, id));
    let machine_hardware = hardware::of_crash(app, &crash).await?;
    let machine_suspect = machine_hardware.as_ref().is_some_and(|hardware| hardware.suspect);
    let effective_confidence =
        hardware::effective(&crash.culprit, &crash.confidence, machine_suspect).to_owned();
    let (report, read, unread) = read(&std::mem::take(&mut crash.report));
    let facts = serde_json::from_str(&std::mem::take(&mut crash.facts)).unwrap_or(Value::Null);
    Ok(Crash {
        crash,
        effective_confidence,
        machine_suspect,
        machine_hardware,
        facts,
        report,
        deep,
        read,
        unread,
    })
}

/// A report as the analyzer wrote it, as the page reads it, and why it cannot be read.
fn read(text: &str) -> (Value, Report, Option<String>) {
    // A dump that could not be read has a row and no report.
    if text.is_empty() {
        return (Value::Null, Report::default(), None);
    }
    let report = serde_json::from_str(text).unwrap_or(Value::Null);
    match serde_json::from_str(text) {
        Ok(read) => (report, read, None),
        Err(error) => (report, Report::default(), Some(error.to_string())),
    }
}

/// None where the analysis failed: there is nothing to show that the crash itself does not.
fn deep(row: DeepRow, id: Uuid) -> Option<Deep> {
    let (report, read, unread) = read(&row.report);
    if row.report.is_empty() || unread.is_some() {
        return None;
    }
    let missing = row.missing.into_iter().zip(row.missing_kinds);
    Some(Deep {
        crash_id: row.crash_id,
        own: row.crash_id == id,
        analysed_at_ms: row.analysed_at,
        analyzer_version: row.analyzer_version,
        deep_bucket: row.deep_bucket,
        deep_bucket_hash: row.deep_bucket_hash,
        deep_confidence: row.deep_confidence,
        missing: missing.map(|(id, kind)| MissingFile { id, kind }).collect(),
        report,
        read,
    })
}
