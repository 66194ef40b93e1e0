//! Does the pipeline keep up, what was given up on, and how much room there is.

use std::collections::BTreeMap;

use serde::Serialize;
use storage::questions::{DiskRoom, Lag, SymbolSourceRow, TableSize, Versions};
use utoipa::ToSchema;
use uuid::Uuid;

use super::FEW;
use super::ledger::{self, Ledger};
use crate::app::{App, now_ms};
use crate::respond::Fault;

/// The lag is measured over so long.
const LATELY_MS: i64 = 15 * 60_000;

/// Everything on the status page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Status {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    /// Version of Bluescope.
    pub(crate) version: &'static str,
    /// Of what answers and of what wrote rows within the last quarter of an hour.
    pub(crate) versions: Versions,
    /// Identity of the queue: `log:ID` or `kafka:CLUSTER/TOPIC`.
    pub(crate) queue: String,
    pub(crate) ledger: Ledger,
    /// From the upload to its row, of the rows of the last quarter of an hour.
    pub(crate) lag: Lag,
    /// Analyses with symbols that are waiting or under way; those that lack a file.
    pub(crate) symbols: SymbolHealth,
    /// Newest first.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// The largest first.
    pub(crate) tables: Vec<TableSize>,
    pub(crate) disk: DiskRoom,
}

/// What is known of symbols without asking a server: the analyzers say how those are doing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SymbolHealth {
    /// Files that analyses of the last week lacked.
    pub(crate) missing_files: usize,
    /// There are more than were counted.
    pub(crate) more: bool,
    /// The servers, folders and stores that analyzers ask.
    pub(crate) sources: Vec<SymbolSourceRow>,
}

/// A delivery that was set aside.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    /// Its partition in the queue; 0 in the embedded log.
    pub(crate) partition: i32,
    /// Its offset inside the partition.
    pub(crate) offset: i64,
    /// When it was set aside, ms since 1970.
    pub(crate) at_ms: i64,
    /// Why it was set aside.
    pub(crate) reason: String,
    /// Which crash; null where its header could not be read.
    pub(crate) crash_id: Option<Uuid>,
    /// Tenant; empty too where its header could not be read.
    pub(crate) tenant: String,
    /// Machine; empty where its header could not be read.
    pub(crate) machine: String,
    /// What its crash's row says now: `analysed` where another try or another upload succeeded. Empty without a row.
    pub(crate) outcome: String,
}

pub(crate) async fn gather(app: &App) -> Result<Status, Fault> {
    let now_ms = now_ms();
    let database = &app.database;
    let week_ms = 7 * 86_400_000;
    let (ledger, lag, versions, tables, disk, missing, sources, letters) = tokio::try_join!(
        ledger::gather_all(database, &app.queue),
        async { Ok(database.lag(now_ms - LATELY_MS).await?) },
        async { Ok(database.versions(now_ms - LATELY_MS).await?) },
        async { Ok(database.tables().await?) },
        async { Ok(database.disk_room().await?) },
        async { Ok(database.missing_symbols(None, now_ms - week_ms, FEW, None).await?) },
        async { Ok(database.symbol_sources().await?) },
        async { Ok(app.queue.dead_letters(FEW as usize).await?) },
    )?;
    let ids: Vec<Uuid> = letters.iter().filter_map(|letter| Some(letter.meta.as_ref()?.crash_id)).collect();
    let outcomes: BTreeMap<Uuid, String> =
        if ids.is_empty() { BTreeMap::new() } else { database.outcomes(&ids).await?.into_iter().collect() };
    let letter = |letter: storage::queue::DeadLetter| {
        let meta = letter.meta.as_ref();
        DeadLetter {
            partition: letter.position.partition,
            offset: letter.position.offset,
            at_ms: letter.at_ms,
            crash_id: meta.map(|meta| meta.crash_id),
            tenant: meta.map(|meta| meta.tenant.clone()).unwrap_or_default(),
            machine: meta.map(|meta| meta.machine.clone()).unwrap_or_default(),
            outcome: meta.and_then(|meta| outcomes.get(&meta.crash_id)).cloned().unwrap_or_default(),
            reason: letter.reason,
        }
    };
    Ok(Status {
        now_ms,
        version: env!("CARGO_PKG_VERSION"),
        versions,
        queue: app.queue.id().to_owned(),
        ledger,
        lag,
        symbols: SymbolHealth { missing_files: missing.len(), more: missing.len() >= FEW as usize, sources },
        dead_letters: letters.into_iter().map(letter).collect(),
        tables,
        disk,
    })
}
