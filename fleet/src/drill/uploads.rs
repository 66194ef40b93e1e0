//! The uploads of a drill: each at its time, and what their senders learn.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use dump::identify;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::watch::Watch;
use super::{DrillConfig, lock};
use crate::client::{Answer, Body, Client};
use crate::clock::now_ms;
use crate::crash::describe;
use crate::machines::Fleet;
use crate::plan::{Upload, Way};
use crate::progress::Progress;

/// What the senders learn, together.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) retries: u64,
    pub(super) bytes: u64,
    pub(super) rejected: BTreeMap<String, u64>,
    /// Crash ids as `dump` computes them here, of uploads that were accepted.
    pub(super) crashes: HashSet<String>,
    /// Answers that named another crash id than that.
    pub(super) misnamed: u64,
    /// Machines of the outage whose first upload was accepted.
    pub(super) victims: HashSet<usize>,
    pub(super) first_crash_ms: Option<i64>,
    pub(super) tenth_machine_ms: Option<i64>,
    /// When the last answer came.
    pub(super) last_ms: i64,
}

/// The tenth distinct machine is where a detector with a sane threshold may act.
pub(crate) const TELLING_MACHINES: usize = 10;
/// Sends every upload at its time, or as soon after it as the server keeps up.
pub(super) async fn send_all(
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
    Ok(Tally { last_ms: now_ms(), ..std::mem::take(&mut *lock(&tally)) })
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
