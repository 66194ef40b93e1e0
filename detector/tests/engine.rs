//! The detector as its users see it: crashes in, steps of incidents out.

#[path = "engine/fleet.rs"]
mod fleet;

use bluescope_detector::incident::Subject;
use bluescope_detector::{Act, ActKind, Detector, DetectorConfig, Severity, State, Step, Transition};

use fleet::{Fleet, crash, site};

const HOUR_S: u64 = 3600;

fn pages(steps: &[Transition]) -> Vec<(Step, Severity, String)> {
    steps
        .iter()
        .filter(|step| step.tell && !matches!(step.step, Step::Attributed))
        .map(|step| {
            let name = match &step.incident.subject {
                Subject::Driver(name) => name.clone(),
                other => format!("{other:?}"),
            };
            (step.step, step.incident.severity, name)
        })
        .collect()
}

#[test]
fn a_week_of_the_usual_pages_nobody_and_an_outage_does_within_seconds() {
    let mut fleet = Fleet::primed(1);
    fleet.run(24 * HOUR_S);
    assert_eq!(pages(&fleet.steps), []);
    let onset = fleet.now_ms();
    fleet.outage("csagent.sys", 2.0, 60);
    let opened: Vec<&Transition> =
        fleet.steps.iter().filter(|step| step.incident.severity == Severity::Sev1).collect();
    let first = opened.first().unwrap();
    assert_eq!(pages(&fleet.steps).len(), 1, "{:?}", pages(&fleet.steps));
    assert!(first.at_ms - onset <= 20_000, "{} ms", first.at_ms - onset);
    assert_eq!(first.incident.subject, Subject::Driver("csagent.sys".to_owned()));
    assert!(first.incident.onset_ms - onset <= 2_000);
}

#[test]
fn the_busiest_driver_pages_too() {
    for seed in 0..4 {
        let mut fleet = Fleet::primed(seed);
        fleet.run(6 * HOUR_S);
        fleet.steps.clear();
        let onset = fleet.now_ms();
        fleet.outage("driver0.sys", 0.5, 240);
        let first = fleet.steps.iter().find(|step| step.incident.severity == Severity::Sev1).unwrap();
        println!("seed {seed}: {} ms", first.at_ms - onset);
        assert!(first.at_ms - onset <= 150_000, "{} ms", first.at_ms - onset);
        assert_eq!(first.incident.subject, Subject::Driver("driver0.sys".to_owned()));
    }
}

#[test]
fn a_fleet_never_seen_before_does_not_page_for_its_busy_drivers() {
    let mut fleet = Fleet::new(3);
    fleet.run(30 * HOUR_S);
    assert_eq!(pages(&fleet.steps), []);
}

#[test]
fn a_monday_morning_and_a_released_stall_are_nothing() {
    let mut fleet = Fleet::primed(4);
    fleet.run(3 * HOUR_S);
    fleet.factor = 4.0;
    fleet.run(2 * HOUR_S);
    fleet.factor = 1.0;
    fleet.run(HOUR_S);
    for minutes in [8, 45] {
        fleet.stall(minutes * 60);
        fleet.run(2 * HOUR_S);
    }
    assert_eq!(pages(&fleet.steps), []);
}

#[test]
fn a_lab_and_a_boot_loop_are_nothing() {
    let mut fleet = Fleet::primed(5);
    fleet.run(HOUR_S);
    fleet.extra(600, |second, fleet| {
        if second % 10 == 0 {
            fleet.crash(&crash("lab.sys", second, &site(second % 2)));
        }
        fleet.crash(&crash("loop.sys", 7, "s7"));
    });
    fleet.run(HOUR_S);
    assert_eq!(pages(&fleet.steps), []);
}

