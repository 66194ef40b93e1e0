//! `bluescope alerts test`: one marked notification through each target of the configuration, and a table of what came
//! of it. Needs no service, and touches nothing that one has.

use std::process::ExitCode;

use alerts::delivery::{DeliveryConfig, Report, Target, test_target};
use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::cli::AlertsTestArgs;
use crate::config::{file_to_read, load};
use crate::terminal;

/// Tests all, or those named.
pub(crate) async fn test(arguments: AlertsTestArgs) -> anyhow::Result<ExitCode> {
    let config = load(file_to_read(arguments.config.as_deref()).as_deref(), std::env::vars())?;
    let delivery = config.alerts.delivery();
    let targets = chosen(&delivery, &arguments.target)?;
    let page_url = config.server.public_url();
    let mut tests = JoinSet::new();
    for (index, target) in targets.into_iter().enumerate() {
        let (page_url, timeout) = (page_url.clone(), delivery.timeout);
        tests.spawn(async move { (index, test_target(&target, &page_url, timeout).await) });
    }
    let mut reports = Vec::new();
    while let Some(done) = tests.join_next().await {
        let (index, report) = done.context("a test panicked")?;
        reports.push((index, report?));
    }
    reports.sort_by_key(|(index, _)| *index);
    let reports: Vec<Report> = reports.into_iter().map(|(_, report)| report).collect();
    terminal::print(&table(&reports));
    let passed = reports.iter().all(|report| report.outcome.is_ok());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(delivery: &DeliveryConfig, names: &[String]) -> anyhow::Result<Vec<Target>> {
    let known = || {
        let names: Vec<&str> = delivery.targets.iter().map(|target| target.name.as_str()).collect();
        names.join(", ")
    };
    anyhow::ensure!(
        !delivery.targets.is_empty(),
        "no target is configured; see [alerts] of the configuration"
    );
    for name in names {
        let found = delivery.targets.iter().any(|target| target.name == *name);
        anyhow::ensure!(found, "no target is called {name:?}; there are: {}", known());
    }
    let wanted = |target: &&Target| names.is_empty() || names.contains(&target.name);
    Ok(delivery.targets.iter().filter(wanted).cloned().collect())
}

fn table(reports: &[Report]) -> String {
    let head = ["target", "kind", "time", "outcome"].map(str::to_owned);
    let row = |report: &Report| {
        let outcome = match &report.outcome {
            Ok(status) => format!("delivered ({status})"),
            Err(reason) => format!("failed: {reason}"),
        };
        let time = format!("{} ms", report.took.as_millis());
        [report.target.clone(), report.kind.to_owned(), time, outcome]
    };
    let rows: Vec<[String; 4]> = [head].into_iter().chain(reports.iter().map(row)).collect();
    let width = |of: fn(&[String; 4]) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (first, second, third) =
        (width(|row| row[0].len()), width(|row| row[1].len()), width(|row| row[2].len()));
    let line = |[target, kind, time, outcome]: &[String; 4]| {
        format!("{target:first$}  {kind:second$}  {time:>third$}  {outcome}")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_table_says_what_came_of_each() {
        let report = |target: &str, kind, millis, outcome| Report {
            target: target.to_owned(),
            kind,
            outcome,
            took: Duration::from_millis(millis),
        };
        let text = table(&[
            report("on-call", "pagerduty", 187, Ok(202)),
            report("am", "alertmanager", 3, Err("answered 500".to_owned())),
        ]);
        assert_eq!(
            text,
            "target   kind            time  outcome\n\
             on-call  pagerduty     187 ms  delivered (202)\n\
             am       alertmanager    3 ms  failed: answered 500"
        );
    }

    #[test]
    fn only_what_is_configured_can_be_tested() {
        assert!(chosen(&DeliveryConfig::default(), &[]).is_err());
    }
}
