//! The rollout gate: what it answers, and what holds however often it is asked.

use bluescope_detector::Severity;
use bluescope_detector::rollout::{Answer, Arm, Gate, Limits, OpenIncident, Rollout, decide};
use proptest::prelude::*;

fn arm(machines: u64, crashed: u64, machine_hours: f64) -> Arm {
    Arm { machines, crashed, machine_hours }
}

fn rollout(new: Arm, old: Arm) -> Rollout<'static> {
    Rollout {
        driver: "csagent.sys",
        version: "7.11",
        ring: "canary",
        new,
        old,
        open_incident: None,
        hours_since_first: 30.0,
    }
}

fn ask(new: Arm, old: Arm) -> Gate {
    decide(&rollout(new, old), &Limits::default())
}

#[track_caller]
fn check(gate: &Gate, answer: Answer, why: &str) {
    assert_eq!((gate.answer, gate.why.as_str()), (answer, why), "{gate:#?}");
}

#[test]
fn a_worse_version_stops() {
    let gate = ask(arm(340, 14, 900.0), arm(9_000, 40, 20_000.0));
    check(
        &gate,
        Answer::Stop,
        "14 of 340 machines with csagent.sys 7.11 in ring canary crashed in it in 900 machine-hours: 7.8 times the rate \
         of the version before (at least 1.6).",
    );
    assert!((gate.ratio.unwrap() - 7.78).abs() < 0.01);
}

#[test]
fn two_crashed_machines_never_stop() {
    assert_eq!(ask(arm(20, 2, 0.5), arm(90_000, 1, 2e6)).answer, Answer::Hold);
    assert_eq!(ask(arm(20, 3, 0.5), arm(90_000, 1, 2e6)).answer, Answer::Stop);
}

#[test]
fn too_early_says_how_much_is_missing() {
    let gate = ask(arm(40, 0, 60.0), arm(9_000, 40, 200_000.0));
    check(
        &gate,
        Answer::Hold,
        "0 of 40 machines with csagent.sys 7.11 in ring canary crashed in it in 60 machine-hours: too early to tell, about \
         290,000 more are needed.",
    );
    // With as many more, crashing as the old version does, it passes.
    let hours = gate.hours_needed.unwrap();
    let crashed = (hours * 40.0 / 200_000.0).floor() as u64;
    let old = arm(9_000, 40 + crashed, 200_000.0 + hours);
    assert_eq!(ask(arm(4_000, crashed, 60.0 + hours), old).answer, Answer::Pass);
    assert_eq!(ask(arm(4_000, crashed * 2 / 3, 60.0 + hours / 2.0), old).answer, Answer::Hold);
    assert!((10..=600).contains(&gate.retry_after_s));
}

#[test]
fn as_good_as_before_passes() {
    let gate = ask(arm(9_000, 400, 100_000.0), arm(9_000, 420, 100_000.0));
    assert_eq!(gate.answer, Answer::Pass, "{gate:?}");
    assert!(
        gate.ratio_low < 0.95 && gate.ratio_high.unwrap() > 0.95 && gate.ratio_high.unwrap() < 1.5,
        "{gate:?}"
    );
    assert_eq!(gate.hours_needed, Some(0.0));
}

#[test]
fn a_version_that_hardly_ever_crashes_passes_without_a_ratio() {
    let gate = ask(arm(3_000, 0, 72_000.0), arm(3_000, 0, 72_000.0));
    check(
        &gate,
        Answer::Pass,
        "0 of 3,000 machines with csagent.sys 7.11 in ring canary crashed in it in 72,000 machine-hours: at most 0.1 % of \
         the machines a day.",
    );
    assert_eq!((gate.ratio, gate.ratio_low, gate.ratio_high), (None, 0.0, None));
}

#[test]
fn an_hour_must_pass_and_machines_must_be_many() {
    let fine = rollout(arm(90_000, 0, 72_000.0), arm(3_000, 0, 72_000.0));
    assert_eq!(decide(&Rollout { hours_since_first: 0.8, ..fine }, &Limits::default()).answer, Answer::Hold);
    assert_eq!(
        decide(&Rollout { hours_since_first: f64::NAN, ..fine }, &Limits::default()).answer,
        Answer::Hold
    );
    assert_eq!(ask(arm(19, 0, 72_000.0), arm(3_000, 0, 72_000.0)).answer, Answer::Hold);
}

#[test]
fn without_a_version_before_it_is_measured_by_itself() {
    assert_eq!(ask(arm(200, 60, 400.0), Arm::default()).answer, Answer::Stop);
    assert_eq!(ask(arm(200, 2, 400.0), Arm::default()).answer, Answer::Hold);
    assert_eq!(ask(arm(2_000, 2, 90_000.0), Arm::default()).answer, Answer::Pass);
}

#[test]
fn open_incidents_come_first() {
    let fine = rollout(arm(9_000, 400, 100_000.0), arm(9_000, 420, 100_000.0));
    let with = |severity, blames_build| {
        let open_incident =
            Some(OpenIncident { name: "csagent.sys: 1,200 machines\nnow", severity, blames_build });
        decide(&Rollout { open_incident, ..fine }, &Limits::default())
    };
    check(
        &with(Severity::Sev1, true),
        Answer::Stop,
        "An open incident blames this version: csagent.sys: 1,200 machines now.",
    );
    assert_eq!(with(Severity::Sev2, true).answer, Answer::Hold);
    assert_eq!(with(Severity::Sev1, false).answer, Answer::Hold);
}

#[test]
fn a_gate_survives_json() {
    for gate in [ask(Arm::default(), Arm::default()), ask(arm(340, 14, 900.0), arm(9_000, 40, 20_000.0))] {
        let text = serde_json::to_string(&gate).unwrap();
        assert_eq!(serde_json::from_str::<Gate>(&text).unwrap().why, gate.why, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_counts_give_an_answer(
        new in (any::<u64>(), any::<u64>(), any::<f64>()),
        old in (any::<u64>(), any::<u64>(), any::<f64>()),
        small in any::<bool>(),
        hours_since_first in any::<f64>(),
    ) {
        let of = |(machines, crashed, hours): (u64, u64, f64)| {
            if small { arm(machines % 1000, crashed % 20, hours.abs() % 1e4) } else { arm(machines, crashed, hours) }
        };
        let gate = decide(&Rollout { hours_since_first, ..rollout(of(new), of(old)) }, &Limits::default());
        let numbers = [gate.rate_new, gate.rate_old, gate.ratio, Some(gate.ratio_low), gate.ratio_high,
            gate.per_day_high, gate.hours_needed];
        prop_assert!(numbers.iter().flatten().all(|number| number.is_finite() && *number >= 0.0), "{gate:?}");
        prop_assert!(gate.ratio_high.is_none_or(|high| gate.ratio_low <= high), "{gate:?}");
        prop_assert!(!gate.why.is_empty());
    }
}
