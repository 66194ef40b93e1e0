//! What every request can reach, and what is kept between requests: the fleet page, for a second, the suspect machines on
//! it, for a minute, the gate's answers, for some seconds, and what pages count over a range, by what it costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use storage::questions::AuditRow;
use storage::rows::CrashRow;
use storage::{blobs::Blobs, database::Database, queue::Queue};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::{Access, Who};
use crate::gather::audit::Action;
use crate::gather::fleet::past::{self, Past};
use crate::gather::fleet::{self, Fleet};
use crate::gather::hardware::{self, Suspects};
use crate::gather::{bucket, driver};
use crate::live::Live;
use crate::metrics::DashboardsMetrics;
use crate::range::Span;
use crate::respond::Fault;

mod gates;
mod kept;

pub(crate) use gates::Gates;
use kept::{Ages, Kept};

/// During an outage everybody opens the fleet page and it refreshes itself: a second old is fresh enough.
const FRESH: Duration = Duration::from_secs(1);

/// A machine is suspect by a week's crashes, and to ask for all of them reads that week: once in a minute is enough.
const SUSPECTS_FRESH: Duration = Duration::from_secs(60);
/// Older ones are shown to nobody who could have newer ones by waiting a little.
const SUSPECTS_STALE: Duration = Duration::from_secs(300);
/// How many machines there are changes slowly.
const FLEET_SIZE_FRESH: Duration = Duration::from_secs(60);
/// So long the fleet page waits for them. In an outage it must come without.
const SUSPECTS_PATIENCE: Duration = Duration::from_secs(1);

/// The suspect machines as they were found last, and the question that is under way.
#[derive(Default)]
struct KeptSuspects {
    found: Option<(Instant, Arc<Suspects>)>,
    asking: Option<JoinHandle<Option<Suspects>>>,
}

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
    pub(crate) gates: Gates,
    pub(crate) live: Live,
    fleets: Kept<Span, Fleet>,
    pasts: Kept<Span, Past>,
    drivers: Kept<(String, Span), driver::Past>,
    buckets: Kept<(bucket::Which, Span), bucket::Past>,
    fleet_size: Arc<Mutex<Option<(Instant, u64)>>>,
    suspects: Arc<Mutex<KeptSuspects>>,
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
            gates: Gates::default(),
            fleets: Kept::default(),
            pasts: Kept::default(),
            drivers: Kept::default(),
            buckets: Kept::default(),
            fleet_size: Arc::default(),
            suspects: Arc::default(),
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

    /// The fleet page's content. Those who ask at once wait for one answer instead of asking ClickHouse each.
    pub(crate) async fn fleet(&self, span: Span) -> Result<Arc<Fleet>, Fault> {
        let ask = || {
            let app = self.clone();
            async move { fleet::gather(&app, span).await }
        };
        self.fleets.get(&span, |_| Ages::only(FRESH), ask).await
    }

    /// What lies behind the fleet in a range, as old as it may be for one so long.
    pub(crate) async fn fleet_past(&self, span: Span, now_ms: i64) -> Result<Arc<Past>, Fault> {
        let ask = || {
            let app = self.clone();
            async move { past::gather(&app, span, now_ms).await }
        };
        self.pasts.get(&span, |_| Ages::of_fleet(span), ask).await
    }

    /// What is counted of a driver's crashes in a range.
    pub(crate) async fn driver_past(&self, driver: &str, span: Span) -> Result<Arc<driver::Past>, Fault> {
        let ask = || {
            let (database, name) = (self.database.clone(), driver.to_owned());
            async move { driver::Past::gather(&database, &name, span).await }
        };
        self.drivers.get(&(driver.to_owned(), span), |took| Ages::of_page(span, took), ask).await
    }

    /// What is counted of a bucket's crashes in a range, by the row that speaks for it.
    pub(crate) async fn bucket_past(
        &self,
        which: &bucket::Which,
        span: Span,
        row: Option<&CrashRow>,
    ) -> Result<Arc<bucket::Past>, Fault> {
        let ask = || {
            let (database, which, row) = (self.database.clone(), which.clone(), row.cloned());
            async move { bucket::Past::gather(&database, &which, span, row.as_ref()).await }
        };
        self.buckets.get(&(which.clone(), span), |took| Ages::of_page(span, took), ask).await
    }

    /// Machines that told of themselves, as of at most a minute ago; `None` where none does.
    pub(crate) async fn fleet_machines(&self) -> Result<Option<u64>, Fault> {
        let mut kept = self.fleet_size.lock().await;
        let size = match *kept {
            Some((at, size)) if at.elapsed() < FLEET_SIZE_FRESH => size,
            _ => self.database.fleet_size(now_ms()).await?,
        };
        if kept.is_none_or(|(at, _)| at.elapsed() >= FLEET_SIZE_FRESH) {
            *kept = Some((Instant::now(), size));
        }
        Ok((size > 0).then_some(size))
    }

    /// The suspect machines of the fleet, at most some minutes old; `None` while they are not known. One question is
    /// under way at a time, whoever has gone away meanwhile.
    pub(crate) async fn suspects(&self) -> Option<Arc<Suspects>> {
        let mut kept = self.suspects.lock().await;
        let KeptSuspects { found, asking } = &mut *kept;
        let age = found.as_ref().map_or(Duration::MAX, |(at, _)| at.elapsed());
        if asking.is_none() && age >= SUSPECTS_FRESH {
            let app = self.clone();
            *asking = Some(tokio::spawn(async move { hardware::ask(&app).await }));
        }
        if let Some(task) = asking {
            let patience = if age < SUSPECTS_STALE { Duration::ZERO } else { SUSPECTS_PATIENCE };
            if let Ok(ended) = tokio::time::timeout(patience, task).await {
                *asking = None;
                // A failure was said where it happened. What was known before stands for a while.
                if let Ok(Some(suspects)) = ended {
                    *found = Some((Instant::now(), Arc::new(suspects)));
                }
            }
        }
        found.as_ref().filter(|(at, _)| at.elapsed() < SUSPECTS_STALE).map(|(_, suspects)| suspects.clone())
    }
}

/// The clock, in the unit that rows have.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
