//! The newest crashes, so that a page names some of its own without asking anybody. Best effort: after a restart, and for
//! slow incidents between many others, there are fewer or none.

use std::collections::{HashSet, VecDeque};

use detector::{Incident, Subject};
use storage::signals::CrashSignal;
use uuid::Uuid;

use crate::delivery::Example;

/// Crashes that are remembered, about a megabyte: an hour of a large fleet, and the last seconds of a large outage.
const KEPT: usize = 4096;
/// Crashes that are named.
const NAMED: usize = 5;
/// Clocks of intakes differ.
const SLACK_MS: i64 = 60_000;

#[derive(Debug)]
struct Seen {
    tenant: String,
    driver: String,
    bucket: String,
    bugcheck: u32,
    os_build: u32,
    machine: String,
    crash_id: Uuid,
    crashed_at_ms: i64,
    arrived_at_ms: i64,
}

/// Them, oldest first.
#[derive(Debug, Default)]
pub(super) struct Examples(VecDeque<Seen>);

impl Examples {
    pub(super) fn note(&mut self, crash: &CrashSignal) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Seen {
            tenant: crash.tenant.clone(),
            driver: crash.driver.clone(),
            bucket: crash.bucket.clone(),
            bugcheck: crash.bugcheck,
            os_build: crash.os_build,
            machine: crash.machine.clone(),
            crash_id: crash.crash_id,
            crashed_at_ms: crash.crashed_at_ms,
            arrived_at_ms: crash.arrived_at_ms,
        });
    }

    /// The newest of an incident, each of another machine.
    pub(super) fn of(&self, incident: &Incident) -> Vec<Example> {
        let is_its = |seen: &&Seen| {
            seen.tenant == incident.tenant
                && seen.arrived_at_ms >= incident.onset_ms.saturating_sub(SLACK_MS)
                && match &incident.subject {
                    Subject::Driver(driver) => seen.driver == *driver,
                    Subject::BugCheck(code) => seen.bugcheck == *code,
                    Subject::OsBuild(build) => seen.os_build == *build,
                    Subject::Bucket(bucket) => seen.bucket == *bucket,
                    Subject::Unattributed => seen.driver.is_empty(),
                    Subject::Everything => true,
                    // Machines that went dark have sent nothing.
                    Subject::Silence(..) => false,
                }
        };
        let mut machines = HashSet::new();
        let newest = self.0.iter().rev().filter(is_its);
        let each = newest.filter(|seen| machines.insert(seen.machine.as_str())).take(NAMED);
        each.map(|seen| Example {
            crash_id: seen.crash_id,
            machine: seen.machine.clone(),
            at_ms: seen.crashed_at_ms,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::samples;

    fn crash(number: usize, driver: &str, machine: &str) -> CrashSignal {
        CrashSignal {
            crash_id: Uuid::from_u128(number as u128),
            tenant: "acme".to_owned(),
            driver: driver.to_owned(),
            machine: machine.to_owned(),
            bugcheck: 0x50,
            arrived_at_ms: samples::AT_MS,
            ..CrashSignal::default()
        }
    }

    fn numbers(found: &[Example]) -> Vec<u128> {
        found.iter().map(|example| example.crash_id.as_u128()).collect()
    }

    #[test]
    fn an_incident_gets_its_own_newest_crashes_one_a_machine() {
        let mut examples = Examples::default();
        let mut incident = samples::incident();
        assert!(examples.of(&incident).is_empty());
        for (number, (driver, machine)) in
            [("csagent.sys", "a"), ("other.sys", "b"), ("csagent.sys", "c"), ("csagent.sys", "a")]
                .into_iter()
                .enumerate()
        {
            examples.note(&crash(number, driver, machine));
        }
        assert_eq!(numbers(&examples.of(&incident)), [3, 2]);
        incident.subject = Subject::BugCheck(0x50);
        assert_eq!(numbers(&examples.of(&incident)), [3, 2, 1]);
        incident.onset_ms = samples::AT_MS + SLACK_MS + 1;
        assert!(examples.of(&incident).is_empty(), "older than the incident");
        incident = samples::incident();
        incident.tenant = "other".to_owned();
        assert!(examples.of(&incident).is_empty(), "another tenant's");
    }

    #[test]
    fn they_do_not_pile_up() {
        let mut examples = Examples::default();
        for number in 0..3 * KEPT {
            examples.note(&crash(number, "csagent.sys", &number.to_string()));
        }
        assert_eq!(examples.0.len(), KEPT);
        assert_eq!(examples.of(&samples::incident()).len(), NAMED);
    }
}
