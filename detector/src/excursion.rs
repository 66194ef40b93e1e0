//! The machines behind a chart that is above zero: where they stand and when they crashed, for the gates that tell an
//! outage from one site's trouble, and for the sample that an incident begins with.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::attribution::Profile;
use crate::incident::Severity;
use crate::input::Version;
use crate::limits::Limits;
use crate::names::NameId;
use crate::stats::float;

/// Machines that are remembered of one excursion.
const MOST_MARKS: usize = 4096;
/// Profiles that are kept before there is an incident, the newest.
const MOST_PROFILES: usize = 128;
/// A page needs its machines within this long: a slow burn is a ticket.
const PAGE_SPAN_MS: i64 = 900_000;
/// What grows fast needs fewer.
const FAST_SPAN_MS: i64 = 100_000;
/// A ticket can wait: what grows fast is a page by then, and is told once.
const TICKET_AFTER_MS: i64 = 120_000;
const HOUR_S: u32 = 3600;
/// Up to so many machines a list is quicker than a table.
const FEW: usize = 32;

/// One machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Seconds since 1970, as the one below: most of the memory is these.
    at_s: u32,
    crashed_s: u32,
    site: u32,
    /// Number of the driver, for series that are none.
    driver: u32,
}

impl Mark {
    pub(crate) fn new(at_ms: i64, crashed_ms: i64, site: u32, driver: u32) -> Self {
        let seconds = |ms: i64| u32::try_from(ms.div_euclid(1000).max(0)).unwrap_or(u32::MAX);
        Self { at_s: seconds(at_ms), crashed_s: seconds(crashed_ms), site, driver }
    }

    fn at_ms(&self) -> i64 {
        i64::from(self.at_s) * 1000
    }

    fn hour(&self) -> u32 {
        self.at_s / HOUR_S
    }
}

/// The machines since a chart left zero.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Excursion {
    marks: VecDeque<Mark>,
    /// What most excursions never have: they are a handful of machines, and there are thousands.
    more: Option<Box<More>>,
}

/// What a larger excursion has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct More {
    /// Machines of each site within its present hour; empty while the list is short.
    sites: HashMap<u32, (u32, u32), FixedState>,
    profiles: VecDeque<(Profile, u32)>,
}

/// What the gates are held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure<'a> {
    pub(crate) limits: &'a Limits,
    /// Onset of the chart, ms since 1970.
    pub(crate) onset_ms: i64,
    pub(crate) now_ms: i64,
    /// Machines that could be expected since then, at most.
    pub(crate) expected: f64,
    /// The same a second, fresh and late together, by the wall clock.
    pub(crate) per_s: f64,
    /// Machines that are nothing special beside what the others do at the same time.
    pub(crate) share: f64,
}

/// What the gates found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) severity: Severity,
    pub(crate) machines: u64,
    pub(crate) spread: u64,
    pub(crate) sites: u64,
}

impl Excursion {
    /// Notes a machine; whether it counts in a chart, its site having been heard enough this hour or not.
    pub(crate) fn note(&mut self, mark: Mark, per_site: u32) -> bool {
        if self.marks.len() >= MOST_MARKS {
            self.marks.pop_front();
        }
        if self.marks.len() < FEW {
            if self.marks.len() == self.marks.capacity() {
                self.marks.reserve_exact(2);
            }
            self.marks.push_back(mark);
            let here = |one: &&Mark| one.site == mark.site && one.hour() == mark.hour();
            return self.marks.iter().filter(here).count() <= per_site as usize;
        }
        self.marks.push_back(mark);
        let sites = &mut self.more.get_or_insert_default().sites;
        if sites.is_empty() {
            self.marks.iter().for_each(|mark| {
                count_site(sites, mark);
            });
            return sites.get(&mark.site).is_none_or(|(_, machines)| *machines <= per_site);
        }
        count_site(sites, &mark) <= per_site
    }

