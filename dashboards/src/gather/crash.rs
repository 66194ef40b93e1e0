//! One crash, whole.

use serde::Serialize;
use storage::rows::CrashRow;
use uuid::Uuid;

use crate::app::App;
use crate::report::Report;
use crate::respond::Fault;

/// Everything on a crash's page. As JSON, the report stands beside the row as the analyzer wrote it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Crash {
    pub(crate) crash: CrashRow,
    pub(crate) report: serde_json::Value,
    #[serde(skip)]
    pub(crate) read: Report,
    /// Why the report could not be read, where it could not.
    #[serde(skip)]
    pub(crate) unread: Option<String>,
}

pub(crate) async fn gather(app: &App, id: &str) -> Result<Crash, Fault> {
    let unknown = || Fault::NotFound("There is no such crash.".to_owned());
    let id = Uuid::parse_str(id).map_err(|_not_an_id| unknown())?;
    let mut crash = app.database.crash(id).await?.ok_or_else(unknown)?;
    let text = std::mem::take(&mut crash.report);
    // A dump that could not be read has a row and no report.
    let (report, read, unread) = match text.is_empty() {
        true => (serde_json::Value::Null, Report::default(), None),
        false => {
            let report = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
            match serde_json::from_str(&text) {
                Ok(read) => (report, read, None),
                Err(error) => (report, Report::default(), Some(error.to_string())),
            }
        }
    };
    Ok(Crash { crash, report, read, unread })
}
