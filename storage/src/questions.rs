//! What is asked of ClickHouse: one file per question, its SQL beside the struct that it returns.
//! Every value is a server-side parameter. `crashes` counts distinct crash ids, exactly; `machines` counts distinct
//! (tenant, machine), exactly up to some thousands and within about 1 % beyond.

use serde::{Deserialize, Serialize};

use crate::database::DatabaseError;

mod acts;
mod audit;
mod bucket;
mod builds;
mod changes;
mod crash;
mod crash_forms;
mod crash_heads;
mod crashes;
mod deep;
mod deep_jobs;
mod driver_builds;
mod driver_facts;
mod driver_history;
mod driver_series;
mod exposed_machines;
mod facets;
mod fleet_days;
mod fleet_hours;
mod fleet_now;
mod fleet_series;
mod fleet_size;
mod grain;
mod incident_counts;
mod incident_evidence;
mod incidents;
mod lag;
mod ledger;
mod live_mark;
mod machine_drivers;
mod missing_symbols;
mod newcomers;
mod notifications;
mod open_incidents;
mod outcomes;
mod pulse;
mod replay;
mod rollout_counts;
mod search;
mod signal_rows;
mod sparklines;
mod suspect_machines;
mod symbol_files;
mod symbol_sources;
mod tables;
mod targets;
mod top_drivers;
mod top_machines;
mod versions;

pub use acts::{ActCursor, ActRow};
pub use audit::{AuditCursor, AuditFilter, AuditRow};
pub use bucket::{
    BucketEnds, BucketFilter, BucketTotals, CorrelationRow, Correlations, FaultSiteRow, KinBucket, NoteRow,
    Recurrence,
};
pub use builds::BuildSeen;
pub use changes::ChangeRow;
pub use crash_forms::{CrashForm, KeptDump};
pub use crash_heads::CrashShown;
pub use crashes::{CrashFilter, CrashSummary, Cursor};
pub use deep::{DeepBucket, DeepShown, DeepSite};
pub use deep_jobs::{DeepJob, DeepMarks};
pub use driver_builds::{BuildExposure, Exposure};
pub use driver_history::DriverHour;
pub use exposed_machines::ExposedMachine;
pub use facets::{ComparedValue, FacetKind, Facets, Ours};
pub use fleet_days::FleetDay;
pub use fleet_hours::FleetHour;
pub use incident_counts::{DriverNow, IncidentCount, IncidentSpan};
pub use incident_evidence::{BucketRow, BugcheckRow, BuildRow, Evidence, Share, SiteRow, VersionRow};
pub use incidents::{IncidentCursor, IncidentEvent, IncidentFilter, IncidentState, IncidentSummary};
pub use lag::Lag;
pub use ledger::LedgerCounts;
pub use machine_drivers::{MachineDriver, MachineDrivers};
pub use missing_symbols::{MissingCursor, MissingSymbol};
pub use newcomers::{NewBucket, NewDriver};
pub use notifications::NotificationRow;
pub use pulse::{Casualties, DriverPulse, Pulse};
pub use replay::{ReplayCursor, ReplayFilter, ReplayPage, ReplayRow};
pub use rollout_counts::{ArmCounts, BuildName, ExposureSource, RolloutCounts};
pub use search::{
    Condition, Facet, FacetValue, KnownValue, NumberField, Pattern, Place, ROWS_AT_ONCE, SAMPLE_ONE_IN,
    SearchCounts, SearchCursor, SearchFilter, SearchKey, SearchTotals, TextField, ValuesOf,
};
pub use signal_rows::SignalRows;
pub use suspect_machines::{HardwareEvidence, MachineHealth, SUSPECT_WINDOW_MS, SoundPulse, Suspicion};
pub use symbol_sources::SymbolSourceRow;
pub use tables::{DiskRoom, TableSize};
pub use targets::TargetRow;
pub use top_drivers::{Culprit, DriverSummary, Ranking};
pub use top_machines::TopMachine;
pub use versions::Versions;

/// The most points of a series: a page is about 2,000 pixels wide.
const MAX_POINTS: i64 = 10_000;
/// What the `arrivals` rollup counts by.
const TICK_S: i64 = 10;
/// What the `crash_hours` rollup counts by.
const HOUR_MS: i64 = 3_600_000;

/// A stretch of time, `from_ms <= t < to_ms`, ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Range {
    /// First instant inside.
    pub from_ms: i64,
    /// First instant after it.
    pub to_ms: i64,
}

/// Counts of one step of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clickhouse::Row)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeriesPoint {
    /// Start of the step.
    pub at_ms: i64,
    /// Distinct machines within it.
    pub machines: u64,
    /// Crashes within it.
    pub crashes: u64,
}

impl Range {
    /// Whether it begins and ends with an hour: then the hours answer as well as the minutes, and sooner.
    fn is_whole_hours(self) -> bool {
        self.from_ms % HOUR_MS == 0 && self.to_ms % HOUR_MS == 0
    }
}

/// Where the tick that holds `now_ms` ends: a question about now counts what arrived up to this moment.
fn end_of_tick_s(now_ms: i64) -> i64 {
    now_ms.div_euclid(TICK_S * 1000).saturating_add(1).saturating_mul(TICK_S)
}

/// The length of a step of the minute rollups in ms: whole minutes, at least one.
fn step_ms(range: Range, step_s: u32) -> Result<i64, DatabaseError> {
    bounded(range, i64::from(step_s.div_ceil(60).max(1)) * 60_000)
}

/// A step in ms, where a series of the range in such steps has no more points than are drawn.
fn bounded(range: Range, step: i64) -> Result<i64, DatabaseError> {
    if range.to_ms.saturating_sub(range.from_ms) / step > MAX_POINTS {
        return Err(DatabaseError::Invalid(
            "the series would have more than 10000 points: use a longer step",
        ));
    }
    Ok(step)
}

/// A point for every step of the range, zero where nothing was found. `found` is sorted by time.
fn fill(found: &[SeriesPoint], range: Range, step: i64) -> Vec<SeriesPoint> {
    let mut found = found.iter().copied().peekable();
    let mut points = Vec::new();
    let mut at_ms = range.from_ms.div_euclid(step) * step;
    while at_ms < range.to_ms {
        let point = found.next_if(|point| point.at_ms <= at_ms);
        points.push(point.unwrap_or(SeriesPoint { at_ms, machines: 0, crashes: 0 }));
        at_ms += step;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_every_step() {
        let point = |at_ms, machines| SeriesPoint { at_ms, machines, crashes: machines };
        let range = Range { from_ms: 90_000, to_ms: 240_000 };
        let filled = fill(&[point(60_000, 2), point(180_000, 1)], range, 60_000);
        assert_eq!(filled, [point(60_000, 2), point(120_000, 0), point(180_000, 1)]);
        assert_eq!(fill(&[], Range { from_ms: 0, to_ms: 0 }, 60_000), []);
    }

    #[test]
    fn steps_are_whole_minutes_and_not_too_many() {
        let hour = Range { from_ms: 0, to_ms: 3_600_000 };
        for (asked, given) in [(0, 60_000), (10, 60_000), (60, 60_000), (61, 120_000)] {
            assert_eq!(step_ms(hour, asked).unwrap(), given);
        }
        assert!(step_ms(Range { from_ms: 0, to_ms: i64::MAX }, 60).is_err());
        assert!(step_ms(Range { from_ms: i64::MIN, to_ms: i64::MAX }, 60).is_err());
    }
}