#[test]
fn an_incident_lives_and_ends() {
    let config = DetectorConfig { resolve_after_s: 300, ..DetectorConfig::default() };
    let mut fleet = Fleet::primed_with(6, config);
    fleet.run(HOUR_S);
    fleet.outage("csagent.sys", 20.0, 120);
    let id = fleet.steps.first().unwrap().incident.id;
    fleet.detector.act(&Act {
        incident: id,
        at_ms: fleet.now_ms(),
        by: "ada".to_owned(),
        kind: ActKind::Acknowledge,
    });
    fleet.run(1200);
    let steps: Vec<Step> =
        fleet.steps.iter().map(|step| step.step).filter(|step| *step != Step::Attributed).collect();
    assert_eq!(steps, [Step::Opened, Step::Grew, Step::Acknowledged, Step::Resolved]);
    let last = &fleet.steps.last().unwrap().incident;
    assert_eq!((last.state, last.acknowledged_by.as_str()), (State::Resolved, "ada"));
    assert!((2200..=2600).contains(&last.machines), "{}", last.machines);
    assert!(fleet.steps.iter().all(|step| step.incident.id == id));
    let seqs: Vec<u32> = fleet.steps.iter().map(|step| step.seq).collect();
    assert_eq!(seqs, (0..u32::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    // It comes back: the same incident.
    fleet.steps.clear();
    fleet.outage("csagent.sys", 20.0, 60);
    let again = fleet.steps.first().unwrap();
    assert_eq!((again.step, again.incident.id, again.incident.reopened), (Step::Reopened, id, 1));
}

#[test]
fn what_is_muted_tells_nobody_until_it_is_over() {
    let mut fleet = Fleet::primed(7);
    fleet.outage("csagent.sys", 5.0, 20);
    let id = fleet.steps.first().unwrap().incident.id;
    let mute = |at_ms, kind| Act { incident: id, at_ms, by: "ada".to_owned(), kind };
    let now = fleet.now_ms();
    fleet.detector.act(&mute(now, ActKind::Mute(now + 10_000_000)));
    fleet.steps.clear();
    fleet.outage("csagent.sys", 50.0, 60);
    assert_eq!(pages(&fleet.steps), []);
    assert!(fleet.steps.iter().any(|step| step.step == Step::Grew && !step.tell));
}

#[test]
fn one_cause_that_is_blamed_on_two_drivers_is_one_incident() {
    let mut fleet = Fleet::primed(8);
    fleet.extra(120, |second, fleet| {
        for i in 0..3 {
            let machine = 900_000 + second * 3 + i;
            fleet.crash(&crash("one.sys", machine, &site(machine % 300)));
            fleet.crash(&crash("two.sys", machine, &site(machine % 300)));
        }
    });
    let opened = fleet.steps.iter().filter(|step| step.step == Step::Opened).count();
    assert_eq!(opened, 1, "{:?}", pages(&fleet.steps));
    assert!(fleet.steps.iter().any(|step| step.step == Step::Joined && step.incident.also.len() == 1));
}

#[test]
fn the_next_outage_does_not_bring_back_the_last_by_what_blame_falls_back_to() {
    let config = DetectorConfig { resolve_after_s: 300, ..DetectorConfig::default() };
    let mut fleet = Fleet::primed_with(12, config);
    fleet.run(HOUR_S);
    for (number, driver) in ["first.sys", "second.sys"].into_iter().enumerate() {
        fleet.steps.clear();
        fleet.extra(240, |second, fleet| {
            for i in 0..10 {
                let machine = 600_000 + number as u64 * 100_000 + second * 10 + i;
                let blamed = if i < 2 { "win32kbase.sys" } else { driver };
                fleet.crash(&crash(blamed, machine, &site(machine % 400)));
            }
        });
        let first = fleet.steps.first().unwrap();
        assert_eq!((first.step, first.incident.subject.to_string().as_str()), (Step::Opened, driver));
        let joined: Vec<&Transition> = fleet.steps.iter().filter(|step| step.step == Step::Joined).collect();
        assert!(!joined.is_empty() && joined.iter().all(|step| step.incident.id == first.incident.id));
        assert!(fleet.steps.iter().all(|step| step.step != Step::Reopened));
        fleet.run(3 * HOUR_S);
        assert_eq!(fleet.detector.open_incidents(), 0);
    }
}

#[test]
fn blame_that_is_spread_over_many_drivers_is_seen_by_what_they_share() {
    let mut fleet = Fleet::primed(9);
    fleet.run(50 * HOUR_S);
    fleet.steps.clear();
    fleet.extra(300, |second, fleet| {
        for i in 0..4 {
            let machine = 800_000 + second * 4 + i;
            let driver = format!("driver{}.sys", machine % 60);
            let crash =
                bluescope_detector::Crash { bugcheck: 0x1a, driver: &driver, ..crash("", machine, "") };
            let site = site(machine % 400);
            fleet.crash(&bluescope_detector::Crash { site: &site, ..crash });
        }
    });
    let first = fleet.steps.iter().find(|step| step.incident.severity == Severity::Sev1);
    let first = first.unwrap();
    assert!(
        matches!(first.incident.subject, Subject::BugCheck(0x1a) | Subject::OsBuild(_) | Subject::Everything),
        "{:?}",
        first.incident.subject
    );
}

#[test]
fn the_same_input_gives_the_same_incidents_across_a_checkpoint() {
    let run = |restart: bool| {
        let mut fleet = Fleet::primed(10);
        fleet.run(HOUR_S);
        fleet.outage("csagent.sys", 3.0, 10);
        if restart {
            let state = fleet.detector.checkpoint().unwrap();
            fleet.detector = Detector::restore(fleet.detector.config().clone(), &state)
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(fleet.detector.checkpoint().unwrap().len(), state.len());
        }
        fleet.outage("csagent.sys", 3.0, 300);
        fleet.run(2 * HOUR_S);
        fleet.steps
    };
    let (one, two) = (run(false), run(true));
    assert!(one.len() >= 3);
    assert_eq!(one, two);
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let fleet = Fleet::primed(11);
    let state = fleet.detector.checkpoint().unwrap();
    for cut in [0, 3, 4, 10, state.len() / 2] {
        assert!(Detector::restore(DetectorConfig::default(), state.get(..cut).unwrap()).is_err());
    }
    assert!(Detector::restore(DetectorConfig::default(), &[9; 64]).is_err());
}

#[test]
fn an_office_of_three_hundred_machines_pages_for_a_dozen() {
    let mut fleet = Fleet::office(12);
    fleet.run(3 * 24 * HOUR_S);
    assert_eq!(pages(&fleet.steps), []);
    fleet.extra(120, |second, fleet| {
        if second % 10 == 0 {
            fleet.crash(&crash("printer.sys", 5000 + second, "office"));
        }
    });
    assert_eq!(pages(&fleet.steps), [(Step::Opened, Severity::Sev1, "printer.sys".to_owned())]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever machines say: nothing panics, and every step is of an incident that was opened, in order.
    #[test]
    fn anything_is_survived(
        crashes in proptest::collection::vec(
            (0_u64..40, 0_usize..5, proptest::num::i64::ANY, proptest::num::i64::ANY, 0_u32..4, 0_i64..4000), 0..400
        ),
        acts in proptest::collection::vec((proptest::num::u128::ANY, proptest::num::i64::ANY), 0..4),
    ) {
        let mut detector = Detector::new(DetectorConfig::default(), 1_000_000);
        let (mut at_ms, mut next) = (1_000_000, std::collections::BTreeMap::new());
        for (machine, driver, crashed_at_ms, arrived_at_ms, bugcheck, passed) in crashes {
            let driver = format!("d{driver}.sys");
            let crash = bluescope_detector::Crash {
                crashed_at_ms: crashed_at_ms / 2,
                arrived_at_ms: if bugcheck == 0 { arrived_at_ms / 2 } else { at_ms },
                bugcheck,
                ..crash(&driver, machine * 1_000_003 + u64::try_from(passed).unwrap(), "s")
            };
            detector.crash(&crash);
            if passed % 3 == 0 {
                at_ms += passed;
                for step in detector.tick(at_ms) {
                    let expected = next.entry(step.incident.id).or_insert(0_u32);
                    proptest::prop_assert_eq!(step.seq, *expected);
                    proptest::prop_assert!((step.seq == 0) == (step.step == Step::Opened));
                    *expected += 1;
                }
            }
        }
        for (incident, until) in acts {
            detector.act(&Act { incident, at_ms, by: String::new(), kind: ActKind::Mute(until) });
        }
        detector.tick(at_ms + 1);
        let state = detector.checkpoint().unwrap();
        proptest::prop_assert!(Detector::restore(DetectorConfig::default(), &state).is_ok());
    }
}

#[test]
fn an_open_incident_is_there_after_a_restart_and_ends() {
    let config = DetectorConfig { resolve_after_s: 1, ..DetectorConfig::default() };
    let mut detector = Detector::new(config.clone(), 1_000_000);
    for machine in 0..60 {
        let site = site(machine);
        let one = crash("csagent.sys", machine, &site);
        detector.crash(&bluescope_detector::Crash {
            arrived_at_ms: 1_000_050,
            crashed_at_ms: 970_050,
            ..one
        });
    }
    assert_eq!(detector.tick(1_000_100).len(), 1);
    let mut detector = Detector::restore(config, &detector.checkpoint().unwrap()).unwrap();
    assert_eq!(detector.open_incidents(), 1);
    let mut steps = Vec::new();
    for tick in 0..30 {
        steps.extend(detector.tick(1_003_000 + tick * 100));
    }
    assert_eq!(steps.iter().map(|step| step.step).collect::<Vec<_>>(), [Step::Resolved]);
    assert!(steps.iter().all(|step| step.tell));
}
