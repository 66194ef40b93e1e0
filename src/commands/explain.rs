//! `bluescope explain`: dumps to reports on this machine. A dump that cannot be read never hides the next one.

mod file;

use std::path::Path;
use std::process::ExitCode;

use analyzer::render::{self, Style};
use analyzer::{Analysis, Limits};
use anyhow::Context as _;

use self::file::Opened;
use crate::cli::ExplainArgs;
use crate::terminal;

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

fn explain(path: &Path) -> anyhow::Result<Analysis> {
    let limits = Limits::with_details();
    let no_dump = || format!("{} is no dump that can be read", path.display());
    match file::open(path, limits.dump_bytes)? {
        Opened::File(source) => analyzer::analyze_source(&source, &limits).with_context(no_dump),
        Opened::Bytes(bytes) => analyzer::analyze(&bytes, &limits).with_context(no_dump),
    }
}
