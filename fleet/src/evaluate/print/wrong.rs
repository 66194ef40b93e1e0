//! What went wrong, one by one: where to look first when a figure is bad.

use detector::attribution::{Element, Origin};
use detector::{Severity, Subject};

use super::table::{Paint, Table};
use super::{figure, seconds};
use crate::evaluate::report::Report;
use crate::world::Expect;

/// Of each list; the JSON report has all of them.
const MOST: usize = 20;

/// Outages that did not get what they were owed.
pub(super) fn missed(report: &Report) -> Table {
    let mut table =
        Table::new(&["WORLD", "SEED", "OUTAGE", "OWED", "MACHINES/s", "MACHINES", "ALARM AFTER s"], 4);
    let all = report.runs.iter().flat_map(|run| run.score.truths.iter().map(move |truth| (run, truth)));
    let missed = all.filter(|(_, truth)| truth.owed != Expect::Nothing && truth.delay_s().is_none());
    for (run, truth) in missed.take(MOST) {
        let owed = if truth.owed == Expect::Page { "page" } else { "ticket" };
        let alarm = truth.alarm_s.map_or_else(|| "-".to_owned(), seconds);
        let cells = [
            run.world.clone(),
            run.seed.to_string(),
            truth.id.clone(),
            owed.to_owned(),
            figure(truth.rate),
            truth.machines.to_string(),
            alarm,
        ];
        table.row(cells);
    }
    table
}

/// False pages, then false tickets.
pub(super) fn false_alarms(report: &Report) -> Table {
    let mut table = Table::new(&["WORLD", "SEED", "", "DAY", "SUBJECT", "MACHINES", "SITES", "WHY"], 8);
    let mut all: Vec<_> = report
        .runs
        .iter()
        .flat_map(|run| run.score.false_alarms.iter().map(move |alarm| (run, alarm)))
        .collect();
    all.sort_by_key(|(_, alarm)| std::cmp::Reverse(alarm.severity));
    for (run, alarm) in all.into_iter().take(MOST) {
        let (loud, paint) = match alarm.severity {
            Severity::Sev1 => ("page", Paint::Bad),
            Severity::Sev2 => ("ticket", Paint::Plain),
        };
        let day = (alarm.at_ms - run.start_ms) as f64 / 86_400_000.0;
        let tenant = if alarm.tenant.is_empty() { String::new() } else { format!("{}: ", alarm.tenant) };
        let cells = [
            run.world.clone(),
            run.seed.to_string(),
            loud.to_owned(),
            format!("{day:.2}"),
            tenant + &subject(&alarm.subject),
            alarm.machines.to_string(),
            alarm.sites.to_string(),
            alarm.why.clone(),
        ];
        table.row(cells).paint(2, paint);
    }
    table
}

/// Incidents that said something else than the truth.
pub(super) fn causes(report: &Report) -> Table {
    let mut table = Table::new(&["WORLD", "SEED", "OUTAGE", "INCIDENT", "TRUTH", "SAID", "MACHINES"], 6);
    let all = report.runs.iter().flat_map(|run| run.score.truths.iter().map(move |truth| (run, truth)));
    let wrong = all.flat_map(|(run, truth)| truth.attributed.iter().map(move |said| (run, truth, said)));
    for (run, truth, said) in wrong.filter(|(_, _, said)| !said.right).take(MOST) {
        let nothing = || "nothing".to_owned();
        let cells = [
            run.world.clone(),
            run.seed.to_string(),
            truth.id.clone(),
            subject(&said.subject),
            cause(truth.origin, &truth.elements),
            said.said.map_or_else(nothing, |origin| cause(origin, &said.elements)),
            said.machines.to_string(),
        ];
        table.row(cells);
    }
    table
}

fn cause(origin: Origin, elements: &[Element]) -> String {
    let elements: Vec<String> =
        elements.iter().map(|element| format!("{:?} {}", element.facet, element.value)).collect();
    if elements.is_empty() { format!("{origin:?}") } else { format!("{origin:?}: {}", elements.join(", ")) }
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Driver(name) => name.clone(),
        Subject::BugCheck(code) => format!("bug check 0x{code:X}"),
        Subject::OsBuild(build) => format!("Windows {build}"),
        Subject::Bucket(bucket) => format!("bucket {bucket}"),
        Subject::Unattributed => "blamed on nobody".to_owned(),
        Subject::Everything => "all crashes".to_owned(),
        Subject::Silence(name, _) => format!("silence of {name}"),
    }
}
