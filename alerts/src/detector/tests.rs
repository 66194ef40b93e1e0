//! The detector against fleets drawn from a seeded generator: what must page, and above all what must not.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A small generator of its own, so that every run sees the same fleets (`SplitMix64`).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        count((z ^ (z >> 31)) >> 12) / count(1 << 52)
    }

    /// Knuth's product for small means, a rounded normal for large ones.
    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            let sum: f64 = (0..12).map(|_| self.unit()).sum();
            return (mean + (sum - 6.0) * mean.sqrt()).max(0.0).round() as u64;
        }
        let limit = (-mean).exp();
        let mut product = self.unit();
        let mut n = 0;
        while product > limit {
            product *= self.unit();
            n += 1;
        }
        n
    }
}

/// One driver's arrivals: machine and site by tick of ten seconds, oldest first.
#[derive(Default)]
struct Arrivals {
    ticks: Vec<Vec<(u64, u64)>>,
}

/// A fleet replayed tick by tick, as storage would show it.
struct Fleet {
    now_ms: i64,
    drivers: BTreeMap<DriverKey, Arrivals>,
    detector: Detector,
    next_machine: u64,
    sites: u64,
    decisions: Vec<(i64, Decision)>,
}

const TICK_MS: i64 = 10_000;
const START_MS: i64 = 1_700_000_000_000;

fn key(driver: &str) -> DriverKey {
    DriverKey { tenant: "acme".to_owned(), driver: driver.to_owned() }
}

impl Fleet {
    fn new() -> Self {
        Self {
            now_ms: START_MS,
            drivers: BTreeMap::new(),
            detector: Detector::new(DetectorConfig::default()),
            next_machine: 0,
            sites: 1,
            decisions: Vec::new(),
        }
    }

    /// One tick: each driver takes down so many machines never seen before.
    fn tick(&mut self, fresh: &[(DriverKey, u64)]) -> Vec<Decision> {
        let mut named = Vec::new();
        for (key, machines) in fresh {
            let list = (0..*machines).map(|_| {
                self.next_machine += 1;
                (self.next_machine, self.next_machine % self.sites)
            });
            named.push((key.clone(), list.collect()));
        }
        self.tick_of(named)
    }

    fn tick_of(&mut self, arrivals: Vec<(DriverKey, Vec<(u64, u64)>)>) -> Vec<Decision> {
        let age = self.age();
        for (key, list) in arrivals {
            let driver = self.drivers.entry(key).or_default();
            driver.ticks.resize(age, Vec::new());
            driver.ticks.push(list);
        }
        self.now_ms += TICK_MS;
        let seen = self.observe();
        let decisions = self.detector.tick(&seen);
        self.decisions.extend(decisions.iter().map(|d| (self.now_ms, d.clone())));
        decisions
    }

    fn age(&self) -> usize {
        usize::try_from((self.now_ms - START_MS) / TICK_MS).unwrap()
    }

    fn observe(&self) -> Observation {
        let age = self.age();
        let mut drivers = Vec::new();
        for (key, arrivals) in &self.drivers {
            let back = |from: usize, to: usize| {
                let from = age.saturating_sub(from).min(arrivals.ticks.len());
                let to = age.saturating_sub(to).min(arrivals.ticks.len());
                arrivals.ticks[to..from].iter().flatten()
            };
            let distinct = |from: usize, to: usize| {
                back(from, to).map(|(machine, _)| machine).collect::<BTreeSet<_>>().len() as u64
            };
            let windows: Vec<u64> = (0..WINDOWS).map(|w| distinct(w * 6, w * 6 + 6)).collect();
            if windows.iter().all(|n| *n == 0) {
                continue;
            }
            drivers.push(DriverCounts {
                key: key.clone(),
                machines: SPANS.map(|span| distinct(0, span * 6)),
                sites: back(0, 90).map(|(_, site)| site).collect::<BTreeSet<_>>().len() as u64,
                windows,
            });
        }
        let fleet_sites = BTreeMap::from([("acme".to_owned(), self.sites)]);
        let totals = drivers.iter().map(|d| (d.key.clone(), d.windows.iter().sum())).collect();
        Observation { now_ms: self.now_ms, drivers, fleet_sites, totals }
    }

    /// The usual: 200 drivers, from one machine in two hours to two a minute.
    fn noise(random: &mut Random, factor: f64) -> Vec<(DriverKey, u64)> {
        (0..200_u64)
            .map(|i| {
                let per_minute = 2.0 * 240.0_f64.powf(-count(i) / 199.0);
                (key(&format!("noise{i}.sys")), random.poisson(per_minute * factor / 6.0))
            })
            .collect()
    }

    fn run(&mut self, random: &mut Random, ticks: usize, factor: f64) {
        for _ in 0..ticks {
            let fresh = Self::noise(random, factor);
            self.tick(&fresh);
        }
    }

