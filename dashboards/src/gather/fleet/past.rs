//! What lies behind the fleet in a range: series, rankings and what is new. It costs the more the longer the range is, and
//! changes the less: `app/kept.rs` keeps it.

use std::collections::BTreeMap;

use storage::database::Database;
use storage::questions::{Culprit, DriverSummary, NewBucket, NewDriver, Range, Ranking, SeriesPoint};

use super::DriverLine;
use crate::app::App;
use crate::expected::{self, Expected};
use crate::range::Span;
use crate::respond::Fault;

/// Drivers on the page.
const TOP: u32 = 20;
/// New drivers and new buckets on the page.
const NEW: u32 = 10;
/// Drivers whose rank of before is known.
const RANKED: u32 = 200;
const WEEK_MS: i64 = 7 * 86_400_000;

/// As the fields of [`super::Fleet`].
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) between: Range,
    pub(crate) series: Vec<SeriesPoint>,
    pub(crate) expected: Option<Expected>,
    pub(crate) drivers: Vec<DriverLine>,
    pub(crate) new_drivers: Vec<NewDriver>,
    pub(crate) new_buckets: Vec<NewBucket>,
    pub(crate) unattributed: Vec<DriverSummary>,
}

/// The hours that the band of any range may be made of: those of the weeks before its longest.
pub(crate) fn all_hours(now_ms: i64) -> Range {
    let between = Span::Week.range(now_ms);
    Range { from_ms: between.from_ms - expected::WEEKS * WEEK_MS, to_ms: between.to_ms }
}

pub(crate) async fn gather(app: &App, database: &Database, span: Span, now_ms: i64) -> Result<Past, Fault> {
    let between = span.range(now_ms);
    let before =
        Range { from_ms: between.from_ms - (between.to_ms - between.from_ms), to_ms: between.from_ms };
    let ranking = async {
        let ranking = database.top_drivers(between, TOP).await?;
        let names: Vec<String> = ranking.drivers.iter().map(|summary| summary.driver.clone()).collect();
        let (sparks, first_seen) = tokio::try_join!(
            database.sparklines(&names, between, span.step_s()),
            database.drivers_first_seen(&names),
        )?;
        Ok((ranking, sparks, first_seen))
    };
    let (ranking, series, ranked, hours, new_drivers, new_buckets) = tokio::try_join!(
        ranking,
        async { Ok::<_, Fault>(database.fleet_series(between, span.step_s()).await?) },
        async { Ok(database.ranked_drivers(before, RANKED).await?) },
        app.fleet_hours(),
        async { Ok(database.new_drivers(between, NEW).await?) },
        async { Ok(database.new_buckets(between, NEW).await?) },
    )?;
    let (Ranking { drivers, unattributed }, sparks, first_seen) = ranking;
    let first_seen: BTreeMap<String, i64> = first_seen.into_iter().collect();
    let sparks: BTreeMap<String, Vec<u64>> = sparks.into_iter().collect();
    let ranks: BTreeMap<(&str, &str, &str), u32> = ranked.iter().map(ranked_key).zip(1..).collect();
    let line = |summary: DriverSummary| {
        let spark = sparks.get(&summary.driver).cloned().unwrap_or_default();
        let rank_before = ranks.get(&key(&summary)).copied();
        let first_ever_ms = first_seen.get(&summary.driver).copied().unwrap_or(summary.first_seen_ms);
        DriverLine { summary, first_ever_ms, rank_before, spark }
    };
    let steps: Vec<i64> = series.iter().map(|point| point.at_ms).collect();
    Ok(Past {
        between,
        expected: expected::band(&steps, span.step_s(), &hours),
        series,
        drivers: drivers.into_iter().map(line).collect(),
        new_drivers,
        new_buckets,
        unattributed,
    })
}

fn key(summary: &DriverSummary) -> (&str, &str, &str) {
    (&summary.driver, &summary.kind, &summary.culprit)
}

fn ranked_key(ranked: &Culprit) -> (&str, &str, &str) {
    (&ranked.driver, &ranked.kind, &ranked.culprit)
}
