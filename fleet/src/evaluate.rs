//! Judges the detector in simulated worlds whose truth is known: how many outages it finds, how late, how often it cries
//! wolf, whether it names the cause, beside textbook methods on the same streams. What a world does is [`crate::world`]'s
//! business; what an incident is, the detector's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use detector::DetectorConfig;

use crate::scenario::{ScenarioSet, WorldConfig};

mod baseline;
mod bounds;
#[cfg(test)]
mod fixture;
mod goals;
mod near;
mod pace;
mod plots;
mod print;
mod report;
mod run;
mod score;

pub use baseline::Method;
pub use bounds::{Delays, Frequency, Share};
pub use goals::GoalResult;
pub use near::Near;
pub use pace::{Pace, PaceOptions, pace};
pub use plots::Plot;
pub use report::{Band, MethodRow, OutageRow, Report, Speed, Total, WorldRow};
pub use run::{Effort, MethodScore, RunReport};
pub use score::{Alarm, Attributed, Score, TruthScore};

/// How to evaluate.
#[derive(Debug, Clone, Default)]
pub struct EvaluateOptions {
    /// Settings of the detector.
    pub detector: DetectorConfig,
    /// Also the methods that it is compared with.
    pub compare: bool,
    /// Only worlds of these classes; empty: all.
    pub only: Vec<String>,
    /// So many seeds of each world; nothing: as many as the set says.
    pub seed_count: Option<usize>,
    /// Runs at once; 0 is taken for 1.
    pub threads: usize,
}

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Simulated days that are over.
    pub days: usize,
    /// Of so many.
    pub of_days: usize,
    /// Runs that are over.
    pub runs: usize,
    /// Of so many.
    pub of_runs: usize,
}

/// Nothing is left to run.
#[derive(Debug, thiserror::Error)]
#[error("no world of the set `{set}` has such a class; there are: {}", classes.join(", "))]
pub struct NoSuchClass {
    set: String,
    classes: Vec<String>,
}

/// Runs every world of a set with each of its seeds. The same set and options give the same report, times excepted.
pub fn evaluate(
    set: &ScenarioSet,
    options: &EvaluateOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, NoSuchClass> {
    let jobs = jobs(set, options);
    if jobs.is_empty() {
        let mut classes: Vec<String> = set.worlds.iter().map(|world| world.class().to_owned()).collect();
        classes.sort_unstable();
        classes.dedup();
        return Err(NoSuchClass { set: set.name.clone(), classes });
    }
    let meter = Meter::new(&jobs, progress);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, RunReport)>> = Mutex::new(Vec::new());
    let work = || {
        while let Some((number, (world, seed))) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(number).map(|job| (number, job))
        } {
            let report = run::run(world, *seed, &options.detector, options.compare, &|| meter.day());
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, report));
            meter.run();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.threads.clamp(1, jobs.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    Ok(Report::new(set, done.into_iter().map(|(_, report)| report).collect()))
}

fn jobs<'s>(set: &'s ScenarioSet, options: &EvaluateOptions) -> Vec<(&'s WorldConfig, u64)> {
    let wanted = |world: &&WorldConfig| {
        options.only.is_empty() || options.only.iter().any(|class| class == world.class())
    };
    let most = options.seed_count.unwrap_or(usize::MAX);
    let seeds = |world: &'s WorldConfig| world.seeds().into_iter().take(most).map(move |seed| (world, seed));
    set.worlds.iter().filter(wanted).flat_map(seeds).collect()
}

/// Counts what is over.
struct Meter<'p> {
    days: AtomicUsize,
    runs: AtomicUsize,
    of_days: usize,
    of_runs: usize,
    tell: &'p (dyn Fn(Progress) + Sync),
}

impl<'p> Meter<'p> {
    fn new(jobs: &[(&WorldConfig, u64)], tell: &'p (dyn Fn(Progress) + Sync)) -> Self {
        let of_days = jobs.iter().map(|(world, _)| world.days as usize).sum();
        Self { days: AtomicUsize::new(0), runs: AtomicUsize::new(0), of_days, of_runs: jobs.len(), tell }
    }

    fn day(&self) {
        self.days.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    fn run(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    fn show(&self) {
        let (days, runs) = (self.days.load(Ordering::Relaxed), self.runs.load(Ordering::Relaxed));
        (self.tell)(Progress { days, of_days: self.of_days, runs, of_runs: self.of_runs });
    }
}

#[cfg(test)]
mod tests;
