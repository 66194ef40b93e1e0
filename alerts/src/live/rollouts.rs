//! The gate, asked by ourselves: a rollout that was announced and must not go on is told without anybody asking. Decides by
//! the same function as the gate that deployment tools ask.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use detector::Incident;
use detector::rollout::{Answer, Arm, Exposure, Known, Limits, judge};
use storage::alert_store::{AlertStore, AlertStoreError, Turn};
use storage::database::{Database, DatabaseError};
use storage::questions::{ArmCounts, BuildName, ChangeRow, ExposureSource, Range, RolloutCounts};
use tokio_util::sync::CancellationToken;

use crate::config::AlertsConfig;
use crate::delivery::{Letterbox, RolloutStop, chain, rollout_notices};
use crate::now_ms;

/// How often the announced rollouts are looked at.
const OFTEN: Duration = Duration::from_secs(30);
/// How long a rollout is looked at after it was announced.
const WATCHED_MS: i64 = 7 * 86_400_000;
/// Rollouts that are looked at, the newest ones.
const MOST: u32 = 200;
/// Open incidents of a tenant that are looked at, the newest ones.
const MOST_INCIDENTS: u32 = 50;
/// Name of the list of stops that were told.
const TOLD: &str = "rollout stops told";

#[derive(Debug, thiserror::Error)]
enum RolloutError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Store(#[from] AlertStoreError),
    #[error("cannot read or write the list of stops that were told")]
    Json(#[from] serde_json::Error),
}

/// Looks until told to stop.
pub(crate) async fn run(
    config: Arc<AlertsConfig>,
    store: AlertStore,
    database: Database,
    letterbox: Letterbox,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(OFTEN);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = look(&config, &store, &database, &letterbox) => looked,
        };
        match looked {
            Ok(()) => away = false,
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(error = chain(&error), "rollouts are not looked at for now");
                }
            }
        }
    }
}

async fn look(
    config: &AlertsConfig,
    store: &AlertStore,
    database: &Database,
    letterbox: &Letterbox,
) -> Result<(), RolloutError> {
    let now = now_ms();
    let range = Range { from_ms: now - WATCHED_MS, to_ms: now };
    let mut told: BTreeSet<String> = match store.cursor(TOLD).await? {
        Some(text) => serde_json::from_str(&text)?,
        None => BTreeSet::new(),
    };
    let mut looked = BTreeSet::new();
    for change in database.changes(None, range, MOST).await? {
        let key = serde_json::to_string(&(&change.tenant, driver(&change), version(&change), &change.ring))?;
        if told.contains(&key) || !looked.insert(key.clone()) {
            continue;
        }
        let Some(stop) = stop(database, &change, now).await? else { continue };
        tracing::warn!(
            driver = stop.driver,
            version = stop.version,
            reason = stop.reason,
            "a rollout must stop"
        );
        told.insert(key);
        let rows = rollout_notices(&stop, &config.delivery, &config.page_url, now);
        let cursors = vec![(TOLD.to_owned(), serde_json::to_string(&told)?)];
        store.commit(Turn { notifications: rows.clone(), cursors, ..Turn::default() }).await?;
        letterbox.put(rows);
    }
    Ok(())
}

/// Base name of what was changed, as crashes name it.
fn driver(change: &ChangeRow) -> String {
    let name = change.what.trim().to_lowercase();
    if name.contains('.') { name } else { format!("{name}.sys") }
}

fn version(change: &ChangeRow) -> String {
    if change.version.is_empty() { format!("0x{:08x}", change.timestamp) } else { change.version.clone() }
}

/// The stop, where the gate says so.
async fn stop(
    database: &Database,
    change: &ChangeRow,
    now_ms: i64,
) -> Result<Option<RolloutStop>, RolloutError> {
    let build = match (change.timestamp, change.version.as_str()) {
        (0, "") => return Ok(None),
        (0, version) => BuildName::Version(version),
        (timestamp, _) => BuildName::Timestamp(timestamp),
    };
    let driver = driver(change);
    let ring = (!change.ring.is_empty()).then_some(change.ring.as_str());
    let counts = database.rollout_counts(&change.tenant, &driver, build, ring, now_ms).await?;
    let open = database.open_incidents(&change.tenant, MOST_INCIDENTS).await?;
    // An incident that cannot be read might be the one that stops: this is asked again.
    let open: Vec<Incident> =
        open.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, serde_json::Error>>()?;
    Ok(judged(change, driver, counts, &open, now_ms))
}

fn judged(
    change: &ChangeRow,
    driver: String,
    counts: Option<RolloutCounts>,
    open: &[Incident],
    now_ms: i64,
) -> Option<RolloutStop> {
    let arm = |counts: ArmCounts| Arm {
        machines: counts.machines,
        crashed: counts.crashed,
        machine_hours: counts.machine_hours,
    };
    let exposure = counts.map(|counts| Exposure {
        first_seen_ms: counts.first_seen_ms,
        timestamps: counts.timestamps,
        sampled: counts.source == ExposureSource::Crashes,
        new: arm(counts.new),
        old: arm(counts.old),
    });
    let version = version(change);
    let known = Known {
        driver: &driver,
        version: &version,
        timestamp: (change.timestamp > 0).then_some(change.timestamp),
        ring: &change.ring,
        exposure: exposure.as_ref(),
        open,
        now_ms,
    };
    let (gate, _) = judge(&known, &Limits::default());
    let new = exposure.map(|found| found.new).unwrap_or_default();
    (gate.answer == Answer::Stop).then(|| RolloutStop {
        at_ms: now_ms,
        driver,
        version,
        ring: change.ring.clone(),
        tenant: change.tenant.clone(),
        machines_exposed: new.machines,
        machines_crashed: new.crashed,
        ratio: gate.ratio.zip(gate.ratio_high).map(|(ratio, high)| (ratio, gate.ratio_low, high)),
        reason: gate.why,
    })
}
