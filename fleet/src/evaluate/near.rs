//! One outage of a run from near: when its machines arrived, and what the detector made of them. What the plot of it
//! shows; judges nothing.

use std::collections::HashSet;

use detector::incident::Reason;
use detector::{Crash, Severity, Step, Subject, Transition};
use serde::{Deserialize, Serialize};

use crate::scenario::WorldConfig;
use crate::world::{Expect, Truth};

/// Before the outage, for the usual.
const BEFORE_MS: i64 = 10 * 60 * 1000;
/// After it began.
const AFTER_MS: i64 = 20 * 60 * 1000;
/// Machines that are kept.
const MOST: usize = 20_000;
/// The rate that shows best how a score grows: slower ones are a flat line, faster ones a wall.
const BEST_RATE: f64 = 0.5;

/// An outage from near.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Near {
    /// Name of the world.
    pub world: String,
    /// Its seed.
    pub seed: u64,
    /// The outage.
    pub id: String,
    /// Affected machines a second.
    pub rate: f64,
    /// The driver of the incident.
    pub driver: String,
    /// When the outage began, ms since 1970.
    pub begin_ms: i64,
    /// First affected upload.
    pub first_upload_ms: Option<i64>,
    /// When each machine with a crash in this driver arrived, its first one only, from ten minutes before.
    pub arrivals_ms: Vec<i64>,
    /// When the detector thinks it began.
    pub onset_ms: i64,
    /// First ticket.
    pub ticket_ms: Option<i64>,
    /// First page.
    pub page_ms: i64,
    /// Which multiple of the usual rate the chart that decided looks for.
    pub rho: f64,
    /// What that chart had to reach.
    pub threshold: f64,
    /// The driver's usual rate (99 % quantile), machines a minute.
    pub usual_per_minute: f64,
    /// What the whole fleet did, as a multiple of its past.
    pub common_mode: f64,
}

impl Near {
    /// How far from the rate that shows best; smaller is better.
    pub(crate) fn worth(&self) -> f64 {
        distance(self.rate)
    }
}

fn distance(rate: f64) -> f64 {
    (rate / BEST_RATE).ln().abs()
}

/// Notes the machines of one outage while its run lasts.
#[derive(Debug)]
pub(crate) struct Recorder {
    truth: usize,
    tenant: String,
    drivers: Vec<String>,
    from_ms: i64,
    to_ms: i64,
    seen: HashSet<u64>,
    arrivals: Vec<(i64, usize)>,
}

impl Recorder {
    /// Of the outage that shows best; nothing where none owes a page and has a driver.
    pub(crate) fn of(truths: &[Truth]) -> Option<Self> {
        let fit = |truth: &Truth| truth.page == Expect::Page && !truth.drivers.is_empty() && truth.rate > 0.0;
        let candidates = truths.iter().enumerate().filter(|(_, truth)| fit(truth));
        let best = candidates.min_by(|(_, a), (_, b)| distance(a.rate).total_cmp(&distance(b.rate)));
        best.map(|(number, truth)| Self {
            truth: number,
            tenant: truth.tenant.clone(),
            drivers: truth.drivers.clone(),
            from_ms: truth.begin_ms - BEFORE_MS,
            to_ms: truth.begin_ms + AFTER_MS,
            seen: HashSet::new(),
            arrivals: Vec::new(),
        })
    }

    /// A crash of the stream.
    pub(crate) fn crash(&mut self, crash: &Crash<'_>) {
        let at_ms = crash.arrived_at_ms;
        if at_ms < self.from_ms
            || at_ms >= self.to_ms
            || self.arrivals.len() >= MOST
            || crash.tenant != self.tenant
        {
            return;
        }
        let Some(driver) = self.drivers.iter().position(|driver| driver == crash.driver) else { return };
        if self.seen.insert(crash.machine) {
            self.arrivals.push((at_ms, driver));
        }
    }

    /// With what the detector made of it; nothing where it did not page.
    pub(crate) fn near(
        self,
        world: &WorldConfig,
        seed: u64,
        truths: &[Truth],
        transitions: &[Transition],
    ) -> Option<Near> {
        let truth = truths.get(self.truth)?;
        let ours = |transition: &&Transition| {
            let incident = &transition.incident;
            let named = matches!(&incident.subject, Subject::Driver(name) if self.drivers.contains(name));
            let alarms = matches!(transition.step, Step::Opened | Step::Escalated | Step::Reopened);
            named && alarms && incident.tenant == self.tenant && transition.at_ms >= truth.begin_ms
        };
        let pages = transitions.iter().filter(ours).filter(|page| page.incident.severity == Severity::Sev1);
        // Windows may be blamed for some of it: the guilty driver's own incident shows more
        let guilty = |page: &&Transition| matches!(&page.incident.subject, Subject::Driver(name) if self.drivers.first() == Some(name));
        let page = pages.clone().find(guilty).or_else(|| pages.clone().next())?;
        let ticket =
            transitions.iter().filter(ours).find(|transition| transition.incident.id == page.incident.id)?;
        let Subject::Driver(driver) = &page.incident.subject else { return None };
        let Reason { rho, threshold, usual_per_minute, common_mode, .. } = page.incident.reason;
        let arrivals = self.arrivals.iter();
        let of_driver = arrivals.filter(|(_, number)| self.drivers.get(*number) == Some(driver));
        Some(Near {
            world: world.name.clone(),
            seed,
            id: truth.id.clone(),
            rate: truth.rate,
            driver: driver.clone(),
            begin_ms: truth.begin_ms,
            first_upload_ms: truth.first_upload_ms,
            arrivals_ms: of_driver.map(|(at_ms, _)| *at_ms).collect(),
            onset_ms: page.incident.onset_ms,
            ticket_ms: (ticket.incident.severity == Severity::Sev2).then_some(ticket.at_ms),
            page_ms: page.at_ms,
            rho,
            threshold,
            usual_per_minute,
            common_mode,
        })
    }
}
