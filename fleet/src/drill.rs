//! The drill: a fleet's ordinary crashes, then the outage, against a real server; then the questions that matter. Did
//! it page, how soon, for the right driver, does it say what the machines share, was it over when it was over, and does
//! every crash count once?

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use detector::attribution::Origin;
use tokio::time::{Instant, sleep};

use crate::client::{Client, Ledger};
use crate::clock::now_ms;
use crate::machines::{Fleet, FleetConfig};
use crate::outages::{Architecture, Culprit, Outage, OutageCrash, Trigger, outage};
use crate::plan::{PlanConfig, plan};
use crate::progress::Progress;
use crate::receiver::{DEMO_SECRET, Receiver, ReceiverConfig};

mod after;
mod inventory;
mod report;
mod uploads;
mod watch;

pub use report::{DrillReport, Page, Told};
pub(crate) use uploads::TELLING_MACHINES;
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
    /// How long after the last upload the incident must be over, by the server's `alerts.resolve_after`. None: its end is
    /// not waited for.
    pub resolved_within: Option<Duration>,
    /// Whether the machines tell first what they run: then pages know shares of the fleet.
    pub inventory: bool,
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
            resolved_within: None,
            inventory: true,
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

    /// What the machines share, where the drill leaves one answer: crashes of what was on them for long, on whatever
    /// Windows they run. Dumps of an outage that was of one Windows say that Windows, whatever set it off.
    fn truth(&self) -> Option<Origin> {
        let outage = self.scenario.filter(|_| self.machines >= TELLING_ALL)?;
        let blamed = outage.blamed();
        let is_blamed = |name: &str| blamed.iter().any(|one| one.eq_ignore_ascii_case(name));
        let brings_all = !blamed.is_empty()
            && outage.hidden.is_none()
            && outage.drivers.len() == blamed.len()
            && outage.drivers.iter().all(|driver| is_blamed(&driver.name));
        let at_once = matches!(outage.trigger, Trigger::ContentUpdate | Trigger::Use);
        (at_once && brings_all && crashes_as_it_runs(outage)).then_some(Origin::AllVersions)
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

/// Machines from which on an incident has to say what they share.
const TELLING_ALL: usize = 50;
/// How often the server is asked: adds half of this to what the drill sees, not to what the server says.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// Whether the dumps show the Windows that their machines run, and no other.
fn crashes_as_it_runs(outage: &Outage) -> bool {
    outage.build.is_none() && outage.machine == Architecture::X64
}

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
    let fleet = Arc::new(Fleet::of_round(&fleet_config, config.scenario, watch.round()));
    if config.inventory && config.scenario.is_none_or(crashes_as_it_runs) {
        client.tell_inventory(&inventory::of(&fleet)).await?;
    }
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
    let tally = uploads::send_all(&client, &config, &fleet, uploads, &watch, &progress).await?;
    let sending = begun.elapsed();
    let after = after::Aftermath { client: &client, config: &config, watch: &watch, progress: &progress };
    let after = after.follow(&before, &tally, receiver.as_ref()).await?;
    progress.finish();
    if let Some(receiver) = receiver {
        receiver.stop().await?;
    }
    Ok(report::of(&config, tally, sending, &before, after, watch.stop()))
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

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
