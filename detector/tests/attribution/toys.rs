//! Incidents made by hand, one for each thing that attribution must not get wrong.

use bluescope_detector::attribution::{
    Attribution, Facet, Origin, Profile, Question, attribute, attribute_beyond,
};
use bluescope_detector::names::Names;
use bluescope_detector::{Change, Version};

use crate::draw::{DAY_MS, DRIVER, MINUTE_MS, ONSET_MS, new_build, old_build};

struct Toy {
    names: Names,
    affected: Vec<Profile>,
    reference: Vec<Profile>,
    history: Vec<Profile>,
    first_seen: Vec<(Version, i64)>,
    changes: Vec<Change>,
}

impl Toy {
    /// Six old builds, each on its share of the machines, and a reference of 600.
    fn new() -> Self {
        let mut toy = Self {
            names: Names::default(),
            affected: Vec::new(),
            reference: Vec::new(),
            history: Vec::new(),
            first_seen: (0..6).map(|number| (old_build(number), ONSET_MS - 60 * DAY_MS)).collect(),
            changes: Vec::new(),
        };
        toy.reference = (0..600).map(|number| toy.machine(number)).collect();
        toy
    }

    /// The numbers of machines mix everything evenly.
    fn machine(&mut self, number: usize) -> Profile {
        let mut named = |name: String| self.names.number(&name);
        Profile {
            machine: number as u64,
            at_ms: ONSET_MS + number as i64 % 300 * 1000,
            version: old_build(number % 6),
            fault_offset: 0,
            os_build: [19045, 22621, 22631, 26100][number / 6 % 4],
            model: named(format!("Latitude {}", number / 3 % 9)),
            ring: named(["canary", "early", "broad", "broad", "broad"][number % 5].to_owned()),
            site: named(format!("site-{}", number % 40)),
            modules: vec![
                (named("csboot.sys".to_owned()), old_build(7)),
                (named("nvlddmkm.sys".to_owned()), old_build(8)),
            ],
        }
    }

    fn affect(&mut self, count: usize, hit: impl Fn(&mut Self, &mut Profile)) {
        for number in 0..count {
            let mut profile = self.machine(number + 10_000);
            profile.fault_offset = 0xe14ed;
            hit(self, &mut profile);
            self.affected.push(profile);
        }
    }

    fn change(&mut self, what: &str, timestamp: u32, minutes_before: i64, vendor: &str) {
        self.changes.push(Change {
            tenant: String::new(),
            at_ms: ONSET_MS - minutes_before * MINUTE_MS,
            what: what.to_owned(),
            version: String::new(),
            timestamp,
            ring: String::new(),
            vendor: vendor.to_owned(),
        });
    }

    fn ask(&self) -> Attribution {
        attribute(&self.question())
    }

    fn question(&self) -> Question<'_> {
        Question {
            driver: DRIVER,
            onset_ms: ONSET_MS,
            now_ms: ONSET_MS + 5 * MINUTE_MS,
            affected: &self.affected,
            reference: &self.reference,
            history: &self.history,
            first_seen: &self.first_seen,
            changes: &self.changes,
            names: &self.names,
        }
    }
}

#[track_caller]
fn check(answer: &Attribution, origin: Origin, sentence: &str) {
    assert_eq!((answer.origin, answer.sentence.as_str()), (origin, sentence), "{answer:#?}");
}

/// A new build, on every twentieth machine of the reference; `others` is how the affected are drawn.
fn new_version(affected: usize) -> Toy {
    let mut toy = Toy::new();
    toy.first_seen.push((new_build(), ONSET_MS - 35 * MINUTE_MS));
    toy.reference.iter_mut().step_by(20).for_each(|profile| profile.version = new_build());
    toy.affect(affected, |_, profile| profile.version = new_build());
    toy
}

