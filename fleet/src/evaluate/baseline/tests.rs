//! The whole panel over small streams.

use detector::Version;

use super::*;

const START: i64 = 1_700_000_000_000 / DAY_MS * DAY_MS;
const SECOND: i64 = 1000;

fn crash(driver: &str, machine: u64, at_ms: i64) -> Crash<'_> {
    Crash {
        tenant: "",
        machine,
        crashed_at_ms: at_ms,
        arrived_at_ms: at_ms,
        driver,
        version: Version::default(),
        fault_offset: 0,
        bugcheck: 0x50,
        os_build: 19045,
        bucket: "",
        model: "",
        ring: "",
        site: "",
        modules: &[],
        suspect: false,
    }
}

fn primed() -> Panel {
    let mut panel = Panel::new(START - 14 * DAY_MS, START);
    for hour in 0..14 * 24 {
        let hour_ms = START - 14 * DAY_MS + hour * HOUR_MS;
        panel.learn(&History { tenant: "", driver: "busy.sys", hour_ms, machines: 40 });
    }
    panel.begin();
    panel
}

/// Methods that alarmed, with the time since the start in s.
fn alarms(panel: Panel) -> Vec<(Method, i64)> {
    panel.alarms().into_iter().map(|(method, alarm)| (method, (alarm.at_ms - START) / SECOND)).collect()
}

#[test]
fn every_method_finds_a_storm_once() {
    let mut panel = primed();
    for machine in 0..2400 {
        panel.crash(&crash("rare.sys", machine, START + machine.cast_signed() * SECOND / 20));
    }
    let alarms = alarms(panel);
    for method in Method::all().filter(|method| *method != Method::Threshold(1200)) {
        let times: Vec<i64> = alarms.iter().filter(|(of, _)| *of == method).map(|(_, at)| *at).collect();
        assert_eq!(times.len(), 1, "{method}: {times:?}");
    }
    let at = |method| alarms.iter().find(|(of, _)| *of == method).unwrap().1;
    // 20 machines after a second, 201 for the floor after ten
    assert_eq!((at(Method::EarsC2), at(Method::RollingZ), at(Method::Sentry)), (0, 0, 10));
    assert_eq!((at(Method::PoissonCusum), at(Method::Threshold(600))), (0, 29));
}

#[test]
fn the_usual_alarms_nobody() {
    let mut panel = primed();
    for machine in 0..480 {
        panel.crash(&crash("busy.sys", machine, START + machine.cast_signed() * 90 * SECOND));
    }
    assert_eq!(alarms(panel), []);
}

#[test]
fn one_machine_counts_once_a_day() {
    let mut panel = primed();
    for time in 0..1000 {
        panel.crash(&crash("rare.sys", 5, START + time * SECOND));
    }
    assert_eq!(alarms(panel), []);
    let mut counted = Counted::default();
    let ask = |counted: &mut Counted, at_ms| counted.first_of_day(1, 5, START + at_ms);
    assert!(ask(&mut counted, 0));
    assert!(!ask(&mut counted, DAY_MS - 1));
    assert!(ask(&mut counted, DAY_MS));
    assert!(!ask(&mut counted, 2 * DAY_MS - 1));
    assert!(ask(&mut counted, 2 * DAY_MS));
}

#[test]
fn an_alarm_is_over_after_half_an_hour() {
    let mut panel = primed();
    let mut machine = 0;
    for begin in [0, 20, 90] {
        for second in 0..60 {
            machine += 1;
            panel.crash(&crash("rare.sys", machine, START + (begin * 60 + second) * SECOND));
        }
    }
    let thresholds: Vec<i64> =
        alarms(panel).into_iter().filter(|(of, _)| *of == Method::Threshold(30)).map(|(_, at)| at).collect();
    assert_eq!(thresholds, [29, 90 * 60 + 29]);
}
