//! May a rollout go on? Counts of two versions in, `pass`, `hold` or `stop` out, with the reason.
//!
//! A deployment tool asks every few seconds for days, and stops for good at the first `stop`. An interval that holds for
//! one look would turn nearly every harmless rollout away sooner or later, so all bounds here hold at every moment at
//! once (`rollout/evidence.rs`).

#[cfg(test)]
mod drawn;
mod evidence;
mod judge;
mod words;

use serde::{Deserialize, Serialize};

use crate::incident::Severity;
use evidence::{Counts, Side};

pub use judge::{Exposure, Known, Wrong, judge};

/// Machines with one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Machines that ran it.
    pub machines: u64,
    /// Of these, distinct machines that crashed in the driver while they ran it.
    pub crashed: u64,
    /// For how long they ran it, all together, h.
    pub machine_hours: f64,
}

/// An incident of the driver that is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenIncident<'a> {
    /// Which, in words.
    pub name: &'a str,
    /// How loud.
    pub severity: Severity,
    /// Whether its attribution names the build that is rolled out.
    pub blames_build: bool,
}

/// A rollout at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollout<'a> {
    /// Base name of the driver.
    pub driver: &'a str,
    /// What is rolled out.
    pub version: &'a str,
    /// To which ring; empty for all.
    pub ring: &'a str,
    /// The machines that have it.
    pub new: Arm,
    /// Machines with the version before, over the same hours and rings.
    pub old: Arm,
    /// The loudest open incident of the driver.
    pub open_incident: Option<OpenIncident<'a>>,
    /// Since the first machine had it, h.
    pub hours_since_first: f64,
}

/// What may be set about the gate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Share of harmless rollouts that are stopped wrongly, at most, however often and for how long it is asked.
    pub false_stops: f64,
    /// Share of rollouts that are let through although they are worse than may pass, at most, however often it is asked.
    pub false_passes: f64,
    /// It stops when it is surely worse than the old one, and this many times as bad by the best guess: of enough machines
    /// anything is surely a little worse.
    pub stop_ratio: f64,
    /// It passes when it is surely less than this many times as bad.
    pub pass_ratio: f64,
    /// Or when surely less than this share of the machines crashes in it a day: beside an old version that never crashed,
    /// no ratio could be told for months.
    pub tolerable_per_day: f64,
    /// Without an old version to compare with, it stops when surely more than this share of the machines crashes a day.
    pub intolerable_per_day: f64,
    /// Fewer crashed machines never stop it: two may be one desk.
    pub stop_machines: u64,
    /// Fewer exposed machines never pass it.
    pub pass_machines: u64,
    /// It passes no earlier than this after its first machine, h: some faults come at the next boot or in the night.
    pub pass_hours: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            false_stops: 0.01,
            false_passes: 0.05,
            stop_ratio: 2.0,
            pass_ratio: 2.0,
            tolerable_per_day: 0.005,
            intolerable_per_day: 0.1,
            stop_machines: 3,
            pass_machines: 20,
            pass_hours: 1.0,
        }
    }
}

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Go on.
    Pass,
    /// Neither good nor bad is known: wait, and ask again.
    Hold,
    /// Stop, and roll back.
    Stop,
}

/// The answer with its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// In one word.
    pub answer: Answer,
    /// In one sentence.
    pub why: String,
    /// Crashed machines per machine-hour with the new version; `None` before the first hour.
    pub rate_new: Option<f64>,
    /// The same with the old one.
    pub rate_old: Option<f64>,
    /// The one over the other, where both are known and the old one is not zero.
    pub ratio: Option<f64>,
    /// It is surely at least this.
    pub ratio_low: f64,
    /// It is surely at most this; `None` where there is no bound.
    pub ratio_high: Option<f64>,
    /// Surely at most this share of the machines crashes in the new version a day; `None` where there is no bound.
    pub per_day_high: Option<f64>,
    /// Machine-hours of the new version that are still needed before it can pass, if it goes on like the old one; 0 where
    /// none are, and `None` where no number would do.
    pub hours_needed: Option<f64>,
    /// When to ask again, s.
    pub retry_after_s: u32,
}

