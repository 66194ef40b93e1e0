//! Bad machine or bad driver: which machines' own hardware is suspect, and why.
//!
//! Sound software fails the same way again; bad memory fails differently each time. So a machine is suspect when its
//! hardware says so itself (`hardware_sign`), or when its crashes are of several unlike kinds, in several unlike places,
//! and no driver explains them. What many machines share is never counted against one of them. `rules.rs` has the
//! thresholds; the server decides, and nothing is written: the verdict is of the moment it is asked for.

mod rules;
mod sql;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Range, end_of_tick_s};
use crate::database::{Database, DatabaseError};

pub use rules::SUSPECT_WINDOW_MS;

/// More machines of one driver than anybody would page for again if they were sound.
const MOST_OF_A_DRIVER: u32 = 10_000;
/// What is no proof says what tells.
const MAYBE_A_DRIVER: &str = "A driver that writes over other code's memory can look like this; Driver Verifier tells the \
                              two apart.";
/// A machine's clock may be ahead: what it calls the next minutes has happened.
const AHEAD_MS: i64 = 600_000;

/// What one machine's crashes of some days say about its hardware.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MachineHealth {
    /// Tenant.
    pub tenant: String,
    /// Machine.
    pub machine: String,
    /// The processor has reported an error of its own, and not one that many machines report.
    pub by_machine_check: bool,
    /// Several crashes show damaged memory by themselves.
    pub by_memory: bool,
    /// As no driver is likely to damage it: a single bit, or other values on another day.
    pub memory_is_sure: bool,
    /// Crashes of too many unlike kinds in too many unlike places for one driver.
    pub by_spread: bool,
    /// Kernel crashes, none of them live or made by hand.
    pub crashes: u64,
    /// Those that did not fail where many machines fail.
    pub own_crashes: u64,
    /// Unlike bug checks among these: all that come of a bad address are one.
    pub bugchecks: u64,
    /// Unlike places among these: drivers, places in the kernel, and buckets where nobody is blamed.
    pub places: u64,
    /// How many of all crashes are blamed on the one driver that has the most; the kernel is none.
    pub most_of_one_driver: u64,
    /// Machine checks of the processor that few machines share.
    pub machine_checks: u64,
    /// Crashes that show damaged memory, single bits included, and not where many machines do.
    pub memory_signs: u64,
    /// Those of them where one bit differs from what it must be.
    pub single_bits: u64,
    /// Days with a crash.
    pub days: u64,
    /// The first of them happened.
    pub first_ms: i64,
    /// The last of them happened.
    pub last_ms: i64,
    /// The crashes that count, newest first, at most 50.
    pub evidence: Vec<HardwareEvidence>,
}

/// One crash that counts. It is read as the tuple that the server makes, and written with names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(from = "(i64, String, u32, String, String, String)")]
pub struct HardwareEvidence {
    /// When it happened.
    pub happened_at_ms: i64,
    /// Its id.
    pub crash_id: String,
    /// Bug check code.
    pub bugcheck: u32,
    /// Its name.
    pub bugcheck_name: String,
    /// Blamed driver; empty where none is.
    pub driver: String,
    /// Empty, `machine check`, `memory` or `single bit`.
    pub sign: String,
}

impl From<(i64, String, u32, String, String, String)> for HardwareEvidence {
    fn from(
        (happened_at_ms, crash_id, bugcheck, bugcheck_name, driver, sign): (
            i64,
            String,
            u32,
            String,
            String,
            String,
        ),
    ) -> Self {
        Self { happened_at_ms, crash_id, bugcheck, bugcheck_name, driver, sign }
    }
}

/// How sure it is that a machine's hardware is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Suspicion {
    /// Nothing points at the hardware.
    None,
    /// The pattern of its crashes: a driver that writes over other code's memory can look like that too.
    Likely,
    /// The crashes say so themselves: software seldom looks like it.
    Strong,
}

/// One driver's counts without the machines that are suspect, as in [`super::DriverPulse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct SoundPulse {
    /// Distinct machines in the last minute.
    pub last_1: u64,
    /// Distinct machines in the last 5 minutes.
    pub last_5: u64,
    /// Distinct machines in the last 15 minutes.
    pub last_15: u64,
    /// Distinct sites in the last 15 minutes.
    pub sites: u64,
}

impl MachineHealth {
    /// How sure it is.
    pub fn suspicion(&self) -> Suspicion {
        if self.by_machine_check || self.memory_is_sure {
            Suspicion::Strong
        } else if self.by_memory || self.by_spread {
            Suspicion::Likely
        } else {
            Suspicion::None
        }
    }

    /// Whether the hardware is suspect.
    pub fn suspect(&self) -> bool {
        self.suspicion() != Suspicion::None
    }

    /// Why it is suspect, in sentences; empty where it is not.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.by_machine_check {
            reasons.push(format!(
                "The processor reported an error of its own in {}: no driver does that.",
                counted(self.machine_checks, "crash", "crashes")
            ));
        }
        if self.by_memory {
            reasons.push(self.of_memory());
        }
        if self.by_spread {
            reasons.push(self.of_spread());
        }
        reasons
    }

    fn of_memory(&self) -> String {
        let bits = match self.single_bits {
            0 => String::new(),
            bits => format!(", in {bits} of them by a single bit"),
        };
        let so = match (self.memory_is_sure, self.single_bits) {
            (true, 0) => "It is something else on another day, which is seldom a driver.",
            (true, _) => "Software seldom changes one bit alone.",
            (false, _) => MAYBE_A_DRIVER,
        };
        let crashes = counted(self.memory_signs, "crash shows", "crashes show");
        format!("{crashes} memory that is not what it must be{bits}. {so}")
    }

    fn of_spread(&self) -> String {
        let driver = match self.most_of_one_driver {
            0 => "none of its crashes is blamed on a driver".to_owned(),
            most => format!("no driver has more than {most} of all its crashes"),
        };
        format!(
            "{} on {} with {} unlike bug checks in {} unlike places, and {driver}: sound hardware with one bad driver \
             fails the same way again. {MAYBE_A_DRIVER}",
            counted(self.own_crashes, "crash", "crashes"),
            counted(self.days, "day", "days"),
            self.bugchecks,
            self.places,
        )
    }
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

