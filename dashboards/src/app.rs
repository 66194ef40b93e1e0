//! What every request can reach, and what is kept between requests: the fleet page, for a second, the gate's answers, for
//! some seconds, what changes slowly, for minutes, and what pages count over a range, by what it costs.

use std::sync::Arc;
use std::time::Duration;

use storage::questions::{AuditRow, FleetHour, IncidentCount, IncidentSpan};
use storage::{blobs::Blobs, database::Database, queue::Queue};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::{Access, Who};
use crate::gather::audit::Action;
use crate::gather::fleet::past::{self, Past};
use crate::gather::fleet::{self, Fleet};
use crate::gather::gate::{self, Gate};
use crate::gather::hardware::{self, Suspects};
use crate::gather::{bucket, driver};
use crate::live::Live;
use crate::metrics::DashboardsMetrics;
use crate::range::Span;
use crate::respond::Fault;

mod kept;

use kept::{Ages, Haste, Kept};

/// During an outage everybody opens the fleet page and it refreshes itself: a second old is fresh enough.
const FRESH: Duration = Duration::from_secs(1);

/// Machines report every few minutes: nothing that a gate looks at changes faster.
const GATE_FRESH: Duration = Duration::from_secs(5);
/// A machine is suspect by a week's crashes, and to ask for all of them reads that week: once in a minute is enough.
const SUSPECTS_FRESH: Duration = Duration::from_secs(60);
/// So long the fleet page waits for them. In an outage it must come without.
const SUSPECTS_PATIENCE: Duration = Duration::from_secs(1);
/// Of an incident that is over, a crash that was late arrives now and then.
const OVER_FRESH: Duration = Duration::from_secs(60);
/// How many machines there are changes slowly once they are known.
const FLEET_SIZE_OLDEST: Duration = Duration::from_secs(60);
/// What hours of days ago were like does not change any more.
const HOURS_FRESH: Duration = Duration::from_secs(600);

/// State of the router; clones share it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) queue: Queue,
    /// Where dumps are kept, where this process can reach it.
    pub(crate) blobs: Option<Blobs>,
    pub(crate) upload_url: Arc<str>,
    /// Who asks, and what they may.
    pub(crate) access: Arc<Access>,
    pub(crate) metrics: DashboardsMetrics,
    pub(crate) live: Live,
    fleets: Kept<Span, Fleet>,
    pasts: Kept<Span, Past>,
    drivers: Kept<(String, Span), driver::Past>,
    buckets: Kept<(bucket::Which, Span), bucket::Past>,
    gates: Kept<gate::Question, Gate>,
    over: Kept<Vec<IncidentSpan>, Vec<IncidentCount>>,
    hours: Kept<(), Vec<FleetHour>>,
    fleet_size: Kept<(), u64>,
    suspects: Kept<(), Suspects>,
}

impl App {
    pub(crate) fn new(
        database: Database,
        queue: Queue,
        blobs: Option<Blobs>,
        upload_url: String,
        access: Access,
        metrics: DashboardsMetrics,
        stop: CancellationToken,
    ) -> Self {
        let live = Live::new(database.clone(), stop);
        Self {
            live,
            database,
            queue,
            blobs,
            upload_url: upload_url.into(),
            access: Arc::new(access),
            metrics,
            fleets: Kept::default(),
            pasts: Kept::default(),
            drivers: Kept::default(),
            buckets: Kept::default(),
            gates: Kept::default(),
            over: Kept::default(),
            hours: Kept::default(),
            fleet_size: Kept::default(),
            suspects: Kept::default(),
        }
    }

    /// Writes a line of the audit log; durable when `Ok`. Asked for before what it is about is done, so that nothing is
    /// done without its line: where the log cannot be written, it is not done.
    pub(crate) async fn audit(
        &self,
        who: &Who,
        action: Action,
        subject: &str,
        detail: &str,
    ) -> Result<(), Fault> {
        let line = AuditRow {
            audit_id: Uuid::new_v4(),
            at_ms: now_ms(),
            who: who.name.clone(),
            role: who.role.name().to_owned(),
            peer: who.peer.clone(),
            action: action.name().to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        };
        Ok(self.database.put_audit(&line).await?)
    }

    /// What is asked for an answer that somebody waits for, or nobody.
    fn database(&self, haste: Haste) -> Database {
        match haste {
            Haste::Awaited => self.database.clone(),
            Haste::Beside => self.database.beside(),
        }
    }