#[test]
fn a_new_version_is_found_at_twenty_machines() {
    let mut toy = new_version(20);
    toy.change("CSAgent", new_build().timestamp, 36, "CrowdStrike");
    let answer = toy.ask();
    check(
        &answer,
        Origin::NewVersion,
        "Version 0x66902c2a, first seen 35 min before: 100 % of the excess (84-100 %), 767 times the odds of other \
         versions (at least 70). Changed: CSAgent, 36 min before the onset.",
    );
    assert_eq!(answer.change.unwrap().1, 36 * 60);
}

#[test]
fn a_ring_that_has_the_new_version_first_is_not_blamed() {
    let mut toy = Toy::new();
    toy.first_seen.push((new_build(), ONSET_MS - 35 * MINUTE_MS));
    let canary = toy.names.number("canary");
    // All canaries run it, and nobody else.
    toy.reference
        .iter_mut()
        .filter(|profile| profile.ring == canary)
        .for_each(|profile| profile.version = new_build());
    toy.affect(60, |_, profile| (profile.version, profile.ring) = (new_build(), canary));
    assert_eq!(toy.ask().origin, Origin::NewVersion);

    // Canaries with the old build crash, too: now it is the ring.
    for profile in toy.affected.iter_mut().step_by(4) {
        profile.version = old_build(0);
    }
    assert_eq!(toy.ask().origin, Origin::Ring);
}

#[test]
fn a_model_is_found_at_fifty_machines() {
    let mut toy = Toy::new();
    toy.affect(50, |toy, profile| profile.model = toy.names.number("Latitude 4"));
    check(
        &toy.ask(),
        Origin::Model,
        "Model Latitude 4: 100 % of the excess (93-100 %), 812 times the odds of other models (at least 83).",
    );
}

#[test]
fn all_versions_at_once_are_content() {
    let mut toy = Toy::new();
    toy.affect(90, |_, _| {});
    toy.change("csagent.sys", old_build(3).timestamp, 60 * 24 * 50, "CrowdStrike");
    toy.change("channel file 291", 0, 5, "CROWDSTRIKE");
    toy.change("sensor policy", 0, 180, "CrowdStrike");
    toy.change("sensor policy", 0, 60 * 25, "CrowdStrike");
    toy.change("video driver", 0, 2, "Nvidia");
    let answer = toy.ask();
    check(
        &answer,
        Origin::AllVersions,
        "All 6 versions of csagent.sys at once, on 9 models and 4 builds of Windows: suspect content, configuration or an \
         outside trigger. Changed: channel file 291, 5 min before the onset. 1 other change of the same vendor in the \
         24 h before: sensor policy (3 h).",
    );
    let also: Vec<&str> = answer.also_changed.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(also, ["sensor policy", "video driver"]);
    assert!(answer.claims.is_empty());
}

#[test]
fn a_build_that_everybody_runs_is_no_claim() {
    let mut toy = Toy::new();
    toy.reference.iter_mut().for_each(|profile| profile.version = old_build(0));
    toy.affect(90, |_, profile| profile.version = old_build(0));
    let answer = toy.ask();
    assert_eq!(answer.origin, Origin::AllVersions);
    assert!(
        answer.sentence.starts_with("The only version of csagent.sys in use, and not a new one"),
        "{}",
        answer.sentence
    );

    // The same build, an hour old: it may be the build.
    toy.first_seen = vec![(old_build(0), ONSET_MS - 60 * MINUTE_MS)];
    let answer = toy.ask();
    assert_eq!(answer.origin, Origin::Unknown);
    assert!(answer.sentence.contains("has not been known for long"), "{}", answer.sentence);
}

#[test]
fn a_new_build_on_nearly_every_machine_is_neither_blamed_nor_cleared() {
    let mut toy = Toy::new();
    toy.first_seen.push((new_build(), ONSET_MS - 35 * MINUTE_MS));
    for (number, profile) in toy.reference.iter_mut().enumerate() {
        profile.version = if number % 50 == 0 { old_build(0) } else { new_build() };
    }
    toy.affect(60, |_, profile| profile.version = new_build());
    check(
        &toy.ask(),
        Origin::Unknown,
        "Not sure: 60 of 60 affected machines have version 0x66902c2a, but so have 98 % of the others.",
    );
}

