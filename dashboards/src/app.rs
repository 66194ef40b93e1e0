//! What every request can reach, and the one thing that is kept between requests: the fleet page, for a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use storage::{database::Database, queue::Queue};
use tokio::sync::Mutex;

use crate::gather::fleet::Fleet;
use crate::range::Span;
use crate::respond::Fault;

/// During an outage everybody opens the fleet page and it refreshes itself: a second old is fresh enough.
const FRESH: Duration = Duration::from_secs(1);

/// What was gathered last, and when.
type Kept = BTreeMap<Span, (Instant, Arc<Fleet>)>;

/// State of the router; clones share it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) queue: Queue,
    pub(crate) upload_url: Arc<str>,
    fleets: Arc<Mutex<Kept>>,
}

impl App {
    pub(crate) fn new(database: Database, queue: Queue, upload_url: String) -> Self {
        Self { database, queue, upload_url: upload_url.into(), fleets: Arc::default() }
    }

    /// The fleet page's content. Those who ask at once wait for one answer instead of asking ClickHouse each.
    pub(crate) async fn fleet(&self, span: Span) -> Result<Arc<Fleet>, Fault> {
        let mut fleets = self.fleets.lock().await;
        if let Some((at, fleet)) = fleets.get(&span)
            && at.elapsed() < FRESH
        {
            return Ok(fleet.clone());
        }
        let fleet = Arc::new(crate::gather::fleet::gather(self, span).await?);
        fleets.insert(span, (Instant::now(), fleet.clone()));
        Ok(fleet)
    }
}

/// The clock, in the unit that rows have.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
