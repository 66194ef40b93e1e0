//! `bluescope alerts`: the role alone, or a try of those who are told. Names, help texts and defaults.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ServiceArgs;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    pub command: Option<AlertsCommand>,
    #[command(flatten)]
    pub service: ServiceArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Send a marked test through each configured target, past the outbox; fails if one of them does
    Test(AlertsTestArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AlertsTestArgs {
    /// Only this target; may be given several times
    #[arg(long, value_name = "NAME")]
    pub target: Vec<String>,
    /// Configuration file [default: bluescope.toml, where it exists]
    #[arg(long, env = "BLUESCOPE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}
