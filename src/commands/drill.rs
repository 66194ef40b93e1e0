//! `bluescope drill`: an outage of the past against a running service. Fails when the service did not page for the
//! right driver, or lost or doubled a crash.

use std::process::ExitCode;
use std::time::Duration;

use fleet::drill::{self, DrillConfig};

use crate::cli::{DrillArgs, Scenario};
use crate::terminal;

/// Runs the drill and prints what came of it.
pub(crate) async fn run(arguments: DrillArgs) -> anyhow::Result<ExitCode> {
    match arguments.scenario {
        Scenario::Crowdstrike => {}
    }
    let report = drill::run(DrillConfig {
        url: arguments.server.url,
        token: arguments.server.token,
        machines: arguments.machines,
        background: Duration::from_secs(arguments.background),
        outage: Duration::from_secs(arguments.outage),
        seed: arguments.seed,
        receive: arguments.receive,
        secret: arguments.secret,
        ..DrillConfig::default()
    })
    .await?;
    terminal::print(&report.to_string());
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
