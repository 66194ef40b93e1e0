//! `bluescope up` and the single roles: load the configuration, start, wait for a signal, stop.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::ServiceArgs;
use crate::config::{Config, file_to_read, load};
use crate::roles::{self, Roles};
use crate::telemetry;

/// Runs until Ctrl-C or SIGTERM.
pub(crate) async fn run(arguments: ServiceArgs, roles: Roles) -> anyhow::Result<ExitCode> {
    let config = configure(&arguments)?;
    telemetry::start(&config.log)?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let running = tokio::select! {
        started = roles::start(&config, roles, stop.clone()) => started?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    running.finished().await?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration as file, environment and command line give it, in that order.
pub(crate) fn configure(arguments: &ServiceArgs) -> anyhow::Result<Config> {
    let mut config = load(file_to_read(arguments.config.as_deref()).as_deref(), std::env::vars())?;
    if let Some(listen) = arguments.listen {
        config.server.listen = listen;
    }
    if let Some(data) = &arguments.data {
        config.server.data.clone_from(data);
    }
    Ok(config)
}

/// The first signal stops cleanly, the second at once.
pub(crate) fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        tracing::info!("stopping (again to stop at once)");
        stop.cancel();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        #[expect(clippy::exit, reason = "a second signal means now")]
        std::process::exit(130);
    });
    Ok(())
}
