//! The life of incidents: opened, louder, grown, explained, merged, over, back again, and what people do to them.

use std::collections::BTreeMap;

use super::Detector;
use crate::attribution::{Origin, Profile, Question, attribute_beyond};
use crate::case::Case;
use crate::incident::{Incident, Severity, State, Step, Subject, Transition};
use crate::input::{ActKind, Version};
use crate::names::NameId;
use crate::series::{Key, Kind};
use crate::stats::poisson_most;
use crate::tenant::{Alarm, Pending};

/// What blame falls back to is a driver's shadow while that has so many times the machines.
const SHADOW: u64 = 2;
/// Share of the fewer machines that two must have in common to be one incident.
const SAME: f64 = 0.5;
/// Fewest of these.
const SAME_LEAST: usize = 5;
/// Two that begin within this of each other may be one, ms.
const SAME_TIME_MS: i64 = 300_000;
/// What blame falls back to, where no driver can be told.
const FALL_BACK: [&str; 8] = [
    "ntoskrnl.exe",
    "ntkrnlmp.exe",
    "ntkrnlpa.exe",
    "hal.dll",
    "win32k.sys",
    "win32kbase.sys",
    "win32kfull.sys",
    "dxgkrnl.sys",
];
/// An incident begins with both strata of its subject; what comes after them has joined it.
const OWN_SERIES: usize = 2;
/// A machine's list of images says nothing of their builds after so long, ms.
const STALE_MS: i64 = 2 * 86_400_000;
/// The first machines may have crashed so long before the chart began, ms.
const ONSET_SLACK_MS: i64 = 600_000;
/// How long an incident that is over may come back.
const MEMORY_MS: i64 = 86_400_000;

impl Detector {
    /// Counts the tick's machines for incidents that are open.
    pub(super) fn count(&mut self, at_ms: i64, pending: &BTreeMap<usize, Vec<Pending>>) {
        if self.cases.is_empty() {
            return;
        }
        for (place, crashes) in pending {
            let Some(tenant) = self.tenants.get(*place) else { continue };
            for one in crashes {
                let key = Key::of_driver(one.driver, one.late);
                let case = tenant.find(key).and_then(|at| tenant.at(at)).map_or(0, |series| series.incident);
                if let Some(case) = self.cases.get_mut(&case)
                    && case.is_open()
                {
                    case.add(at_ms, one.site, one.late, one.profile.as_ref(), one.bugcheck);
                }
            }
        }
    }

    /// A series that is beyond its usual becomes an incident, or part of one.
    pub(super) fn take_alarm(&mut self, place: usize, at_ms: i64, alarm: Alarm) -> Vec<Transition> {
        let Some(tenant) = self.tenants.get(place) else { return Vec::new() };
        let Some(key) = tenant.at(alarm.series).map(|series| series.key) else { return Vec::new() };
        // A bucket stands for its driver; late machines of a driver for the driver.
        let series = match key.kind {
            Kind::Bucket => {
                let driver = Key { kind: Kind::Driver, id: alarm.driver.0, late: key.late };
                tenant.find(driver)
            }
            _ => Some(alarm.series),
        };
        let Some(series) = series else { return Vec::new() };
        let case = tenant.at(series).map_or(0, |series| series.incident);
        if case != 0 && !self.let_go(case, series, &alarm) {
            return self.alarm_again(case, at_ms, &alarm);
        }
        let Some(tenant) = self.tenants.get(place) else { return Vec::new() };
        let sample: Vec<(Profile, u32)> = tenant.excursions.get(&alarm.series).map_or_else(Vec::new, |all| {
            let since = |(profile, _): &&(Profile, u32)| profile.at_ms >= alarm.onset_ms - 60_000;
            all.profiles().filter(since).cloned().collect()
        });
        let twin = Key { late: !key.late, ..key };
        let twin = tenant.find(twin).and_then(|at| tenant.at(at)).map_or(0, |series| series.incident);
        let falls_back = self.falls_back(&self.subject(place, series));
        let same = if self.cases.get(&twin).is_some_and(Case::is_open) {
            Some(twin)
        } else {
            self.same_machines(place, &sample).or_else(|| self.same_time(place, falls_back, &alarm))
        };
        match same {
            // A driver explains a bug check or a build that alarmed before it, and not the other way round.
            Some(other) if !falls_back && key.kind.is_primary() && self.is_explained(other, &alarm) => {
                let louder = self.cases.get(&other).map_or(alarm.severity, |case| case.incident.severity);
                let alarm = Alarm { severity: alarm.severity.max(louder), ..alarm };
                let opened = self.open(place, series, at_ms, alarm, sample);
                let merged = self.merge(other, opened.incident.id, at_ms);
                self.hand_over(other, self.next_case - 1);
                std::iter::once(opened).chain(merged).collect()
            }
            Some(other) => self.join(other, place, series, at_ms, &alarm),
            None => vec![self.open(place, series, at_ms, alarm, sample)],
        }
    }

