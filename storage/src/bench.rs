//! A made-up fleet of any size, written straight into ClickHouse: what pages are measured on. The rows are made by the
//! server, so that twenty million of them take minutes. Never touches the queue, and knows nothing of what a report holds.

use clickhouse::Row;
use serde::Deserialize;

use crate::database::{Database, DatabaseError};

/// Blamed more often than any other.
pub const BUSY_DRIVER: &str = "net0.sys";
/// Blamed some times a day.
pub const RARE_DRIVER: &str = "fs5020.sys";
/// What the outage of the last hours is blamed on.
pub const OUTAGE_DRIVER: &str = "kvm4242.sys";

/// Reports are nine tenths of a row: so many of the newest crashes have one.
pub const WITH_REPORT: u64 = 100_000;
/// Lists of drivers are half of what is left: so many of the newest crashes have one.
pub const WITH_DRIVERS: u64 = 2_000_000;
/// Incidents, of which one is open.
const INCIDENTS: u64 = 300;
/// Machines of the outage crash three times in two.
const OUTAGE_MACHINES: u64 = 20_000;
const OUTAGE_CRASHES: u64 = 30_000;
/// The outage lasts this many days, up to the end: 8,640,000 ms.
const OUTAGE_DAYS: f64 = 0.1;
const OUTAGE_MS: i64 = 8_640_000;
/// One insert. A set of ids begins with 4 KB, and nearly each crash is the only one of its driver in its minute.
const AT_ONCE: u64 = 100_000;
/// One insert of crashes with reports: each takes 30 KB of memory until it is written.
const AT_ONCE_WHOLE: u64 = 4_000;
const DAY_MS: i64 = 86_400_000;
/// An insert of a day and all its views, on a busy machine.
const FILL_SECONDS: &str = "600";

const CRASHES: &str = include_str!("bench/crashes.sql");
const BEATS: &str = include_str!("bench/beats.sql");
const INVENTORY: &str = include_str!("bench/inventory.sql");
const INCIDENT_EVENTS: &str = include_str!("bench/incidents.sql");

/// Months before the present one, and tables that have none, in more than one part.
const UNMERGED: &str = "
SELECT table, partition_id
FROM system.parts
WHERE database = currentDatabase() AND active AND partition_id != toString(toYYYYMM(now('UTC')))
GROUP BY table, partition_id
HAVING count() > 1
ORDER BY table, partition_id";

#[derive(Row, Deserialize)]
struct Parts {
    table: String,
    partition_id: String,
}

/// How large the fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Size {
    /// Crashes, without those of the outage.
    pub crashes: u64,
    /// Machines that they come from.
    pub machines: u64,
    /// Days that they lie in.
    pub days: u32,
}

/// What rows hold and only others can make.
#[derive(Debug, Clone)]
pub struct Samples {
    /// A report, as the analyzer writes it.
    pub report: String,
    /// Its facts.
    pub facts: String,
    /// Windows' own drivers, as a machine has them loaded.
    pub windows: Vec<String>,
    /// Kind and detail of each step of an incident of [`OUTAGE_DRIVER`] that began at [`onset`]. Those of the past are the
    /// same under other names and times.
    pub incident: Vec<(String, String)>,
}

/// When the outage of a fleet begins whose last crash is at `to_ms`.
#[must_use]
pub fn onset(to_ms: i64) -> i64 {
    to_ms - OUTAGE_MS
}

/// Rows of one kind: numbers `first..first + rows` of `all`.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u64,
    rows: u64,
    all: u64,
    days: f64,
    outage: bool,
}

impl Database {
    /// Fills an empty database with a fleet whose last crash is at `to_ms`; says how many crashes there are after each
    /// insert. `queue_id` is whose deliveries they would have been.
    pub async fn fill(
        &self,
        size: Size,
        to_ms: i64,
        queue_id: &str,
        samples: &Samples,
        mut progress: impl FnMut(u64),
    ) -> Result<(), DatabaseError> {
        self.prolong(size, to_ms, queue_id, samples, 0..size.crashes, &mut progress).await?;
        let all = OUTAGE_CRASHES.min(size.crashes);
        for first in (0..all).step_by(usize::try_from(AT_ONCE_WHOLE).unwrap_or(1)) {
            let rows = AT_ONCE_WHOLE.min(all - first);
            let outage = Stretch { first, rows, all, days: OUTAGE_DAYS, outage: true };
            self.fill_crashes(size, outage, to_ms, queue_id, samples).await?;
        }
        self.fill_signs(size, to_ms).await?;
        self.fill_incidents(size, to_ms, samples).await?;
        self.age().await
    }

