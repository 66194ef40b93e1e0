//! Machines that fall silent, from heartbeats to the words of a webhook. Days of heartbeats pass here by a clock that the
//! test drives: a running service needs them to learn what is usual, and a quarter of an hour to be sure.

use alerts::delivery::{DeliveryConfig, Target, TargetKind, notices};
use detector::incident::Subject;
use detector::{Beat, Detector, DetectorConfig, Install, Module, Step, Transition, Version};
use serde_json::Value;

const START_MS: i64 = 1_795_000_000_000;
const MACHINES: u64 = 600;
const TICK_MS: i64 = 10_000;
const MINUTE_MS: i64 = 60_000;

/// The build of radio.sys that a third of the machines run.
const BAD: Version = Version { timestamp: 0x6690_2c2a, size: 0x9000 };
const GOOD: Version = Version { timestamp: 0x6590_2c2a, size: 0x9000 };

fn is_bad(machine: u64) -> bool {
    machine.is_multiple_of(3)
}

struct Fleet {
    detector: Detector,
    now_ms: i64,
    steps: Vec<Transition>,
}

impl Fleet {
    fn new() -> Self {
        let mut detector = Detector::new(DetectorConfig::default(), START_MS);
        for machine in 0..MACHINES {
            let version = if is_bad(machine) { BAD } else { GOOD };
            let common = Version { timestamp: 7, size: 0x1000 };
            let modules =
                [Module { name: "radio.sys", version }, Module { name: "common.sys", version: common }];
            detector.install(&Install {
                tenant: "",
                machine,
                at_ms: START_MS,
                site: &format!("site-{:02}", machine % 40),
                ring: "broad",
                model: "T14",
                os_build: 19045,
                modules: &modules,
            });
        }
        Self { detector, now_ms: START_MS, steps: Vec::new() }
    }

    /// Lets a minute pass, in which all machines beat, or only those with the good build.
    fn minute(&mut self, all: bool) {
        for _ in 0..MINUTE_MS / TICK_MS {
            let second = u64::try_from((self.now_ms - START_MS) / 1000 % 60).unwrap();
            for machine in (0..MACHINES).filter(|machine| all || !is_bad(*machine)) {
                // Each has its own second of the minute.
                let own = machine % 60;
                if (second..second + 10).contains(&own) {
                    let at_ms = self.now_ms + i64::try_from(own - second).unwrap() * 1000;
                    self.detector.beat(&Beat { tenant: "", machine, at_ms, farewell: false });
                }
            }
            self.now_ms += TICK_MS;
            let steps = self.detector.tick(self.now_ms);
            self.steps.extend(steps);
        }
    }

    /// The webhooks' bodies of what was told so far.
    fn told(&self) -> Vec<Value> {
        let secret = fleet::receiver::DEMO_SECRET.into();
        let target = Target {
            name: "on-call".to_owned(),
            kind: TargetKind::Webhook { secret },
            url: "https://example.org/hook".into(),
            allow_private: false,
            template: None,
        };
        let config = DeliveryConfig { targets: vec![target], ..DeliveryConfig::default() };
        let rows = self.steps.iter().flat_map(|step| notices(step, &[], &config, "http://pages", step.at_ms));
        rows.map(|row| serde_json::from_str(&row.payload).unwrap()).collect()
    }
}

#[test]
fn machines_that_fall_silent_are_an_incident_that_names_what_they_share() {
    let mut fleet = Fleet::new();
    for _ in 0..2 * 24 * 60 {
        fleet.minute(true);
    }
    assert_eq!(fleet.steps.len(), 0, "two days of peace: {:?}", fleet.told());

    let onset_ms = fleet.now_ms;
    let paged = |told: &[Value]| told.iter().any(|one| one["data"]["severity"] == "sev1");
    while !paged(&fleet.told()) && fleet.now_ms < onset_ms + 40 * MINUTE_MS {
        fleet.minute(false);
        if let Some(one) = fleet.told().last() {
            println!("{} min: {}", (fleet.now_ms - onset_ms) / MINUTE_MS, one["data"]["summary"]);
        }
    }
    let told = fleet.told();
    assert!(paged(&told), "forty minutes of silence, and nobody is paged: {told:?}");
    let first = told.first().unwrap();
    assert_eq!(first["type"], "incident.opened");
    assert_eq!(first["data"]["subject"]["kind"], "silence");
    assert!(first["data"]["machines"].as_u64().unwrap() >= 20, "{first}");
    let summary = first["data"]["summary"].as_str().unwrap();
    assert!(summary.contains("radio.sys") && summary.contains("dark"), "{summary}");
    let subjects = fleet.steps.iter().map(|step| &step.incident.subject);
    let named: Vec<_> = subjects.filter(|one| matches!(one, Subject::Silence(..))).collect();
    assert!(
        named.iter().all(|one| **one == Subject::Silence("radio.sys".to_owned(), Some(BAD))),
        "the others beat: {named:?}"
    );

    // They are back, and after half an hour of calm it is over.
    let back_ms = fleet.now_ms;
    let is_over = |step: &Transition| step.step == Step::Resolved;
    while !fleet.steps.iter().any(is_over) && fleet.now_ms < back_ms + 180 * MINUTE_MS {
        fleet.minute(true);
    }
    assert_eq!(fleet.told().last().unwrap()["type"], "incident.resolved");
}
