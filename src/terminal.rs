//! What people see: colours on a terminal and none in a pipe, progress bars, errors.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Colour;

/// Whether to colour standard output. `NO_COLOR` is honoured (no-color.org).
pub(crate) fn colours(wish: Colour) -> bool {
    match wish {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::io::stdout().is_terminal()
        }
    }
}

/// Prints an error and its causes to standard error.
#[expect(clippy::print_stderr, reason = "the executable speaks to people here")]
pub(crate) fn error(error: &anyhow::Error) {
    let (red, plain) = if std::io::stderr().is_terminal() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    eprintln!("{red}error:{plain} {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// Prints a line of a command's result. A reader that has seen enough (`| head`) ends the command without a word.
#[expect(clippy::exit, reason = "nobody reads the rest")]
pub(crate) fn print(text: &str) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a remark beside a command's result.
#[expect(clippy::print_stderr, reason = "the executable speaks to people here")]
pub(crate) fn remark(text: &str) {
    eprintln!("{text}");
}

/// A bar over `length` steps on a terminal, nothing in a pipe.
pub(crate) fn bar(length: u64, what: &'static str) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let template = "{msg:12} {bar:40.cyan/dim} {pos}/{len} {elapsed} (about {eta} left)";
    bar.set_style(ProgressStyle::with_template(template)?);
    bar.set_message(what);
    Ok(bar)
}

/// A sign of life on a terminal while something takes its time, nothing in a pipe.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    spinner.set_message(what);
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    spinner
}

/// The files named, and those inside the folders named, in order.
pub(crate) fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            in_folder(path, &mut files)?;
            anyhow::ensure!(files.len() > before, "no dump (*.dmp, *.mdmp) in {}", path.display());
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn in_folder(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let dump = path
            .extension()
            .is_some_and(|ending| ["dmp", "mdmp"].iter().any(|known| ending.eq_ignore_ascii_case(known)));
        if dump && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    files.append(&mut found);
    Ok(())
}
