//! `bluescope explain`: dumps to reports on this machine. A dump that cannot be read never hides the next one.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use analyzer::render::{self, Style};
use analyzer::{Analysis, Limits};
use anyhow::Context as _;

use crate::cli::ExplainArgs;
use crate::terminal;

/// A dump is read whole; a memory dump of a large server would take all the memory of the machine that reads it.
const LARGEST: u64 = 4 << 30;

/// Explains every file; fails where one of them could not be read.
pub(crate) fn run(arguments: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let files = terminal::files(&arguments.files)?;
    let style = Style { colour: !arguments.json && terminal::colours(arguments.color) };
    let mut failed = 0usize;
    for (index, file) in files.iter().enumerate() {
        match explain(file) {
            Ok(analysis) if arguments.json => {
                let mut document = serde_json::to_value(&analysis)?;
                if let Some(object) = document.as_object_mut() {
                    object.insert("file".to_owned(), file.display().to_string().into());
                }
                terminal::print(&document.to_string());
            }
            Ok(analysis) => {
                let space = if index == 0 { "" } else { "\n" };
                // A file's name may hold escape sequences too.
                let title = file.display().to_string().replace(char::is_control, "?");
                terminal::print(&format!("{space}{title}\n{}", render::text(&analysis, style)));
            }
            Err(error) => {
                failed = failed.saturating_add(1);
                terminal::error(&error);
            }
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn explain(file: &Path) -> anyhow::Result<Analysis> {
    let bytes = read(file)?;
    analyzer::analyze(&bytes, &Limits::default())
        .with_context(|| format!("{} is no dump that can be read", file.display()))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    opened
        .take(LARGEST.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", file.display()))?;
    anyhow::ensure!(bytes.len() as u64 <= LARGEST, "{} is larger than {LARGEST} bytes", file.display());
    Ok(bytes)
}