    /// Merges what months of life would have merged: a fill in minutes leaves dozens of parts, of which a fleet in life has
    /// as many in its newest month alone.
    async fn age(&self) -> Result<(), DatabaseError> {
        let parts: Vec<Parts> = self
            .ask(UNMERGED)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("look for what is to be merged"))?;
        for Parts { table, partition_id } in parts {
            self.ask_built(&format!("OPTIMIZE TABLE {table} PARTITION ID '{partition_id}' FINAL"))
                .with_setting("max_execution_time", FILL_SECONDS)
                .execute()
                .await
                .map_err(DatabaseError::while_("merge what was made up"))?;
        }
        Ok(())
    }

    /// Makes up the crashes of these numbers alone. Those beyond [`Size::crashes`] come after `to_ms`, at the same rate: so
    /// a fleet of yesterday lives on.
    pub async fn prolong(
        &self,
        size: Size,
        to_ms: i64,
        queue_id: &str,
        samples: &Samples,
        numbers: std::ops::Range<u64>,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), DatabaseError> {
        let mut first = numbers.start;
        while first < numbers.end {
            let whole_from = size.crashes.saturating_sub(WITH_REPORT);
            let most = if first < whole_from { AT_ONCE.min(whole_from - first) } else { AT_ONCE_WHOLE };
            let rows = most.min(numbers.end - first);
            let stretch =
                Stretch { first, rows, all: size.crashes, days: f64::from(size.days), outage: false };
            self.fill_crashes(size, stretch, to_ms, queue_id, samples).await?;
            first += rows;
            progress(first);
        }
        Ok(())
    }

    async fn fill_crashes(
        &self,
        size: Size,
        stretch: Stretch,
        to_ms: i64,
        queue_id: &str,
        samples: &Samples,
    ) -> Result<(), DatabaseError> {
        let whole_from = stretch.all.saturating_sub(WITH_REPORT);
        // A stretch is on one side of this. The server makes room for a report of each row before it looks who has one.
        let [report, facts] = [&samples.report, &samples.facts]
            .map(|text| if stretch.first < whole_from { "" } else { text.as_str() });
        self.ask(CRASHES)
            .with_setting("max_execution_time", FILL_SECONDS)
            .param("first", stretch.first)
            .param("rows", stretch.rows)
            .param("all", stretch.all)
            .param("days", stretch.days)
            .param("outage", stretch.outage)
            .param("outage_machines", OUTAGE_MACHINES.min(size.machines))
            .param("machines", size.machines)
            .param("seed", u64::from(stretch.outage))
            .param("to", to_ms)
            .param("whole_from", whole_from)
            .param("listed_from", stretch.all.saturating_sub(WITH_DRIVERS))
            .param("queue_id", queue_id)
            .param("report", report)
            .param("facts", facts)
            .param("windows", samples.windows.as_slice())
            .execute()
            .await
            .map_err(DatabaseError::while_("make up crashes"))
    }

    /// Signs of life, and what machines run.
    async fn fill_signs(&self, size: Size, to_ms: i64) -> Result<(), DatabaseError> {
        for day in 0..i64::from(size.days) {
            self.ask(BEATS)
                .with_setting("max_execution_time", FILL_SECONDS)
                .param("at", to_ms - day * DAY_MS)
                .param("machines", size.machines)
                .execute()
                .await
                .map_err(DatabaseError::while_("make up signs of life"))?;
        }
        let all = size.machines / 20;
        for first in (0..all).step_by(10_000) {
            self.ask(INVENTORY)
                .with_setting("max_execution_time", FILL_SECONDS)
                .param("to", to_ms)
                .param("first", first)
                .param("rows", 10_000.min(all - first))
                .execute()
                .await
                .map_err(DatabaseError::while_("make up inventories"))?;
        }
        Ok(())
    }

    async fn fill_incidents(&self, size: Size, to_ms: i64, samples: &Samples) -> Result<(), DatabaseError> {
        let (kinds, details): (Vec<&str>, Vec<&str>) =
            samples.incident.iter().map(|(kind, detail)| (kind.as_str(), detail.as_str())).unzip();
        let span = i64::from(size.days) * DAY_MS / i64::try_from(INCIDENTS).unwrap_or(1);
        self.ask(INCIDENT_EVENTS)
            .param("onset", onset(to_ms))
            .param("span", span)
            .param("driver", OUTAGE_DRIVER)
            .param("incidents", INCIDENTS)
            .param("kinds", kinds)
            .param("details", details)
            .execute()
            .await
            .map_err(DatabaseError::while_("make up incidents"))
    }
}
