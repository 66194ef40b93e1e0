//! `bluescope symbols`: pushes symbol files with a bar and one line for each, and lists those that are missing.

mod find;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bytesize::ByteSize;
use fleet::symbols::{Missing, Pushed, Pusher, Receipt};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::cli::{MissingArgs, PushArgs, ServerArgs, SymbolsCommand};
use crate::terminal;

/// Runs one of its commands.
pub(crate) async fn run(command: SymbolsCommand) -> anyhow::Result<ExitCode> {
    match command {
        SymbolsCommand::Push(arguments) => push(arguments).await,
        SymbolsCommand::Missing(arguments) => missing(arguments).await,
    }
}

fn pusher(server: &ServerArgs) -> anyhow::Result<Pusher> {
    Pusher::new(&server.url, server.token.as_deref())
}

/// Pushes every file; fails where one was not taken.
async fn push(arguments: PushArgs) -> anyhow::Result<ExitCode> {
    let pusher = pusher(&arguments.server)?;
    let found = find::files(&arguments.paths)?;
    let bar = bar(found.files.iter().map(|(_, bytes)| bytes).sum())?;
    let (mut taken, mut done) = (0, 0);
    for (file, bytes) in &found.files {
        let (moved, before) = (bar.clone(), done);
        let told = move |sent| moved.set_position(before + sent);
        let lines = match pusher.push(file, told).await {
            Ok(Pushed::Filed(receipt)) => {
                taken += 1;
                filed(file, &receipt)
            }
            Ok(Pushed::Refused(reason)) => vec![format!("{}  refused: {}", shown(file), plain(&reason))],
            // It was waited for already: the other files would only wait as long again.
            Err(error) if is_unreachable(&error) => return Err(error),
            Err(error) => vec![format!("{}  failed: {error:#}", shown(file))],
        };
        bar.suspend(|| lines.iter().for_each(|line| terminal::print(line)));
        done += bytes;
        bar.set_position(done);
    }
    bar.finish_and_clear();
    if found.left_out > 0 {
        terminal::remark(&format!("{} other files in these folders are no symbol files", found.left_out));
    }
    anyhow::ensure!(
        !found.files.is_empty(),
        "no symbol file (image, PDB, .sym, zip, cabinet) in these folders"
    );
    Ok(if taken == found.files.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_unreachable(error: &anyhow::Error) -> bool {
    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
}

/// A line for each file that was stored, and for each of an archive that was of no use.
fn filed(file: &Path, receipt: &Receipt) -> Vec<String> {
    let stored = receipt.files.iter().map(|stored| {
        let size = ByteSize(stored.bytes).display().si();
        format!("{}  {} {} ({size})", shown(file), plain(&stored.kind), plain(&stored.id))
    });
    let useless = receipt.refused.iter().map(|useless| {
        format!("{}  {} left out: {}", shown(file), plain(&useless.name), plain(&useless.reason))
    });
    stored.chain(useless).collect()
}

fn shown(file: &Path) -> String {
    plain(&file.display().to_string())
}

/// Names out of archives and folders may hold escape sequences.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// A bar over bytes on a terminal, nothing in a pipe.
fn bar(length: u64) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let template = "pushing {bar:40.cyan/dim} {bytes}/{total_bytes} {bytes_per_sec} (about {eta} left)";
    bar.set_style(ProgressStyle::with_template(template)?);
    Ok(bar)
}

/// Lists what is missing.
async fn missing(arguments: MissingArgs) -> anyhow::Result<ExitCode> {
    let most = usize::try_from(arguments.limit).context("limit")?;
    let found = pusher(&arguments.server)?.missing(most).await?;
    if arguments.json {
        terminal::print(&serde_json::to_string(&found)?);
    } else if found.is_empty() {
        terminal::remark("nothing is missing: every analysis of the last 7 days had what it asked for");
    } else {
        table(&found).iter().for_each(|line| terminal::print(line));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(found: &[Missing]) -> Vec<String> {
    let widest = found.iter().map(|line| line.id.chars().count()).max().unwrap_or_default();
    let head = format!(
        "{:>8} {:>8} {:>6}  {:5}  {:widest$}  {:19}  blamed",
        "machines", "crashes", "sites", "kind", "file", "last seen (UTC)"
    );
    let rows = found.iter().map(|line| {
        let last = Timestamp::from_millisecond(line.last_seen_ms)
            .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default();
        format!(
            "{:>8} {:>8} {:>6}  {:5}  {:widest$}  {last:19}  {}",
            line.machines,
            line.crashes,
            line.sites,
            plain(&line.kind),
            plain(&line.id),
            plain(&line.drivers.join(", ")),
        )
    });
    std::iter::once(head).chain(rows).collect()
}

/// What was named, and what of it is worth sending.
#[derive(Debug, Default)]
struct Found {
    /// Files and their lengths.
    files: Vec<(PathBuf, u64)>,
    /// Other files in the folders.
    left_out: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_holds_no_escapes() {
        let line = |id: &str, machines| Missing {
            id: id.to_owned(),
            kind: "pdb".to_owned(),
            crashes: 12,
            machines,
            sites: 1,
            drivers: vec!["a.sys".to_owned(), "b\u{1b}[31m.sys".to_owned()],
            last_seen_ms: 1_721_362_140_000,
        };
        let table = table(&[line("csagent.pdb/3249d9", 10_000), line("x.pdb/1", 1)]);
        assert_eq!(
            table,
            [
                "machines  crashes  sites  kind   file                last seen (UTC)      blamed",
                "   10000       12      1  pdb    csagent.pdb/3249d9  2024-07-19 04:09:00  a.sys, b?[31m.sys",
                "       1       12      1  pdb    x.pdb/1             2024-07-19 04:09:00  a.sys, b?[31m.sys",
            ]
        );
    }
}
