//! Stretches of one rollup: where it says something else than the crashes, and how that is made anew without a gap.
//! What the rollups hold is the business of `schema/`; the statements are in `statements.rs`.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::statements;
use crate::database::stretches::{HOUR_S, Hour, stretches};
use crate::database::{Database, DatabaseError, WRITE_SECONDS};
use crate::questions::Range;

/// The last hour that a `DateTime` holds, 2106.
pub(super) const FAR_MS: i64 = 4_294_965_600_000;
/// Stretches that one statement deletes: they travel in the address of a request.
pub(super) const MOST_STRETCHES: usize = 200;
/// A round leaves something only where a merge took a part between two statements: ten times in a row is a fault.
pub(super) const MOST_ROUNDS: u32 = 10;
pub(super) const NO_REST: &str =
    "the rollups do not come to rest, as if something else were rewriting them: run it again";

/// Which rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rollup {
    /// By when a crash became a row: the detector's.
    Arrivals,
    /// By when it happened: the pages'.
    Minutes,
    /// The same by driver, version and fault site: a driver's page's.
    Drivers,
    /// The same by the hour, for long ranges.
    Hours,
}

/// The rows of a rollup that say something else than the crashes.
#[derive(Debug, Clone, Copy, Row, Serialize, Deserialize)]
pub(super) struct Stale {
    rows: u64,
    from_s: i64,
    to_s: i64,
}

/// A part knows between which times its rows lie, as the tables' partitions go by them.
const PARTS: &str = "SELECT name FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active
    AND max_time >= toDateTime({from_s:Int64}, 'UTC') AND min_time < toDateTime({to_s:Int64}, 'UTC')";

impl Rollup {
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Arrivals => "arrivals",
            Self::Minutes => "crash_minutes",
            Self::Drivers => "driver_minutes",
            Self::Hours => "crash_hours",
        }
    }

    /// Seconds that one of its rows stands for.
    fn step_s(self) -> i64 {
        match self {
            Self::Arrivals => 10,
            Self::Minutes | Self::Drivers => 60,
            Self::Hours => HOUR_S,
        }
    }
}

impl Database {
    /// A range in whole hours, as far as a rollup has anything there, cut into what one question may look at.
    pub(super) async fn rollup_stretches(
        &self,
        rollup: Rollup,
        range: Range,
    ) -> Result<Vec<Range>, DatabaseError> {
        let from_s = range.from_ms.clamp(0, FAR_MS).div_euclid(1000 * HOUR_S).saturating_mul(HOUR_S);
        let to_s = range.to_ms.clamp(0, FAR_MS).saturating_add(999).div_euclid(1000);
        let hours: Vec<Hour> = self
            .ask_built(&statements::hours(rollup))
            .with_setting("max_execution_time", WRITE_SECONDS)
            .param("from_s", from_s)
            .param("to_s", to_s)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look where a rollup has anything"))?;
        Ok(stretches(&hours))
    }

    /// Where a rollup says something else than the crashes, if anywhere in a stretch.
    pub(super) async fn stale(&self, rollup: Rollup, within: Range) -> Result<Option<Stale>, DatabaseError> {
        let stale: Stale = self
            .ask_built(&statements::stale(rollup)?)
            .with_setting("max_execution_time", WRITE_SECONDS)
            .param("from_s", within.from_ms / 1000)
            .param("to_s", within.to_ms / 1000)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("compare a rollup with the crashes"))?;
        Ok((stale.rows > 0).then(|| Stale { to_s: stale.to_s.saturating_add(rollup.step_s()), ..stale }))
    }

    /// Makes what is stale in some stretches anew; says how many rows that were.
    pub(super) async fn mend(&self, rollup: Rollup, within: &[Range]) -> Result<u64, DatabaseError> {
        let mut mended = 0;
        for _ in 0..MOST_ROUNDS {
            let mut found = Vec::new();
            for stretch in within {
                found.extend(self.stale(rollup, *stretch).await?);
            }
            let Some(whole) = around(&found) else { return Ok(mended) };
            mended = mended.max(whole.rows);
            let parts = self.parts(rollup, whole).await?;
            for stale in &found {
                self.add(rollup, *stale).await?;
            }
            self.forget(rollup, whole, &found, &parts).await?;
        }
        Err(DatabaseError::Invalid(NO_REST))
    }

    async fn parts(&self, rollup: Rollup, stale: Stale) -> Result<Vec<String>, DatabaseError> {
        self.ask(PARTS)
            .param("table", rollup.table())
            .param("from_s", stale.from_s)
            .param("to_s", stale.to_s)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look where a rollup is stored"))
    }

    async fn add(&self, rollup: Rollup, stale: Stale) -> Result<(), DatabaseError> {
        self.ask_built(&statements::add(rollup)?)
            .with_setting("max_execution_time", WRITE_SECONDS)
            .param("from_s", stale.from_s)
            .param("to_s", stale.to_s)
            .execute()
            .await
            .map_err(DatabaseError::while_("make a rollup anew"))
    }

    async fn forget(
        &self,
        rollup: Rollup,
        whole: Stale,
        found: &[Stale],
        parts: &[String],
    ) -> Result<(), DatabaseError> {
        self.ask_built(&statements::forget(rollup))
            .with_setting("max_execution_time", WRITE_SECONDS)
            // Waits until the rows are gone on every replica.
            .with_setting("lightweight_deletes_sync", "2")
            .param("from_s", whole.from_s)
            .param("to_s", whole.to_s)
            .param("froms", found.iter().map(|stale| stale.from_s).collect::<Vec<_>>())
            .param("tos", found.iter().map(|stale| stale.to_s).collect::<Vec<_>>())
            .param("parts", parts)
            .execute()
            .await
            .map_err(DatabaseError::while_("delete what a rollup held before"))
    }
}

/// From the first to the last; `None` where there is nothing.
fn around(found: &[Stale]) -> Option<Stale> {
    let joined = |a: Stale, b: &Stale| Stale {
        rows: a.rows.saturating_add(b.rows),
        from_s: a.from_s.min(b.from_s),
        to_s: a.to_s.max(b.to_s),
    };
    let (first, rest) = found.split_first()?;
    Some(rest.iter().fold(*first, joined))
}
