//! The drill: a fleet's ordinary crashes, then the outage, against a real server; then the questions that matter. Did
//! it page, how soon, for the right driver, and does every crash count once?

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dump::identify;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{Answer, Body, Client, Ledger};
use crate::clock::now_ms;
use crate::crash::describe;
use crate::machines::{Fleet, FleetConfig};
use crate::outages::{Culprit, Outage, OutageCrash, outage};
use crate::plan::{PlanConfig, Upload, Way, plan};
use crate::progress::Progress;
use crate::receiver::{DEMO_SECRET, Receiver, ReceiverConfig};

mod report;
mod watch;

pub use report::{DrillReport, Page};
use watch::Watch;

/// A drill.
#[derive(Clone)]
pub struct DrillConfig {
    /// Base URL of the server.
    pub url: String,
    /// Upload token, where the server wants one.
    pub token: Option<String>,
    /// The outage; without one there are ordinary crashes only, and nobody may be paged.
    pub scenario: Option<&'static Outage>,
    /// Machines that the outage takes down; the fleet is half as large again.
    pub machines: usize,
    /// Sites that the fleet is spread over.
    pub sites: usize,
    /// Time of background crashes before the outage.
    pub background: Duration,
    /// Time over which the outage's machines go down.
    pub outage: Duration,
    /// Background crashes a second, before and during the outage.
    pub background_per_s: f64,
    /// About how long a dump is.
    pub dump_bytes: usize,
    /// Uploads at once.
    pub concurrency: usize,
    /// What everything random is drawn from.
    pub seed: u64,
    /// How long to wait after the last upload for the page and for an empty queue.
    pub patience: Duration,
    /// How long to go on watching where nobody may be paged: the server looks every few seconds.
    pub linger: Duration,
    /// Where to receive the webhook; the server must be configured to send there. None: only the incident counts.
    pub receive: Option<SocketAddr>,
    /// Secret of that webhook.
    pub secret: String,
    /// Show no progress.
    pub quiet: bool,
}

impl Default for DrillConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080".to_owned(),
            token: None,
            scenario: outage("crowdstrike"),
            machines: 2000,
            sites: 200,
            background: Duration::from_secs(20),
            outage: Duration::from_secs(30),
            background_per_s: 1.0,
            dump_bytes: 180 * 1024,
            concurrency: 32,
            seed: 20_240_719,
            patience: Duration::from_secs(90),
            linger: Duration::from_secs(6),
            receive: None,
            secret: DEMO_SECRET.to_owned(),
            quiet: false,
        }
    }
}

impl std::fmt::Debug for DrillConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DrillConfig")
            .field("url", &self.url)
            .field("scenario", &self.scenario.map(|outage| &outage.id))
            .field("machines", &self.machines)
            .field("outage", &self.outage)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl DrillConfig {
    /// The drivers to page for: none without an outage, and where no dump of it names one.
    fn blamed(&self) -> Vec<String> {
        let outage = self.scenario.filter(|_| self.machines > 0);
        outage.iter().flat_map(|outage| outage.blamed()).map(str::to_owned).collect()
    }

    /// Whether an incident for another driver is fair: where no dump names one, whoever hides behind them may have been
    /// found, and the kernel stands for "all of these machines, and nobody on their stacks". Machines break over months;
    /// all of them in half a minute look like an outage of whatever they break in most, and no detector could know.
    fn may_name(&self, driver: &str) -> bool {
        let outage = self.scenario.filter(|outage| self.machines > 0 && outage.blamed().is_empty());
        let is_it = |name: &str| name.eq_ignore_ascii_case(driver);
        outage.is_some_and(|outage| {
            let breaks_in = |crash: &OutageCrash| {
                let stack = crash.stack.iter().flatten().map(String::as_str);
                crash.fault_in.as_deref().into_iter().chain(stack).any(is_it)
            };
            outage.hidden.as_deref().is_some_and(is_it)
                || is_it("ntoskrnl.exe")
                || (outage.culprit == Culprit::Hardware && outage.crashes.iter().any(breaks_in))
        })
    }
}

