//! `bluescope demo`: everything in one process, the drill against it, the real dumps given, and which page to open.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use fleet::drill::{self, DrillConfig};
use fleet::receiver::DEMO_SECRET;
use fleet::send::Sender;
use tokio_util::sync::CancellationToken;

use crate::cli::DemoArgs;
use crate::commands::free_address;
use crate::commands::send::send_all;
use crate::commands::up::{configure, stop_on_signal};
use crate::config::{Alerts, Config, Target};
use crate::roles::{self, Roles};
use crate::{telemetry, terminal};

/// How long an incident must be calm to be over, unless that was configured.
const SOON_OVER: Duration = Duration::from_secs(10);
/// An incident whose end is further away than this is not waited for.
const LONGEST_END: Duration = Duration::from_secs(120);

/// Runs until Ctrl-C, or until the drill is over where that was asked for.
pub(crate) async fn run(arguments: DemoArgs) -> anyhow::Result<ExitCode> {
    let mut config = configure(&arguments.service)?;
    // What happens is told by the drill; the log is for what goes wrong.
    let usual = crate::config::Log::default().filter;
    if config.log.filter == usual {
        config.log.filter = usual.replace("info", "warn");
    }
    telemetry::start(&config.log)?;
    let files = terminal::files(&arguments.dumps)?;
    // Who watches a demonstration wants to see its end.
    if config.alerts.resolve_after == Alerts::default().resolve_after {
        config.alerts.resolve_after = SOON_OVER;
    }
    let receiver = free_address()?;
    let url = format!("http://{receiver}/");
    config.alerts.targets.push(Target::webhook("demo", &url, DEMO_SECRET, true));

    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let running = roles::start(&config, Roles::ALL, stop.clone()).await?;
    let url = format!("http://{}", config.server.listen);
    terminal::remark(&format!("bluescope is up: {url}/"));

    let passed = tokio::select! {
        // A replay that could not be run (an incident of the last one is still open, say) is told, and the pages
        // are there all the same.
        passed = replay(&config, &arguments, &url, receiver, &files) => passed.unwrap_or_else(|error| {
            terminal::error(&error);
            false
        }),
        () = stop.cancelled() => true,
    };
    if arguments.exit {
        stop.cancel();
    } else if !stop.is_cancelled() {
        terminal::print(&format!(
            "\nOpen {url}/ (Ctrl-C stops; data stays in {})",
            config.server.data.display()
        ));
    }
    running.finished().await?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn replay(
    config: &Config,
    arguments: &DemoArgs,
    url: &str,
    receiver: SocketAddr,
    files: &[std::path::PathBuf],
) -> anyhow::Result<bool> {
    use secrecy::ExposeSecret as _;
    let token = config.ingest.tokens.first().map(|token| token.token.expose_secret().to_owned());
    let mut passed = true;
    if !files.is_empty() {
        let sender = Sender::new(url, token.as_deref(), None)?;
        passed = send_all(&sender, url, files).await? == files.len();
    }
    terminal::remark(&format!(
        "replaying 19 July 2024: {} machines with csagent.sys, among the ordinary crashes of a fleet",
        arguments.machines
    ));
    let report = drill::run(DrillConfig {
        url: url.to_owned(),
        token,
        machines: arguments.machines,
        receive: Some(receiver),
        resolved_within: resolved_within(config.alerts.resolve_after),
        ..DrillConfig::default()
    })
    .await?;
    terminal::print(&report.to_string());
    Ok(passed && report.passed())
}

/// How long after the last upload the incident is over for certain, where that can be waited for. A third more than is
/// configured, for the time that is looked back; the rest is for a busy machine.
fn resolved_within(resolve_after: Duration) -> Option<Duration> {
    (resolve_after <= LONGEST_END).then(|| resolve_after * 4 / 3 + Duration::from_secs(30))
}
