//! `bluescope send`: real dumps to a running service, with a bar, one line for each and where to look at it.

use std::path::PathBuf;
use std::process::ExitCode;

use fleet::send::{Sender, Sent};

use crate::cli::SendArgs;
use crate::terminal;

/// Sends every file; fails where one was not taken.
pub(crate) async fn run(arguments: SendArgs) -> anyhow::Result<ExitCode> {
    let url = arguments.server.url.trim_end_matches('/');
    let sender = Sender::new(url, arguments.server.token.as_deref(), arguments.machine)?;
    let files = terminal::files(&arguments.files)?;
    let taken = send_all(&sender, url, &files).await?;
    Ok(if taken == files.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends the files one after the other, prints how each ended, and returns how many were taken.
pub(crate) async fn send_all(sender: &Sender, url: &str, files: &[PathBuf]) -> anyhow::Result<usize> {
    let bar = terminal::bar(files.len() as u64, "uploading")?;
    let mut taken = 0;
    for file in files {
        let line = match sender.send(file).await {
            Ok(Sent::Accepted(id)) => {
                taken += 1;
                format!("{}  {url}/crashes/{id}", file.display())
            }
            Ok(Sent::Rejected(reason)) => format!("{}  refused: {reason}", file.display()),
            Err(error) => format!("{}  failed: {error:#}", file.display()),
        };
        bar.suspend(|| terminal::print(&line));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(taken)
}