    pub(crate) fn keep(&mut self, profile: &Profile, bugcheck: u32) {
        let profiles = &mut self.more.get_or_insert_default().profiles;
        if profiles.len() >= MOST_PROFILES {
            profiles.pop_front();
        }
        profiles.push_back((profile.clone(), bugcheck));
    }

    /// The profiles that were kept, each with its bug check.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = &(Profile, u32)> {
        self.more.iter().flat_map(|more| &more.profiles)
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.marks.capacity() * size_of::<Mark>()
            + self.more.as_ref().map_or(0, |more| {
                let profile =
                    |(one, _): &(Profile, u32)| one.modules.capacity() * size_of::<(NameId, Version)>();
                size_of::<More>()
                    + more.sites.capacity() * (size_of::<(u32, (u32, u32))>() + 1)
                    + more.profiles.capacity() * size_of::<(Profile, u32)>()
                    + more.profiles.iter().map(profile).sum::<usize>()
            })
    }

    /// Machines of each driver since then, for series that are none.
    pub(crate) fn drivers(&self, since_ms: i64) -> BTreeMap<u32, u64> {
        let mut drivers = BTreeMap::new();
        for mark in self.marks.iter().filter(|mark| mark.at_ms() >= since_ms) {
            *drivers.entry(mark.driver).or_default() += 1;
        }
        drivers
    }

    /// Whether these machines are an outage.
    pub(crate) fn judge(&self, measure: &Measure<'_>) -> Option<Found> {
        let limits = measure.limits;
        let since: Vec<&Mark> = self.marks.iter().filter(|mark| mark.at_ms() >= measure.onset_ms).collect();
        let (machines, sites, spread) = breadth(since.iter().copied(), limits.largest_sites);
        if machines < limits.ticket_machines.min(limits.fast_machines) {
            return None;
        }
        let usual = measure.expected.max(measure.share);
        let page = float(spread) >= limits.page_lift * usual
            && [(PAGE_SPAN_MS, limits.page_machines), (FAST_SPAN_MS, limits.fast_machines)]
                .into_iter()
                .any(|(span_ms, least)| is_page(&since, measure, span_ms, least));
        // Machines of one hour and site count only so often: what is left is broad.
        let broad = self.capped(measure.onset_ms, limits.per_site);
        let ticket = measure.now_ms - measure.onset_ms >= TICKET_AFTER_MS
            && broad >= limits.ticket_machines
            && spread >= limits.ticket_machines / 2
            && sites >= limits.ticket_sites
            && float(broad) >= limits.ticket_lift * usual
            && dense(since.iter().copied(), machines, measure.per_s, limits.page_lift);
        let severity = match (page, ticket) {
            (true, _) => Severity::Sev1,
            (false, true) => Severity::Sev2,
            (false, false) => return None,
        };
        Some(Found { severity, machines, spread, sites })
    }

    /// Machines since then, of each site and hour at most so many.
    fn capped(&self, since_ms: i64, most: u32) -> u64 {
        let mut heard: HashMap<(u32, u32), u32, FixedState> = HashMap::default();
        let mut counted = 0;
        for mark in self.marks.iter().filter(|mark| mark.at_ms() >= since_ms) {
            let of = heard.entry((mark.site, mark.hour())).or_default();
            *of += 1;
            counted += u64::from(*of <= most);
        }
        counted
    }
}

/// Whether so many machines, well beyond what was to be expected, crashed within this span at enough sites.
fn is_page(since: &[&Mark], measure: &Measure<'_>, span_ms: i64, least: u64) -> bool {
    let limits = measure.limits;
    let recent = since.iter().copied().filter(|mark| measure.now_ms - mark.at_ms() < span_ms);
    let (machines, sites, spread) = breadth(recent.clone(), limits.largest_sites);
    spread >= least
        && sites >= limits.page_sites
        && float(spread) - measure.expected >= 0.7 * float(least)
        && dense(recent, machines, measure.per_s, limits.page_lift)
}

