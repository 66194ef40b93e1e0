//! The command line of `bluescope bench`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// How long to load the service
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Size of one dump
    #[arg(long, default_value = "180KiB")]
    pub size: bytesize::ByteSize,
    /// Uploads a second to offer; 0 = as many as it takes
    #[arg(long, default_value_t = 0)]
    pub rate: u64,
    /// Connections that upload at once
    #[arg(long, default_value_t = 16)]
    pub connections: usize,
    /// Send dumps as they are, so that the service has to compress them [default: zstd bodies]
    #[arg(long)]
    pub raw: bool,
    /// Give the service a symbol server that takes connections and never answers: the deep path is stuck while it is
    /// measured, and nothing else may be
    #[arg(long)]
    pub dead_symbols: bool,
    /// Where the service keeps its data while it is measured [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Measure instead how long it takes from the tenth machine's upload to the webhook: outages of fresh drivers at 2 and
    /// at 500 machines a second. Fails where one upload in a hundred takes longer than the goal
    #[arg(long, conflicts_with_all = ["seconds", "size", "rate", "connections", "raw", "dead_symbols"])]
    pub pages: bool,
    /// With --pages: outages at 2 machines a second; each takes about ten seconds
    #[arg(long, value_name = "N", default_value_t = 100, requires = "pages", value_parser = clap::value_parser!(u32).range(..=10_000))]
    pub slow_outages: u32,
    /// With --pages: outages at 500 machines a second
    #[arg(long, value_name = "N", default_value_t = 20, requires = "pages", value_parser = clap::value_parser!(u32).range(..=10_000))]
    pub fast_outages: u32,
    /// Measure instead how fast pages are over a large past: makes up a fleet straight in the database, in --data where it
    /// is kept for the next time, and asks each page over HTTP. Fails where a goal is missed
    #[arg(long, conflicts_with_all = ["seconds", "size", "rate", "connections", "raw", "dead_symbols", "pages"])]
    pub browse: bool,
    /// With --browse: crashes in the database
    #[arg(long, value_name = "N", default_value_t = 20_000_000, requires = "browse", value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    pub crashes: u64,
    /// With --browse: machines that they come from
    #[arg(long, value_name = "N", default_value_t = 2_000_000, requires = "browse", value_parser = clap::value_parser!(u64).range(100..=100_000_000))]
    pub machines: u64,
    /// With --browse: days that they lie in
    #[arg(long, value_name = "N", default_value_t = 90, requires = "browse", value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: u32,
}
