//! Machines that went dark become incidents too: no dump can be uploaded by what does not boot.

use super::Detector;
use crate::case::Case;
use crate::incident::{Incident, Reason, Severity, Step, Subject, Transition};
use crate::series::{Key, Kind};
use crate::silence::Dark;

impl Detector {
    /// Hears which machines are silent beyond expectation.
    pub(super) fn listen(&mut self, at_ms: i64) -> Vec<Transition> {
        let dark = self.silence.tick(at_ms, self.config.false_pages_per_month);
        let mut steps = Vec::new();
        let mut heard = Vec::new();
        for one in dark {
            let tenant = self.names.name(one.tenant).to_owned();
            let subject = Subject::Silence(self.names.name(one.driver).to_owned(), one.version);
            if let Some(number) = self.crashing(&one) {
                // Its crashes are an incident already: what is dark of it is said there.
                heard.push(number);
                steps.extend(self.join_dark(number, subject, at_ms));
                continue;
            }
            let known = self
                .cases
                .iter()
                .find(|(_, case)| case.incident.tenant == tenant && case.incident.subject == subject);
            match known.map(|(number, _)| *number) {
                Some(number) => {
                    heard.push(number);
                    steps.extend(self.still_dark(number, at_ms, &one));
                }
                None => {
                    let number = self.next_case;
                    self.next_case += 1;
                    heard.push(number);
                    steps.push(self.open_dark(number, tenant, subject, at_ms, one));
                }
            }
        }
        steps.extend(self.hear_again(at_ms, &heard));
        steps
    }

    /// The open incident of the same driver's crashes.
    fn crashing(&self, dark: &Dark) -> Option<u32> {
        let tenant = self.tenants.iter().find(|tenant| tenant.name == dark.tenant)?;
        let key = Key { kind: Kind::Driver, id: dark.driver.0, late: false };
        let number = tenant.at(tenant.find(key)?)?.incident;
        self.cases.get(&number).is_some_and(Case::is_open).then_some(number)
    }

    fn join_dark(&mut self, number: u32, subject: Subject, at_ms: i64) -> Option<Transition> {
        let case = self.cases.get_mut(&number)?;
        if case.incident.also.contains(&subject) {
            return None;
        }
        case.incident.also.push(subject);
        Some(case.step(Step::Joined, at_ms, &self.names))
    }

    fn still_dark(&mut self, number: u32, at_ms: i64, dark: &Dark) -> Vec<Transition> {
        let place = self.cases.get(&number).map_or(usize::MAX, |case| case.tenant);
        let is_broad = self.limits(place).is_broad(dark.machines, dark.sites);
        let Some(case) = self.cases.get_mut(&number) else { return Vec::new() };
        let mut steps = Vec::new();
        case.incident.machines = case.incident.machines.max(dark.machines);
        case.incident.sites = case.incident.sites.max(dark.sites);
        case.keep_dark(dark);
        if !case.is_open() {
            case.reopen(at_ms);
            steps.push(case.step(Step::Reopened, at_ms, &self.names));
        } else if case.has_grown() {
            steps.push(case.step(Step::Grew, at_ms, &self.names));
        }
        if is_broad && case.escalate() {
            steps.push(case.step(Step::Escalated, at_ms, &self.names));
        }
        steps
    }

    fn open_dark(
        &mut self,
        number: u32,
        tenant: String,
        subject: Subject,
        at_ms: i64,
        dark: Dark,
    ) -> Transition {
        let place = self.tenant(&tenant);
        let is_broad = self.limits(place).is_broad(dark.machines, dark.sites);
        let severity = if is_broad { Severity::Sev1 } else { Severity::Sev2 };
        let reason = Reason {
            rho: 0.0,
            score: dark.score,
            threshold: dark.threshold,
            machines: dark.machines,
            spread_machines: dark.machines,
            sites: dark.sites,
            expected: dark.expected,
            usual_per_minute: 0.0,
            common_mode: 1.0,
            late: false,
        };
        let incident = Incident {
            exposed: self.silence.exposed(dark.tenant, dark.driver),
            ..Incident::opened(tenant, subject, severity, dark.onset_ms, at_ms, reason)
        };
        let mut case = Case::new(incident, place, dark.driver, Vec::new());
        case.keep_dark(&dark);
        case.tick(at_ms);
        self.explain(&mut case, at_ms);
        let step = case.step(Step::Opened, at_ms, &self.names);
        self.cases.insert(number, case);
        step
    }

    /// Silences that are not silent any more.
    fn hear_again(&mut self, at_ms: i64, heard: &[u32]) -> Vec<Transition> {
        let resolve_after_ms = i64::from(self.config.resolve_after_s) * 1000;
        let is_silence = |case: &Case| matches!(case.incident.subject, Subject::Silence(..));
        let silent: Vec<u32> = self
            .cases
            .iter()
            .filter(|(number, case)| case.is_open() && is_silence(case) && !heard.contains(number))
            .map(|(number, _)| *number)
            .collect();
        for number in heard {
            if let Some(case) = self.cases.get_mut(number).filter(|case| is_silence(case)) {
                case.disturb();
            }
        }
        let mut steps = Vec::new();
        for number in silent {
            let Some(mut case) = self.cases.remove(&number) else { continue };
            if case.is_over(at_ms, 0, 0.0, resolve_after_ms) {
                steps.push(self.resolve(&mut case, at_ms));
            }
            self.cases.insert(number, case);
        }
        steps
    }
}

impl Case {
    /// Takes in the machines that are dark now and those that are not.
    fn keep_dark(&mut self, dark: &Dark) {
        for profile in &dark.sample {
            self.add_profile(profile);
        }
        if !dark.reference.is_empty() {
            self.reference = Some(dark.reference.clone());
        }
    }
}
