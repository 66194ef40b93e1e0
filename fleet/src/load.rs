//! The load generator of the benchmark: distinct dumps, as fast as the server takes them or at a fixed rate, and how
//! long each took. It shares the machine with the server, so a dump costs it a copy.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use dump::synth::{Crash, PATCHED_BYTES, SynthWriter, Template, hash};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{Body, Client, is_busy, retry_after};
use crate::clock::now_ms;
use crate::crash::{Cause, describe};
use crate::frame::Tail;
use crate::machines::{Fleet, FleetConfig};
use crate::plan::file_time;
use crate::progress::Progress;

/// How dumps travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Encoding {
    /// As they are: the server has to compress them.
    Raw,
    /// zstd-compressed by the client.
    Zstd,
}

/// A load.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// Base URL of the server.
    pub url: String,
    /// Upload token, where the server wants one.
    pub token: Option<String>,
    /// Uploads a second; None: as many as the server takes.
    pub rate: Option<f64>,
    /// For how long.
    pub duration: Duration,
    /// About how long a dump is.
    pub dump_bytes: usize,
    /// Uploads at once.
    pub concurrency: usize,
    /// How dumps travel.
    pub encoding: Encoding,
    /// Distinct machines that they come from.
    pub machines: usize,
    /// What everything is drawn from.
    pub seed: u64,
    /// Show no progress.
    pub quiet: bool,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080".to_owned(),
            token: None,
            rate: None,
            duration: Duration::from_secs(20),
            dump_bytes: 180 * 1024,
            concurrency: 16,
            encoding: Encoding::Zstd,
            machines: 10_000,
            seed: 1,
            quiet: false,
        }
    }
}

/// What a load found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LoadReport {
    /// Uploads that were made durable: all of them distinct crashes.
    pub accepted: u64,
    /// Answers "busy": the upload was tried again, and the time it took includes that.
    pub busy: u64,
    /// Uploads that failed otherwise.
    pub errors: u64,
    /// From the first upload to the last answer.
    pub elapsed: Duration,
    /// Bytes of the accepted bodies on the wire.
    pub wire_bytes: u64,
    /// Bytes of the accepted dumps.
    pub dump_bytes: u64,
    /// Middle latency of an accepted upload.
    pub p50: Duration,
    /// The latency that one upload in a hundred exceeds.
    pub p99: Duration,
    /// The worst latency.
    pub max: Duration,
}

impl LoadReport {
    /// Accepted uploads a second.
    pub fn per_second(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        let megabytes = |bytes: u64| bytes as f64 / 1e6 / seconds.max(1e-9);
        writeln!(f, "  accepted    {} in {seconds:.1} s: {:.0} a second", self.accepted, self.per_second())?;
        writeln!(
            f,
            "  bytes       {:.0} MB/s of dumps, {:.0} MB/s on the wire",
            megabytes(self.dump_bytes),
            megabytes(self.wire_bytes)
        )?;
        writeln!(f, "  latency     p50 {:.1?}, p99 {:.1?}, max {:.1?}", self.p50, self.p99, self.max)?;
        write!(f, "  not so well {} busy answers, {} errors", self.busy, self.errors)
    }
}

/// Dumps of a few machines, ready to be made into any number of crashes.
struct Magazine {
    rounds: Vec<Round>,
    encoding: Encoding,
    start_ms: i64,
    seed: u64,
}

struct Round {
    template: Template,
    tail: Tail,
    parameters: [u64; 4],
}

/// The first dump of a load, whole: what a machine of it would send.
pub fn sample(config: &LoadConfig) -> Result<Vec<u8>> {
    let fleet =
        Fleet::new(&FleetConfig { machines: config.machines.max(ROUNDS), sites: 200, seed: config.seed });
    let magazine = Magazine::new(config, &fleet)?;
    let round = magazine.rounds.first().context("a load has dumps")?;
    Ok(round.template.bytes().to_vec())
}

/// After a busy answer. A machine would wait for as long as it is told; a benchmark has no time to.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
const MOST_PAUSE: Duration = Duration::from_secs(1);
/// Kinds of dumps: a mix of bug checks that the analyzer reads by different ways.
const ROUNDS: usize = 16;

impl Magazine {
    fn new(config: &LoadConfig, fleet: &Fleet) -> Result<Self> {
        let causes = Cause::OF_DRIVERS.into_iter().cycle();
        let start_ms = now_ms();
        let rounds = causes.take(ROUNDS).enumerate().map(|(place, cause)| {
            let crash = crate::crash::Crash {
                machine: place,
                cause,
                driver: Some(place * 3),
                offset: 0x2_0000 + (hash(place as u64) & 0xfff0),
                touched: 0x18,
                of: None,
                system_time: file_time(start_ms),
                boot_id: 1,
            };
            let dump = describe(fleet, &crash, SynthWriter::Kernel, config.dump_bytes);
            let template = Template::new(&dump);
            let tail = Tail::new(&template.bytes()[PATCHED_BYTES..])?;
            Ok(Round { template, tail, parameters: dump.parameters })
        });
        Ok(Self {
            rounds: rounds.collect::<Result<_>>()?,
            encoding: config.encoding,
            start_ms,
            seed: config.seed,
        })
    }

