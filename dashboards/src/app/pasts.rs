//! What lies behind the fleet, kept by range: the longer the range, the less a moment changes of it and the more it costs to
//! ask. While it is fresh it is given as it is; while it is not too old it is given and asked for anew beside; later whoever
//! wants it waits. One question of a range is under way at a time, whoever has gone away meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::gather::fleet::past::Past;
use crate::range::Span;
use crate::respond::Fault;

/// How long an answer is fresh, and how long it is good enough meanwhile. The week of 1.5 million crashes takes a second to
/// ask for; its newest bar is two hours wide.
fn ages(span: Span) -> (Duration, Duration) {
    match span {
        Span::Now | Span::Hour => (Duration::from_secs(1), Duration::from_secs(1)),
        Span::Day => (Duration::from_secs(2), Duration::from_secs(30)),
        Span::Week => (Duration::from_secs(30), Duration::from_secs(600)),
    }
}

/// The answer of last, and the question under way.
#[derive(Default)]
struct Slot {
    found: Option<(Instant, Arc<Past>)>,
    asking: Option<JoinHandle<Result<Past, Fault>>>,
}

/// All ranges; clones share them.
#[derive(Clone)]
pub(crate) struct Pasts(Arc<BTreeMap<Span, Mutex<Slot>>>);

impl Default for Pasts {
    fn default() -> Self {
        Self(Arc::new(Span::ALL.into_iter().map(|span| (span, Mutex::default())).collect()))
    }
}

impl Pasts {
    /// The answer for a range; `ask` is called where it has to be asked for.
    pub(crate) async fn get<F>(&self, span: Span, ask: impl FnOnce() -> F) -> Result<Arc<Past>, Fault>
    where
        F: Future<Output = Result<Past, Fault>> + Send + 'static,
    {
        let Some(slot) = self.0.get(&span) else { return ask().await.map(Arc::new) };
        let mut slot = slot.lock().await;
        let Slot { found, asking } = &mut *slot;
        let (fresh, enough) = ages(span);
        let age = found.as_ref().map_or(Duration::MAX, |(at, _)| at.elapsed());
        if let Some((_, past)) = found
            && age < fresh
        {
            return Ok(past.clone());
        }
        let task = asking.get_or_insert_with(|| tokio::spawn(ask()));
        if let Some((_, past)) = found
            && age < enough
            && !task.is_finished()
        {
            return Ok(past.clone());
        }
        let ended = task.await;
        *asking = None;
        let past = Arc::new(ended.map_err(|error| {
            tracing::error!(%error, "gathering the fleet's past ended by itself");
            Fault::Away
        })??);
        *found = Some((Instant::now(), past.clone()));
        Ok(past)
    }
}
