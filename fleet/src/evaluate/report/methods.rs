//! The detector beside the methods that it was compared with, on the same streams.

use serde::{Deserialize, Serialize};

use super::{Band, Delays, Expect, Frequency, Method, MethodScore, RunReport, Share, TruthScore};

/// One method over all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodRow {
    /// Which; nothing: the detector's pages.
    pub method: Option<Method>,
    /// Whether the table shows it: of the static thresholds it shows the best.
    pub shown: bool,
    /// Alarms that no outage explains.
    pub false_alarms: Frequency,
    /// Outages that owed a page, and were found.
    pub found: Share,
    /// From the first affected upload to the alarm.
    pub delay: Option<Delays>,
    /// The same outages, by rate; bands without one are left out.
    pub by_band: Vec<(Band, Share)>,
}

impl MethodRow {
    /// What people call it.
    pub fn name(&self) -> String {
        self.method.map_or_else(|| "Bluescope, pages".to_owned(), |method| method.to_string())
    }
}

/// The detector first, then the methods, where they ran.
pub(super) fn rows(runs: &[RunReport]) -> Vec<MethodRow> {
    let ours = row(None, runs, |run| {
        let false_pages = run.score.false_alarms.iter();
        let pages = false_pages.filter(|alarm| alarm.severity == detector::Severity::Sev1).count() as u64;
        Some((pages, run.score.truths.iter().map(|truth| truth.page_s).collect()))
    });
    let mut rows = vec![ours];
    if runs.iter().any(|run| !run.methods.is_empty()) {
        rows.extend(Method::all().map(|method| {
            row(Some(method), runs, |run| {
                let MethodScore { false_alarms, found_s, .. } =
                    run.methods.iter().find(|score| score.method == method)?;
                Some((*false_alarms, found_s.clone()))
            })
        }));
        show_the_best_threshold(&mut rows);
    }
    rows
}

/// `of` a run: false alarms, and the delay for each of its outages.
fn row(
    method: Option<Method>,
    runs: &[RunReport],
    of: impl Fn(&RunReport) -> Option<(u64, Vec<Option<f64>>)>,
) -> MethodRow {
    let (mut events, mut days) = (0, 0.0);
    let mut outages: Vec<(f64, Option<f64>)> = Vec::new();
    for run in runs {
        let Some((false_alarms, delays)) = of(run) else { continue };
        events += false_alarms;
        days += run.days;
        let owed = |truth: &TruthScore| truth.owed == Expect::Page;
        let truths = run.score.truths.iter().zip(delays).filter(|(truth, _)| owed(truth));
        outages.extend(truths.map(|(truth, delay)| (truth.rate, delay)));
    }
    let share = |band: Option<Band>| {
        let these = outages.iter().filter(|(rate, _)| band.is_none_or(|band| band.holds(*rate)));
        let found = these.clone().filter(|(_, delay)| delay.is_some()).count();
        Share::new(found as u64, these.count() as u64)
    };
    let by_band = Band::all().map(|band| (band, share(Some(band)))).filter(|(_, share)| share.of > 0);
    MethodRow {
        method,
        shown: days > 0.0 && !matches!(method, Some(Method::Threshold(_))),
        false_alarms: Frequency::new(events, days),
        found: share(None),
        delay: Delays::new(outages.iter().filter_map(|(_, delay)| *delay).collect()),
        by_band: by_band.collect(),
    }
}

/// Of the thresholds that find as much as the detector, the one with the fewest false alarms; where none finds as much,
/// of those that find the most.
fn show_the_best_threshold(rows: &mut [MethodRow]) {
    let wanted = rows.first().map_or(0, |ours| ours.found.right);
    let thresholds = rows.iter_mut().filter(|row| matches!(row.method, Some(Method::Threshold(_))));
    let best = thresholds.max_by_key(|row| {
        (row.found.right.min(wanted), std::cmp::Reverse(row.false_alarms.events), row.found.right)
    });
    if let Some(best) = best {
        best.shown = true;
    }
}
