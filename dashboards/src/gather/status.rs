//! The ledger and what was given up on.

use serde::Serialize;

use super::FEW;
use super::ledger::{self, Ledger};
use crate::app::{App, now_ms};
use crate::respond::Fault;

/// Everything on the status page.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Status {
    pub(crate) now_ms: i64,
    pub(crate) version: &'static str,
    pub(crate) queue: String,
    pub(crate) ledger: Ledger,
    /// Newest first.
    pub(crate) dead_letters: Vec<DeadLetter>,
}

/// A delivery that was set aside.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DeadLetter {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) at_ms: i64,
    pub(crate) reason: String,
    pub(crate) crash_id: Option<uuid::Uuid>,
    pub(crate) tenant: String,
    pub(crate) machine: String,
}

pub(crate) async fn gather(app: &App) -> Result<Status, Fault> {
    let ledger = ledger::gather(&app.database, &app.queue).await?;
    let letters = app.queue.dead_letters(FEW as usize).await?;
    let letter = |letter: storage::queue::DeadLetter| {
        let meta = letter.meta.as_ref();
        DeadLetter {
            partition: letter.position.partition,
            offset: letter.position.offset,
            at_ms: letter.at_ms,
            crash_id: meta.map(|meta| meta.crash_id),
            tenant: meta.map(|meta| meta.tenant.clone()).unwrap_or_default(),
            machine: meta.map(|meta| meta.machine.clone()).unwrap_or_default(),
            reason: letter.reason,
        }
    };
    Ok(Status {
        now_ms: now_ms(),
        version: env!("CARGO_PKG_VERSION"),
        queue: app.queue.id().to_owned(),
        ledger,
        dead_letters: letters.into_iter().map(letter).collect(),
    })
}
