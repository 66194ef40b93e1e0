//! What an evaluation found, added up: per class of outage and rate, per class of world, per method, against the goals.
//! Adds up and bounds; runs and prints nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evaluate::baseline::Method;
use crate::evaluate::bounds::{Delays, Frequency, Share};
use crate::evaluate::goals::{GoalResult, goals};
use crate::evaluate::run::{Effort, MethodScore, RunReport};
use crate::evaluate::score::TruthScore;
use crate::scenario::ScenarioSet;
use crate::world::{Expect, OutageClass};
use detector::Severity;

mod methods;

pub use methods::MethodRow;

/// Lower ends of the bands of rates, machines a second. The goals speak of 0.5 and of 1.8.
const BANDS: [f64; 6] = [0.0, 0.2, 0.5, 1.8, 18.0, 180.0];

/// A band of rates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// So many machines a second, or more.
    pub from: f64,
    /// But fewer than these.
    pub below: Option<f64>,
}

impl Band {
    /// Every band, the slowest first.
    pub fn all() -> impl Iterator<Item = Self> {
        BANDS
            .into_iter()
            .zip(BANDS.into_iter().skip(1).map(Some).chain([None]))
            .map(|(from, below)| Self { from, below })
    }

    /// Whether a rate lies in it.
    pub fn holds(self, rate: f64) -> bool {
        rate >= self.from && self.below.is_none_or(|below| rate < below)
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.below {
            Some(below) if self.from > 0.0 => write!(f, "{} to {below}/s", self.from),
            Some(below) => write!(f, "below {below}/s"),
            None => write!(f, "{}/s and more", self.from),
        }
    }
}

/// Everything about one set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the set.
    pub set: String,
    /// What it is for.
    pub what: String,
    /// All of it together.
    pub total: Total,
    /// Per class of outage, rate and what was owed.
    pub outages: Vec<OutageRow>,
    /// Per class of world.
    pub worlds: Vec<WorldRow>,
    /// The detector and the methods that it was compared with.
    pub methods: Vec<MethodRow>,
    /// What the set asks for.
    pub goals: Vec<GoalResult>,
    /// What it took.
    pub speed: Speed,
    /// Each run.
    pub runs: Vec<RunReport>,
}

/// All runs together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// Worlds.
    pub worlds: u64,
    /// Runs.
    pub runs: u64,
    /// Simulated days.
    pub days: f64,
    /// False pages.
    pub false_pages: Frequency,
    /// False tickets.
    pub false_tickets: Frequency,
    /// Outages that owed a page, and had one.
    pub paged: Share,
    /// Of these, the ones with 0.5 machines a second and more.
    pub paged_from_half: Share,
    /// Outages that owed a ticket, and had one or a page.
    pub ticketed: Share,
    /// Delay of owed pages at 0.5 machines a second and more.
    pub delay_from_half: Option<Delays>,
    /// The same at 1.8 machines a second and more.
    pub delay_fast: Option<Delays>,
    /// Incidents with 50 machines that said rightly what it came from.
    pub attributed: Share,
}

/// One kind of outage at one band of rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutageRow {
    /// What kind.
    pub class: OutageClass,
    /// How fast.
    pub band: Band,
    /// What was owed.
    pub owed: Expect,
    /// Those that had what was owed.
    pub found: Share,
    /// Those that had a page or a ticket.
    pub alarmed: Share,
    /// From the first affected upload to what was owed.
    pub delay: Option<Delays>,
    /// Incidents with 50 machines that said rightly what it came from.
    pub attributed: Share,
    /// Alarms after the first of each kind.
    pub repetitions: u64,
}

/// One kind of world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorldRow {
    /// What kind.
    pub class: String,
    /// Runs.
    pub runs: u64,
    /// False pages.
    pub false_pages: Frequency,
    /// False tickets.
    pub false_tickets: Frequency,
}

/// What the runs took, each on one core.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Summed over the runs.
    pub sum: Effort,
    /// The slowest run: making its stream and detecting, s for 28 days.
    pub slowest_28_days_s: f64,
    /// Making the stream, ms a simulated day.
    pub simulate_ms_a_day: f64,
    /// Detecting, ms a simulated day.
    pub detect_ms_a_day: f64,
    /// The other methods, ms a simulated day.
    pub compare_ms_a_day: f64,
    /// Ticks that the detector does in a second.
    pub ticks_a_second: f64,
    /// Crashes that the detector takes in a second, with the ticks they came in.
    pub crashes_a_second: f64,
    /// Most series that a run ended with.
    pub most_series: u64,
    /// Bytes of memory a series, at most.
    pub bytes_a_series: f64,
    /// Bytes of checkpoint a series, at most.
    pub checkpoint_bytes_a_series: f64,
}

impl Report {
    /// Adds up the runs of a set.
    pub fn new(set: &ScenarioSet, runs: Vec<RunReport>) -> Self {
        let total = Total::of(&runs);
        Self {
            set: set.name.clone(),
            what: set.what.clone(),
            outages: outage_rows(&runs),
            worlds: world_rows(&runs),
            methods: methods::rows(&runs),
            goals: goals(&set.goals, &total),
            speed: Speed::of(&runs),
            total,
            runs,
        }
    }

    /// Whether no goal is missed.
    pub fn meets_goals(&self) -> bool {
        self.goals.iter().all(|goal| goal.met != Some(false))
    }
}

