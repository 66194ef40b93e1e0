//! What a drill found, as data and as the table that a person reads.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::watch::is_one_of;
use super::{DrillConfig, Tally};
use crate::client::{Incident, Ledger};

/// What a drill found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrillReport {
    /// Uploads that were tried to their end.
    pub sent: u64,
    /// Uploads that the server made durable.
    pub accepted: u64,
    /// Times that a busy or unreachable server was asked again.
    pub retries: u64,
    /// Uploads that the server refused, by status.
    pub rejected: BTreeMap<String, u64>,
    /// Bytes on the wire, bodies only.
    pub bytes: u64,
    /// How long the sending took.
    pub sending: Duration,
    /// Distinct crashes among the accepted uploads.
    pub distinct_crashes: u64,
    /// Answers that named another crash than the dump is.
    pub misnamed: u64,
    /// Rows that the server gained.
    pub rows: u64,
    /// Deliveries still queued at the end.
    pub queued: u64,
    /// Deliveries that ended unreadable or given up.
    pub lost: u64,
    /// Whether the server's own sum holds.
    pub balanced: bool,
    /// Machines that the outage took down.
    pub victims: u64,
    /// Whether an outage was part of the drill.
    pub outage: bool,
    /// The drivers to page for, the likeliest first; none for an outage of which no dump names one.
    pub blamed: Vec<String>,
    /// The first incident for one of them.
    pub page: Option<Page>,
    /// When its webhook came, milliseconds since 1970.
    pub webhook_ms: Option<i64>,
    /// Whether a webhook was waited for.
    pub webhook_expected: bool,
    /// Drivers that were paged for and are not to blame.
    pub strangers: Vec<String>,
    /// What else was paged for, and may be where no dump names a driver.
    pub fair: Vec<String>,
    /// When the first crash of the outage was sent, milliseconds since 1970.
    pub first_crash_ms: Option<i64>,
    /// When the upload of the tenth distinct machine was durable.
    pub tenth_machine_ms: Option<i64>,
}

/// The incident that the drill was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Its id.
    pub incident_id: String,
    /// The driver it names.
    pub driver: String,
    /// When the server opened it, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// Machines it counts at the end.
    pub machines: u64,
}

pub(super) fn of(
    config: &DrillConfig,
    tally: Tally,
    sending: Duration,
    before: &Ledger,
    after: &Ledger,
    opened: Vec<Incident>,
    webhook_ms: Option<i64>,
) -> DrillReport {
    let blamed = config.blamed();
    let (right, wrong): (Vec<_>, Vec<_>) =
        opened.into_iter().partition(|incident| is_one_of(&blamed, &incident.driver));
    let (fair, strangers): (Vec<_>, Vec<_>) =
        wrong.into_iter().map(|incident| incident.driver).partition(|driver| config.may_name(driver));
    let gained = |count: fn(&Ledger) -> u64| count(after).saturating_sub(count(before));
    DrillReport {
        sent: tally.sent,
        accepted: tally.accepted,
        retries: tally.retries,
        rejected: tally.rejected,
        bytes: tally.bytes,
        sending,
        distinct_crashes: tally.crashes.len() as u64,
        misnamed: tally.misnamed,
        rows: gained(|ledger| ledger.crashes),
        queued: after.queued,
        lost: gained(|ledger| ledger.unreadable) + gained(|ledger| ledger.dead_lettered),
        balanced: after.balanced,
        victims: tally.victims.len() as u64,
        outage: config.machines > 0 && config.scenario.is_some(),
        page: right.into_iter().min_by_key(|incident| incident.opened_at_ms).map(|incident| Page {
            incident_id: incident.incident_id,
            driver: incident.driver,
            opened_at_ms: incident.opened_at_ms,
            machines: incident.machines,
        }),
        webhook_ms,
        webhook_expected: config.receive.is_some(),
        strangers,
        fair,
        blamed,
        first_crash_ms: tally.first_crash_ms,
        tenth_machine_ms: tally.tenth_machine_ms,
    }
}

