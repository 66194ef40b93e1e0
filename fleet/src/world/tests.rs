//! Worlds as a whole: what comes out is what was ordered.

use std::collections::{BTreeMap, BTreeSet};

use detector::attribution::{Facet, Origin};

use super::{Expect, Input, OutageClass, World};
use crate::scenario::{NoiseConfig, ScenarioSet, WorldConfig};

mod outages;

/// A crash, as far as tests look at it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    machine: u64,
    crashed_ms: i64,
    arrived_ms: i64,
    driver: String,
    version: u32,
    bugcheck: u32,
    os_build: u32,
    model: String,
    ring: String,
    site: String,
    modules: BTreeMap<String, u32>,
    tenant: String,
}

fn config(fields: &str) -> WorldConfig {
    let text = format!(r#"{{"version":1,"name":"t","worlds":[{{"name":"w",{fields}}}]}}"#);
    ScenarioSet::from_json(&text).unwrap().worlds.remove(0)
}

/// Without noise and background.
fn silent(fields: &str) -> WorldConfig {
    WorldConfig { noise: NoiseConfig::none(), crashes_per_minute: Some(0.0), ..config(fields) }
}

fn run(world: &mut World) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut sink = |input: Input<'_>| {
        let Input::Crash(crash) = input else { return };
        all.push(Seen {
            machine: crash.machine,
            crashed_ms: crash.crashed_at_ms,
            arrived_ms: crash.arrived_at_ms,
            driver: crash.driver.to_owned(),
            version: crash.version.timestamp,
            bugcheck: crash.bugcheck,
            os_build: crash.os_build,
            model: crash.model.to_owned(),
            ring: crash.ring.to_owned(),
            site: crash.site.to_owned(),
            modules: crash
                .modules
                .iter()
                .map(|module| (module.name.to_owned(), module.version.timestamp))
                .collect(),
            tenant: crash.tenant.to_owned(),
        });
    };
    while world.tick(&mut sink).is_some() {}
    all
}

/// Within five standard deviations.
fn near(count: usize, mean: f64) -> bool {
    (count as f64 - mean).abs() <= 5.0 * mean.sqrt() + 1.0
}

#[test]
fn one_seed_is_one_stream() {
    let fields = r#""days":0.5,"machines":3000,"sites":20,"drivers":300,"tick_s":7,"crashes_per_minute":5,
        "heartbeats":{"interval_s":600},"outages":[{"class":"two_at_once","rate":0.5},{"class":"boot_loop_dark"}]"#;
    let stream = |seed: u64| {
        let (mut world, mut lines) = (World::new(&config(fields), seed), Vec::new());
        world.history(&mut |history| lines.push(format!("{history:?}")));
        while let Some(at) = world.tick(&mut |input| lines.push(format!("{input:?}"))) {
            lines.push(at.to_string());
        }
        (lines, world.truths().to_vec())
    };
    let first = stream(1);
    assert!(first.0.len() > 10_000);
    assert_eq!(first, stream(1));
    assert_ne!(first.0, stream(2).0);
}

#[test]
fn ticks_cover_the_world_and_hold_what_arrives_in_them() {
    let config = config(
        r#""days":1.0001,"tick_s":7,"machines":50000,"sites":100,"drivers":200,"crashes_per_minute":30"#,
    );
    let mut world = World::new(&config, 3);
    let (start, end) = (world.start_ms(), world.end_ms());
    let (mut from, mut arrivals) = (start, Vec::new());
    loop {
        arrivals.clear();
        let sink = &mut |input: Input<'_>| {
            if let Input::Crash(crash) = input {
                arrivals.push(crash.arrived_at_ms);
            }
        };
        let Some(until) = world.tick(sink) else { break };
        assert!(until - from <= 7000 && arrivals.is_sorted());
        assert!(arrivals.iter().all(|at| (from..until).contains(at)));
        from = until;
    }
    assert_eq!((from, end - start), (end, 86_408_640));
    assert_eq!(world.tick(&mut |_| panic!("it is over")), None);
}

