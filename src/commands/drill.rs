//! `bluescope drill`: an outage of the past against a running service. Fails when the service did not page for the
//! right driver, paged for a wrong one, named a wrong cause, did not say that it was over where that was waited for, or
//! lost or doubled a crash. Lists the outages that there are.

use std::process::ExitCode;
use std::time::Duration;

use fleet::Outage;
use fleet::drill::{self, DrillConfig};

use crate::cli::DrillArgs;
use crate::terminal;

/// Runs the drill and prints what came of it; or prints the list.
pub(crate) async fn run(arguments: DrillArgs) -> anyhow::Result<ExitCode> {
    if arguments.list {
        terminal::print(&list());
        return Ok(ExitCode::SUCCESS);
    }
    let report = drill::run(DrillConfig {
        url: arguments.server.url,
        token: arguments.server.token,
        scenario: arguments.scenario,
        machines: arguments.machines,
        background: Duration::from_secs(arguments.background),
        outage: Duration::from_secs(arguments.outage),
        seed: arguments.seed,
        receive: arguments.receive,
        secret: arguments.secret,
        resolved_within: arguments.resolved_within.map(Duration::from_secs),
        inventory: !arguments.no_inventory,
        ..DrillConfig::default()
    })
    .await?;
    terminal::print(&report.to_string());
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line an outage, under a head.
fn list() -> String {
    let head = ["OUTAGE", "DATE", "CULPRIT", "DUMPS"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(fleet::outages().iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [id, date, culprit] = [0, 1, 2].map(width);
    let line = |[a, b, c, d]: &[String; 4]| format!("{a:id$}  {b:date$}  {c:culprit$}  {d}");
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn row(outage: &Outage) -> [String; 4] {
    let dumps = outage.no_dumps.as_ref().map_or_else(|| bugchecks(outage), |why| format!("none: {why}"));
    [outage.id.clone(), outage.date.clone(), culprit(outage), dumps]
}

fn bugchecks(outage: &Outage) -> String {
    let codes: Vec<String> = outage.bugchecks().into_iter().map(|code| format!("0x{code:X}")).collect();
    let assumed = if outage.assumed { " (assumed)" } else { "" };
    format!("{}{assumed}", codes.join(" "))
}

/// The driver, and how many more; a driver that no dump names stands in brackets.
fn culprit(outage: &Outage) -> String {
    match (outage.blamed().as_slice(), &outage.hidden) {
        ([driver], _) => (*driver).to_owned(),
        ([driver, more @ ..], _) => format!("{driver} +{}", more.len()),
        ([], Some(hidden)) => format!("({hidden})"),
        ([], None) => outage.culprit.to_string(),
    }
}
