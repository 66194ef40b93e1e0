//! The command line, as clap sees it. Owns names, help texts and defaults; does nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::commands::reblame;

mod alerts;
mod bench;
mod detector;

pub(crate) use alerts::{AlertsArgs, AlertsCommand, AlertsTestArgs};
pub(crate) use bench::BenchArgs;
pub(crate) use detector::{Baselines, DetectorBenchArgs, DetectorCommand, EvaluateArgs};

/// Fleet-wide crash telemetry for Windows: names the faulting driver seconds after an outage begins.
#[derive(Debug, Parser)]
#[command(name = "bluescope", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process: intake, analysis, detection, pages
    Up(ServiceArgs),
    /// Say what crashed a machine: analyse dumps locally, without a server
    Explain(ExplainArgs),
    /// Judge facts of crashes: JSON lines of facts in, JSON lines of verdicts out (docs/FACTS.md)
    Blame(BlameArgs),
    /// Print the JSON schema of what this program reads or writes
    Schema(SchemaArgs),
    /// Upload dumps to a running service
    Send(SendArgs),
    /// Replay an outage of the past against a running service and check that it pages
    Drill(DrillArgs),
    /// Start everything, replay the drill, send the dumps given, and keep running
    Demo(DemoArgs),
    /// Receive webhooks, verify their signatures and print them
    Receive(ReceiveArgs),
    /// Measure uploads to rows on this machine, and where the time goes; or with --pages, outages to pages
    Bench(BenchArgs),
    /// Judge or measure the detector on simulated months, without a service
    #[command(subcommand)]
    Detector(DetectorCommand),
    /// Judge stored crashes again by the present rules and configuration: say which counts move, and write it with --apply
    Reblame(ReblameArgs),
    /// Push symbol files to a running service, or list those that it misses
    #[command(subcommand)]
    Symbols(SymbolsCommand),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run the intake alone (needs Kafka)
    Ingest(ServiceArgs),
    /// Run the analyzer alone (needs Kafka and a ClickHouse server)
    Analyzer(ServiceArgs),
    /// Run detection and delivery alone (needs Kafka and a ClickHouse server), or try out who is told
    Alerts(AlertsArgs),
    /// Run the pages alone (needs Kafka and a ClickHouse server)
    Dashboards(ServiceArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServiceArgs {
    /// Configuration file [default: bluescope.toml, where it exists]
    #[arg(long, env = "BLUESCOPE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address of the HTTP port; overrides server.listen
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Data folder; overrides server.data
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// Colours on a terminal, none in a pipe
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Dump files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print one JSON document a dump, a line each (`bluescope schema report` describes it)
    #[arg(long)]
    pub json: bool,
    /// Print what the rules judged, one JSON line a dump: what `bluescope blame` reads
    #[arg(long, conflicts_with = "json")]
    pub facts: bool,
    /// Configuration file whose `[blame]` says who may be blamed
    #[arg(long, env = "BLUESCOPE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder, symbol server or S3 bucket (its URL) with images and PDBs: true stacks and function names. May be given
    /// several times; asked in this order
    #[arg(long, value_name = "PATH|URL")]
    pub symbols: Vec<String>,
    /// When to colour
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

#[derive(Debug, Args)]
pub(crate) struct BlameArgs {
    /// Files of JSON lines; `-` is standard input [default: standard input]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print a table for people instead of JSON
    #[arg(long)]
    pub table: bool,
    /// Configuration file whose `[blame]` says who may be blamed
    #[arg(long, env = "BLUESCOPE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// When to colour the table
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Document {
    /// Facts of a crash: what `bluescope blame` reads
    Facts,
    /// A verdict: what `bluescope blame` writes
    Verdict,
    /// The report on a dump: what `bluescope explain --json` writes, with its `file`
    Report,
    /// A notification: what webhooks are sent
    Webhook,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Which document
    #[arg(value_enum)]
    pub document: Document,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// Base URL of the service
    #[arg(long, env = "BLUESCOPE_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Upload token, where the service wants one
    #[arg(long, env = "BLUESCOPE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Dump files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Machine the dumps come from [default: the service derives a stable name from the upload]
    #[arg(long)]
    pub machine: Option<String>,
}

/// An outage that can be replayed.
fn scenario(id: &str) -> Result<&'static fleet::Outage, String> {
    let hint = "`bluescope drill --list` lists them all";
    let outage = fleet::outage(id).ok_or_else(|| format!("no outage of that name; {hint}"))?;
    match &outage.no_dumps {
        None => Ok(outage),
        Some(why) => Err(format!("it left no dumps to replay ({why}); {hint}")),
    }
}

#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// Which outage: `crowdstrike`, or any other of the list
    #[arg(value_name = "OUTAGE", value_parser = scenario, required_unless_present = "list")]
    pub scenario: Option<&'static fleet::Outage>,
    /// List the outages: when, which driver, which bug checks, and why some left no dumps
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Machines that the outage takes down
    #[arg(long, default_value_t = 2_000)]
    pub machines: usize,
    /// Seconds of background crashes before the outage begins
    #[arg(long, default_value_t = 20)]
    pub background: u64,
    /// Seconds over which the outage's uploads are spread
    #[arg(long, default_value_t = 30)]
    pub outage: u64,
    /// Seed of everything random: the same seed gives the same crashes
    #[arg(long, default_value_t = 20_240_719)]
    pub seed: u64,
    /// Start a webhook receiver on this address and wait for the page (the service must send there)
    #[arg(long, value_name = "ADDRESS")]
    pub receive: Option<SocketAddr>,
    /// Secret of that webhook
    #[arg(long, env = "BLUESCOPE_WEBHOOK_SECRET", hide_env_values = true, default_value = fleet::receiver::DEMO_SECRET)]
    pub secret: String,
    /// Wait until the incident is over, and fail when it is not so long after the last upload. The service's
    /// `alerts.resolve_after` and a third of it, and some seconds, are enough; twice that for each drill of the last two hours
    #[arg(long, value_name = "SECONDS")]
    pub resolved_within: Option<u64>,
    /// Do not tell the service first what the machines run: pages then know no shares of the fleet
    #[arg(long)]
    pub no_inventory: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Real dumps to send as well: files or folders
    #[arg(value_name = "DUMP")]
    pub dumps: Vec<PathBuf>,
    /// Machines that the drill's outage takes down
    #[arg(long, default_value_t = 2_000)]
    pub machines: usize,
    /// Stop when the drill is over, instead of serving until Ctrl-C
    #[arg(long)]
    pub exit: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiveArgs {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:9099")]
    pub listen: SocketAddr,
    /// Secret to verify signatures with
    #[arg(long, env = "BLUESCOPE_WEBHOOK_SECRET", hide_env_values = true, default_value = fleet::receiver::DEMO_SECRET)]
    pub secret: String,
}

#[derive(Debug, Args)]
pub(crate) struct ReblameArgs {
    /// Crashes that happened since then: `7d` ago, `2026-11-01` or `2026-11-01T08:00:00Z`
    #[arg(long, value_name = "WHEN", value_parser = reblame::moment)]
    pub since: Timestamp,
    /// And before then [default: now]
    #[arg(long, value_name = "WHEN", value_parser = reblame::moment)]
    pub until: Option<Timestamp>,
    /// Only those of this tenant
    #[arg(long)]
    pub tenant: Option<String>,
    /// Only those that are blamed on this driver or module now
    #[arg(long, value_name = "NAME")]
    pub driver: Option<String>,
    /// Write what changes, after it was printed [default: only print it]
    #[arg(long)]
    pub apply: bool,
    /// Print one JSON document a line: what changes; with --apply also what was written
    #[arg(long)]
    pub json: bool,
    /// Configuration file of the service [default: bluescope.toml, where it exists]
    #[arg(long, env = "BLUESCOPE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder of the service; overrides server.data
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SymbolsCommand {
    /// Push images, PDBs, .sym files, and zips or cabinets of those; crashes that lacked them are analysed again
    Push(PushArgs),
    /// List the files that would name the most crashes
    Missing(MissingArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Files, or folders: of those everything in them that begins like a symbol file
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MissingArgs {
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Print one JSON array
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List every fault at once
    Check {
        /// The file [default: bluescope.toml, where it exists]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print the sample file: every key with its default
    Example,
}
