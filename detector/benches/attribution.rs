//! How long attribution takes over the most machines that it is ever asked about, with 60 modules each. The goal is 50 ms.
//! And what the rollout gate's answer costs.

use std::hint::black_box;

use bluescope_detector::Version;
use bluescope_detector::attribution::{Profile, Question, attribute};
use bluescope_detector::names::Names;
use bluescope_detector::rollout::{Arm, Limits, Rollout, decide};
use criterion::{Criterion, criterion_group, criterion_main};

const ONSET_MS: i64 = 1_721_362_140_000;
const NEW: Version = Version { timestamp: 0x6690_2c2a, size: 0xe4000 };

/// Splitmix64.
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A machine with 60 of 80 modules; builds, models and sites as a fleet has them.
fn machine(names: &mut Names, number: u64, version: Option<Version>) -> Profile {
    let draw = |what: u64, below: u64| mix(number << 8 | what) % below;
    let small = |what: u64, below: u64| draw(what, below) as u32;
    let modules = (0..60).map(|place| {
        let module = if place < 50 { place } else { 50 + draw(100 + place, 30) };
        let version = Version { timestamp: 0x6000_0000 + small(200 + place % 50, 3), size: 0x1000 };
        (names.number(&format!("module{module}.sys")), version)
    });
    let modules = modules.collect();
    Profile {
        machine: number,
        at_ms: ONSET_MS + draw(1, 300_000) as i64,
        version: version.unwrap_or(Version { timestamp: 0x6500_0000 + small(2, 6), size: 0xe0000 }),
        fault_offset: 0xe14ed,
        os_build: [19045, 22621, 22631, 26100][draw(3, 4) as usize],
        model: names.number(&format!("Latitude {}", draw(4, 6) * draw(5, 6))),
        ring: names.number(["canary", "early", "broad", "broad", "broad"][draw(6, 5) as usize]),
        site: names.number(&format!("site-{}", draw(7, 2000))),
        modules,
    }
}

fn attribution(criterion: &mut Criterion) {
    let mut names = Names::default();
    // Other drivers' names come first, as in a fleet with 10,000 of them.
    for number in 0..10_000 {
        names.number(&format!("driver{number}.sys"));
    }
    let reference: Vec<Profile> = (0..16_384)
        .map(|number| machine(&mut names, number, number.is_multiple_of(20).then_some(NEW)))
        .collect();
    let history: Vec<Profile> = (0..200)
        .map(|number| {
            let profile = machine(&mut names, 50_000 + number, None);
            Profile { at_ms: ONSET_MS - 3_600_000 * number as i64 - 1, ..profile }
        })
        .collect();
    let first_seen: Vec<(Version, i64)> = (0..6)
        .map(|number| (Version { timestamp: 0x6500_0000 + number, size: 0xe0000 }, ONSET_MS - 5_000_000_000))
        .chain([(NEW, ONSET_MS - 2_100_000)])
        .collect();
    for (name, version) in [("new_version", Some(NEW)), ("all_versions", None)] {
        let affected: Vec<Profile> =
            (0..2_000).map(|number| machine(&mut names, 100_000 + number, version)).collect();
        let question = Question {
            driver: "csagent.sys",
            onset_ms: ONSET_MS,
            now_ms: ONSET_MS + 300_000,
            affected: &affected,
            reference: &reference,
            history: &history,
            first_seen: &first_seen,
            changes: &[],
            names: &names,
        };
        criterion.bench_function(&format!("attribute/{name}/2000x16384x60"), |bencher| {
            bencher.iter(|| attribute(black_box(&question)));
        });
    }
}

fn gate(criterion: &mut Criterion) {
    let arm = |machines, crashed, machine_hours| Arm { machines, crashed, machine_hours };
    let rollout = Rollout {
        driver: "csagent.sys",
        version: "7.11",
        ring: "canary",
        new: arm(340, 4, 900.0),
        old: arm(9_000, 40, 20_000.0),
        open_incident: None,
        hours_since_first: 3.0,
    };
    criterion.bench_function("gate", |bencher| {
        bencher.iter(|| decide(black_box(&rollout), &Limits::default()));
    });
}

criterion_group!(benches, attribution, gate);
criterion_main!(benches);