#[test]
fn an_old_build_is_not_what_changed() {
    let mut toy = Toy::new();
    toy.affect(60, |_, profile| profile.version = old_build(2));
    let answer = toy.ask();
    assert_eq!(answer.origin, Origin::Slice);
    assert!(
        answer.sentence.starts_with("Version 0x65020000, in use for 8 weeks without this: 100 %"),
        "{}",
        answer.sentence
    );
    assert_eq!(answer.vetoed, ["0x65020000: in use for 8 weeks without this"]);

    // Somebody began to roll it out for good an hour ago.
    toy.change("csagent.sys", old_build(2).timestamp, 60, "");
    assert_eq!(toy.ask().origin, Origin::NewVersion);
}

#[test]
fn a_fault_that_was_there_before_clears_the_new_version() {
    let mut toy = new_version(60);
    let machine = toy.affected[0].clone();
    // A new build on 5 % of the machines: 60 crashes in 5 min there are as many as 1,140 elsewhere.
    let crash = |number: i64| Profile {
        at_ms: ONSET_MS - 200 - number * 200,
        version: old_build(0),
        ..machine.clone()
    };
    toy.history = (0..200).map(crash).collect();
    let answer = toy.ask();
    assert_ne!(answer.origin, Origin::NewVersion);
    assert!(
        answer.vetoed[0].contains("csagent.sys+0xe14ed failed before on other versions, at "),
        "{:?}",
        answer.vetoed
    );

    // The same crashes over three weeks are not this.
    for (number, crash) in (1..).zip(&mut toy.history) {
        crash.at_ms = ONSET_MS - number * 150 * MINUTE_MS;
    }
    assert_eq!(toy.ask().origin, Origin::NewVersion);
}

#[test]
fn a_release_that_is_merely_recent_is_not_blamed_by_an_outdated_reference() {
    let mut toy = Toy::new();
    toy.first_seen.push((new_build(), ONSET_MS - 300 * MINUTE_MS));
    // Four of five run it by now; most of the reference was seen before.
    toy.reference.iter_mut().step_by(6).for_each(|profile| profile.version = new_build());
    toy.affect(100, |_, profile| {
        if profile.machine % 5 != 0 {
            profile.version = new_build();
        }
    });
    let answer = toy.ask();
    assert_eq!(answer.origin, Origin::AllVersions, "{answer:#?}");
    assert_eq!(answer.vetoed, ["0x66902c2a: 20 affected machines run other builds of it"]);
}

#[test]
fn usual_crashes_of_other_versions_do_not_clear_the_new_one() {
    let mut toy = new_version(100);
    for profile in toy.affected.iter_mut().step_by(5) {
        profile.version = old_build(0);
    }
    // Without a past they look as if everything crashed; with it they are what comes every day.
    assert_eq!(toy.ask().origin, Origin::AllVersions);
    assert_eq!(attribute_beyond(&toy.question(), 20.0).origin, Origin::NewVersion);
    assert_eq!(attribute_beyond(&toy.question(), f64::NAN).origin, Origin::AllVersions);
    let usual = toy.reference[0].clone();
    toy.history =
        (1..=200).map(|number| Profile { at_ms: ONSET_MS - number * 10_000, ..usual.clone() }).collect();
    let answer = toy.ask();
    assert_eq!(answer.origin, Origin::NewVersion);
    assert!(answer.claims[0].share > 0.95, "{answer:?}");
}