    /// The fleet page's content. Those who ask at once wait for one answer instead of asking ClickHouse each.
    pub(crate) async fn fleet(&self, span: Span) -> Result<Arc<Fleet>, Fault> {
        let ask = |_| {
            let app = self.clone();
            async move { fleet::gather(&app, span).await }
        };
        self.fleets.get(&span, |_| Ages::only(FRESH), ask).await
    }

    /// What lies behind the fleet in a range, as old as it may be for one so long.
    pub(crate) async fn fleet_past(&self, span: Span, now_ms: i64) -> Result<Arc<Past>, Fault> {
        let ask = |haste| {
            // The hours are kept by themselves, and know themselves whether anybody waits.
            let (app, database) = (self.clone(), self.database(haste));
            async move { past::gather(&app, &database, span, now_ms).await }
        };
        self.pasts.get(&span, |_| Ages::of_fleet(span), ask).await
    }

    /// What a driver's crashes tell, those of a range and the newest.
    pub(crate) async fn driver_past(&self, driver: &str, span: Span) -> Result<Arc<driver::Past>, Fault> {
        let ask = |haste| {
            let (database, name) = (self.database(haste), driver.to_owned());
            async move { driver::Past::gather(&database, &name, span).await }
        };
        self.drivers.get(&(driver.to_owned(), span), |took| Ages::of_page(span, took), ask).await
    }

    /// What a bucket's crashes tell, those of a range and the newest.
    pub(crate) async fn bucket_past(
        &self,
        which: &bucket::Which,
        span: Span,
    ) -> Result<Arc<bucket::Past>, Fault> {
        let ask = |haste| {
            let (database, which) = (self.database(haste), which.clone());
            async move { bucket::Past::gather(&database, &which, span).await }
        };
        self.buckets.get(&(which.clone(), span), |took| Ages::of_page(span, took), ask).await
    }

    /// What incidents that are over came to.
    pub(crate) async fn counts_of_over(
        &self,
        spans: Vec<IncidentSpan>,
    ) -> Result<Arc<Vec<IncidentCount>>, Fault> {
        if spans.is_empty() {
            return Ok(Arc::default());
        }
        let ask = |haste| {
            let (database, spans) = (self.database(haste), spans.clone());
            async move { Ok(database.incident_counts(&spans).await?) }
        };
        self.over.get(&spans, |took| Ages::of_slow(OVER_FRESH, took), ask).await
    }

    /// May a rollout go on? A hundred deployment agents that ask the same cost one question.
    pub(crate) async fn gate(&self, question: &gate::Question) -> Result<Arc<Gate>, Fault> {
        let ask = |_| {
            let (app, question) = (self.clone(), question.clone());
            async move { gate::gather(&app, &question).await }
        };
        self.gates.get(question, |_| Ages::only(GATE_FRESH), ask).await
    }

    /// The fleet's hours of the past, as long ago as any page's band looks back.
    pub(crate) async fn fleet_hours(&self) -> Result<Arc<Vec<FleetHour>>, Fault> {
        let ask = |haste| {
            let database = self.database(haste);
            async move { Ok(database.fleet_hours(past::all_hours(now_ms())).await?) }
        };
        self.hours.get(&(), |took| Ages::of_slow(HOURS_FRESH, took), ask).await
    }

    /// Machines that told of themselves, as of at most a minute ago; `None` where none does.
    pub(crate) async fn fleet_machines(&self) -> Result<Option<u64>, Fault> {
        let ask = |_| {
            let database = self.database.clone();
            async move { Ok(database.fleet_size(now_ms()).await?) }
        };
        let size = *self.fleet_size.get(&(), |took| Ages::of_count(FLEET_SIZE_OLDEST, took), ask).await?;
        Ok((size > 0).then_some(size))
    }

    /// The suspect machines of the fleet, some minutes old, by what they cost; `None` while they are not known.
    pub(crate) async fn suspects(&self) -> Option<Arc<Suspects>> {
        let ask = |haste| {
            let database = self.database(haste);
            async move { hardware::ask(&database).await }
        };
        let suspects = self.suspects.get(&(), |took| Ages::of_slow(SUSPECTS_FRESH, took), ask);
        // The page does without them where they are late; and where they cannot be had, which the log says.
        tokio::time::timeout(SUSPECTS_PATIENCE, suspects).await.ok()?.ok()
    }
}

/// The clock, in the unit that rows have.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