#[test]
fn the_background_has_its_rate_and_its_slope() {
    let fields = r#""days":2,"tick_s":20,"machines":1000000,"sites":1000,"drivers":1000,"crashes_per_minute":50,"popular":10"#;
    for zipf in [0.6, 1.0, 1.6] {
        let config = WorldConfig { zipf, noise: NoiseConfig::none(), ..config(fields) };
        let crashes = run(&mut World::new(&config, 5));
        let total = 50.0 * 1440.0 * 2.0;
        assert!(near(crashes.len(), total), "{} crashes", crashes.len());
        let mut counts = BTreeMap::<&str, usize>::new();
        crashes.iter().for_each(|crash| *counts.entry(&crash.driver).or_default() += 1);
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let sum: f64 = (1..=1000).map(|rank| f64::from(rank).powf(-zipf)).sum();
        for rank in [1, 2, 5] {
            let mean = total * f64::from(rank).powf(-zipf) / sum;
            // sorting favours the lucky ones of drivers that are nearly equal
            assert!(
                near(counts[rank as usize - 1], mean),
                "rank {rank}: {} for {mean}",
                counts[rank as usize - 1]
            );
        }
        assert!(crashes.iter().all(|crash| crash.crashed_ms == crash.arrived_ms));
    }
}

#[test]
fn history_is_the_same_world_before_it_begins() {
    let fields = r#""days":7,"warmup_days":7,"tick_s":60,"machines":500000,"sites":500,"drivers":500,"crashes_per_minute":20"#;
    let mut config = config(fields);
    config.noise.drift = 0.0;
    let mut world = World::new(&config, 6);
    let (mut before, mut hours) = (BTreeMap::<String, u64>::new(), BTreeSet::new());
    let from = world.history(&mut |history| {
        *before.entry(history.driver.to_owned()).or_default() += history.machines;
        hours.insert(history.hour_ms);
    });
    assert_eq!((from, hours.len()), (world.start_ms() - 7 * 86_400_000, 168));
    assert!(hours.iter().all(|hour| (from..world.start_ms()).contains(hour)));
    let mut seen = BTreeSet::new();
    let mut after = BTreeMap::<String, u64>::new();
    for crash in run(&mut world) {
        // one machine in one driver and one hour
        if seen.insert((crash.machine, crash.driver.clone(), crash.arrived_ms / 3_600_000)) {
            *after.entry(crash.driver).or_default() += 1;
        }
    }
    for driver in ["nvlddmkm.sys", "igdkmdn64.sys", "ntoskrnl.exe", ""] {
        let (before, after) = (before[driver] as f64, after[driver] as f64);
        assert!((before / after - 1.0).abs() < 0.12, "{driver}: {before} before, {after} after");
    }
}

