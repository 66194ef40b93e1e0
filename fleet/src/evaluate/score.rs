//! Alarms held against what truly happened: which were right, how late, which were false, and whether what they said
//! about the cause was true. Judges any detector alike; runs none.

use detector::attribution::{Element, Facet, Origin};
use detector::{Severity, State, Step, Subject, Transition};
use serde::{Deserialize, Serialize};

use crate::world::{Expect, OutageClass, Truth};

/// An outage is still being worked on for so long after its last crash: an alarm then is late, not false.
const AFTERMATH_MS: i64 = 30 * 60 * 1000;
/// With fewer machines nothing can be said about what they share.
const ENOUGH_TO_ATTRIBUTE: u64 = 50;

/// Somebody was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// How loudly.
    pub severity: Severity,
    /// Whose machines.
    pub tenant: String,
    /// What about.
    pub subject: Subject,
    /// Machines that it speaks of.
    pub machines: u64,
    /// Sites that it speaks of; 0 where the method does not look at sites.
    pub sites: u64,
    /// Why, in short.
    pub why: String,
}

impl Alarm {
    /// The alarm that a transition is, if it is one.
    fn of(transition: &Transition) -> Option<Self> {
        let alarms = matches!(transition.step, Step::Opened | Step::Escalated | Step::Reopened);
        let incident = &transition.incident;
        let reason = &incident.reason;
        (alarms && transition.tell).then(|| Self {
            at_ms: transition.at_ms,
            severity: incident.severity,
            tenant: incident.tenant.clone(),
            subject: incident.subject.clone(),
            machines: incident.machines,
            sites: incident.sites,
            why: format!(
                "{:?}, rho {}: {:.1} of {:.1}, {} machines beyond the largest sites, {:.1} expected{}",
                transition.step,
                reason.rho,
                reason.score,
                reason.threshold,
                reason.spread_machines,
                reason.expected,
                if reason.late { ", late uploads" } else { "" }
            ),
        })
    }
}

/// What an incident said about its cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attributed {
    /// What the incident is about.
    pub subject: Subject,
    /// Its machines when it said so last, while the outage ran.
    pub machines: u64,
    /// What it said; nothing where it said nothing.
    pub said: Option<Origin>,
    /// The elements of its best claim.
    pub elements: Vec<Element>,
    /// Whether that is the truth.
    pub right: bool,
}

/// What came of one outage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TruthScore {
    /// As in the world.
    pub id: String,
    /// What kind of outage.
    pub class: OutageClass,
    /// Affected machines a second.
    pub rate: f64,
    /// Affected machines in all.
    pub machines: u64,
    /// What was owed.
    pub owed: Expect,
    /// When it began, ms since 1970.
    pub begin_ms: i64,
    /// From the first affected upload to the first page, s.
    pub page_s: Option<f64>,
    /// From the first affected upload to the first alarm, page or ticket, s.
    pub alarm_s: Option<f64>,
    /// Alarms after the first of each kind.
    pub repetitions: u64,
    /// What it truly came from.
    pub origin: Origin,
    /// What a right claim holds.
    pub elements: Vec<Element>,
    /// What its incidents said, those with too few machines left out.
    pub attributed: Vec<Attributed>,
}

impl TruthScore {
    fn new(truth: &Truth) -> Self {
        Self {
            id: truth.id.clone(),
            class: truth.class,
            rate: truth.rate,
            machines: truth.machines,
            owed: truth.page,
            begin_ms: truth.begin_ms,
            page_s: None,
            alarm_s: None,
            repetitions: 0,
            origin: truth.origin,
            elements: truth.elements.clone(),
            attributed: Vec::new(),
        }
    }

