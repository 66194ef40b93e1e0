//! The `bluescope` executable: reads the command line, runs one command, turns its error into words and an exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::cli::{AlertsArgs, AlertsCommand, Cli, Command};
use crate::roles::Roles;

/// A report is thousands of short strings: with the system's allocator the fast path takes a third longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod cli;
mod commands;
mod config;
mod health;
mod library;
mod roles;
mod serve;
mod telemetry;
mod terminal;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    // The one TLS provider of the process; installing it fails only where it is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    match command {
        Command::Explain(arguments) => commands::explain::run(&arguments),
        Command::Blame(arguments) => commands::blame::run(&arguments),
        Command::Schema(arguments) => commands::schema::run(&arguments),
        Command::Config(command) => commands::config::run(&command),
        Command::Detector(command) => commands::detector::run(&command),
        Command::Up(arguments) => service(&arguments, Roles::ALL),
        Command::Ingest(arguments) => service(&arguments, Roles { ingest: true, ..Roles::NONE }),
        Command::Analyzer(arguments) => service(&arguments, Roles { analyzer: true, ..Roles::NONE }),
        Command::Alerts(AlertsArgs { command: Some(AlertsCommand::Test(arguments)), .. }) => {
            block_on(commands::alerts::test(arguments))
        }
        Command::Alerts(arguments) => service(&arguments.service, Roles { alerts: true, ..Roles::NONE }),
        Command::Dashboards(arguments) => service(&arguments, Roles { dashboards: true, ..Roles::NONE }),
        Command::Symbols(command) => block_on(commands::symbols::run(command)),
        Command::Send(arguments) => block_on(commands::send::run(arguments)),
        Command::Drill(arguments) => block_on(commands::drill::run(arguments)),
        Command::Demo(arguments) => block_on(commands::demo::run(arguments)),
        Command::Receive(arguments) => block_on(commands::receive::run(arguments)),
        Command::Reblame(arguments) => block_on(commands::reblame::run(arguments)),
        Command::Bench(arguments) => block_on(commands::bench::run(arguments)),
    }
}

fn service(arguments: &cli::ServiceArgs, roles: Roles) -> anyhow::Result<ExitCode> {
    block_on(commands::up::run(arguments.clone(), roles))
}

fn block_on(future: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(future);
    // An analysis or a copy that is under way on a blocking thread is not waited for: it comes again.
    runtime.shutdown_timeout(LAST_GRACE);
    outcome
}

/// For what still runs when everything is done.
const LAST_GRACE: Duration = Duration::from_secs(5);
