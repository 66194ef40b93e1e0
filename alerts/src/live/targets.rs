//! How the targets are doing, for the pages: states are copied into ClickHouse as they change, and a target is tried when
//! somebody on a page asks for it. Never delivers an incident's notification.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use storage::database::{Database, DatabaseError};
use storage::questions::TargetRow;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::AlertsConfig;
use crate::delivery::{Letterbox, Report, TargetState, chain, test_target};
use crate::now_ms;

/// How often the states are looked at.
const OFTEN: Duration = Duration::from_secs(1);
/// How often they are written although nothing has changed: pages leave out who has not been heard of.
const AGAIN_MS: i64 = 60_000;
/// A wish that is older was made before a restart, and whoever made it has gone.
const STALE_MS: i64 = 120_000;

/// Somebody wants to try a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) target: String,
    pub(crate) by: String,
    pub(crate) at_ms: i64,
}

/// The last try of a target.
#[derive(Debug, Clone)]
struct Tried {
    at_ms: i64,
    by: String,
    outcome: String,
}

/// Copies and tries until told to stop.
pub(crate) async fn run(
    config: Arc<AlertsConfig>,
    letterbox: Letterbox,
    database: Database,
    mut wanted: mpsc::UnboundedReceiver<Wanted>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(OFTEN);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut tried, mut written) = (BTreeMap::new(), Vec::new());
    let mut under_way = JoinSet::new();
    let mut away = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(one) = wanted.recv() => {
                if now_ms().saturating_sub(one.at_ms) < STALE_MS {
                    under_way.spawn(attempt(Arc::clone(&config), one));
                }
                continue;
            }
            Some(Ok((target, one))) = under_way.join_next() => {
                tried.insert(target, one);
            }
            _ = ticks.tick() => {}
        }
        let rows: Vec<TargetRow> = letterbox.target_states().iter().map(|state| row(state, &tried)).collect();
        if same(&rows, &written) {
            continue;
        }
        let wrote = tokio::select! {
            () = stop.cancelled() => return,
            wrote = write(&database, &rows) => wrote,
        };
        match wrote {
            Ok(()) => {
                away = false;
                written = rows;
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(error = chain(&error), "how targets are doing is not shown for now");
                }
            }
        }
    }
}

async fn write(database: &Database, rows: &[TargetRow]) -> Result<(), DatabaseError> {
    database.put_targets(rows).await
}

/// Whether the pages know all of this, and lately.
fn same(rows: &[TargetRow], written: &[TargetRow]) -> bool {
    rows.len() == written.len()
        && rows.iter().zip(written).all(|(new, old)| {
            let fresh = new.updated_at_ms.saturating_sub(old.updated_at_ms) < AGAIN_MS;
            fresh && TargetRow { updated_at_ms: old.updated_at_ms, ..new.clone() } == *old
        })
}

fn row(state: &TargetState, tried: &BTreeMap<String, Tried>) -> TargetRow {
    let tried = tried.get(&state.name);
    TargetRow {
        name: state.name.clone(),
        kind: state.kind.to_owned(),
        health: state.health.name().to_owned(),
        pending: state.pending as u64,
        last_delivered_ms: state.last_delivered_ms,
        failing_since_ms: state.failing_since_ms,
        last_error: state.last_error.clone(),
        tested_at_ms: tried.map(|tried| tried.at_ms),
        tested_by: tried.map(|tried| tried.by.clone()).unwrap_or_default(),
        test_outcome: tried.map(|tried| tried.outcome.clone()).unwrap_or_default(),
        updated_at_ms: now_ms(),
    }
}

async fn attempt(config: Arc<AlertsConfig>, wanted: Wanted) -> (String, Tried) {
    let target = config.delivery.targets.iter().find(|target| target.name == wanted.target);
    let outcome = match target {
        None => "no target of this name is configured here".to_owned(),
        Some(target) => match test_target(target, &config.page_url, config.delivery.timeout).await {
            Ok(report) => words(&report),
            Err(error) => chain(&error),
        },
    };
    tracing::info!(target_name = wanted.target, by = wanted.by, outcome, "a target was tried");
    (wanted.target, Tried { at_ms: now_ms(), by: wanted.by, outcome })
}

fn words(report: &Report) -> String {
    match &report.outcome {
        Ok(status) => format!("took it: {status} after {} ms", report.took.as_millis()),
        Err(why) => why.clone(),
    }
}