    fn opened(&self) -> Vec<&DriverKey> {
        let opened = |(_, decision): &'_ (i64, Decision)| matches!(decision, Decision::Open { .. });
        self.decisions
            .iter()
            .filter(|d| opened(d))
            .map(|(_, d)| match d {
                Decision::Open { key, .. } | Decision::Grew { key, .. } | Decision::Resolve { key } => key,
            })
            .collect()
    }
}

#[test]
fn steady_noise_of_200_drivers_opens_nothing() {
    let mut random = Random(1);
    let mut fleet = Fleet::new();
    // Four hours, cold start included.
    fleet.run(&mut random, 4 * 360, 1.0);
    assert_eq!(fleet.decisions, []);
}

#[test]
fn one_machine_in_a_boot_loop_opens_nothing() {
    let mut fleet = Fleet::new();
    for _ in 0..360 {
        assert_eq!(fleet.tick_of(vec![(key("disk.sys"), vec![(7, 0)])]), []);
    }
}

#[test]
fn nine_machines_are_too_few_and_ten_are_enough() {
    let mut fleet = Fleet::new();
    assert_eq!(fleet.tick(&[(key("csagent.sys"), 9)]), []);
    assert_eq!(fleet.tick(&[(key("csagent.sys"), 1)]).len(), 1);
}

#[test]
fn a_jump_of_the_whole_fleet_opens_nothing() {
    // Monday morning (threefold), and a release of what was held back (thirtyfold).
    for factor in [3.0, 10.0, 30.0] {
        let mut random = Random(2);
        let mut fleet = Fleet::new();
        fleet.run(&mut random, 360, 1.0);
        fleet.run(&mut random, 90, factor);
        fleet.run(&mut random, 90, 1.0);
        assert_eq!(fleet.opened(), Vec::<&DriverKey>::new(), "factor {factor}");
    }
}

#[test]
fn the_release_of_a_stalled_intake_opens_nothing() {
    let mut random = Random(3);
    let mut fleet = Fleet::new();
    fleet.run(&mut random, 360, 1.0);
    fleet.run(&mut random, 180, 0.0);
    // Half an hour of uploads within ten seconds.
    fleet.run(&mut random, 1, 180.0);
    fleet.run(&mut random, 360, 1.0);
    assert_eq!(fleet.decisions, []);
}

#[test]
fn csagent_opens_within_two_ticks_even_on_a_moving_fleet() {
    for (factor, at_most) in [(1.0, 1), (3.0, 2)] {
        let mut random = Random(4);
        let mut fleet = Fleet::new();
        fleet.run(&mut random, 400, 1.0);
        fleet.run(&mut random, 3, factor);
        let mut ticks = 0;
        while fleet.opened().is_empty() {
            ticks += 1;
            assert!(ticks <= at_most, "still nothing after {ticks} ticks");
            let mut fresh = Fleet::noise(&mut random, factor);
            fresh.push((key("csagent.sys"), 30));
            fleet.tick(&fresh);
        }
        assert_eq!(fleet.opened(), [&key("csagent.sys")]);
    }
}

#[test]
fn a_fleet_never_seen_before_pages_for_the_outage_alone() {
    // Up to 24 machines a second from the first tick on, the busiest driver with twenty times the smallest page.
    for factor in [1.0, 5.0, 20.0] {
        let mut random = Random(5);
        let mut fleet = Fleet::new();
        fleet.run(&mut random, 2, factor);
        for _ in 0..6 {
            let mut fresh = Fleet::noise(&mut random, factor);
            fresh.push((key("csagent.sys"), 300));
            fleet.tick(&fresh);
        }
        assert_eq!(fleet.opened(), [&key("csagent.sys")], "factor {factor}");
        fleet.run(&mut random, 400, factor);
        assert_eq!(fleet.opened(), [&key("csagent.sys")], "factor {factor}, in the hour after");
    }
}

#[test]
fn a_busy_driver_pages_on_a_multiple_of_its_own_rate_only() {
    let mut random = Random(5);
    let mut fleet = Fleet::new();
    for _ in 0..360 {
        let busy = random.poisson(5.0);
        fleet.tick(&[(key("busy.sys"), busy)]);
    }
    // On an empty history it has paged; what it does with one is the question.
    fleet.detector = Detector::new(DetectorConfig::default());
    fleet.decisions.clear();
    for _ in 0..360 {
        let busy = random.poisson(5.0);
        fleet.tick(&[(key("busy.sys"), busy)]);
    }
    assert_eq!(fleet.decisions, []);
    let mut ticks = 0;
    while fleet.opened().is_empty() {
        ticks += 1;
        assert!(ticks <= 6, "a threefold rate must page within a minute");
        fleet.tick(&[(key("busy.sys"), 15)]);
    }
}

#[test]
fn a_slow_burn_is_found_by_the_longer_spans() {
    let mut fleet = Fleet::new();
    for _ in 0..60 {
        fleet.tick(&[(key("quiet.sys"), 1)]);
        for _ in 0..3 {
            fleet.tick(&[]);
        }
    }
    // Forty minutes of it are one incident, though no minute by itself is remarkable.
    assert_eq!(fleet.opened(), [&key("quiet.sys")]);
    let Some((_, Decision::Open { reason, .. })) = fleet.decisions.first() else { panic!("no reason") };
    assert_eq!(reason.span_s, 900);
    assert!(!fleet.decisions.iter().any(|(_, d)| matches!(d, Decision::Resolve { .. })));
}

