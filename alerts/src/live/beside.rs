//! What is asked of ClickHouse beside the loop, so that the loop never waits for it: what people did to incidents, which
//! machines are suspect hardware, who else runs an incident's driver.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use detector::{Act, ActKind};
use storage::database::Database;
use storage::questions::{ActRow, DriverHour, ExposedMachine};
use storage::signals::CrashSignal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::start;
use super::targets::Wanted;
use crate::delivery::chain;
use crate::metrics::AlertsMetrics;

/// How often people's acts are asked for.
const ACTS: Duration = Duration::from_secs(2);
/// How often suspect machines are asked for: a machine becomes one over days.
const SUSPECTS: Duration = Duration::from_secs(300);
/// Longest wait for who else runs a driver: the page is out by then.
const REFERENCE_WAIT: Duration = Duration::from_secs(30);
/// Machines of a reference.
const MOST_REFERENCE: u32 = 4096;

/// An answer for the loop.
pub(super) enum Asked {
    /// What somebody did, and how far acts have been read with it.
    Act(Act, String),
    /// Machines that run an incident's driver.
    Reference(u128, Vec<ExposedMachine>),
    /// Somebody wants to try a target, and how far acts have been read with it.
    Test(Wanted, String),
    /// The past that was not to be had at the start.
    History(Vec<DriverHour>),
}

type Suspects = Arc<Mutex<HashSet<(String, String)>>>;

/// The questions under way.
pub(super) struct Beside {
    suspects: Suspects,
    references: mpsc::UnboundedSender<(u128, String, String)>,
    metrics: AlertsMetrics,
}

impl Beside {
    pub(super) fn start(
        database: Database,
        acts_until: Option<String>,
        wants_history: bool,
        tell: mpsc::UnboundedSender<Asked>,
        metrics: AlertsMetrics,
        stop: CancellationToken,
    ) -> Self {
        let suspects = Suspects::default();
        let (references, wanted) = mpsc::unbounded_channel();
        let ending = stop.clone();
        let (held, counted) = (suspects.clone(), metrics.clone());
        tokio::spawn(async move {
            let all = async {
                tokio::join!(
                    read_acts(&database, acts_until, &tell),
                    know_suspects(&database, &held, &counted),
                    find_references(&database, wanted, &tell),
                    find_history(&database, wants_history, &tell),
                )
            };
            tokio::select! {
                () = ending.cancelled() => {}
                _ = all => {}
            }
        });
        Self { suspects, references, metrics }
    }

    /// Whether the crash is of a machine with suspect hardware, as far as is known.
    pub(super) fn is_suspect(&self, crash: &CrashSignal) -> bool {
        let suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        let is = !suspects.is_empty() && suspects.contains(&(crash.tenant.clone(), crash.machine.clone()));
        if is {
            self.metrics.suspect_crashes.inc();
        }
        is
    }

    pub(super) fn ask_reference(&self, incident: u128, tenant: &str, driver: &str) {
        // Only a stopping process has nobody who asks.
        self.references.send((incident, tenant.to_owned(), driver.to_owned())).ok();
    }
}

/// Acts in the order of their time, each once.
async fn read_acts(database: &Database, until: Option<String>, tell: &mpsc::UnboundedSender<Asked>) {
    let mut cursor = until.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let mut ticks = tokio::time::interval(ACTS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let acts = match database.acts_since(&cursor).await {
            Ok(acts) => acts,
            Err(error) => {
                tracing::debug!(error = chain(&error), "cannot ask what people did");
                continue;
            }
        };
        for row in acts {
            cursor = row.cursor();
            let Ok(text) = serde_json::to_string(&cursor) else { continue };
            let asked = match row.kind.as_str() {
                // Pages show it beside the incident; it changes nothing of it.
                "ticket" => continue,
                "test" => test(&row).map(|wanted| Asked::Test(wanted, text)),
                _ => act(&row).map(|act| Asked::Act(act, text)),
            };
            match asked {
                Some(asked) => {
                    if tell.send(asked).is_err() {
                        return;
                    }
                }
                None => tracing::warn!(act = %row.act_id, kind = row.kind, "an act of a kind nobody knows"),
            }
        }
    }
}

/// A row as the detector takes it.
fn act(row: &ActRow) -> Option<Act> {
    let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap_or_default();
    let words = || detail.get("words").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let kind = match row.kind.as_str() {
        "acknowledge" => ActKind::Acknowledge,
        "resolve" => ActKind::Resolve,
        "mute" => ActKind::Mute(detail.get("until_ms")?.as_i64()?),
        "unmute" => ActKind::Unmute,
        "comment" => ActKind::Comment(words()),
        _ => return None,
    };
    Some(Act { incident: row.incident_id.as_u128(), at_ms: row.at_ms, by: row.by.clone(), kind })
}

fn test(row: &ActRow) -> Option<Wanted> {
    let detail: serde_json::Value = serde_json::from_str(&row.detail).ok()?;
    let target = detail.get("target")?.as_str()?.to_owned();
    Some(Wanted { target, by: row.by.clone(), at_ms: row.at_ms })
}

/// Asks for the past until it is there, once.
async fn find_history(database: &Database, wanted: bool, tell: &mpsc::UnboundedSender<Asked>) {
    if !wanted {
        return;
    }
    loop {
        tokio::time::sleep(start::HISTORY_WAIT).await;
        if let Some(hours) = start::history(database, start::HISTORY_PATIENCE).await {
            // Only a stopping process has nobody who asks.
            tell.send(Asked::History(hours)).ok();
            return;
        }
    }
}

async fn know_suspects(database: &Database, suspects: &Suspects, metrics: &AlertsMetrics) {
    let mut ticks = tokio::time::interval(SUSPECTS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match database.suspect_names(crate::now_ms()).await {
            Ok(found) => {
                metrics.suspects.set(i64::try_from(found.len()).unwrap_or(i64::MAX));
                *suspects.lock().unwrap_or_else(PoisonError::into_inner) = found.into_iter().collect();
            }
            Err(error) => {
                tracing::debug!(
                    error = chain(&error),
                    "cannot tell which machines are suspect: the last answer stands"
                );
            }
        }
    }
}

async fn find_references(
    database: &Database,
    mut wanted: mpsc::UnboundedReceiver<(u128, String, String)>,
    tell: &mpsc::UnboundedSender<Asked>,
) {
    while let Some((incident, tenant, driver)) = wanted.recv().await {
        let question = database.exposed_machines(&tenant, &driver, MOST_REFERENCE);
        match tokio::time::timeout(REFERENCE_WAIT, question).await {
            Ok(Ok(machines)) if !machines.is_empty() => {
                if tell.send(Asked::Reference(incident, machines)).is_err() {
                    return;
                }
            }
            Ok(Ok(_none)) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = chain(&error), driver, "cannot ask who else runs the driver")
            }
            Err(_elapsed) => tracing::warn!(driver, "it takes too long to find who else runs the driver"),
        }
    }
}
