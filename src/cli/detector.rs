//! The command line of `bluescope detector`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Colour;

#[derive(Debug, Subcommand)]
pub(crate) enum DetectorCommand {
    /// Judge the detector in simulated worlds whose truth is known: outages found, delays, false alarms, causes named
    Evaluate(EvaluateArgs),
    /// Measure a tick in which every series is alive
    Bench(DetectorBenchArgs),
}

/// What the detector is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Baselines {
    /// Nothing: faster
    None,
    /// Static threshold, rolling z-score, EARS C2, Sentry's escalating issues, Poisson CUSUM
    All,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Scenario sets: `builtin:NAME`, or a file (docs/SCENARIOS.md)
    #[arg(value_name = "SET", required_unless_present_any = ["list", "write_set"])]
    pub sets: Vec<String>,
    /// List the sets that are built in
    #[arg(long, conflicts_with_all = ["sets", "write_set"])]
    pub list: bool,
    /// Print a set that is built in as JSON, to start an own one from
    #[arg(long, value_name = "NAME", conflicts_with = "sets")]
    pub write_set: Option<String>,
    /// Methods to run on the same streams
    #[arg(long, value_enum, default_value_t = Baselines::All)]
    pub baselines: Baselines,
    /// Only worlds of this class; may be given several times
    #[arg(long, value_name = "CLASS")]
    pub only: Vec<String>,
    /// Only so many seeds of each world [default: all that the set names]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub seed_count: Option<u32>,
    /// Runs at once [default: the cores of this machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// False pages a month that are accepted: the one number that tunes the detector
    #[arg(long, value_name = "N", value_parser = pages)]
    pub false_pages_per_month: Option<f64>,
    /// Write everything that was found, every run and alarm, to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw delays, false alarms, recall and one outage from near into this folder (SVG)
    #[arg(long, value_name = "FOLDER")]
    pub plots: Option<PathBuf>,
    /// Fail when a goal of a set is missed
    #[arg(long)]
    pub check: bool,
    /// When to colour
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

fn pages(text: &str) -> Result<f64, String> {
    let pages: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1000.0).contains(&pages) { Ok(pages) } else { Err("between 0.001 and 1000".to_owned()) }
}

#[derive(Debug, Args)]
pub(crate) struct DetectorBenchArgs {
    /// Drivers, each with a series
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub series: u32,
    /// Crashes in a tick
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub crashes: u32,
    /// Ticks to measure
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub ticks: u32,
}
