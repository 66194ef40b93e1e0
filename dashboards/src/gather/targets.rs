//! Who is told of incidents, and how each of them is doing.

use serde::Serialize;
use storage::questions::TargetRow;
use utoipa::ToSchema;

use crate::app::{App, now_ms};
use crate::respond::Fault;

/// The alerts role says every minute how targets are doing: after this long it is not there.
const SILENT_MS: i64 = 180_000;

/// All of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Targets {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    /// By name.
    pub(crate) targets: Vec<TargetRow>,
}

impl Targets {
    /// Since when the alerts role has said nothing, where that is too long.
    pub(crate) fn silent_since_ms(&self) -> Option<i64> {
        let heard = self.targets.iter().map(|target| target.updated_at_ms).max()?;
        (self.now_ms.saturating_sub(heard) > SILENT_MS).then_some(heard)
    }
}

pub(crate) async fn gather(app: &App) -> Result<Targets, Fault> {
    Ok(Targets { now_ms: now_ms(), targets: app.database.targets().await? })
}