#[test]
fn a_cold_start_has_no_history() {
    let world = World::new(&config(r#""days":1,"warmup_days":0"#), 1);
    assert_eq!(world.history(&mut |_| panic!("nothing was before")), world.start_ms());
}

#[test]
fn crashes_are_never_after_their_arrival_unless_a_clock_lies() {
    let mut config =
        config(r#""days":3,"tick_s":30,"machines":200000,"sites":300,"drivers":400,"crashes_per_minute":20"#);
    config.noise.stalls.per_day = 3.0;
    config.noise.clocks.wrong_share = 0.0;
    let mut world = World::new(&config, 8);
    let (start, end) = (world.start_ms(), world.end_ms());
    for crash in run(&mut world) {
        assert!((start..end).contains(&crash.arrived_ms));
        assert!(crash.crashed_ms == 0 || (start..=crash.arrived_ms).contains(&crash.crashed_ms), "{crash:?}");
    }
}

#[test]
fn noise_does_what_it_says() {
    let fields = r#""days":4,"tick_s":30,"machines":1000000,"sites":1000,"site_slope":0.2,"zipf":0.5,
        "drivers":1000,"crashes_per_minute":20"#;
    let mut config = WorldConfig { noise: NoiseConfig::none(), ..config(fields) };
    config.noise.bad_machines.share = 0.05;
    config.noise.blame.nobody = 0.2;
    config.noise.site_clusters.per_day = Some(20.0);
    let crashes = run(&mut World::new(&config, 9));
    let mut by_machine = BTreeMap::<u64, usize>::new();
    crashes.iter().for_each(|crash| *by_machine.entry(crash.machine).or_default() += 1);
    let loops = by_machine.values().filter(|&&count| count >= 5).count();
    let total = 20.0 * 1440.0 * 4.0;
    assert!(near(loops, total * 0.05), "{loops} loops");
    let nobody: BTreeSet<u64> =
        crashes.iter().filter(|crash| crash.driver.is_empty()).map(|crash| crash.machine).collect();
    assert!(near(nobody.len(), total * 0.2), "{} machines", nobody.len());
    // a cluster: many machines of one site in one driver within two hours
    let mut clusters = BTreeMap::<(&str, &str, i64), BTreeSet<u64>>::new();
    for crash in crashes.iter().filter(|crash| !crash.driver.is_empty()) {
        let key = (crash.site.as_str(), crash.driver.as_str(), crash.crashed_ms / 7_200_000);
        clusters.entry(key).or_default().insert(crash.machine);
    }
    let large = clusters.values().filter(|machines| machines.len() >= 5).count();
    assert!((50..170).contains(&large), "{large} clusters");
}

#[test]
fn new_builds_and_new_drivers_come() {
    let fields = r#""days":6,"tick_s":60,"machines":1000000,"sites":1000,"drivers":200,"crashes_per_minute":60,"popular":5"#;
    let mut config = WorldConfig { noise: NoiseConfig::none(), ..config(fields) };
    config.noise.releases.per_day = Some(1.0);
    config.noise.new_drivers.per_day = Some(3.0);
    let mut world = World::new(&config, 4);
    let start = world.start_ms();
    let crashes = run(&mut world);
    let (first, last): (Vec<&Seen>, Vec<&Seen>) =
        crashes.iter().partition(|crash| crash.arrived_ms < start + 86_400_000);
    // share of the newest build on the first day and on the others, of the drivers that crash enough
    let share = |some: &[&Seen], driver: &str, newest: u32| {
        let own: Vec<_> = some.iter().filter(|crash| crash.driver == driver).collect();
        own.iter().filter(|crash| crash.version == newest).count() as f64 / own.len().max(1) as f64
    };
    let mut newest = BTreeMap::<&str, u32>::new();
    for crash in &crashes {
        let version = newest.entry(&crash.driver).or_default();
        *version = crash.version.max(*version);
    }
    let known = |driver: &str| first.iter().filter(|crash| crash.driver == driver).count() > 100;
    let came = |driver: &str, newest: u32| share(&last, driver, newest) - share(&first, driver, newest);
    let busy = newest.iter().filter(|(driver, _)| known(driver));
    let most = busy.map(|(driver, newest)| came(driver, *newest)).fold(0.0, f64::max);
    assert!(most > 0.4, "{most}");
    let seen: BTreeSet<&str> = first.iter().map(|crash| crash.driver.as_str()).collect();
    let later: BTreeSet<&str> = last.iter().map(|crash| crash.driver.as_str()).collect();
    assert!(later.difference(&seen).count() >= 3);
}

#[test]
fn tenants_have_their_own_machines_and_shares() {
    let fields = r#""days":1,"tick_s":60,"drivers":200,"crashes_per_minute":30,"tenants":[
        {"name":"a","machines":100000,"sites":100},{"name":"b","machines":50000,"sites":9,"share":300000}],
        "outages":[{"class":"content","tenant":"b","rate":0.5,"duration_s":600}]"#;
    let config = WorldConfig { noise: NoiseConfig::none(), ..config(fields) };
    let mut world = World::new(&config, 4);
    let crashes = run(&mut world);
    let (a, b): (Vec<&Seen>, Vec<&Seen>) = crashes.iter().partition(|crash| crash.tenant == "a");
    assert!(near(a.len(), 30.0 * 1440.0 / 4.0), "{}", a.len());
    assert!(near(b.len() - world.truths()[0].machines as usize, 30.0 * 1440.0 * 0.75), "{}", b.len());
    let machines = |some: &[&Seen]| some.iter().map(|crash| crash.machine).collect::<BTreeSet<u64>>();
    assert!(machines(&a).is_disjoint(&machines(&b)));
    assert_eq!((world.truths()[0].tenant.as_str(), world.truths()[0].class), ("b", OutageClass::Content));
}

/// A world drawn from a number: any size, any noise, a few outages.
fn any_world(draw: u64) -> WorldConfig {
    let mut random = crate::random::Random::new(draw);
    let machines = [300, 1000, 20_000, 400_000][random.below(4)];
    let sites = 1 + random.below(machines / 10);
    let beats = if machines <= 1000 { 300 } else { 0 };
    let classes: Vec<String> = OutageClass::ALL
        .into_iter()
        .filter(|class| {
            *class != OutageClass::Catalogue && (beats > 0 || *class != OutageClass::BootLoopDark)
        })
        .map(|class| format!("\"{}\"", class.name()))
        .collect();
    let pick = || classes[dump::synth::hash(draw ^ classes.len() as u64) as usize % classes.len()].clone();
    let mut unit = || random.unit();
    config(&format!(
        r#""days":{},"tick_s":{},"machines":{machines},"sites":{sites},"drivers":{},"zipf":{},"warmup_days":2,
           "crashes_per_minute":{},"heartbeats":{{"interval_s":{beats}}},
           "noise":{{"weekly":{},"drift":{},"stalls":{{"per_day":{}}},"blame":{{"wrong":{}}},"growth":{{"per_week":{}}}}},
           "drawn":[{{"count":3,"classes":[{},"content"],"rates":[{}],"duration_s":1200}}]"#,
        0.3 + unit(),
        1 + (60.0 * unit()) as u32 % 60,
        100 + (900.0 * unit()) as u32,
        2.0 * unit(),
        10.0 * unit(),
        unit(),
        0.2 * unit(),
        10.0 * unit(),
        unit(),
        unit(),
        pick(),
        0.1 + 5.0 * unit(),
    ))
}

#[test]
fn any_world_keeps_its_times_and_its_truths() {
    for draw in 0..40 {
        let config = any_world(draw);
        let mut world = World::new(&config, draw);
        let (start, end) = (world.start_ms(), world.end_ms());
        let before = world.truths().to_vec();
        assert!(before.iter().all(|truth| truth.first_upload_ms.is_none() && truth.machines == 0));
        let mut from = start;
        loop {
            let (mut earliest, mut latest) = (i64::MAX, i64::MIN);
            let until = world.tick(&mut |input| {
                let at = match input {
                    Input::Crash(crash) => crash.arrived_at_ms,
                    Input::Beat(beat) => beat.at_ms,
                    Input::Install(install) => install.at_ms,
                    Input::Change(change) => change.at_ms,
                };
                (earliest, latest) = (earliest.min(at), latest.max(at));
            });
            let Some(until) = until else { break };
            assert!(earliest >= from && latest < until, "{draw}: {earliest} {latest} in {from} to {until}");
            from = until;
        }
        for (truth, before) in world.truths().iter().zip(before) {
            assert!(
                start <= truth.begin_ms && truth.begin_ms < truth.end_ms && truth.end_ms <= end,
                "{truth:?}"
            );
            assert!(
                truth.machines <= config.machines && (truth.machines > 0) == truth.first_upload_ms.is_some()
            );
            assert!(truth.first_upload_ms.is_none_or(|at| (truth.begin_ms..end).contains(&at)), "{truth:?}");
            let changed = super::Truth { first_upload_ms: None, machines: 0, ..truth.clone() };
            assert_eq!(changed, before);
        }
    }
}