impl Database {
    /// The machines whose hardware is suspect by the crashes that happened within `range`, the surest first; those of
    /// one tenant, or of all.
    pub async fn suspect_machines(
        &self,
        tenant: Option<&str>,
        range: Range,
        limit: u32,
    ) -> Result<Vec<MachineHealth>, DatabaseError> {
        rules::bind(self.ask(sql::SUSPECTS))
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("any_tenant", tenant.is_none())
            .param("tenant", tenant.unwrap_or_default())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for suspect machines"))
    }

    /// Tenant and name of every machine whose hardware is suspect by the week up to `now_ms`.
    pub async fn suspect_names(&self, now_ms: i64) -> Result<Vec<(String, String)>, DatabaseError> {
        rules::bind(self.ask(sql::NAMES))
            .param("from", now_ms.saturating_sub(SUSPECT_WINDOW_MS).max(0))
            .param("to", now_ms.saturating_add(AHEAD_MS).max(0))
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list suspect machines"))
    }

    /// What these machines' crashes within `range` say, suspect or not; each is a tenant and a name. One without a kernel
    /// crash in the range is missing. The list travels in the address of a request: some hundreds, not thousands.
    pub async fn machines_health(
        &self,
        machines: &[(&str, &str)],
        range: Range,
    ) -> Result<Vec<MachineHealth>, DatabaseError> {
        if machines.is_empty() {
            return Ok(Vec::new());
        }
        let (tenants, names): (Vec<&str>, Vec<&str>) = machines.iter().copied().unzip();
        rules::bind(self.ask(sql::THESE))
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("tenants", tenants)
            .param("machines", names)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look at machines' hardware"))
    }

    /// What a machine's crashes within `range` say where its hardware is suspect.
    pub async fn suspect_machine(
        &self,
        tenant: &str,
        machine: &str,
        range: Range,
    ) -> Result<Option<MachineHealth>, DatabaseError> {
        let asked = rules::bind_sieve(self.ask(sql::MIGHT_BE))
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("tenant", tenant)
            .param("machine", machine);
        let might_be: bool =
            asked.fetch_one().await.map_err(DatabaseError::while_("look at a machine's hardware"))?;
        if !might_be {
            return Ok(None);
        }
        let health = self.machines_health(&[(tenant, machine)], range).await?;
        Ok(health.into_iter().find(MachineHealth::suspect))
    }

    /// The pulse of one driver as it would be without the machines that are suspect by the week up to `now_ms`, unless
    /// they failed where sound ones fail too.
    pub async fn sound_pulse(
        &self,
        tenant: &str,
        driver: &str,
        now_ms: i64,
    ) -> Result<SoundPulse, DatabaseError> {
        rules::bind(self.ask(sql::SOUND))
            .param("from", now_ms.saturating_sub(SUSPECT_WINDOW_MS).max(0))
            .param("to", now_ms.saturating_add(AHEAD_MS).max(0))
            .param("tenant", tenant)
            .param("driver", driver)
            .param("end_s", end_of_tick_s(now_ms))
            .param("most", MOST_OF_A_DRIVER)
            .fetch_one()
            .await
            .map_err(DatabaseError::while_("leave out a driver's suspect machines"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> MachineHealth {
        MachineHealth {
            tenant: String::new(),
            machine: "pc".to_owned(),
            by_machine_check: false,
            by_memory: false,
            memory_is_sure: false,
            by_spread: false,
            crashes: 8,
            own_crashes: 8,
            bugchecks: 5,
            places: 6,
            most_of_one_driver: 2,
            machine_checks: 1,
            memory_signs: 2,
            single_bits: 1,
            days: 1,
            first_ms: 0,
            last_ms: 1,
            evidence: Vec::new(),
        }
    }

    #[test]
    fn what_the_hardware_says_itself_is_surer_than_a_pattern() {
        let none = health();
        assert_eq!((none.suspicion(), none.suspect(), none.reasons()), (Suspicion::None, false, Vec::new()));
        let spread = MachineHealth { by_spread: true, ..health() };
        assert_eq!(spread.suspicion(), Suspicion::Likely);
        assert!(
            spread.reasons()[0].starts_with("8 crashes on 1 day with 5 unlike bug checks in 6 unlike places")
        );
        let memory = MachineHealth { by_memory: true, ..health() };
        assert_eq!(memory.suspicion(), Suspicion::Likely);
        assert!(memory.reasons()[0].contains("Driver Verifier"), "{:?}", memory.reasons());
        let sure = MachineHealth { memory_is_sure: true, ..memory };
        assert_eq!(sure.suspicion(), Suspicion::Strong);
        assert!(!sure.reasons()[0].contains("river Verifier"), "{:?}", sure.reasons());
        let all = MachineHealth { by_machine_check: true, by_memory: true, ..spread };
        assert_eq!((all.suspicion(), all.reasons().len()), (Suspicion::Strong, 3));
        assert!(all.reasons()[0].contains("in 1 crash:"), "{:?}", all.reasons());
        assert!(all.reasons()[1].contains("2 crashes show") && all.reasons()[1].contains("in 1 of them"));
    }
}
