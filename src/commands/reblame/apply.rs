//! Writes what changes: rows first, then the rollups. Each row is read whole, judged once more and written over; nothing
//! is remembered, so a run that was killed is repeated and ends the same.

use indicatif::ProgressBar;
use serde::Serialize;
use storage::database::Database;
use storage::questions::ReplayFilter;
use storage::reblame::Mended;
use storage::rows::CrashRow;

use super::judged::{Again, Judge, Said};
use super::pages::Pages;
use crate::terminal;

/// Rows that are read whole at once: their ids travel in the address of a request.
const READ_ROWS: usize = 100;
/// Rows that are written at once. Each insert costs the disk some flushes, however many rows it has.
const WRITE_ROWS: usize = 1_000;
/// And bytes of their reports: most have 10 KB, some 200.
const WRITE_BYTES: usize = 16 << 20;

/// What was written.
#[derive(Debug, Serialize)]
pub(super) struct Applied {
    /// Crashes that were written over.
    pub(super) crashes: u64,
    /// Rows of rollups that were made anew.
    pub(super) rollups: Mended,
}

/// Writes every crash whose verdict changes, and makes the rollups right whoever left them wrong.
pub(super) async fn apply(
    database: &Database,
    judge: &Judge,
    filter: &ReplayFilter,
    about: u64,
) -> anyhow::Result<Applied> {
    let bar = terminal::bar(about, "writing")?;
    let mut writer = Writer { database, judge, bar, waiting: Vec::new(), bytes: 0, written: 0 };
    let mut pages = Pages::of(database, filter);
    while let Some(page) = pages.next().await? {
        let changed: Vec<_> = page
            .iter()
            .filter(|row| match judge.again(&row.facts, row.analyzer_version) {
                Again::Judged(verdict) => Said::of_row(row) != Said::of_verdict(&verdict),
                Again::NoFacts | Again::Newer | Again::Unreadable(_) => false,
            })
            .map(|row| row.crash_id)
            .collect();
        for ids in changed.chunks(READ_ROWS) {
            writer.take(database.these_crashes(ids).await?).await?;
        }
    }
    writer.flush().await?;
    writer.bar.finish_and_clear();
    let crashes = writer.written;
    Ok(Applied { crashes, rollups: mend(database, filter).await? })
}

async fn mend(database: &Database, filter: &ReplayFilter) -> anyhow::Result<Mended> {
    let waiting = terminal::spinner("making the counts anew");
    let mended = database.mend_rollups(filter.range).await?;
    waiting.finish_and_clear();
    Ok(mended)
}

struct Writer<'a> {
    database: &'a Database,
    judge: &'a Judge,
    bar: ProgressBar,
    waiting: Vec<CrashRow>,
    bytes: usize,
    written: u64,
}

impl Writer<'_> {
    /// Judges whole rows: between the page and now a better form of a crash may have come.
    async fn take(&mut self, rows: Vec<CrashRow>) -> anyhow::Result<()> {
        for row in rows.into_iter().filter_map(|row| self.judge.rewritten(row)) {
            self.bytes = self.bytes.saturating_add(row.report.len()).saturating_add(row.facts.len());
            self.waiting.push(row);
            if self.waiting.len() >= WRITE_ROWS || self.bytes >= WRITE_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        self.database.rewrite_crashes(&self.waiting).await?;
        let count = u64::try_from(self.waiting.len())?;
        self.written = self.written.saturating_add(count);
        self.bar.inc(count);
        self.waiting.clear();
        self.bytes = 0;
        Ok(())
    }
}
