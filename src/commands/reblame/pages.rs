//! Stored crashes page by page, the next one on its way while one is judged. Memory holds two pages at most.

use storage::database::{Database, DatabaseError};
use storage::questions::{ReplayCursor, ReplayFilter, ReplayPage, ReplayRow};
use tokio::task::JoinHandle;

/// Facts of a real crash take 1 to 10 KB, those of the worst dump some 200.
const PAGE_ROWS: u32 = 2_000;

type Coming = JoinHandle<Result<ReplayPage, DatabaseError>>;

/// All pages of a range.
pub(super) struct Pages {
    database: Database,
    filter: ReplayFilter,
    coming: Option<Coming>,
}

impl Pages {
    pub(super) fn of(database: &Database, filter: &ReplayFilter) -> Self {
        let mut pages = Self { database: database.clone(), filter: filter.clone(), coming: None };
        pages.coming = Some(pages.fetch(ReplayCursor::default()));
        pages
    }

    /// The next page, which may be empty; `None` at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Vec<ReplayRow>>> {
        let Some(coming) = self.coming.take() else { return Ok(None) };
        let page = coming.await??;
        self.coming = page.next.map(|after| self.fetch(after));
        Ok(Some(page.rows))
    }

    fn fetch(&self, after: ReplayCursor) -> Coming {
        let (database, filter) = (self.database.clone(), self.filter.clone());
        tokio::spawn(async move { database.replay_page(&filter, after, PAGE_ROWS).await })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Some(coming) = &self.coming {
            coming.abort();
        }
    }
}
