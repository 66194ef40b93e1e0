//! One machine's crashes, what they say about its hardware, and what it runs.

use serde::Serialize;
use storage::questions::{CrashSummary, MachineDrivers};
use utoipa::ToSchema;

use super::driver::cut;
use super::hardware::{self, Hardware};
use super::named::{CrashLine, named};
use crate::app::{App, now_ms};
use crate::respond::Fault;

/// Crashes shown: a machine with more is broken, and the list says so.
const MOST: u32 = 200;

/// Everything on a machine's page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Machine {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    /// Whose it is; empty in an installation of one tenant.
    pub(crate) tenant: String,
    /// Its name.
    pub(crate) machine: String,
    /// What of the week's kernel crashes points at its hardware; `None` where nothing does.
    pub(crate) hardware: Option<Hardware>,
    /// Newest first.
    pub(crate) crashes: Vec<CrashLine>,
    /// Whether there are more.
    pub(crate) more: bool,
    /// What the crashes are filed under, the most first.
    pub(crate) buckets: Vec<MachineBucket>,
    /// From one crash to the next.
    pub(crate) uptime: Uptime,
    /// What it runs, by its inventory or its newest crash.
    pub(crate) drivers: Option<MachineDrivers>,
}

/// One bucket of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct MachineBucket {
    /// Bucket id.
    pub(crate) bucket: String,
    /// Blamed driver or module; empty where none is.
    pub(crate) driver: String,
    /// Crashes in it, of those that are listed.
    pub(crate) crashes: u64,
    /// The first of them happened, ms since 1970.
    pub(crate) first_ms: i64,
    /// The last of them happened, ms since 1970.
    pub(crate) last_ms: i64,
}

/// How long it stays up, by the kernel crashes that are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Uptime {
    /// Median of the time since boot at a crash, s; none where no dump tells.
    pub(crate) median_s: Option<u64>,
    /// The shortest.
    pub(crate) shortest_s: Option<u64>,
    /// Median time from one crash to the next, ms; none with less than two.
    pub(crate) median_gap_ms: Option<i64>,
}

pub(crate) async fn gather(app: &App, tenant: String, machine: String) -> Result<Machine, Fault> {
    let (mut crashes, hardware) = tokio::try_join!(
        async { Ok(app.database.machine_crashes(&tenant, &machine, MOST + 1).await?) },
        hardware::of_machine(app, &tenant, &machine),
    )?;
    let more = crashes.len() > MOST as usize;
    crashes.truncate(MOST as usize);
    let Some(newest) = crashes.first() else {
        return Err(Fault::NotFound(format!("No crash of a machine {:?} is known.", cut(&machine))));
    };
    let newest = Some(newest.crash_id);
    let (buckets, uptime) = (buckets(&crashes), uptime(&crashes));
    let (crashes, drivers) = tokio::try_join!(named(&app.database, crashes), async {
        Ok(app.database.machine_drivers(&tenant, &machine, newest).await?)
    })?;
    Ok(Machine { now_ms: now_ms(), tenant, machine, hardware, crashes, more, buckets, uptime, drivers })
}

fn buckets(crashes: &[CrashSummary]) -> Vec<MachineBucket> {
    let mut found: Vec<MachineBucket> = Vec::new();
    for crash in crashes.iter().filter(|crash| !crash.bucket.is_empty()) {
        let at_ms = crash.happened_at_ms;
        match found.iter_mut().find(|known| known.bucket == crash.bucket) {
            Some(known) => {
                known.crashes += 1;
                known.first_ms = known.first_ms.min(at_ms);
                known.last_ms = known.last_ms.max(at_ms);
            }
            None => found.push(MachineBucket {
                bucket: crash.bucket.clone(),
                driver: crash.driver.clone(),
                crashes: 1,
                first_ms: at_ms,
                last_ms: at_ms,
            }),
        }
    }
    found.sort_by_key(|bucket| std::cmp::Reverse((bucket.crashes, bucket.last_ms)));
    found
}

/// Only crashes that took the machine down end its uptime.
fn uptime(crashes: &[CrashSummary]) -> Uptime {
    let down = || crashes.iter().filter(|crash| crash.kind == "kernel");
    let mut up: Vec<u64> = down().map(|crash| crash.uptime_s).filter(|up| *up > 0).collect();
    up.sort_unstable();
    let mut at: Vec<i64> = down().map(|crash| crash.happened_at_ms).collect();
    at.sort_unstable();
    let mut gaps: Vec<i64> = at.iter().zip(at.iter().skip(1)).map(|(one, next)| next - one).collect();
    gaps.sort_unstable();
    Uptime { median_s: median(&up), shortest_s: up.first().copied(), median_gap_ms: median(&gaps) }
}

/// The middle one of a sorted list; of an even number the earlier of two.
fn median<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(kind: &str, bucket: &str, happened_at_ms: i64, uptime_s: u64) -> CrashSummary {
        CrashSummary {
            crash_id: uuid::Uuid::nil(),
            crashed_at_ms: happened_at_ms,
            happened_at_ms,
            received_at_ms: happened_at_ms,
            tenant: String::new(),
            machine: String::new(),
            ring: String::new(),
            site: String::new(),
            outcome: "analysed".to_owned(),
            problem: String::new(),
            kind: kind.to_owned(),
            bugcheck: 0,
            bugcheck_name: String::new(),
            culprit: String::new(),
            driver: String::new(),
            driver_timestamp: 0,
            fault_offset: 0,
            fault_site: String::new(),
            bucket: bucket.to_owned(),
            confidence: String::new(),
            os_build: 0,
            os_ubr: 0,
            model: String::new(),
            uptime_s,
        }
    }

    #[test]
    fn uptime_is_between_crashes_that_took_it_down() {
        let crashes = [
            crash("kernel", "A", 100_000, 30),
            crash("user", "B", 95_000, 5),
            crash("kernel", "A", 60_000, 0),
            crash("kernel", "C", 50_000, 20),
            crash("kernel", "A", 0, 10),
        ];
        let expected = Uptime { median_s: Some(20), shortest_s: Some(10), median_gap_ms: Some(40_000) };
        assert_eq!(uptime(&crashes), expected);
        assert_eq!(uptime(&[]), Uptime::default());
        assert_eq!(uptime(&crashes[4..]).median_gap_ms, None);
        let buckets = buckets(&crashes);
        assert_eq!(buckets.len(), 3);
        assert_eq!((buckets[0].bucket.as_str(), buckets[0].crashes), ("A", 3));
        assert_eq!((buckets[0].first_ms, buckets[0].last_ms), (0, 100_000));
        assert_eq!(buckets[1].bucket, "B");
    }
}
