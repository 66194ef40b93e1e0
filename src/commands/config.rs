//! `bluescope config`: every fault at once, and the sample file.

use std::process::ExitCode;

use crate::cli::ConfigCommand;
use crate::config::{DEFAULT_FILE, file_to_read, load};
use crate::terminal;

/// The sample: every key with its default and its reason. A test reads it back.
pub(crate) const EXAMPLE: &str = include_str!("../../bluescope.example.toml");

/// Checks or shows.
pub(crate) fn run(command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Example => terminal::print(EXAMPLE.trim_end()),
        ConfigCommand::Check { file } => {
            let file = file_to_read(file.as_deref());
            load(file.as_deref(), std::env::vars())?;
            let what = file.map_or_else(
                || format!("no {DEFAULT_FILE} here: the defaults and the environment"),
                |path| path.display().to_string(),
            );
            terminal::print(&format!("{what}: no fault found"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration_and_its_commented_keys_exist() {
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n");
        for text in [EXAMPLE, &uncommented] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            load(Some(file.path()), std::iter::empty()).unwrap();
        }
    }
}