/// One more machine of its site; how many this hour.
fn count_site(sites: &mut HashMap<u32, (u32, u32), FixedState>, mark: &Mark) -> u32 {
    let of = sites.entry(mark.site).or_default();
    if of.0 != mark.hour() {
        *of = (mark.hour(), 0);
    }
    of.1 = of.1.saturating_add(1);
    of.1
}

/// Machines, sites, and machines without the largest sites.
fn breadth<'a>(marks: impl Iterator<Item = &'a Mark>, largest: usize) -> (u64, u64, u64) {
    let mut sites: HashMap<u32, u64, FixedState> = HashMap::default();
    let mut machines = 0;
    for mark in marks {
        *sites.entry(mark.site).or_default() += 1;
        machines += 1;
    }
    let mut counts: Vec<u64> = sites.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let taken: u64 = counts.iter().take(largest).sum();
    (machines, counts.len() as u64, machines - taken)
}

/// Whether they crashed within a time in which so many are unusual. What a stalled intake held back arrives at once, and
/// happened over hours. The tenth at either end is left out: clocks lie.
fn dense<'a>(marks: impl Iterator<Item = &'a Mark>, machines: u64, per_s: f64, lift: f64) -> bool {
    let mut times: Vec<u32> = marks.map(|mark| mark.crashed_s).collect();
    times.sort_unstable();
    let end = times.len() / 10;
    let span_s = match (times.get(end), times.get(times.len().saturating_sub(end + 1))) {
        (Some(first), Some(last)) => last.saturating_sub(*first),
        _ => 0,
    };
    0.8 * float(machines) >= (lift / 2.0).max(2.0) * per_s * f64::from(span_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sites[i]` machines at site i, a second apart, crashed `spread_s` seconds apart before.
    fn judged(sites: &[u32], every_ms: i64, crash_every_ms: i64) -> Option<Found> {
        let limits = Limits::of(1_000_000, 1000, 0.5);
        let mut excursion = Excursion::default();
        let mut at_ms = 0;
        let most = sites.iter().max().copied().unwrap_or(0);
        for round in 0..most {
            for (site, machines) in sites.iter().enumerate() {
                if round < *machines {
                    let site = u32::try_from(site).unwrap();
                    let crashed_ms = at_ms / every_ms * crash_every_ms;
                    excursion.note(Mark::new(at_ms, crashed_ms, site, 0), 3);
                    at_ms += every_ms;
                }
            }
        }
        let measure =
            Measure { limits: &limits, onset_ms: 0, now_ms: at_ms, expected: 1.0, per_s: 0.001, share: 0.0 };
        excursion.judge(&measure)
    }

    #[test]
    fn breadth_makes_a_page_and_a_lab_makes_nothing() {
        let severity = |sites: &[u32]| judged(sites, 1000, 1000).map(|found| found.severity);
        assert_eq!(severity(&[1; 24]), Some(Severity::Sev1));
        assert_eq!(severity(&[1; 11]), None, "too few");
        assert_eq!(judged(&[1; 24], 50_000, 50_000).map(|found| found.severity), Some(Severity::Sev2));
        assert_eq!(severity(&[60]), None);
        assert_eq!(severity(&[60, 40]), None);
        assert_eq!(severity(&[60, 40, 1, 1, 1]), None, "a lab and some noise");
    }

    #[test]
    fn a_slow_burn_is_a_ticket_and_a_release_of_what_was_held_back_is_nothing() {
        let severity = |every, crashed| judged(&[1; 40], every, crashed).map(|found| found.severity);
        assert_eq!(severity(60_000, 60_000), Some(Severity::Sev2));
        assert_eq!(severity(10, 1000), Some(Severity::Sev1));
        assert_eq!(severity(10, 10_000_000), None);
    }
}