    /// The dump with this number, and its length once inflated. Numbers differ in time and boot: in their crash.
    fn load(&self, number: u64) -> (Body, u64) {
        let round = &self.rounds[number as usize % self.rounds.len()];
        let crash = Crash {
            // 100 ns apart, in an order that looks like nothing
            system_time: file_time(self.start_ms) + number,
            uptime: 10_000_000 * (hash(number) % 90_000),
            parameters: round.parameters,
            boot_id: (hash(self.seed ^ number) & 0xfff) as u32,
        };
        let len = round.template.bytes().len() as u64;
        match self.encoding {
            Encoding::Raw => (Body::Raw(round.template.with(&crash)), len),
            Encoding::Zstd => (Body::Zstd(round.tail.after(&round.template.head(&crash))), len),
        }
    }
}

/// What all workers share.
struct Load {
    client: Client,
    fleet: Fleet,
    magazine: Magazine,
    next: AtomicU64,
    accepted: AtomicU64,
    begun: Instant,
    end: Instant,
    rate: Option<f64>,
}

#[derive(Default)]
struct Share {
    latencies: Vec<Duration>,
    busy: u64,
    errors: u64,
    wire_bytes: u64,
    dump_bytes: u64,
}

/// Loads the server.
pub async fn run(config: LoadConfig) -> Result<LoadReport> {
    let fleet_config = FleetConfig { machines: config.machines.max(ROUNDS), sites: 200, seed: config.seed };
    let fleet = Fleet::new(&fleet_config);
    let magazine = Magazine::new(&config, &fleet)?;
    let client = Client::new(&config.url, config.token.as_deref(), config.concurrency)?;
    let begun = Instant::now();
    let load = Arc::new(Load {
        client,
        fleet,
        magazine,
        next: AtomicU64::new(0),
        accepted: AtomicU64::new(0),
        begun,
        end: begun + config.duration,
        rate: config.rate,
    });
    let mut workers = JoinSet::new();
    for _ in 0..config.concurrency.max(1) {
        let load = Arc::clone(&load);
        workers.spawn(async move { load.work().await });
    }
    let progress = Progress::new(config.duration.as_secs(), config.quiet);
    let mut shares = Vec::new();
    while !workers.is_empty() {
        tokio::select! {
            Some(share) = workers.join_next() => shares.push(share.context("a worker failed")?),
            () = sleep(Duration::from_secs(1)) => {
                let accepted = load.accepted.load(Ordering::Relaxed);
                let seconds = begun.elapsed().as_secs_f64();
                progress.show(seconds as u64, || format!("s, {:.0} a second", accepted as f64 / seconds));
            }
        }
    }
    progress.finish();
    Ok(add_up(shares, begun.elapsed()))
}

fn add_up(shares: Vec<Share>, elapsed: Duration) -> LoadReport {
    let mut report = LoadReport { elapsed, ..LoadReport::default() };
    let mut latencies = Vec::new();
    for share in shares {
        report.busy += share.busy;
        report.errors += share.errors;
        report.wire_bytes += share.wire_bytes;
        report.dump_bytes += share.dump_bytes;
        latencies.extend(share.latencies);
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        let rank = (latencies.len() as f64 * share).ceil() as usize;
        latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    };
    report.accepted = latencies.len() as u64;
    (report.p50, report.p99) = (at(0.5), at(0.99));
    report.max = latencies.last().copied().unwrap_or_default();
    report
}

impl Load {
    async fn work(&self) -> Share {
        let mut share = Share::default();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = self.due(number);
            if due >= self.end {
                return share;
            }
            sleep_until(due).await;
            self.upload(number, due, &mut share).await;
        }
    }

    /// When an upload should start. Its latency counts from here, so a server that stalls cannot hide the queue that
    /// forms in front of it.
    fn due(&self, number: u64) -> Instant {
        match self.rate {
            Some(rate) => self.begun + Duration::from_secs_f64(number as f64 / rate.max(1e-3)),
            None => Instant::now(),
        }
    }

    async fn upload(&self, number: u64, due: Instant, share: &mut Share) {
        let machine = &self.fleet.machines[(hash(number) % self.fleet.machines.len() as u64) as usize];
        loop {
            let (body, dump_bytes) = self.magazine.load(number);
            let wire_bytes = body.len() as u64;
            let pause = match self.client.try_upload(machine, body).await {
                Ok(response) if is_busy(response.status()) => {
                    share.busy += 1;
                    retry_after(&response).unwrap_or_default().clamp(LEAST_PAUSE, MOST_PAUSE)
                }
                Ok(response) if response.status().is_success() => {
                    // the body is read, so that the connection can be used again
                    if response.bytes().await.is_ok() {
                        share.latencies.push(due.elapsed());
                        share.wire_bytes += wire_bytes;
                        share.dump_bytes += dump_bytes;
                        self.accepted.fetch_add(1, Ordering::Relaxed);
                    } else {
                        share.errors += 1;
                    }
                    return;
                }
                Ok(response) => return fail(share, &response.status().to_string()),
                Err(error) => return fail(share, &error.to_string()),
            };
            if Instant::now() + pause >= self.end {
                return;
            }
            sleep(pause).await;
        }
    }
}

fn fail(share: &mut Share, why: &str) {
    tracing::warn!(why, "an upload failed");
    share.errors += 1;
}

#[cfg(test)]
mod tests;
