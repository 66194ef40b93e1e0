//! Whether a machine's own hardware is suspect, and what that leaves of a verdict. Computed when it is shown: no row is
//! rewritten for it.

use serde::{Deserialize, Serialize};
use storage::database::Database;
use storage::questions::{MachineHealth, Range, SUSPECT_WINDOW_MS, Suspicion};
use storage::rows::CrashRow;
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, now_ms};
use crate::respond::Fault;

/// Machines in the list of suspects: with more, what is suspect is something that they share.
const MOST: u32 = 500;
/// A machine's clock may be ahead.
const AHEAD_MS: i64 = 600_000;
/// As the schema has it: outside of these a machine's clock is not believed.
const CLOCK_BEHIND_MS: i64 = 30 * 86_400_000;
const CLOCK_AHEAD_MS: i64 = 300_000;

/// The verdict on one machine, with what it rests on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Hardware {
    /// Whether the machine's hardware is suspect.
    pub(crate) suspect: bool,
    pub(crate) suspicion: Suspicion,
    /// In sentences; empty where it is not suspect.
    pub(crate) reasons: Vec<String>,
    #[serde(flatten)]
    pub(crate) health: MachineHealth,
}

impl From<MachineHealth> for Hardware {
    fn from(health: MachineHealth) -> Self {
        Self { suspect: health.suspect(), suspicion: health.suspicion(), reasons: health.reasons(), health }
    }
}

/// The machines whose hardware is suspect.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Suspects {
    /// When they were looked for, ms since 1970; on the fleet's page some minutes ago.
    pub(crate) now_ms: i64,
    pub(crate) between: Range,
    /// The surest first.
    pub(crate) machines: Vec<Hardware>,
    /// Whether there are more.
    pub(crate) more: bool,
}

/// The query string of the list of machines.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MachinesQuery {
    /// Must be `true`.
    #[serde(default)]
    #[param(required = true, example = true)]
    pub(crate) suspect: bool,
    /// All where it is missing.
    pub(crate) tenant: Option<String>,
}

/// The list of machines; only that of the suspects is short enough to be one.
pub(crate) async fn list(database: &Database, query: MachinesQuery) -> Result<Suspects, Fault> {
    if !query.suspect {
        return Err(Fault::BadRequest("Only the suspect machines are listed: add suspect=true.".to_owned()));
    }
    let now_ms = now_ms();
    let between = week_up_to(now_ms.saturating_add(AHEAD_MS));
    let found = database.suspect_machines(query.tenant.as_deref(), between, MOST + 1).await?;
    let more = found.len() > MOST as usize;
    let machines = found.into_iter().take(MOST as usize).map(Hardware::from).collect();
    Ok(Suspects { now_ms, between, machines, more })
}

/// The suspects of the whole fleet for its page, without the crashes that each is suspect by.
pub(crate) async fn ask(database: &Database) -> Result<Suspects, Fault> {
    let mut suspects = list(database, MachinesQuery { suspect: true, tenant: None }).await?;
    suspects.machines.iter_mut().for_each(|machine| machine.health.evidence.clear());
    Ok(suspects)
}

/// One machine as of now; `None` where nothing points at its hardware.
pub(crate) async fn of_machine(app: &App, tenant: &str, machine: &str) -> Result<Option<Hardware>, Fault> {
    let now_ms = now_ms();
    one(app, tenant, machine, week_up_to(now_ms.saturating_add(AHEAD_MS))).await
}

/// The machine of a crash as of that crash: the week up to now holds it, or else the days around it do.
pub(crate) async fn of_crash(app: &App, row: &CrashRow) -> Result<Option<Hardware>, Fault> {
    one(app, &row.tenant, &row.machine, week_with(happened_at(row), now_ms())).await
}

async fn one(app: &App, tenant: &str, machine: &str, range: Range) -> Result<Option<Hardware>, Fault> {
    Ok(app.database.suspect_machine(tenant, machine, range).await?.map(Hardware::from))
}

fn week_up_to(to_ms: i64) -> Range {
    Range { from_ms: to_ms.saturating_sub(SUSPECT_WINDOW_MS), to_ms }
}

fn week_with(at_ms: i64, now_ms: i64) -> Range {
    week_up_to(at_ms.saturating_add(SUSPECT_WINDOW_MS / 2).min(now_ms.saturating_add(AHEAD_MS)))
}

fn happened_at(row: &CrashRow) -> i64 {
    let believed =
        row.received_at.saturating_sub(CLOCK_BEHIND_MS)..=row.received_at.saturating_add(CLOCK_AHEAD_MS);
    if believed.contains(&row.crashed_at) { row.crashed_at } else { row.received_at }
}

/// What is left of the confidence that a driver is to blame, where the machine is suspect: one level less.
pub(crate) fn effective<'c>(culprit: &str, confidence: &'c str, suspect: bool) -> &'c str {
    match confidence {
        "high" if suspect && culprit == "driver" => "medium",
        "medium" if suspect && culprit == "driver" => "low",
        "low" if suspect && culprit == "driver" => "none",
        as_it_is => as_it_is,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_a_driver_is_lowered() {
        for (culprit, confidence, suspect, left) in [
            ("driver", "high", true, "medium"),
            ("driver", "medium", true, "low"),
            ("driver", "low", true, "none"),
            ("driver", "none", true, "none"),
            ("driver", "<b>", true, "<b>"),
            ("driver", "high", false, "high"),
            ("hardware", "high", true, "high"),
            ("module", "high", true, "high"),
        ] {
            assert_eq!(effective(culprit, confidence, suspect), left, "{culprit} {confidence}");
        }
    }

    #[test]
    fn the_week_of_a_crash_holds_it_and_never_waits_for_the_future() {
        let (now, day) = (1_721_362_140_000, 86_400_000);
        for ago in [0, 1, 3, 4, 7, 30, 400] {
            let at = now - ago * day;
            let range = week_with(at, now);
            assert!(range.from_ms < at && at < range.to_ms, "{ago} days ago");
            assert!(range.to_ms <= now + AHEAD_MS && range.to_ms - range.from_ms == SUSPECT_WINDOW_MS);
        }
        let of = |crashed_at| CrashRow { received_at: now, crashed_at, ..CrashRow::default() };
        for (crashed_at, believed) in [(now - day, now - day), (0, now), (now + day, now), (i64::MAX, now)] {
            assert_eq!(happened_at(&of(crashed_at)), believed);
        }
    }
}