/// Decides.
#[must_use]
pub fn decide(rollout: &Rollout<'_>, limits: &Limits) -> Gate {
    let counts = Counts::of(rollout.new, rollout.old);
    let (stop, pass) = (threshold(limits.false_stops), threshold(limits.false_passes));
    let rate = |crashed: f64, hours: f64| (hours > 0.0).then(|| crashed / hours);
    let (rate_new, rate_old) = (rate(counts.x_new, counts.h_new), rate(counts.x_old, counts.h_old));
    let mut gate = Gate {
        answer: Answer::Hold,
        why: String::new(),
        rate_new,
        rate_old,
        ratio: rate_new.zip(rate_old).filter(|(_, old)| *old > 0.0).map(|(new, old)| new / old),
        ratio_low: counts.ratio_low(stop),
        ratio_high: counts.ratio_high(pass),
        per_day_high: counts.rate_high(pass).map(|rate| rate * 24.0),
        hours_needed: hours_needed(counts, limits),
        retry_after_s: 60,
    };
    let reason = reason(rollout, limits, counts);
    gate.answer = reason.answer();
    if gate.answer == Answer::Hold {
        gate.retry_after_s = retry_after_s(rollout, gate.hours_needed);
    }
    gate.why = words::why(rollout, &gate, reason);
    gate
}

/// Why it is answered so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// An open page names this build.
    Blamed,
    /// It is surely worse than the old version.
    Worse,
    /// There is no old version, and it is surely bad.
    Intolerable,
    /// Something is wrong with the driver.
    Incident,
    /// Too little is known.
    Early,
    /// It is surely not much worse than the old version.
    AsGood,
    /// It surely crashes too rarely to matter.
    Tolerable,
}

impl Reason {
    fn answer(self) -> Answer {
        match self {
            Self::Blamed | Self::Worse | Self::Intolerable => Answer::Stop,
            Self::Incident | Self::Early => Answer::Hold,
            Self::AsGood | Self::Tolerable => Answer::Pass,
        }
    }
}

/// What the evidence must reach for this share of errors, as a logarithm.
fn threshold(errors: f64) -> f64 {
    -errors.clamp(1e-9, 0.5).ln()
}

fn reason(rollout: &Rollout<'_>, limits: &Limits, counts: Counts) -> Reason {
    let threshold = threshold(limits.false_stops);
    let enough = rollout.new.crashed >= limits.stop_machines;
    match rollout.open_incident {
        Some(open) if open.blames_build && open.severity == Severity::Sev1 => return Reason::Blamed,
        _ if enough
            && counts.is_times_as_bad(limits.stop_ratio)
            && counts.against_ratio(1.0, Side::Above) >= threshold =>
        {
            return Reason::Worse;
        }
        _ if enough
            && counts.h_old <= 0.0
            && counts.against_rate(limits.intolerable_per_day / 24.0, Side::Above) >= threshold =>
        {
            return Reason::Intolerable;
        }
        Some(_) => return Reason::Incident,
        None => {}
    }
    let waited = rollout.hours_since_first >= limits.pass_hours;
    if rollout.new.machines < limits.pass_machines || !waited {
        return Reason::Early;
    }
    passes(counts, limits).unwrap_or(Reason::Early)
}

fn passes(counts: Counts, limits: &Limits) -> Option<Reason> {
    let threshold = threshold(limits.false_passes);
    if counts.against_ratio(limits.pass_ratio, Side::Below) >= threshold {
        return Some(Reason::AsGood);
    }
    let tolerable = counts.against_rate(limits.tolerable_per_day / 24.0, Side::Below) >= threshold;
    tolerable.then_some(Reason::Tolerable)
}

/// How many more machine-hours would do, if the new version went on crashing as the old one does, and as many machines
/// stayed with the old one meanwhile: what is not known of the old one is a part of what is missing.
fn hours_needed(counts: Counts, limits: &Limits) -> Option<f64> {
    let rate = if counts.h_old > 0.0 { counts.x_old / counts.h_old } else { 0.0 };
    let after = |hours: f64| {
        let mut later = Counts { x_new: counts.x_new + rate * hours, h_new: counts.h_new + hours, ..counts };
        if counts.h_old > 0.0 {
            (later.x_old, later.h_old) = (counts.x_old + rate * hours, counts.h_old + hours);
        }
        passes(later, limits).is_some()
    };
    if after(0.0) {
        return Some(0.0);
    }
    let mut enough = (1..=40).map(|doubling| 2.0_f64.powi(doubling)).find(|hours| after(*hours))?;
    let mut short = enough / 2.0;
    // Nobody plans with more than two digits.
    for _ in 0..6 {
        let middle = f64::midpoint(short, enough);
        if after(middle) { enough = middle } else { short = middle }
    }
    Some(enough)
}

/// A twentieth of the time that is still needed: nothing changes sooner.
fn retry_after_s(rollout: &Rollout<'_>, hours_needed: Option<f64>) -> u32 {
    let machines = crate::stats::float(rollout.new.machines.max(1));
    let wait = hours_needed.unwrap_or(f64::MAX) / machines * 3600.0 / 20.0;
    let steps = [10_u32, 15, 20, 30, 45, 60, 90, 120, 180, 300];
    steps.into_iter().find(|step| wait <= f64::from(*step)).unwrap_or(600)
}
