//! How long it takes from the tenth machine's upload to the page: outage after outage of drivers that nobody has seen,
//! against a real server with a receiver beside it. Measures, and judges nothing but whether a page came.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use dump::synth::{Crash, SynthWriter, Template, hash};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::client::{Answer, Body, Client};
use crate::clock::now_ms;
use crate::crash::{Cause, describe};
use crate::drill::TELLING_MACHINES;
use crate::frame::Tail;
use crate::machines::{Fleet, FleetConfig, Machine};
use crate::plan::file_time;
use crate::progress::Progress;
use crate::receiver::Receiver;

/// Outages to measure.
#[derive(Debug, Clone)]
pub struct PagesConfig {
    /// Base URL of the server.
    pub url: String,
    /// Machines that go down in a second.
    pub rate: f64,
    /// Outages, one after the other.
    pub outages: u32,
    /// Number of the first one: a server must not have seen its driver.
    pub first: u32,
    /// About how long a dump is.
    pub dump_bytes: usize,
    /// Longest wait for a page. An outage goes on until its page is there, or until then.
    pub patience: Duration,
    /// From one page to the next outage, once the server has nothing left to do.
    pub pause: Duration,
    /// Show no progress.
    pub quiet: bool,
}

impl Default for PagesConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080".to_owned(),
            rate: 2.0,
            outages: 100,
            first: 0,
            dump_bytes: 100 * 1024,
            patience: Duration::from_secs(60),
            pause: Duration::from_millis(500),
            quiet: false,
        }
    }
}

/// What came of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PagesReport {
    /// Machines that went down in a second.
    pub rate: f64,
    /// Outages.
    pub outages: u32,
    /// From the moment when the tenth machine's upload was durable to the signed page, in order; one for each outage that
    /// was paged for.
    pub delays: Vec<Duration>,
    /// Machines that had uploaded when the page came, on average.
    pub machines: f64,
}

impl PagesReport {
    /// The delay that this share of the outages does not exceed; none where so many were not paged for.
    pub fn within(&self, share: f64) -> Option<Duration> {
        let rank = (f64::from(self.outages) * share).ceil() as usize;
        self.delays.get(rank.saturating_sub(1)).copied()
    }

    /// The longest delay; none where a page did not come.
    pub fn max(&self) -> Option<Duration> {
        self.within(1.0)
    }
}

/// What their crashes look like: those in which nothing but the list of images has the driver's name.
const CAUSES: [Cause; 4] = [Cause::Irql, Cause::PageFault, Cause::SystemService, Cause::ThreadException];
/// Sites that machines are spread over.
const SITES: u64 = 200;
/// Uploads under way at once, at most.
const MOST_UPLOADS: usize = 64;
/// How often the server is asked whether it has nothing left to do.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// More machines than an outage of this length and rate has, so that none has crashed in another.
const MACHINES_OF_AN_OUTAGE: u64 = 1_000_000;

/// Measures one rate.
pub async fn run(config: &PagesConfig, receiver: &Receiver) -> Result<PagesReport> {
    let client = Client::new(&config.url, None, MOST_UPLOADS)?;
    let fleet = Fleet::new(&FleetConfig { machines: 64, sites: 8, seed: 1 });
    let progress = Progress::new(u64::from(config.outages), config.quiet);
    let (mut delays, mut machines) = (Vec::new(), 0_u64);
    for number in config.first..config.first.saturating_add(config.outages) {
        let outage = Arc::new(Outage::new(&fleet, number, config.dump_bytes)?);
        let page = outage.run(&client, config, receiver).await?;
        machines += outage.durable().len() as u64;
        delays.extend(page);
        progress.show(delays.len() as u64, || format!("{} at {}/s", outage.driver, config.rate));
        calm(&client, config).await?;
    }
    progress.finish();
    delays.sort_unstable();
    let machines = machines as f64 / f64::from(config.outages.max(1));
    Ok(PagesReport { rate: config.rate, outages: config.outages, delays, machines })
}

/// Waits until the server has read everything, and a little longer.
async fn calm(client: &Client, config: &PagesConfig) -> Result<()> {
    let deadline = Instant::now() + config.patience;
    while client.ledger().await?.queued > 0 {
        anyhow::ensure!(Instant::now() < deadline, "the server does not get through its queue");
        sleep(ASK_EVERY).await;
    }
    sleep(config.pause).await;
    Ok(())
}

/// One outage: a driver of its own, and what its machines upload.
struct Outage {
    driver: String,
    first_machine: u64,
    machines: Vec<Machine>,
    template: Template,
    tail: Tail,
    parameters: [u64; 4],
    start_ms: i64,
    /// When each upload was durable, milliseconds since 1970.
    durable: Mutex<Vec<i64>>,
}

