//! `bluescope bench`: how many dumps a second go from upload to row on this machine, what that costs, and where the
//! time goes. Measures the real executable in a process of its own, with the load generator beside it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fleet::load::{self, Encoding, LoadConfig};
use tokio::net::TcpListener;

use crate::cli::BenchArgs;
use crate::commands::free_address;
use crate::terminal;

mod browse;
mod pages;
mod process;
mod table;

use self::process::Usage;
use self::table::Stages;

/// libchdb starts in a second; a machine that needs longer than this is not worth measuring.
const START: Duration = Duration::from_secs(60);
/// A backlog that is not worked off by then is no throughput.
const DRAIN: Duration = Duration::from_secs(300);

/// Measures and prints.
pub(crate) async fn run(arguments: BenchArgs) -> anyhow::Result<ExitCode> {
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let data = arguments.data.clone().unwrap_or_else(|| scratch.path().to_path_buf());
    if arguments.browse {
        return browse::run(&arguments, &data).await;
    }
    if arguments.pages {
        return pages::run(&arguments, &data).await;
    }
    let mute = if arguments.dead_symbols { Some(MuteServer::start().await?) } else { None };
    let sources = mute.as_ref().map_or_else(String::new, |server| format!("\"http://{}\"", server.address));
    let service = Service::start(&data, &[("BLUESCOPE_SYMBOLS__SOURCES", format!("[{sources}]"))]).await?;
    terminal::remark(&format!("the service runs on {}, its data is in {}", service.url, data.display()));

    let begun = Instant::now();
    let load = load::run(LoadConfig {
        url: service.url.clone(),
        rate: (arguments.rate > 0).then_some(arguments.rate as f64),
        duration: Duration::from_secs(arguments.seconds),
        dump_bytes: usize::try_from(arguments.size.as_u64()).context("the dumps are too large")?,
        concurrency: arguments.connections,
        encoding: if arguments.raw { Encoding::Raw } else { Encoding::Zstd },
        ..LoadConfig::default()
    })
    .await?;
    let sent = begun.elapsed();
    let rows = service.drained(load.accepted).await?;
    let done = begun.elapsed();

    let server = Usage::of(service.child.id())?;
    let generator = Usage::of(std::process::id())?;
    let metrics = service.metrics().await?;
    let stages = Stages::read(&metrics);
    service.stop()?;

    terminal::print(&format!("upload to row, dumps of {}, all roles in one process\n{load}", arguments.size));
    terminal::print(&table::summary(rows, sent, done));
    terminal::print(&table::usage(&server, &generator, done));
    terminal::print(&stages.table(done));
    if let Some(server) = &mute {
        terminal::print(&table::deep(&metrics, server.connections.load(Ordering::Relaxed)));
    }
    let complete = rows == load.accepted && load.errors == 0;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A symbol server that takes every connection and says nothing.
struct MuteServer {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
}

impl MuteServer {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicU64::new(0));
        let taken = Arc::clone(&connections);
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                taken.fetch_add(1, Ordering::Relaxed);
                held.push(connection);
            }
        });
        Ok(Self { address, connections })
    }
}

/// The executable itself, as a service in a process of its own. Killed when dropped.
struct Service {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Service {
    /// Starts it on this folder, configured by the environment.
    async fn start(data: &Path, settings: &[(&str, String)]) -> anyhow::Result<Self> {
        let address = free_address()?;
        let child = Command::new(std::env::current_exe().context("cannot find this executable")?)
            .envs(settings.iter().map(|(key, value)| (key, value)))
            .args(["up", "--listen", &address.to_string(), "--data"])
            .arg(data)
            .env("BLUESCOPE_LOG__FILTER", "warn")
            .env_remove("BLUESCOPE_CONFIG")
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the service")?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let mut service = Self { child, url: format!("http://{address}"), http };
        let begun = Instant::now();
        while service.get("/readyz").await.is_err() {
            if let Some(status) = service.child.try_wait()? {
                anyhow::bail!("the service ended with {status}");
            }
            anyhow::ensure!(begun.elapsed() < START, "the service is not ready after {START:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        terminal::remark(&format!("ready in {:.1} s", begun.elapsed().as_secs_f64()));
        Ok(service)
    }

    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let response = self.http.get(format!("{}{path}", self.url)).send().await?;
        Ok(response.error_for_status()?.text().await?)
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        self.get("/metrics").await.context("cannot read the metrics")
    }

    /// Waits until every accepted dump is a row; returns the rows.
    async fn drained(&self, accepted: u64) -> anyhow::Result<u64> {
        let begun = Instant::now();
        loop {
            let status: serde_json::Value = serde_json::from_str(&self.get("/api/v1/status").await?)?;
            let count = |name: &str| status.pointer(&format!("/ledger/{name}")).and_then(|n| n.as_u64());
            let (queued, rows) =
                count("queued").zip(count("crashes")).context("the status has no ledger that can be read")?;
            if (queued == 0 && rows >= accepted) || begun.elapsed() > DRAIN {
                return Ok(rows);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().context("cannot stop the service")?;
        self.child.wait().context("cannot stop the service")?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Gone already where `stop` was called.
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}
