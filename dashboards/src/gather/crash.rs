//! One crash, whole.

use serde::Serialize;
use serde_json::Value;
use storage::database::Database;
use storage::questions::{CrashForm, CrashShown, DeepShown, KeptDump};
use storage::rows::CrashRow;
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
    /// Whether the machine's hardware is suspect. Not asked of a bucket's example: there it is false.
    pub(crate) machine_suspect: bool,
    /// What of the machine's crashes around this one points at its hardware; null where nothing does.
    pub(crate) machine_hardware: Option<Hardware>,
    /// What the rules judged, as the analyzer wrote it; null where that was not kept.
    pub(crate) facts: Value,
    /// The whole analysis, as the analyzer wrote it; null where there is none.
    pub(crate) report: Value,
    /// The analysis with symbols: its own, or one of the same fault site.
    pub(crate) deep: Option<Deep>,
    /// The forms in which it arrived that are still told apart, the one that is shown first.
    pub(crate) forms: Vec<CrashForm>,
    /// The dump, where it is kept and can be had here.
    pub(crate) dump: Option<Dump>,
    #[serde(skip)]
    pub(crate) read: Report,
    /// Why the report could not be read, where it could not.
    #[serde(skip)]
    pub(crate) unread: Option<String>,
}

/// A dump that can be downloaded: `/crashes/{id}/dump`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Dump {
    /// Its length.
    pub(crate) bytes: u64,
}

/// An analysis with symbols.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Deep {
    /// Whose dump was analysed.
    pub(crate) crash_id: Uuid,
    /// Whether that is this crash.
    pub(crate) own: bool,
    /// When it began, ms since 1970.
    pub(crate) analysed_at_ms: i64,
    /// Version of the analyzer's rules.
    pub(crate) analyzer_version: u32,
    /// Bucket id with symbols.
    pub(crate) deep_bucket: String,
    /// Its hash.
    pub(crate) deep_bucket_hash: String,
    /// `high`, `medium`, `low`, `none`.
    pub(crate) deep_confidence: String,
    /// Files that it wanted and nobody had.
    pub(crate) missing: Vec<MissingFile>,
    /// The whole analysis, as the analyzer wrote it.
    pub(crate) report: Value,
    #[serde(skip)]
    pub(crate) read: Report,
}

/// A symbol file that is not there.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MissingFile {
    /// Canonical id: `crash.pdb/3249d99d0c4049318610f4e4fb0b69361`.
    pub(crate) id: String,
    /// `image` or `pdb`.
    pub(crate) kind: String,
}

/// All there is.
pub(crate) async fn gather(app: &App, id: &str) -> Result<Crash, Fault> {
    let (id, database) = (parsed(id)?, &app.database);
    let (found, kept, deep) =
        tokio::try_join!(database.crash_and_forms(id), database.kept_dump(id), database.deep_of(id))?;
    let (row, forms) = found.ok_or_else(unknown)?;
    let machine_hardware = hardware::of_crash(app, &row).await?;
    Ok(whole(app, row, Beside { forms, kept, deep, machine_hardware }))
}

/// What the page shows: without the lists of the row, which are in the report too.
pub(crate) async fn for_page(app: &App, text: &str) -> Result<Crash, Fault> {
    let (id, database) = (parsed(text)?, &app.database);
    let (found, kept) = tokio::try_join!(database.crash_shown(id), database.kept_dump(id))?;
    // An insert fills one table after the other: for some milliseconds a crash has its row and nothing else.
    let Some(CrashShown { row, forms, fault_site }) = found else { return gather(app, text).await };
    let (deep, machine_hardware) =
        tokio::try_join!(async { Ok(database.deep_at(&fault_site, id).await?) }, async {
            hardware::of_crash(app, &row).await
        })?;
    Ok(whole(app, row, Beside { forms, kept, deep, machine_hardware }))
}

/// What there is of a crash beside its row.
struct Beside {
    forms: Vec<CrashForm>,
    kept: Option<KeptDump>,
    deep: Option<DeepShown>,
    machine_hardware: Option<Hardware>,
}

fn whole(app: &App, row: CrashRow, beside: Beside) -> Crash {
    let Beside { forms, kept, deep, machine_hardware } = beside;
    let machine_suspect = machine_hardware.is_some();
    let effective_confidence = hardware::effective(&row.culprit, &row.confidence, machine_suspect).to_owned();
    let dump = kept.filter(|_| app.blobs.is_some()).map(|kept| Dump { bytes: kept.raw_len });
    let deep = deep.and_then(|deep| told(deep, row.crash_id));
    let crash = Crash::of(row, deep);
    Crash { effective_confidence, machine_suspect, machine_hardware, forms, dump, ..crash }
}

/// What the rules judged; null in rows from before that was kept.
pub(crate) async fn facts(app: &App, id: &str) -> Result<Value, Fault> {
    let row = app.database.crash(parsed(id)?).await?.ok_or_else(unknown)?;
    Ok(serde_json::from_str(&row.facts).unwrap_or(Value::Null))
}

fn parsed(id: &str) -> Result<Uuid, Fault> {
    Uuid::parse_str(id).map_err(|_not_an_id| unknown())
}

fn unknown() -> Fault {
    Fault::NotFound("There is no such crash.".to_owned())
}

impl Crash {
    /// A crash by its row alone: without what its machine says of itself.
    pub(crate) fn of(mut row: CrashRow, deep: Option<Deep>) -> Self {
        let (report, read, unread) = read(&std::mem::take(&mut row.report));
        let facts = serde_json::from_str(&std::mem::take(&mut row.facts)).unwrap_or(Value::Null);
        Self {
            effective_confidence: row.confidence.clone(),
            crash: row,
            machine_suspect: false,
            machine_hardware: None,
            facts,
            report,
            deep,
            forms: Vec::new(),
            dump: None,
            read,
            unread,
        }
    }
}

/// The analysis with symbols that speaks for a crash.
pub(crate) async fn deep_of(database: &Database, id: Uuid) -> Result<Option<Deep>, Fault> {
    let found = database.deep_of(id).await?;
    Ok(found.and_then(|row| told(row, id)))
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
fn told(row: DeepShown, id: Uuid) -> Option<Deep> {
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
