//! Verdicts that changed, written over the old ones: which revision wins, and rollups that forget what was said before.
//! Never judges: what a row says anew is the caller's word.
//!
//! Rollups are sets that only grow, so a crash that changes its driver would stand under both. A stretch of a rollup that
//! holds more than the crashes say is made anew, and at no moment shows less than there is (the detector would take a
//! hole before an ordinary minute for an outage that begins): the parts that hold it are noted, what the crashes say is
//! added, and then the stretch is deleted from the parts that were noted, and from those only. Whatever is inserted meanwhile is in other parts. A part that was merged meanwhile is none of those noted, so
//! its rows stay, the comparison finds them, and there is another round. Nothing is remembered between steps: after a
//! kill the next run compares again and finds what is left to do.

mod lists;
mod rollup;
mod sightings;
mod statements;

use serde::Serialize;

use crate::database::{Database, DatabaseError};
use crate::questions::Range;
use crate::rows::CrashRow;
use rollup::Rollup;

/// Below the version in a revision: see [`CrashRow::revision`].
const SIZE_BITS: u32 = 40;
/// The lowest bit says whether the dump was kept; one byte more of the dump counts this much.
const ONE_BYTE: u64 = 2;

/// How far ahead of its arrival a machine's time is believed: as `crashes.happened_at` has it.
const AHEAD_MS: i64 = 300_000;

/// What was made anew, in rows of the rollups that said something else than the crashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Mended {
    /// Of `crash_minutes`, which the pages draw.
    pub minutes: u64,
    /// Of `arrivals`, which the detector reads.
    pub arrivals: u64,
    /// Of `driver_minutes`, which a driver's page and an incident's ask.
    pub drivers: u64,
    /// Of `crash_hours`, which the pages draw of longer ranges.
    pub hours: u64,
    /// Of `sightings`, which tell what is new.
    pub sightings: u64,
}

/// The revision of a row that was judged again by `version`. It beats the row's present one even where only the
/// configuration changed: then the dump counts as one byte longer. A form of the crash that is truly larger still wins.
pub fn next_revision(revision: u64, version: u32) -> u64 {
    let rest = revision & ((1 << SIZE_BITS) - 1);
    let judged = (u64::from(version) << SIZE_BITS) | rest;
    if judged > revision { judged } else { revision.saturating_add(ONE_BYTE) }
}

impl Database {
    /// Writes crashes over what they were. The rollups hold both until [`Self::mend_rollups`]; writing the same rows again
    /// changes nothing.
    pub async fn rewrite_crashes(&self, rows: &[CrashRow]) -> Result<(), DatabaseError> {
        self.insert_crashes(rows).await
    }

    /// Makes the rollups of crashes that happened within `range` say what the crashes say. Where they do already, nothing
    /// is written. A rollup that holds anything else is made anew there, whoever left it so.
    pub async fn mend_rollups(&self, range: Range) -> Result<Mended, DatabaseError> {
        let mut mended = Mended::default();
        // By itself: a fault site may move where driver and bucket stay.
        let drivers = self.stale_stretches(Rollup::Drivers, range).await?;
        for some in drivers.chunks(rollup::MOST_STRETCHES) {
            mended.drivers += self.mend(Rollup::Drivers, some).await?;
        }
        let stale = self.stale_stretches(Rollup::Minutes, range).await?;
        let Some(first) = stale.first() else { return Ok(mended) };
        for stretch in &stale {
            self.mend_lists(*stretch).await?;
        }
        // A crash becomes a row at any time after it happened, and a machine's clock may be some minutes ahead.
        let arrived = Range { from_ms: first.from_ms.saturating_sub(AHEAD_MS), to_ms: rollup::FAR_MS };
        let arrived = self.rollup_stretches(Rollup::Arrivals, arrived).await?;
        // What the detector reads comes first: a run that is killed in between is found out by its minutes.
        for some in arrived.chunks(rollup::MOST_STRETCHES) {
            mended.arrivals += self.mend(Rollup::Arrivals, some).await?;
        }
        mended.sightings = self.mend_sightings().await?;
        // Stretches are whole hours.
        for some in stale.chunks(rollup::MOST_STRETCHES) {
            mended.hours += self.mend(Rollup::Hours, some).await?;
        }
        for some in stale.chunks(rollup::MOST_STRETCHES) {
            mended.minutes += self.mend(Rollup::Minutes, some).await?;
        }
        Ok(mended)
    }

    async fn stale_stretches(&self, rollup: Rollup, range: Range) -> Result<Vec<Range>, DatabaseError> {
        let mut stale = Vec::new();
        for stretch in self.rollup_stretches(rollup, range).await? {
            if self.stale(rollup, stretch).await?.is_some() {
                stale.push(stretch);
            }
        }
        Ok(stale)
    }
}

#[cfg(test)]
mod tests {
    use super::next_revision;

    #[test]
    fn a_verdict_that_changed_beats_its_old_row_and_no_larger_dump() {
        let of = |version: u64, len: u64, kept: u64| (version << 40) | (len * 2) | kept;
        // By newer rules: the version rises, the dump stays what it is.
        assert_eq!(next_revision(of(1, 100, 1), 3), of(3, 100, 1));
        // By another configuration: above the old row and a kept one like it, below any larger dump.
        let again = next_revision(of(3, 100, 0), 3);
        assert!(again > of(3, 100, 1) && again < of(3, 102, 0));
        assert_eq!(next_revision(of(3, 100, 1), 3) & 1, 1);
        // Once more, and at the end of all numbers.
        assert!(next_revision(again, 3) > again);
        assert_eq!(next_revision(u64::MAX, 3), u64::MAX);
    }
}
