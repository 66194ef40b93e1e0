//! The end of a tick: each active element's chart moves, what is beyond expectation is judged, and what is reported
//! stays so until its machines are back.

use super::judge::{self, FEW_SITES, NEARLY_BEYOND};
use super::recent::Recent;
use super::sample::View;
use super::tenant::Alarm;
use super::usual::HUMAN;
use super::{Dark, EPOCH_MS, Silence, seconds};
use crate::index::NONE;

/// What is reported is over when so few of its machines are still dark.
const OVER: f64 = 0.25;
/// Or after this time: what is dark for a day is nobody's news.
const LONGEST_MS: i64 = 86_400_000;
/// Not sooner than this.
const SHORTEST_MS: i64 = 600_000;
/// A month, in weeks: chances are counted over about one.
const MONTH: f64 = 4.3;
/// Chances of a fleet that is new.
const CHANCES: f64 = 10_000.0;
/// Times as fast as all of them may the machines of a driver go dark of which only the whole is known.
const ROOM: f32 = 3.0;
/// Times as fast as all others, for one that is like them: no two drivers are on the same machines.
const LIKE: f32 = 1.5;
/// The least share a minute that is expected on a fleet's first day.
const FIRST: f32 = 0.0005;

impl Silence {
    pub(super) fn judge(&mut self, from_ms: i64, at_ms: i64, budget: f64) -> Vec<Dark> {
        let chances: f64 = self.fleet.tenants.iter().map(|tenant| tenant.chances).sum();
        let threshold = ((chances * MONTH).max(CHANCES) / budget.max(1e-6)).ln();
        let mut candidates = self.move_charts(from_ms, at_ms, threshold);
        candidates.sort_unstable();
        let mut dark = Vec::new();
        for number in 0..u32::try_from(self.fleet.tenants.len()).unwrap_or(NONE) {
            self.close(number, at_ms);
            let of_tenant: Vec<u32> =
                candidates.iter().filter(|(tenant, _)| *tenant == number).map(|(_, id)| *id).collect();
            let news = self.fleet.tenant_mut(number).is_some_and(|tenant| std::mem::take(&mut tenant.news));
            if news && !of_tenant.is_empty() {
                self.open(number, at_ms, &of_tenant);
            }
            dark.extend(self.report(number, threshold, at_ms));
        }
        dark
    }

    /// Moves the charts of active elements by a tick. Gives those that are nearly beyond expectation and not reported yet, with
    /// their tenants.
    fn move_charts(&mut self, from_ms: i64, at_ms: i64, threshold: f64) -> Vec<(u32, u32)> {
        let minutes = (at_ms - from_ms) as f64 / 60_000.0;
        let mut candidates = Vec::new();
        let mut quiet = Vec::new();
        for id in std::mem::take(&mut self.active) {
            let Some(element) = self.fleet.elements.get_mut(id) else { continue };
            element.recent.add(at_ms, &element.went);
            let tenant = element.what.tenant;
            let share = f64::from(self.share(id, at_ms));
            let tenant = self.fleet.tenant(tenant);
            let pace_min = tenant.map_or(0.0, |tenant| tenant.pace_s() / 60.0);
            let is_upset = tenant.is_some_and(|tenant| tenant.pulse.is_upset());
            // What is reported is on machines that have other drivers too: it must not become a habit of those.
            let is_alarmed = tenant.is_some_and(|tenant| !tenant.alarms.is_empty());
            let Some(element) = self.fleet.elements.get_mut(id) else { continue };
            let went: u32 = std::mem::take(&mut element.went).iter().sum();
            let awake = element.awake.iter().sum::<u32>().saturating_add(went);
            let a_minute = share * f64::from(awake);
            let expected = a_minute * minutes;
            if !is_upset {
                element.usual.note(at_ms, went, awake, is_alarmed);
            }
            if element.alarmed {
                element.chart.grow(went, expected);
            } else {
                element.chart.step(from_ms, went, expected, a_minute * pace_min);
            }
            if element.chart.is_quiet() && element.recent.is_quiet() && !element.alarmed {
                element.active = false;
                quiet.push(id);
                continue;
            }
            self.active.push(id);
            let chart = &element.chart;
            if !element.alarmed
                && chart.score() >= threshold
                && chart.is_beyond(chart.machines, NEARLY_BEYOND)
            {
                candidates.push((element.what.tenant, id));
            }
        }
        self.fleet.drop_unused(&quiet);
        candidates
    }

    /// Share of an element's machines a minute that may go dark now: what others do at the moment, and where it has
    /// habits of its own, what it did around this hour before, whichever is more.
    pub(super) fn share(&self, id: u32, at_ms: i64) -> f32 {
        let Some(element) = self.fleet.elements.get(id) else { return HUMAN };
        let Some(tenant) = self.fleet.tenant(element.what.tenant) else { return HUMAN };
        let driver = self.fleet.elements.get(element.parent);
        let others =
            Recent::share_of_others((&tenant.recent, &tenant.awake), (&element.recent, &element.awake));
        let whole = tenant.usual.past(at_ms);
        // A new build has no past: its driver's, and some room since other machines may run it.
        let of_driver = || Some(driver?.usual.past(at_ms)? * 2.0);
        let own = element.usual.past(at_ms).or_else(of_driver);
        let many_sites = tenant.site_count() >= FEW_SITES;
        let is_like_all = whole.is_none_or(|whole| own.is_some_and(|own| own <= whole * ROOM));
        let habit = match whole {
            Some(whole) => own.unwrap_or(whole * ROOM).max(whole).max(others),
            // At a few sites people's habits look like an outage.
            None => (HUMAN * ROOM).max(others),
        };
        let unheard = if tenant.pulse.is_upset() { HUMAN } else { 0.0 };
        if !(is_like_all && many_sites) {
            return habit.max(unheard);
        }
        // It goes as the whole does, so that what the others do now tells better than the worst of days: also of who left
        // while nothing arrived, and is overdue all at once.
        match whole {
            Some(_) => habit.min(others * LIKE),
            None => (others * LIKE).max(FIRST),
        }
    }