    /// From the first affected upload to what was owed: the first page, or the first alarm of any kind. Where nothing was
    /// owed, an alarm is neither wrong nor counted.
    pub fn delay_s(&self) -> Option<f64> {
        match self.owed {
            Expect::Page => self.page_s,
            Expect::Ticket => self.alarm_s,
            Expect::Nothing => None,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Each outage, in the world's order.
    pub truths: Vec<TruthScore>,
    /// Alarms that no outage explains.
    pub false_alarms: Vec<Alarm>,
}

impl Score {
    /// Of alarms in the order of their time, without a word about causes.
    pub fn of_alarms(truths: &[Truth], alarms: Vec<Alarm>) -> Self {
        let mut score =
            Self { truths: truths.iter().map(TruthScore::new).collect(), false_alarms: Vec::new() };
        for alarm in alarms {
            match score.explain(truths, &alarm) {
                Some((truth, found)) => found.count(truth, &alarm),
                None => score.false_alarms.push(alarm),
            }
        }
        score
    }

    /// Of the detector's transitions, in the order in which they came.
    pub fn of_transitions(truths: &[Truth], transitions: &[Transition]) -> Self {
        let mut score = Self::of_alarms(truths, transitions.iter().filter_map(Alarm::of).collect());
        for (truth, found) in truths.iter().zip(&mut score.truths) {
            found.attributed = attributed(truth, transitions);
        }
        score
    }

    /// The outage that explains an alarm. Where several do: one that names its driver before one that explains
    /// anything, one that was not found yet before one that was, the latest.
    fn explain<'t>(&mut self, truths: &'t [Truth], alarm: &Alarm) -> Option<(&'t Truth, &mut TruthScore)> {
        let fitting = truths.iter().zip(&mut self.truths).filter(|(truth, _)| fits(truth, alarm));
        fitting.max_by_key(|(truth, found)| {
            (names(truth, &alarm.subject), found.alarm_s.is_none(), truth.begin_ms)
        })
    }
}

impl TruthScore {
    fn count(&mut self, truth: &Truth, alarm: &Alarm) {
        // Machines that went dark are missed before any of them uploads: such an alarm is timed from the beginning.
        let from_ms = truth.first_upload_ms.filter(|first| *first <= alarm.at_ms).unwrap_or(truth.begin_ms);
        let delay = (alarm.at_ms - from_ms) as f64 / 1000.0;
        let first = match alarm.severity {
            Severity::Sev1 => self.page_s.is_none(),
            Severity::Sev2 => self.alarm_s.is_none(),
        };
        if !first {
            self.repetitions += 1;
        }
        self.alarm_s.get_or_insert(delay);
        if alarm.severity == Severity::Sev1 {
            self.page_s.get_or_insert(delay);
        }
    }
}

fn fits(truth: &Truth, alarm: &Alarm) -> bool {
    let while_it_matters = truth.begin_ms..=truth.end_ms + AFTERMATH_MS;
    truth.tenant == alarm.tenant
        && while_it_matters.contains(&alarm.at_ms)
        && (names(truth, &alarm.subject) || (truth.subjects_any && !names_a_driver(&alarm.subject)))
}

/// Whether the subject is one of the outage's drivers.
fn names(truth: &Truth, subject: &Subject) -> bool {
    match subject {
        Subject::Driver(name) | Subject::Silence(name, _) => truth.drivers.contains(name),
        _ => false,
    }
}

fn names_a_driver(subject: &Subject) -> bool {
    matches!(subject, Subject::Driver(_) | Subject::Silence(..))
}

/// What each incident of an outage said last while it ran.
fn attributed(truth: &Truth, transitions: &[Transition]) -> Vec<Attributed> {
    let mut last: Vec<&Transition> = Vec::new();
    let mut alarmed: Vec<u128> = Vec::new();
    for transition in transitions {
        if Alarm::of(transition).is_some_and(|alarm| fits(truth, &alarm)) {
            alarmed.push(transition.incident.id);
        }
        if transition.at_ms < truth.begin_ms || transition.at_ms > truth.end_ms {
            continue;
        }
        match last.iter_mut().find(|known| known.incident.id == transition.incident.id) {
            Some(known) => *known = transition,
            None => last.push(transition),
        }
    }
    let judged = last.iter().map(|transition| &transition.incident).filter(|incident| {
        alarmed.contains(&incident.id)
            && incident.state != State::Merged
            && incident.machines >= ENOUGH_TO_ATTRIBUTE
    });
    judged
        .map(|incident| {
            let claim = incident.attribution.as_ref().and_then(|attribution| attribution.claims.first());
            let elements = claim.map_or_else(Vec::new, |claim| claim.elements.clone());
            let said = incident.attribution.as_ref().map(|attribution| attribution.origin);
            let right =
                said == Some(truth.origin) && truth.elements.iter().all(|element| holds(&elements, element));
            let subject = incident.subject.clone();
            Attributed { subject, machines: incident.machines, said, elements, right }
        })
        .collect()
}

/// Whether a claim holds an element. A claim may say more: one build of a module where the module is the truth.
fn holds(claim: &[Element], wanted: &Element) -> bool {
    claim.iter().any(|element| {
        let narrower = wanted.facet == Facet::Module
            && element.facet == Facet::ModuleVersion
            && element.value.split(' ').next() == Some(wanted.value.as_str());
        element == wanted || narrower
    })
}

#[cfg(test)]
mod tests;