#[test]
fn it_resolves_after_five_calm_minutes_and_does_not_page_again() {
    let mut random = Random(6);
    let mut fleet = Fleet::new();
    fleet.run(&mut random, 360, 1.0);
    for _ in 0..60 {
        let mut fresh = Fleet::noise(&mut random, 1.0);
        fresh.push((key("csagent.sys"), 200));
        fleet.tick(&fresh);
    }
    let ended = fleet.now_ms;
    fleet.run(&mut random, 720, 1.0);
    assert_eq!(fleet.opened(), [&key("csagent.sys")]);
    let resolved: Vec<i64> = fleet
        .decisions
        .iter()
        .filter(|(_, d)| matches!(d, Decision::Resolve { .. }))
        .map(|(at, _)| *at - ended)
        .collect();
    // The last minute of the outage must leave the window, then five minutes pass.
    assert_eq!(resolved, [360_000]);
}

#[test]
fn growth_is_noted_at_each_power_of_ten() {
    let mut fleet = Fleet::new();
    let mut grew = Vec::new();
    for _ in 0..60 {
        for decision in fleet.tick(&[(key("csagent.sys"), 20)]) {
            if let Decision::Grew { machines, .. } = decision {
                grew.push(machines);
            }
        }
    }
    assert_eq!(grew, [200]);
}

#[test]
fn a_driver_that_comes_and_goes_pages_ever_more_rarely() {
    let mut fleet = Fleet::new();
    let mut pages = Vec::new();
    for minute in 0..240 {
        let fresh = if minute % 8 == 0 { 40 } else { 0 };
        for tick in 0..6 {
            let decisions = fleet.tick(&[(key("flap.sys"), if tick == 0 { fresh } else { 0 })]);
            if decisions.iter().any(|d| matches!(d, Decision::Open { .. })) {
                pages.push(minute);
            }
        }
    }
    assert_eq!(pages, [0, 8], "then it is one lasting incident");
}

#[test]
fn an_incident_goes_on_after_a_restart() {
    let mut fleet = Fleet::new();
    let Decision::Open { key: opened, reason, .. } = fleet.tick(&[(key("csagent.sys"), 50)]).remove(0) else {
        panic!("not opened")
    };
    let text = serde_json::to_string(&reason).unwrap();
    fleet.detector = Detector::new(DetectorConfig::default());
    fleet.detector.restore(opened.clone(), Followed::opened(&serde_json::from_str(&text).unwrap(), 0));
    assert_eq!(fleet.tick(&[(opened.clone(), 50)]), []);
    for _ in 0..400 {
        fleet.tick(&[]);
    }
    assert_eq!(fleet.decisions.last().map(|(_, d)| d), Some(&Decision::Resolve { key: opened }));
    assert_eq!(fleet.detector.open().count(), 0);
}

#[test]
fn one_site_of_many_needs_ten_times_the_machines() {
    let lab = |machines: u64, sites: u64| {
        let mut fleet = Fleet::new();
        fleet.sites = 40;
        let list = (0..machines).map(|m| (m, m % sites)).collect();
        fleet.tick_of(vec![(key("lab.sys"), list)]).len()
    };
    assert_eq!(lab(60, 1), 0);
    assert_eq!(lab(60, 2), 1);
    assert_eq!(lab(100, 1), 1);
}

proptest! {
    #[test]
    fn never_two_incidents_of_one_driver_and_never_below_the_minimum(
        counts in proptest::collection::vec((0_usize..4, 0_u64..60), 1..200)
    ) {
        let mut fleet = Fleet::new();
        let mut open: BTreeSet<DriverKey> = BTreeSet::new();
        for (driver, machines) in counts {
            for decision in fleet.tick(&[(key(&format!("d{driver}.sys")), machines)]) {
                match decision {
                    Decision::Open { key, reason, .. } => {
                        prop_assert!(open.insert(key));
                        prop_assert!(reason.machines >= 10);
                        prop_assert!(reason.onset_ms < fleet.now_ms);
                    }
                    Decision::Grew { key, .. } => prop_assert!(open.contains(&key)),
                    Decision::Resolve { key } => prop_assert!(open.remove(&key)),
                }
            }
        }
    }

    #[test]
    fn any_counts_whatever_are_survived(
        machines in proptest::array::uniform3(any::<u64>()),
        windows in proptest::collection::vec(0_u64..u64::MAX / 100, 0..70),
        sites in any::<u64>(),
        now_ms in 0_i64..4_000_000_000_000,
    ) {
        let mut detector = Detector::new(DetectorConfig::default());
        let driver = DriverCounts { key: key("x.sys"), machines, sites, windows };
        let seen = Observation { now_ms, drivers: vec![driver], ..Observation::default() };
        detector.tick(&seen);
    }
}