impl Outage {
    fn new(fleet: &Fleet, number: u32, dump_bytes: usize) -> Result<Self> {
        let driver = format!("fresh{number:05}.sys");
        let start_ms = now_ms();
        let crash = crate::crash::Crash {
            machine: number as usize % fleet.machines.len(),
            cause: CAUSES[number as usize % CAUSES.len()],
            driver: Some(0),
            offset: 0x2_0000 + (hash(u64::from(number)) & 0xfff0),
            touched: 0x18,
            of: None,
            system_time: file_time(start_ms),
            boot_id: 1,
        };
        let mut dump = describe(fleet, &crash, SynthWriter::Kernel, dump_bytes);
        let known = fleet.drivers.first().context("the fleet has no driver")?.name;
        let mut images = dump.drivers.iter_mut();
        let image = images.find(|image| image.name.eq_ignore_ascii_case(known));
        image.context("the dump has no driver")?.name.clone_from(&driver);
        let template = Template::new(&dump);
        let tail = Tail::new(template.bytes().get(dump::synth::PATCHED_BYTES..).unwrap_or_default())?;
        Ok(Self {
            driver,
            first_machine: u64::from(number) * MACHINES_OF_AN_OUTAGE,
            machines: fleet.machines.clone(),
            template,
            tail,
            parameters: dump.parameters,
            start_ms,
            durable: Mutex::default(),
        })
    }

    /// Goes on until the page is there; how long that took from the tenth machine, or nothing.
    async fn run(
        self: &Arc<Self>,
        client: &Client,
        config: &PagesConfig,
        receiver: &Receiver,
    ) -> Result<Option<Duration>> {
        let deadline = Instant::now() + config.patience;
        let outage = Arc::clone(self);
        let (sender, rate) = (client.clone(), config.rate);
        // dropped, and with it all uploads, as soon as the page is there
        let mut uploads = JoinSet::new();
        uploads.spawn(async move { outage.upload(&sender, rate).await });
        let page_ms = loop {
            tokio::select! {
                arrival = timeout_at(deadline, receiver.next()) => match arrival {
                    Ok(arrival) if arrival.is_page() && arrival.driver() == self.driver => {
                        break Some(arrival.at_ms);
                    }
                    Ok(_) => {}
                    Err(_elapsed) => break None,
                },
                Some(ended) = uploads.join_next() => ended.context("the uploads failed")??,
            }
        };
        let tenth_ms = self.durable().get(TELLING_MACHINES - 1).copied();
        let delay = page_ms.map(|page| tenth_ms.map_or(0, |tenth| (page - tenth).max(0)));
        Ok(delay.map(|ms| Duration::from_millis(ms.unsigned_abs())))
    }

    /// When each upload so far was durable, in order.
    fn durable(&self) -> Vec<i64> {
        let mut durable = crate::drill::lock(&self.durable).clone();
        durable.sort_unstable();
        durable
    }

    async fn upload(self: Arc<Self>, client: &Client, rate: f64) -> Result<()> {
        let begun = Instant::now();
        let mut under_way = JoinSet::new();
        for number in 0..MACHINES_OF_AN_OUTAGE {
            sleep_until(begun + Duration::from_secs_f64(number as f64 / rate)).await;
            if under_way.len() >= MOST_UPLOADS
                && let Some(ended) = under_way.join_next().await
            {
                ended.context("an upload failed")??;
            }
            let (outage, client) = (Arc::clone(&self), client.clone());
            under_way.spawn(async move { outage.upload_one(&client, number).await });
        }
        Ok(())
    }

    async fn upload_one(&self, client: &Client, number: u64) -> Result<()> {
        let key = self.first_machine + number;
        let machine = self.machines.get((key % self.machines.len() as u64) as usize);
        let machine = Machine {
            id: format!("pc-{key:09}"),
            site: format!("site-{:03}", hash(key) % SITES),
            seed: hash(key),
            ..machine.context("the fleet has no machine")?.clone()
        };
        let crash = Crash {
            system_time: file_time(self.start_ms) + number,
            uptime: 10_000_000 * (hash(key) % 90_000),
            parameters: self.parameters,
            boot_id: (hash(key) & 0xfff) as u32,
        };
        let body = Body::Zstd(self.tail.after(&self.template.head(&crash)));
        match client.upload(&machine, body, &mut 0).await? {
            Answer::Accepted(_) => crate::drill::lock(&self.durable).push(now_ms()),
            Answer::Rejected(why) => anyhow::bail!("the server refuses a dump: {why}"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
