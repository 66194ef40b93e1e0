//! What a drill found, as data and as the table that a person reads.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use detector::attribution::Origin;
use serde::Serialize;

use super::DrillConfig;
use super::after::After;
use super::uploads::Tally;
use super::watch::is_one_of;
use crate::client::{Incident, Ledger, Shared};
use crate::receiver::Arrival;

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
    /// The page for one of them, as it came in.
    pub told: Option<Told>,
    /// Whether a webhook was waited for.
    pub webhook_expected: bool,
    /// What the incident's machines share, where there is one answer.
    pub truth: Option<Origin>,
    /// When we heard that the incident is over, milliseconds since 1970.
    pub resolved_ms: Option<i64>,
    /// How long after the last upload that had to be.
    pub resolved_within: Option<Duration>,
    /// Drivers that were paged for and are not to blame.
    pub strangers: Vec<String>,
    /// What else was paged for, and may be where no dump names a driver.
    pub fair: Vec<String>,
    /// When the first crash of the outage was sent, milliseconds since 1970.
    pub first_crash_ms: Option<i64>,
    /// When the upload of the tenth distinct machine was durable.
    pub tenth_machine_ms: Option<i64>,
    /// When the last upload was answered.
    pub last_upload_ms: i64,
}

/// The incident that the drill was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Its id.
    pub incident_id: String,
    /// The driver it names.
    pub driver: String,
    /// When the server opened it, or opened it again, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// Machines it counts at the end.
    pub machines: u64,
    /// What it says that they share.
    pub shared: Option<Shared>,
}

/// A page as the receiver got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// `sev1`.
    pub severity: String,
    /// Machines that it counted.
    pub machines: u64,
    /// Its line for people.
    pub summary: String,
}

impl From<Arrival> for Told {
    fn from(arrival: Arrival) -> Self {
        Self {
            at_ms: arrival.at_ms,
            severity: arrival.severity().to_owned(),
            machines: arrival.machines(),
            summary: arrival.summary().to_owned(),
        }
    }
}

pub(super) fn of(
    config: &DrillConfig,
    tally: Tally,
    sending: Duration,
    before: &Ledger,
    after: After,
    opened: Vec<Incident>,
) -> DrillReport {
    let blamed = config.blamed();
    let (right, wrong): (Vec<_>, Vec<_>) =
        opened.into_iter().partition(|incident| is_one_of(&blamed, &incident.driver));
    let (fair, strangers): (Vec<_>, Vec<_>) =
        wrong.into_iter().map(|incident| incident.driver).partition(|driver| config.may_name(driver));
    let gained = |count: fn(&Ledger) -> u64| count(&after.ledger).saturating_sub(count(before));
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
        queued: after.ledger.queued,
        lost: gained(|ledger| ledger.unreadable) + gained(|ledger| ledger.dead_lettered),
        balanced: after.ledger.balanced,
        victims: tally.victims.len() as u64,
        outage: config.machines > 0 && config.scenario.is_some(),
        page: right.into_iter().min_by_key(|incident| incident.opened_at_ms).map(|incident| Page {
            incident_id: incident.incident_id,
            driver: incident.driver,
            opened_at_ms: after.begun_ms.unwrap_or(incident.opened_at_ms),
            machines: incident.machines,
            shared: after.shared,
        }),
        told: after.paged.map(Told::from),
        webhook_expected: config.receive.is_some(),
        truth: config.truth(),
        resolved_ms: after.resolved_ms,
        resolved_within: config.resolved_within,
        strangers,
        fair,
        blamed,
        first_crash_ms: tally.first_crash_ms,
        tenth_machine_ms: tally.tenth_machine_ms,
        last_upload_ms: tally.last_ms,
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
        if self.pages() && self.webhook_expected && self.told.is_none() {
            faults.push(format!("no page for {drivers} came"));
        }
        faults.extend(self.wrong_cause());
        if let (Some(_), Some(within), None) = (&self.page, self.resolved_within, self.resolved_ms) {
            faults.push(format!("the incident was not over {} s after the last upload", within.as_secs()));
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
            rows.extend(self.incident());
        }
        rows
    }

    /// The incident from its beginning to its end.
    fn incident(&self) -> Vec<(&'static str, String)> {
        let page = self.page.as_ref();
        let mut rows = vec![
            ("incident names", page.map_or("nobody".to_owned(), |page| page.driver.clone())),
            ("incident opened", self.after(page.map(|page| page.opened_at_ms))),
        ];
        if self.webhook_expected {
            rows.push(("page arrived", self.after(self.told.as_ref().map(|told| told.at_ms))));
        } else {
            rows.push(("page arrived", "not waited for".to_owned()));
        }
        if let Some(told) = &self.told {
            let severity = told.severity.to_uppercase();
            rows.push(("page counts", format!("{severity}, {} machines", told.machines)));
            rows.push(("page says", told.summary.clone()));
        }
        let shared = page.and_then(|page| page.shared.as_ref());
        rows.push(("machines share", shared.map_or("not known".to_owned(), say)));
        let over = match (self.resolved_ms, self.resolved_within) {
            (Some(at), _) => seconds(at - self.last_upload_ms) + " after the last upload",
            (None, Some(_)) => "never".to_owned(),
            (None, None) => "not waited for".to_owned(),
        };
        rows.push(("incident over", over));
        rows
    }

    /// What is wrong with what the incident says of its cause.
    fn wrong_cause(&self) -> Option<String> {
        let (page, truth) = (self.page.as_ref()?, self.truth?);
        let shared = page.shared.as_ref();
        if shared.is_some_and(|shared| shared.origin == truth) {
            return None;
        }
        let says = shared.map_or("nothing".to_owned(), say);
        Some(format!("the machines share {}, but the incident says: {says}", words(truth)))
    }

    /// How long after the outage's first crash, and after its tenth machine.
    fn after(&self, moment: Option<i64>) -> String {
        let since = |start: Option<i64>| match (start, moment) {
            (Some(start), Some(moment)) => seconds(moment - start),
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

fn seconds(ms: i64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}

/// The origin in plain words, and the detector's sentence.
fn say(shared: &Shared) -> String {
    format!("{}. {}", words(shared.origin), shared.sentence)
}

/// An origin in plain words.
fn words(origin: Origin) -> &'static str {
    match origin {
        Origin::NewVersion => "a new version of the driver",
        Origin::OsBuild => "a build of Windows",
        Origin::Model => "a model",
        Origin::Site => "a site",
        Origin::Ring => "a ring",
        Origin::Module => "another driver that is loaded",
        Origin::Slice => "several things together",
        Origin::AllVersions => "all versions at once: content, configuration or outside trigger",
        Origin::Unknown => "nothing that is known yet",
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
