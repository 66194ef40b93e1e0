//! What is asked, and what counts and incidents answer.

use super::*;

fn asked(driver: &str, version: &str) -> Result<Question, Fault> {
    question(GateQuery { driver: driver.to_owned(), version: version.to_owned(), ..GateQuery::default() })
}

fn counts(new: ArmCounts, old: ArmCounts) -> RolloutCounts {
    RolloutCounts {
        first_seen_ms: 0,
        timestamps: vec![0x6690_2C2A],
        old_builds: Vec::new(),
        source: ExposureSource::Inventory,
        new,
        old,
    }
}

fn arm(machines: u64, crashed: u64, machine_hours: f64) -> ArmCounts {
    ArmCounts { machines, crashed, machine_hours }
}

fn check(counts: Option<RolloutCounts>, expected: Answer, why: &str) {
    let question = asked("CSAgent.sys", "0x66902C2A").unwrap();
    let gate = answer(&question, counts, &[], 48 * 3_600_000);
    assert_eq!(gate.answer, expected, "{}", gate.why);
    assert!(gate.why.contains(why), "{}", gate.why);
}

#[test]
fn a_question_has_one_spelling() {
    let question = asked(" CSAgent.SYS", "0X66902c2a ").unwrap();
    assert_eq!((question.driver.as_str(), question.version.as_str()), ("csagent.sys", "0x66902c2a"));
    assert_eq!(question.timestamp, Some(0x6690_2C2A));
    assert_eq!(asked("a.sys", "7.11.18110").unwrap().timestamp, None);
    let long = "x".repeat(201);
    for (driver, version, why) in [
        ("", "", "`driver` and `version` are missing"),
        ("", "1", "`driver` is missing"),
        ("a.sys", " ", "`version` is missing"),
        ("a.sys", "0x123456789", "is none"),
        ("a.sys", "0xg", "is none"),
        ("a.sys", "0x0", "timestamp 0"),
        ("a\u{1b}.sys", "1", "`driver` is too long or has control characters"),
        (long.as_str(), "1", "`driver` is too long"),
    ] {
        let Err(Fault::BadRequest(told)) = asked(driver, version) else { panic!("{driver:?} {version:?}") };
        assert!(told.contains(why) && told.contains("Parameters: driver"), "{told}");
    }
}

#[test]
fn counts_decide_where_they_can() {
    let old = arm(40_000, 100, 1_900_000.0);
    check(Some(counts(arm(5_000, 12, 240_000.0), old)), Answer::Pass, "12 of 5,000 machines");
    check(Some(counts(arm(5_000, 400, 240_000.0), old)), Answer::Stop, "400 of 5,000 machines");
    check(Some(counts(arm(6, 0, 1.0), old)), Answer::Hold, "0 of 6 machines");
}

#[test]
fn what_is_not_known_never_passes() {
    check(None, Answer::Hold, "No machine has been seen with csagent.sys 0x66902c2a");
    let fine = counts(arm(5_000, 0, 240_000.0), arm(40_000, 100, 1_900_000.0));
    let nameless = RolloutCounts { timestamps: Vec::new(), ..fine.clone() };
    check(Some(fine), Answer::Pass, "0 of 5,000 machines");
    check(Some(nameless), Answer::Hold, "PE timestamp");
    let sampled = RolloutCounts {
        source: ExposureSource::Crashes,
        ..counts(arm(20, 200, 100.0), ArmCounts::default())
    };
    check(Some(sampled), Answer::Hold, "without an inventory");
}