impl DrillReport {
    /// Whether everything came out as it must.
    pub fn passed(&self) -> bool {
        self.faults().is_empty()
    }

    /// Whether somebody has to be paged.
    fn pages(&self) -> bool {
        !self.blamed.is_empty()
    }

    /// What did not come out as it must, in sentences.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let drivers = self.blamed.join(" or ");
        if self.pages() && self.page.is_none() {
            faults.push(format!("no incident for {drivers} was opened"));
        }
        if self.pages() && self.webhook_expected && self.webhook_ms.is_none() {
            faults.push(format!("no webhook for {drivers} came"));
        }
        if !self.strangers.is_empty() {
            faults.push(format!(
                "incidents were opened for drivers not to blame: {}",
                self.strangers.join(", ")
            ));
        }
        if self.rows != self.distinct_crashes {
            faults
                .push(format!("{} distinct crashes accepted, but {} rows", self.distinct_crashes, self.rows));
        }
        if !self.rejected.is_empty() {
            faults.push(format!("{} uploads were refused", self.rejected.values().sum::<u64>()));
        }
        if self.misnamed > 0 {
            faults.push(format!("{} answers named another crash", self.misnamed));
        }
        if self.queued > 0 || self.lost > 0 || !self.balanced {
            faults.push(format!(
                "the ledger does not close: {} queued, {} lost, balanced: {}",
                self.queued, self.lost, self.balanced
            ));
        }
        faults
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let rejected = if self.rejected.is_empty() {
            "0".to_owned()
        } else {
            self.rejected
                .iter()
                .map(|(status, count)| format!("{count} x {status}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let seconds = self.sending.as_secs_f64();
        let megabytes = self.bytes as f64 / 1e6;
        let mut rows = vec![
            ("uploads sent", format!("{} in {seconds:.1} s, {megabytes:.0} MB", self.sent)),
            ("accepted", format!("{} ({} asked again)", self.accepted, self.retries)),
            ("rejected", rejected),
            ("distinct crashes", self.distinct_crashes.to_string()),
            ("rows", self.rows.to_string()),
            ("machines taken down", self.victims.to_string()),
        ];
        if self.outage && !self.pages() {
            let names = if self.fair.is_empty() { "nobody".to_owned() } else { self.fair.join(", ") };
            rows.push(("incident names", format!("{names}: no dump of this outage names a driver")));
        }
        if self.pages() {
            let opened = self.page.as_ref().map(|page| page.opened_at_ms);
            rows.push((
                "incident names",
                self.page.as_ref().map_or("nobody".to_owned(), |page| page.driver.clone()),
            ));
            rows.push(("incident opened", self.after(opened)));
            let not_asked = "not waited for".to_owned();
            rows.push((
                "webhook arrived",
                if self.webhook_expected { self.after(self.webhook_ms) } else { not_asked },
            ));
        }
        rows
    }

    /// How long after the outage's first crash, and after its tenth machine.
    fn after(&self, moment: Option<i64>) -> String {
        let since = |start: Option<i64>| match (start, moment) {
            (Some(start), Some(moment)) => format!("{:.1} s", (moment - start) as f64 / 1000.0),
            _ => "-".to_owned(),
        };
        if moment.is_none() {
            return "never".to_owned();
        }
        format!(
            "{} after the first crash, {} after the tenth machine",
            since(self.first_crash_ms),
            since(self.tenth_machine_ms)
        )
    }
}

impl fmt::Display for DrillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.rows() {
            writeln!(f, "  {name:<22}{value}")?;
        }
        let faults = self.faults();
        for fault in &faults {
            writeln!(f, "  FAULT: {fault}")?;
        }
        write!(f, "  {}", if faults.is_empty() { "passed" } else { "failed" })
    }
}
