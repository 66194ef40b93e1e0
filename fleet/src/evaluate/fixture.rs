//! Hand-made runs for the tests of what is added up, printed and drawn.

use detector::attribution::{Element, Facet, Origin};
use detector::{Severity, Subject};

use crate::evaluate::score::Attributed;
use crate::evaluate::{Alarm, Effort, Method, MethodScore, Near, RunReport, Score, TruthScore};
use crate::scenario::{Goals, ScenarioSet};
use crate::world::{Expect, OutageClass};

fn truth(
    rate: f64,
    owed: Expect,
    page_s: Option<f64>,
    alarm_s: Option<f64>,
    right: Option<bool>,
) -> TruthScore {
    let said = |right| {
        let said = if right { Origin::AllVersions } else { Origin::Model };
        let model = Element { facet: Facet::Model, value: "latitude".to_owned() };
        let elements = if right { Vec::new() } else { vec![model] };
        let subject = Subject::Driver("bad.sys".to_owned());
        Attributed { subject, machines: 60, said: Some(said), elements, right }
    };
    TruthScore {
        id: format!("content {rate}"),
        class: OutageClass::Content,
        rate,
        machines: 400,
        owed,
        begin_ms: 0,
        page_s,
        alarm_s,
        repetitions: 0,
        origin: Origin::AllVersions,
        elements: Vec::new(),
        attributed: right.into_iter().map(said).collect(),
    }
}

fn alarm(severity: Severity) -> Alarm {
    Alarm {
        at_ms: 1_700_050_000_000,
        severity,
        tenant: String::new(),
        subject: Subject::Driver("good.sys".to_owned()),
        machines: 51,
        sites: 12,
        why: "Opened, rho 3".to_owned(),
    }
}

/// Two runs of a quiet world and one with outages.
pub(crate) fn runs() -> Vec<RunReport> {
    let effort = Effort {
        simulate_s: 1.0,
        detect_s: 2.0,
        compare_s: 0.5,
        ticks: 1_209_600,
        crashes: 2_800_000,
        others: 0,
        series: 10_000,
        series_bytes: 1_200_000,
        checkpoint_bytes: 1_500_000,
    };
    let run = |class: &str, seed, truths, false_alarms| RunReport {
        world: format!("{class} world"),
        class: class.to_owned(),
        seed,
        start_ms: 1_700_000_000_000,
        days: 28.0,
        score: Score { truths, false_alarms },
        methods: Vec::new(),
        effort,
        near: None,
    };
    let outages = vec![
        truth(1.8, Expect::Page, Some(12.0), Some(8.0), Some(true)),
        truth(1.8, Expect::Page, Some(20.0), Some(20.0), Some(true)),
        truth(0.5, Expect::Page, Some(50.0), Some(50.0), Some(false)),
        truth(0.3, Expect::Page, None, Some(90.0), None),
        truth(0.3, Expect::Ticket, None, Some(100.0), None),
        truth(0.3, Expect::Nothing, Some(9.0), Some(9.0), None),
    ];
    let mut outages = run("outages", 1, outages, vec![alarm(Severity::Sev2)]);
    let score = |method, false_alarms, found_s| MethodScore { method, false_alarms, found_s };
    let found = vec![Some(9.0), Some(9.0), Some(9.0), None, None, None];
    outages.methods = vec![
        score(Method::Threshold(10), 900, vec![Some(5.0); 6]),
        score(Method::Threshold(20), 40, found),
        score(Method::Threshold(600), 0, vec![None; 6]),
        score(Method::EarsC2, 2982, vec![Some(5.0); 6]),
    ];
    outages.near = Some(near());
    let quiet = run("quiet", 1, Vec::new(), vec![alarm(Severity::Sev1), alarm(Severity::Sev2)]);
    vec![quiet, run("quiet", 2, Vec::new(), Vec::new()), outages]
}

pub(crate) fn set() -> ScenarioSet {
    let goals = Goals {
        max_false_pages: Some(0.5),
        max_false_pages_bound: Some(1.0),
        min_recall: Some(1.0),
        min_ticket_recall: Some(1.0),
        max_median_delay_fast_s: Some(20.0),
        min_attribution: Some(0.6),
        ..Goals::default()
    };
    let (name, what) = ("hand-made".to_owned(), String::new());
    ScenarioSet { version: 1, name, what, goals, worlds: Vec::new() }
}

fn near() -> Near {
    let begin_ms = 1_700_000_600_000;
    let arrivals = (-500..900).filter(|second| *second >= 0 && second % 2 == 0 || second % 120 == 0);
    Near {
        world: "outages world".to_owned(),
        seed: 1,
        id: "content 0.5".to_owned(),
        rate: 0.5,
        driver: "bad.sys".to_owned(),
        begin_ms,
        first_upload_ms: Some(begin_ms),
        arrivals_ms: arrivals.map(|second| begin_ms + second * 1000).collect(),
        onset_ms: begin_ms + 2000,
        ticket_ms: Some(begin_ms + 30_000),
        page_ms: begin_ms + 50_000,
        rho: 10.0,
        threshold: 22.8,
        usual_per_minute: 0.6,
        common_mode: 1.0,
    }
}