    /// Whether an incident of what blame falls back to is explained by a driver that alarms: where most of the blame falls
    /// back, the few drivers beside it are no more than bystanders.
    fn is_explained(&self, number: u32, by: &Alarm) -> bool {
        self.cases.get(&number).is_some_and(|case| {
            self.falls_back(&case.incident.subject) && by.reason.machines * 2 >= case.lately(by.at_ms)
        })
    }

    /// Whether blame falls back to this where the driver cannot be told.
    fn falls_back(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Driver(name) => FALL_BACK.contains(&name.as_str()),
            Subject::Silence(..) => false,
            _ => true,
        }
    }

    /// The open incident that began together with this one, where one of the two is what blame falls back to: part of a
    /// driver's crashes always ends there. What falls back goes on for as long as its cause does, and is less than that.
    fn same_time(&self, place: usize, falls_back: bool, alarm: &Alarm) -> Option<u32> {
        let near = |case: &Case| {
            let after = alarm.onset_ms - case.incident.onset_ms;
            match self.falls_back(&case.incident.subject) {
                true => after.abs() <= SAME_TIME_MS,
                false => falls_back && case.lately(alarm.at_ms) >= SHADOW * alarm.reason.machines,
            }
        };
        let open = self.cases.iter().filter(|(_, case)| case.tenant == place && case.is_open() && near(case));
        open.min_by_key(|(_, case)| (case.incident.onset_ms - alarm.onset_ms).abs())
            .map(|(number, _)| *number)
    }

    /// What only joined an incident that is over is free for the next one: the kernel gets its part of every outage's
    /// blame, and that must not bring back the last one. Its late uploads still belong to what is over.
    fn let_go(&mut self, number: u32, series: u32, alarm: &Alarm) -> bool {
        let Some(case) = self.cases.get_mut(&number) else { return false };
        let joined = case.series.iter().skip(OWN_SERIES).any(|one| *one == series);
        if case.is_open() || alarm.reason.late || !joined {
            return false;
        }
        let tenant = self.tenants.get_mut(case.tenant);
        let key = tenant.as_deref().and_then(|tenant| tenant.at(series)).map(|one| one.key);
        let (Some(tenant), Some(key)) = (tenant, key) else { return false };
        for late in [false, true] {
            let Some(twin) = tenant.find(Key { late, ..key }) else { continue };
            case.series.retain(|one| *one != twin);
            if let Some(one) = tenant.at_mut(twin) {
                one.incident = 0;
            }
        }
        true
    }

    fn merge(&mut self, number: u32, into: u128, at_ms: i64) -> Option<Transition> {
        let case = self.cases.get_mut(&number)?;
        case.merge(into, at_ms);
        Some(case.step(Step::Merged, at_ms, &self.names))
    }

    /// What alarmed in an incident that became part of another alarms in that one.
    fn hand_over(&mut self, from: u32, to: u32) {
        let series = self.cases.get_mut(&from).map_or_else(Vec::new, |case| std::mem::take(&mut case.series));
        let Some(case) = self.cases.get_mut(&to) else { return };
        if let Some(tenant) = self.tenants.get_mut(case.tenant) {
            for place in series {
                if let Some(one) = tenant.at_mut(place) {
                    one.incident = to;
                    case.series.push(place);
                }
            }
        }
    }

    fn subject(&self, place: usize, series: u32) -> Subject {
        let Some(key) = self.tenants.get(place).and_then(|tenant| tenant.at(series)).map(|one| one.key)
        else {
            return Subject::Everything;
        };
        match key.kind {
            Kind::Driver => Subject::Driver(self.names.name(NameId(key.id)).to_owned()),
            Kind::BugCheck => Subject::BugCheck(key.id),
            Kind::OsBuild => Subject::OsBuild(key.id),
            Kind::Bucket => Subject::Bucket(self.names.name(NameId(key.id)).to_owned()),
            Kind::Unattributed => Subject::Unattributed,
            Kind::Everything => Subject::Everything,
        }
    }

    fn open(
        &mut self,
        place: usize,
        series: u32,
        at_ms: i64,
        alarm: Alarm,
        sample: Vec<(Profile, u32)>,
    ) -> Transition {
        let subject = self.subject(place, series);
        let tenant_name = self.tenants.get(place).map_or(NameId::EMPTY, |tenant| tenant.name);
        let tenant = self.names.name(tenant_name).to_owned();
        let driver = match &subject {
            Subject::Driver(_) => alarm.driver,
            _ => NameId::EMPTY,
        };
        let exposed = (driver != NameId::EMPTY).then(|| self.silence.exposed(tenant_name, driver)).flatten();
        let incident = Incident {
            exposed,
            ..Incident::opened(tenant, subject, alarm.severity, alarm.onset_ms, at_ms, alarm.reason)
        };
        let number = self.next_case;
        self.next_case += 1;
        let mut case = Case::new(incident, place, driver, sample);
        case.tick(at_ms);
        self.attach(&mut case, number, place, series);
        self.explain(&mut case, at_ms);
        let step = case.step(Step::Opened, at_ms, &self.names);
        self.cases.insert(number, case);
        step
    }

    /// Both strata of a series are one incident's.
    fn attach(&mut self, case: &mut Case, number: u32, place: usize, series: u32) {
        let Some(tenant) = self.tenants.get_mut(place) else { return };
        let Some(key) = tenant.at(series).map(|one| one.key) else { return };
        for late in [false, true] {
            if let Some(at) = tenant.place(Key { late, ..key })
                && let Some(one) = tenant.at_mut(at)
            {
                one.incident = number;
                case.series.push(at);
            }
        }
    }

    /// An open incident of this tenant that has most of these machines too.
    fn same_machines(&self, place: usize, sample: &[(Profile, u32)]) -> Option<u32> {
        #[expect(clippy::cast_precision_loss, reason = "counts of machines")]
        let is_same = |case: &Case| {
            let shared = case.shares(sample.iter().map(|(profile, _)| profile.machine));
            let fewer = sample.len().min(case.sample.len());
            shared >= SAME_LEAST && shared as f64 >= SAME * fewer as f64
        };
        let mut open = self.cases.iter().filter(|(_, case)| case.tenant == place && case.is_open());
        open.find(|(_, case)| is_same(case)).map(|(number, _)| *number)
    }

    fn join(&mut self, number: u32, place: usize, series: u32, at_ms: i64, alarm: &Alarm) -> Vec<Transition> {
        let subject = self.subject(place, series);
        let Some(mut case) = self.cases.remove(&number) else { return Vec::new() };
        self.attach(&mut case, number, place, series);
        let mut steps = Vec::new();
        if case.incident.subject != subject && !case.incident.also.contains(&subject) {
            case.incident.also.push(subject.clone());
            let mut step = case.step(Step::Joined, at_ms, &self.names);
            step.words = format!("{} alarms on the same machines", subject);
            steps.push(step);
        }
        if alarm.severity == Severity::Sev1 && case.escalate() {
            case.incident.reason = alarm.reason.clone();
            steps.push(case.step(Step::Escalated, at_ms, &self.names));
        }
        self.cases.insert(number, case);
        steps
    }

    fn alarm_again(&mut self, number: u32, at_ms: i64, alarm: &Alarm) -> Vec<Transition> {
        let Some(case) = self.cases.get_mut(&number) else { return Vec::new() };
        if !case.is_open() {
            if case.incident.state == State::Merged {
                return Vec::new();
            }
            // Machines that come back from where they crashed during the incident are no new one.
            if alarm.reason.late {
                let series = case.series.clone();
                let tenant = case.tenant;
                if let Some(tenant) = self.tenants.get_mut(tenant) {
                    tenant.calm(&series);
                }
                return Vec::new();
            }
            case.reopen(at_ms);
            let tenant = self.tenants.get(case.tenant).map(|tenant| tenant.name);
            if let Some(exposed) = tenant.and_then(|tenant| self.silence.exposed(tenant, case.driver)) {
                case.incident.exposed = Some(exposed);
            }
            case.incident.machines += alarm.reason.machines;
            case.incident.reason = alarm.reason.clone();
            case.incident.severity = alarm.severity;
            let tenant = self.tenants.get(case.tenant);
            let excursion = tenant.and_then(|tenant| tenant.excursions.get(&alarm.series));
            excursion.iter().flat_map(|all| all.profiles()).for_each(|(one, code)| case.keep(one, *code));
            return vec![case.step(Step::Reopened, at_ms, &self.names)];
        }
        if alarm.severity == Severity::Sev1 && case.escalate() {
            case.incident.reason = alarm.reason.clone();
            return vec![case.step(Step::Escalated, at_ms, &self.names)];
        }
        Vec::new()
    }

    /// Looks after every incident: growth, what the machines share, the end.
    pub(super) fn follow(&mut self, at_ms: i64) -> Vec<Transition> {
        let mut steps = Vec::new();
        let numbers: Vec<u32> = self.cases.keys().copied().collect();
        for number in numbers {
            let Some(mut case) = self.cases.remove(&number) else { continue };
            if self.is_forgotten(&case, at_ms) {
                self.detach(&case);
                continue;
            }
            if case.is_open() {
                if case.incident.severity == Severity::Sev1
                    && let Some(tenant) = self.tenants.get_mut(case.tenant)
                {
                    tenant.hush_anew(&case.series);
                }
                case.tick(at_ms);
                steps.extend(self.follow_open(&mut case, at_ms));
            }
            self.cases.insert(number, case);
        }
        steps
    }

    fn follow_open(&mut self, case: &mut Case, at_ms: i64) -> Vec<Transition> {
        let mut steps = Vec::new();
        if case.has_grown() {
            steps.push(case.step(Step::Grew, at_ms, &self.names));
        }
        if case.is_due(at_ms) && self.explain(case, at_ms) {
            steps.push(case.step(Step::Attributed, at_ms, &self.names));
        }
        let resolve_after_ms = i64::from(self.config.resolve_after_s) * 1000;
        let patience_ms = case.patience_ms(resolve_after_ms);
        #[expect(clippy::cast_precision_loss, reason = "a span in ms")]
        let seconds = patience_ms as f64 / 1000.0;
        let usual =
            self.tenants.get(case.tenant).map_or(0.0, |fleet| fleet.usual(&case.series, seconds, at_ms));
        let is_silence = matches!(case.incident.subject, Subject::Silence(..));
        if !is_silence && case.is_over(at_ms, patience_ms, poisson_most(usual), resolve_after_ms) {
            steps.push(self.resolve(case, at_ms));
        }
        steps
    }

    pub(super) fn resolve(&mut self, case: &mut Case, at_ms: i64) -> Transition {
        case.resolve(at_ms);
        if let Some(tenant) = self.tenants.get_mut(case.tenant) {
            tenant.calm(&case.series);
            tenant.note_over(&case.series, case.incident.onset_ms - ONSET_SLACK_MS, at_ms);
        }
        case.step(Step::Resolved, at_ms, &self.names)
    }

    fn is_forgotten(&self, case: &Case, at_ms: i64) -> bool {
        !case.is_open() && case.incident.resolved_at_ms.is_none_or(|at| at_ms - at >= MEMORY_MS)
    }

    fn detach(&mut self, case: &Case) {
        if let Some(tenant) = self.tenants.get_mut(case.tenant) {
            for place in &case.series {
                if let Some(series) = tenant.at_mut(*place) {
                    series.incident = 0;
                }
            }
        }
    }

    /// Looks at what the machines share; whether that is news.
    pub(super) fn explain(&mut self, case: &mut Case, at_ms: i64) -> bool {
        let Some(tenant) = self.tenants.get(case.tenant) else { return false };
        if let Some(exposed) = self.silence.exposed(tenant.name, case.driver) {
            case.incident.exposed = Some(exposed);
        }
        let mut reference = tenant.reservoir.with(case.driver);
        reference.extend(case.reference.take().unwrap_or_default());
        reference.retain(|profile| case.shares(std::iter::once(profile.machine)) == 0);
        for profile in &mut reference {
            // What else it ran long ago it may have updated since. The driver's own build is kept: its age is known.
            if case.incident.onset_ms - profile.at_ms > STALE_MS {
                profile.modules.iter_mut().for_each(|(_, version)| *version = Version::default());
            }
        }
        let history = tenant.past.get(&case.driver.0).map(|past| past.before(case.incident.onset_ms));
        let mut first_seen: Vec<(Version, i64)> = tenant
            .builds
            .iter()
            .filter(|((name, _), _)| *name == case.driver && case.driver != NameId::EMPTY)
            .map(|((_, version), at)| (*version, *at))
            .collect();
        first_seen.sort_unstable();
        let changes: Vec<_> =
            self.changes.iter().filter(|change| change.tenant == case.incident.tenant).cloned().collect();
        #[expect(clippy::cast_precision_loss, reason = "a span in ms and counts of machines")]
        let expected = {
            let seconds = (at_ms - case.incident.onset_ms).max(0) as f64 / 1000.0;
            // The sample has the first machines; what was usual among them is in proportion.
            let looked_at = case.sample.len() as f64 / (case.incident.machines.max(1) as f64);
            tenant.usual(&case.series, seconds, at_ms) * looked_at.min(1.0)
        };
        let question = Question {
            driver: self.names.name(case.driver),
            onset_ms: case.incident.onset_ms,
            now_ms: at_ms,
            affected: &case.sample,
            reference: &reference,
            history: history.as_deref().unwrap_or_default(),
            first_seen: &first_seen,
            changes: &changes,
            names: &self.names,
        };
        let answer = attribute_beyond(&question, expected);
        let known = answer.origin != Origin::Unknown;
        case.attribute(at_ms, answer) && known
    }

    /// What people did.
    pub(super) fn do_acts(&mut self, at_ms: i64) -> Vec<Transition> {
        let mut steps = Vec::new();
        for act in std::mem::take(&mut self.acts) {
            let number =
                self.cases.iter().find(|(_, case)| case.incident.id == act.incident).map(|(n, _)| *n);
            let Some(number) = number else { continue };
            let Some(mut case) = self.cases.remove(&number) else { continue };
            let mut words = String::new();
            let step = match act.kind {
                ActKind::Acknowledge if case.is_open() => {
                    case.incident.state = State::Acknowledged;
                    case.incident.acknowledged_by.clone_from(&act.by);
                    Some(case.step(Step::Acknowledged, at_ms, &self.names))
                }
                ActKind::Resolve if case.is_open() => Some(self.resolve(&mut case, at_ms)),
                ActKind::Acknowledge | ActKind::Resolve => None,
                ActKind::Mute(until_ms) => {
                    case.incident.muted_until_ms = (until_ms > at_ms).then_some(until_ms);
                    Some(case.step(Step::Muted, at_ms, &self.names))
                }
                ActKind::Unmute => {
                    case.incident.muted_until_ms = None;
                    Some(case.step(Step::Unmuted, at_ms, &self.names))
                }
                ActKind::Comment(text) => {
                    words = text;
                    Some(case.step(Step::Commented, at_ms, &self.names))
                }
            };
            self.cases.insert(number, case);
            steps.extend(step.map(|step| Transition { by: act.by, words, ..step }));
        }
        steps
    }
}