/// What the senders learn, together.
#[derive(Default)]
struct Tally {
    sent: u64,
    accepted: u64,
    retries: u64,
    bytes: u64,
    rejected: BTreeMap<String, u64>,
    /// Crash ids as `dump` computes them here, of uploads that were accepted.
    crashes: HashSet<String>,
    /// Answers that named another crash id than that.
    misnamed: u64,
    /// Machines of the outage whose first upload was accepted.
    victims: HashSet<usize>,
    first_crash_ms: Option<i64>,
    tenth_machine_ms: Option<i64>,
}

/// The tenth distinct machine is where a detector with a sane threshold may act.
const TELLING_MACHINES: usize = 10;
/// How often the server is asked: adds half of this to what the drill sees, not to what the server says.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// Runs a drill to its end.
pub async fn run(config: DrillConfig) -> Result<DrillReport> {
    let client = Client::new(&config.url, config.token.as_deref(), config.concurrency)?;
    let before = idle(&client, config.patience).await?;
    let watch = Watch::start(&client, config.blamed()).await?;
    let receiver = match config.receive {
        Some(listen) => {
            let secret = config.secret.clone();
            Some(Receiver::start(&ReceiverConfig { listen, secret }).await?)
        }
        None => None,
    };
    let fleet_config =
        FleetConfig { machines: config.machines * 3 / 2 + 10, sites: config.sites, seed: config.seed };
    let fleet = Arc::new(match config.scenario {
        Some(outage) => Fleet::with_outage(&fleet_config, outage),
        None => Fleet::new(&fleet_config),
    });
    let plan_config = PlanConfig {
        warm_up: config.background,
        outage: config.outage,
        background_per_s: config.background_per_s,
        victims: config.machines,
        seed: config.seed,
    };
    let uploads = plan(&fleet, &plan_config, now_ms());
    let progress = Progress::new(uploads.len() as u64, config.quiet);
    let begun = Instant::now();
    let tally = send_all(&client, &config, &fleet, uploads, &watch, &progress).await?;
    let sending = begun.elapsed();
    let expected = Expected { before, crashes: tally.crashes.len() as u64, sent: tally.sent };
    let after = settle(&client, &config, &expected, &watch, receiver.as_ref(), &progress).await?;
    if config.scenario.is_some() && !watch.expects() {
        sleep(config.linger).await;
    }
    progress.finish();
    let webhook_ms = receiver.as_ref().and_then(|receiver| watch.page_arrival(receiver));
    if let Some(receiver) = receiver {
        receiver.stop().await?;
    }
    let opened = watch.stop();
    Ok(report::of(&config, tally, sending, &before, &after, opened, webhook_ms))
}

/// The ledger once nothing waits: rows of uploads from before the drill must not be taken for its own.
async fn idle(client: &Client, patience: Duration) -> Result<Ledger> {
    let begun = Instant::now();
    loop {
        let ledger = client.ledger().await?;
        if ledger.queued == 0 {
            return Ok(ledger);
        }
        if begun.elapsed() > patience {
            bail!(
                "the server still has {} uploads in its queue: a drill would count them as its own",
                ledger.queued
            );
        }
        sleep(WATCH_EVERY).await;
    }
}

/// Sends every upload at its time, or as soon after it as the server keeps up.
async fn send_all(
    client: &Client,
    config: &DrillConfig,
    fleet: &Arc<Fleet>,
    uploads: Vec<Upload>,
    watch: &Watch,
    progress: &Progress,
) -> Result<Tally> {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let free = Arc::new(Semaphore::new(config.concurrency.max(1)));
    let mut senders = JoinSet::new();
    let begun = Instant::now();
    for upload in uploads {
        sleep_until(begun + upload.after).await;
        let permit = Arc::clone(&free).acquire_owned().await?;
        let (client, fleet, shared) = (client.clone(), Arc::clone(fleet), Arc::clone(&tally));
        let bytes = config.dump_bytes;
        senders.spawn(async move {
            let outcome = send(&client, &fleet, &upload, bytes, &shared).await;
            drop(permit);
            outcome
        });
        while let Some(sent) = senders.try_join_next() {
            sent.context("a sender failed")??;
        }
        show(progress, &tally, watch);
    }
    while let Some(sent) = senders.join_next().await {
        sent.context("a sender failed")??;
        show(progress, &tally, watch);
    }
    let tally = std::mem::take(&mut *lock(&tally));
    Ok(tally)
}