fn truths(runs: &[RunReport]) -> impl Iterator<Item = &TruthScore> + Clone {
    runs.iter().flat_map(|run| &run.score.truths)
}

fn found<'t>(truths: impl Iterator<Item = &'t TruthScore> + Clone) -> Share {
    let right = truths.clone().filter(|truth| truth.delay_s().is_some()).count();
    Share::new(right as u64, truths.count() as u64)
}

fn delays<'t>(truths: impl Iterator<Item = &'t TruthScore>) -> Option<Delays> {
    Delays::new(truths.filter_map(TruthScore::delay_s).collect())
}

fn attributed<'t>(truths: impl Iterator<Item = &'t TruthScore>) -> Share {
    let (right, of) = truths
        .flat_map(|truth| &truth.attributed)
        .fold((0, 0), |(right, of), said| (right + u64::from(said.right), of + 1));
    Share::new(right, of)
}

fn false_alarms<'r>(runs: impl Iterator<Item = &'r RunReport>, severity: Severity) -> Frequency {
    let (events, days) = runs.fold((0, 0.0), |(events, days), run| {
        let found = run.score.false_alarms.iter().filter(|alarm| alarm.severity == severity).count();
        (events + found as u64, days + run.days)
    });
    Frequency::new(events, days)
}

impl Total {
    fn of(runs: &[RunReport]) -> Self {
        let owed = |expect| truths(runs).filter(move |truth| truth.owed == expect);
        let pages_from = |rate| owed(Expect::Page).filter(move |truth| truth.rate >= rate);
        let mut worlds: Vec<&str> = runs.iter().map(|run| run.world.as_str()).collect();
        worlds.sort_unstable();
        worlds.dedup();
        Self {
            worlds: worlds.len() as u64,
            runs: runs.len() as u64,
            days: runs.iter().map(|run| run.days).sum(),
            false_pages: false_alarms(runs.iter(), Severity::Sev1),
            false_tickets: false_alarms(runs.iter(), Severity::Sev2),
            paged: found(owed(Expect::Page)),
            paged_from_half: found(pages_from(0.5)),
            ticketed: found(owed(Expect::Ticket)),
            delay_from_half: delays(pages_from(0.5)),
            delay_fast: delays(pages_from(1.8)),
            attributed: attributed(truths(runs)),
        }
    }
}

fn outage_rows(runs: &[RunReport]) -> Vec<OutageRow> {
    let mut rows = Vec::new();
    for class in OutageClass::ALL {
        for band in Band::all() {
            for owed in [Expect::Page, Expect::Ticket] {
                let these = truths(runs)
                    .filter(|truth| truth.class == class && truth.owed == owed && band.holds(truth.rate));
                let n = these.clone().count() as u64;
                if n > 0 {
                    let alarmed = these.clone().filter(|truth| truth.alarm_s.is_some()).count();
                    rows.push(OutageRow {
                        class,
                        band,
                        owed,
                        found: found(these.clone()),
                        alarmed: Share::new(alarmed as u64, n),
                        delay: delays(these.clone()),
                        attributed: attributed(these.clone()),
                        repetitions: these.map(|truth| truth.repetitions).sum(),
                    });
                }
            }
        }
    }
    rows
}

fn world_rows(runs: &[RunReport]) -> Vec<WorldRow> {
    let mut classes: BTreeMap<&str, Vec<&RunReport>> = BTreeMap::new();
    for run in runs {
        classes.entry(&run.class).or_default().push(run);
    }
    let row = |(class, runs): (&str, Vec<&RunReport>)| WorldRow {
        class: class.to_owned(),
        runs: runs.len() as u64,
        false_pages: false_alarms(runs.iter().copied(), Severity::Sev1),
        false_tickets: false_alarms(runs.iter().copied(), Severity::Sev2),
    };
    classes.into_iter().map(row).collect()
}

impl Speed {
    fn of(runs: &[RunReport]) -> Self {
        let days: f64 = runs.iter().map(|run| run.days).sum();
        let sum = runs.iter().fold(Effort::default(), |sum, run| sum.and(&run.effort));
        let month = |run: &RunReport| {
            if run.days > 0.0 { (run.effort.simulate_s + run.effort.detect_s) / run.days * 28.0 } else { 0.0 }
        };
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        let most = |of: fn(&Effort) -> u64| {
            let each = runs.iter().map(|run| ratio(of(&run.effort) as f64, run.effort.series as f64));
            each.fold(0.0, f64::max)
        };
        Self {
            sum,
            slowest_28_days_s: runs.iter().map(month).fold(0.0, f64::max),
            simulate_ms_a_day: ratio(sum.simulate_s * 1000.0, days),
            detect_ms_a_day: ratio(sum.detect_s * 1000.0, days),
            compare_ms_a_day: ratio(sum.compare_s * 1000.0, days),
            ticks_a_second: ratio(sum.ticks as f64, sum.detect_s),
            crashes_a_second: ratio(sum.crashes as f64, sum.detect_s),
            most_series: runs.iter().map(|run| run.effort.series).max().unwrap_or(0),
            bytes_a_series: most(|effort| effort.series_bytes),
            checkpoint_bytes_a_series: most(|effort| effort.checkpoint_bytes),
        }
    }
}

#[cfg(test)]
mod tests;
