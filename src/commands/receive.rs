//! `bluescope receive`: a webhook receiver for trying things out. Verifies every signature and prints what arrived.

use std::process::ExitCode;

use fleet::receiver::{Arrival, ReceiverConfig};
use tokio_util::sync::CancellationToken;

use crate::cli::ReceiveArgs;
use crate::commands::up::stop_on_signal;
use crate::terminal;

/// Prints webhooks until Ctrl-C.
pub(crate) async fn run(arguments: ReceiveArgs) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    terminal::remark(&format!("receiving webhooks on http://{}/ (Ctrl-C ends)", arguments.listen));
    let config = ReceiverConfig { listen: arguments.listen, secret: arguments.secret };
    fleet::receiver::run(&config, stop, |arrival| terminal::print(&line(arrival))).await?;
    Ok(ExitCode::SUCCESS)
}

/// One JSON document, for people and pipes.
fn line(arrival: &Arrival) -> String {
    serde_json::json!({
        "received_at_ms": arrival.at_ms,
        "webhook_id": arrival.id,
        "repeated": arrival.repeated,
        "body": arrival.body,
    })
    .to_string()
}