fn show(progress: &Progress, tally: &Mutex<Tally>, watch: &Watch) {
    let tally = lock(tally);
    progress.show(tally.sent, || tally.say(watch));
}

async fn send(
    client: &Client,
    fleet: &Fleet,
    upload: &Upload,
    bytes: usize,
    tally: &Mutex<Tally>,
) -> Result<()> {
    let dump = describe(fleet, &upload.crash, upload.writer, bytes).to_bytes();
    // a kernel dump's identity lies in its header: the digest does not enter it
    let id =
        identify(&dump, &[0; 32], dump.len() as u64).context("our own dump has no identity")?.id.to_string();
    let body = match upload.way {
        Way::Raw => Body::Raw(dump),
        Way::Zstd => Body::Zstd(zstd::bulk::compress(&dump, 1)?),
        Way::Form => Body::Form(dump),
    };
    let of_outage = upload.crash.of.is_some();
    if of_outage {
        lock(tally).first_crash_ms.get_or_insert_with(now_ms);
    }
    let mut retries = 0;
    let len = body.len() as u64;
    let answer = client.upload(&fleet.machines[upload.crash.machine], body, &mut retries).await?;
    let mut tally = lock(tally);
    tally.sent += 1;
    tally.retries += retries;
    tally.bytes += len;
    match answer {
        Answer::Accepted(accepted) => {
            tally.accepted += 1;
            tally.misnamed += u64::from(accepted.crash_id != id);
            tally.crashes.insert(id);
            if of_outage
                && tally.victims.insert(upload.crash.machine)
                && tally.victims.len() == TELLING_MACHINES
            {
                tally.tenth_machine_ms = Some(now_ms());
            }
        }
        Answer::Rejected(why) => {
            tracing::warn!(%why, %id, "an upload was refused");
            let status = why.split(':').next().unwrap_or_default().to_owned();
            *tally.rejected.entry(status).or_default() += 1;
        }
    }
    Ok(())
}

impl Tally {
    fn say(&self, watch: &Watch) -> String {
        let page = if watch.found().is_some() { "incident open" } else { "no incident" };
        format!("accepted {}, {} machines down, {page}", self.accepted, self.victims.len())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the server must come to after the last upload.
struct Expected {
    before: Ledger,
    crashes: u64,
    sent: u64,
}

/// Waits until the queue is empty, the rows are there and the page is out, or until patience ends.
async fn settle(
    client: &Client,
    config: &DrillConfig,
    expected: &Expected,
    watch: &Watch,
    receiver: Option<&Receiver>,
    progress: &Progress,
) -> Result<Ledger> {
    let deadline = Instant::now() + config.patience;
    loop {
        let late = Instant::now() >= deadline;
        match client.ledger().await {
            Ok(now) if late || (expected.counted(&now) && watch.paged(receiver)) => return Ok(now),
            Ok(now) => progress.show(expected.sent, || format!("all sent, {} queued", now.queued)),
            Err(error) if late => return Err(error),
            // it may be starting again; patience decides
            Err(error) => tracing::warn!(%error, "cannot see the ledger"),
        }
        sleep(WATCH_EVERY).await;
    }
}

impl Expected {
    fn counted(&self, now: &Ledger) -> bool {
        now.queued == 0 && now.crashes.saturating_sub(self.before.crashes) >= self.crashes
    }
}

#[cfg(test)]
mod tests;