    /// Ends what is over.
    fn close(&mut self, number: u32, at_ms: i64) {
        let Some(tenant) = self.fleet.tenants.get_mut(usize::try_from(number).unwrap_or(usize::MAX)) else {
            return;
        };
        let elements = &mut self.fleet.elements;
        let before = tenant.alarms.len();
        tenant.alarms.retain_mut(|alarm| {
            let Some(element) = elements.get_mut(alarm.element) else { return false };
            let missing = element.dark.saturating_sub(alarm.dark_before);
            alarm.most = alarm.most.max(missing);
            let age_ms = at_ms - alarm.since_ms;
            let back = f64::from(missing) <= OVER * f64::from(alarm.most) && age_ms > SHORTEST_MS;
            element.alarmed = !back && age_ms < LONGEST_MS;
            element.alarmed
        });
        if tenant.alarms.len() == before {
            return;
        }
        // What went dark with it is over too.
        for id in &self.active {
            if let Some(element) =
                elements.get_mut(*id).filter(|one| one.what.tenant == number && !one.alarmed)
            {
                element.chart = Default::default();
            }
        }
    }

    /// Finds the causes among those beyond expectation.
    fn open(&mut self, number: u32, at_ms: i64, candidates: &[u32]) {
        let Some(tenant) = self.fleet.tenant(number) else { return };
        let lead = candidates.iter().filter_map(|id| self.fleet.elements.get(*id));
        let lead = lead.max_by(|a, b| a.chart.score().total_cmp(&b.chart.score()));
        let Some(since_ms) = lead.and_then(|element| element.chart.onset_ms) else { return };
        let since_s = seconds(since_ms);
        let mut dark = judge::dark_since(&self.fleet, &self.machines, tenant, since_s);
        let causes = judge::causes(&self.fleet, tenant, &mut dark, candidates, at_ms);
        for cause in causes {
            let Some(element) = self.fleet.elements.get_mut(cause.element) else { continue };
            element.alarmed = true;
            let alarm = Alarm {
                element: cause.element,
                since_ms: at_ms,
                sites: cause.sites,
                dark_before: element.dark.saturating_sub(cause.machines),
                most: cause.machines,
                sampled: 0,
                onset_ms: since_ms,
            };
            if let Some(tenant) = self.fleet.tenant_mut(number) {
                tenant.alarms.push(alarm);
            }
        }
    }

    /// What is reported of a tenant now.
    fn report(&mut self, number: u32, threshold: f64, at_ms: i64) -> Vec<Dark> {
        let count = self.fleet.tenant(number).map_or(0, |tenant| tenant.alarms.len());
        (0..count).filter_map(|place| self.report_one(number, place, threshold, at_ms)).collect()
    }

    fn report_one(&mut self, number: u32, place: usize, threshold: f64, at_ms: i64) -> Option<Dark> {
        let tenant = self.fleet.tenant(number)?;
        let mut alarm = tenant.alarms.get(place)?.clone();
        let element = self.fleet.elements.get(alarm.element)?;
        let machines = element.chart.machines;
        let mut dark = Dark {
            tenant: tenant.name,
            driver: element.what.driver,
            version: element.what.version,
            machines: u64::from(machines),
            sites: alarm.sites,
            expected: element.chart.expected,
            score: element.chart.score(),
            threshold,
            onset_ms: alarm.onset_ms,
            sample: Vec::new(),
            reference: Vec::new(),
        };
        if machines < alarm.sampled.saturating_add(alarm.sampled / 2).max(1) {
            return Some(dark);
        }
        let behind_ms = tenant.pulse.behind_ms();
        let wall_ms = |at_s: u32| EPOCH_MS + i64::from(at_s) * 1000 + behind_ms;
        let since_s = seconds(element.chart.onset_ms.unwrap_or(at_ms));
        let view = View { fleet: &self.fleet, machines: &self.machines, tenant, element: alarm.element };
        let seen = view.seen(since_s);
        if alarm.sampled == 0 {
            dark.onset_ms = wall_ms(seen.first_missed_s);
        }
        dark.sites = dark.sites.max(seen.sites);
        dark.sample = view.dark(since_s, wall_ms);
        dark.reference = view.others(wall_ms);
        (alarm.sampled, alarm.onset_ms, alarm.sites) = (machines, dark.onset_ms, dark.sites);
        if let Some(known) = self.fleet.tenant_mut(number).and_then(|tenant| tenant.alarms.get_mut(place)) {
            *known = alarm;
        }
        Some(dark)
    }
}
