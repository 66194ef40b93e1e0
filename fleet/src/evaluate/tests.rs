//! Small worlds through everything.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn set() -> ScenarioSet {
    let text = r#"{"version": 1, "name": "two", "worlds": [
        {"name": "one", "class": "outage", "days": 0.25, "warmup_days": 2, "drivers": 100, "machines": 20000,
         "sites": 100, "tick_s": 10, "seeds": [1, 2],
         "outages": [{"class": "content", "at_day": 0.1, "rate": 5, "duration_s": 600}]},
        {"name": "quiet", "days": 0.25, "warmup_days": 2, "drivers": 100, "machines": 20000, "sites": 100, "tick_s": 10}
    ]}"#;
    ScenarioSet::from_json(text).unwrap()
}

fn options(threads: usize) -> EvaluateOptions {
    EvaluateOptions { compare: true, threads, ..EvaluateOptions::default() }
}

/// Everything but what it took.
fn untimed(report: Report) -> Vec<RunReport> {
    report.runs.into_iter().map(|run| RunReport { effort: Effort::default(), ..run }).collect()
}

#[test]
fn a_set_is_run_and_judged() {
    let runs = AtomicUsize::new(0);
    let report = evaluate(&set(), &options(2), &|progress| {
        runs.fetch_max(progress.runs, Ordering::Relaxed);
        assert_eq!(progress.of_runs, 3);
    });
    let report = report.unwrap();
    assert_eq!(runs.into_inner(), 3);
    let names: Vec<_> =
        report.runs.iter().map(|run| (run.world.as_str(), run.class.as_str(), run.seed)).collect();
    assert_eq!(names, [("one", "outage", 1), ("one", "outage", 2), ("quiet", "quiet", 1)]);
    assert!((report.total.days - 0.75).abs() < 1e-9);
    assert_eq!(report.total.paged.of, 2);
    let outage = &report.runs[0];
    assert!(outage.score.truths[0].machines > 1000, "{:?}", outage.score.truths);
    assert!(outage.score.truths[0].page_s.is_some_and(|delay| delay < 60.0), "{:?}", outage.score.truths);
    let rolling = outage.methods.iter().find(|score| score.method == Method::RollingZ).unwrap();
    assert!(rolling.found_s[0].is_some_and(|delay| delay < 60.0), "{rolling:?}");
    assert_eq!((outage.effort.ticks, outage.effort.crashes > 1000), (2160, true));
    assert_eq!(report.plots().len(), 4);
}

#[test]
fn threads_change_nothing() {
    let once = untimed(evaluate(&set(), &options(1), &|_| {}).unwrap());
    let again = untimed(evaluate(&set(), &options(3), &|_| {}).unwrap());
    assert_eq!(once, again);
}

#[test]
fn classes_and_seeds_can_be_chosen() {
    let only = EvaluateOptions { only: vec!["outage".to_owned()], seed_count: Some(1), ..options(1) };
    let report = evaluate(&set(), &only, &|_| {}).unwrap();
    assert_eq!((report.total.runs, report.runs[0].seed), (1, 1));
    let none = EvaluateOptions { only: vec!["nonsense".to_owned()], ..options(1) };
    let error = evaluate(&set(), &none, &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), "no world of the set `two` has such a class; there are: outage, quiet");
}

#[test]
fn a_report_survives_its_file() {
    let only = EvaluateOptions { only: vec!["quiet".to_owned()], ..options(1) };
    let report = evaluate(&set(), &only, &|_| {}).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    let again: Report = serde_json::from_str(&text).unwrap();
    assert_eq!((again.total.runs, again.methods.len()), (1, report.methods.len()));
}