#[test]
fn two_builds_of_one_release_are_one_claim() {
    let mut toy = Toy::new();
    let arm = Version { timestamp: new_build().timestamp + 1, size: 0xf0000 };
    toy.first_seen.extend([(new_build(), ONSET_MS - 60 * MINUTE_MS), (arm, ONSET_MS - 60 * MINUTE_MS)]);
    toy.reference.iter_mut().step_by(20).for_each(|profile| profile.version = new_build());
    toy.affect(60, |_, profile| profile.version = if profile.machine % 5 < 3 { new_build() } else { arm });
    let answer = toy.ask();
    assert_eq!(answer.origin, Origin::NewVersion);
    assert_eq!(answer.claims[0].elements[0].value, "0x66902c2a or 0x66902c2b");
}

#[test]
fn a_build_on_one_model_is_both() {
    let mut toy = new_version(0);
    for (number, profile) in toy.reference.iter_mut().enumerate() {
        if number % 4 == 0 {
            profile.version = new_build();
        }
    }
    toy.affect(100, |toy, profile| {
        (profile.version, profile.model) = (new_build(), toy.names.number("Latitude 4"));
    });
    let answer = toy.ask();
    assert_eq!(answer.origin, Origin::Slice);
    let facets: Vec<Facet> = answer.claims[0].elements.iter().map(|element| element.facet).collect();
    assert_eq!(facets, [Facet::Version, Facet::Model]);
}

#[test]
fn sizes_that_are_not_known_match() {
    let mut toy = new_version(40);
    for profile in toy.affected.iter_mut().step_by(2) {
        profile.version.size = 0;
    }
    let answer = toy.ask();
    assert_eq!((answer.origin, answer.claims[0].affected), (Origin::NewVersion, 40));
}

#[test]
fn few_machines_or_nothing_to_compare_with_is_said() {
    let mut toy = Toy::new();
    toy.affect(12, |_, _| {});
    check(
        &toy.ask(),
        Origin::Unknown,
        "Not known yet: 12 machines with a known version so far, 30 are needed to tell.",
    );
    let mut toy = Toy::new();
    toy.reference.clear();
    toy.affect(50, |_, profile| profile.version = new_build());
    check(
        &toy.ask(),
        Origin::Unknown,
        "Not known: no machine that has csagent.sys and did not crash is known to compare with.",
    );
}

#[test]
fn where_everybody_is_affected_the_affected_speak_for_themselves() {
    let mut toy = Toy::new();
    toy.reference.truncate(10);
    toy.affect(90, |_, _| {});
    assert_eq!(toy.ask().origin, Origin::AllVersions, "{}", toy.ask().sentence);
    toy.reference.clear();
    assert_eq!(toy.ask().origin, Origin::AllVersions, "{}", toy.ask().sentence);
    let model = toy.names.number("Latitude 1");
    toy.affected.iter_mut().for_each(|profile| profile.model = model);
    assert_eq!(toy.ask().origin, Origin::Unknown, "one model: nobody knows");
}

#[test]
fn another_image_whose_build_was_not_seen_lately_is_not_blamed() {
    let mut toy = Toy::new();
    toy.affect(80, |toy, profile| {
        profile.modules = vec![(toy.names.number("csboot.sys"), new_build())];
    });
    assert_eq!(toy.ask().origin, Origin::Module, "{}", toy.ask().sentence);
    for profile in &mut toy.reference {
        profile.modules.iter_mut().for_each(|(_, version)| *version = Version::default());
    }
    assert_eq!(toy.ask().origin, Origin::AllVersions, "{}", toy.ask().sentence);
}

#[test]
fn a_change_may_seem_to_follow_what_it_caused() {
    let mut toy = new_version(30);
    toy.change("csagent.sys", 0, -4, "");
    let answer = toy.ask();
    assert_eq!(answer.change.as_ref().unwrap().1, -240);
    assert!(
        answer.sentence.ends_with(" Changed: csagent.sys, 4 min after the onset by its own clock."),
        "{}",
        answer.sentence
    );
    // Another build, or far too late: not this.
    let mut toy = new_version(30);
    toy.change("csagent.sys", 0x1234, 5, "");
    toy.change("csagent.sys", 0, -11, "");
    assert_eq!(toy.ask().change, None);
}
