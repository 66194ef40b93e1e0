//! `GET /live`: tells open pages that something has changed, as server-sent events. One question every two seconds,
//! however many pages are open, and none while none is. Pages then ask for themselves again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use storage::database::Database;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::{App, now_ms};
use crate::respond::Fault;

/// A crash is on a page within five seconds: this, the question, and the page's own.
const PACE: Duration = Duration::from_secs(2);
/// Pages that may be open at once; each holds a connection.
const MOST_OPEN: usize = 500;

/// What the newest crash and the newest step of an incident were, as one number; 0 before the first answer.
type Mark = u64;

/// Clones share it.
#[derive(Clone)]
pub(crate) struct Live {
    database: Database,
    marks: watch::Sender<Mark>,
    asking: Arc<Mutex<Option<JoinHandle<()>>>>,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Live {
    pub(crate) fn new(database: Database, stop: CancellationToken) -> Self {
        Self {
            database,
            marks: watch::Sender::new(0),
            asking: Arc::default(),
            slots: Arc::new(Semaphore::new(MOST_OPEN)),
            stop,
        }
    }

    /// Somebody listens from now on; the question is asked while anybody does.
    async fn listen(&self) -> Result<(watch::Receiver<Mark>, OwnedSemaphorePermit), Fault> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_all_taken| {
            Fault::Busy(format!("{MOST_OPEN} pages are open and update themselves: reload this one by hand."))
        })?;
        let marks = self.marks.subscribe();
        let mut asking = self.asking.lock().await;
        if asking.as_ref().is_none_or(JoinHandle::is_finished) {
            let live = self.clone();
            *asking = Some(tokio::spawn(async move { live.ask().await }));
        }
        Ok((marks, slot))
    }

    async fn ask(&self) {
        let mut every = tokio::time::interval(PACE);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.marks.receiver_count() > 0 {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = every.tick() => {}
            }
            match self.database.live_mark(now_ms()).await {
                Ok(mark) => {
                    self.marks.send_if_modified(|last| std::mem::replace(last, mark) != mark);
                }
                Err(error) => tracing::warn!(%error, "cannot tell whether a page has changed"),
            }
        }
    }
}

/// The handler.
pub(crate) async fn events(State(app): State<App>) -> Response {
    let (marks, slot) = match app.live.listen().await {
        Ok(listening) => listening,
        Err(fault) => return fault.json(),
    };
    let stop = app.live.stop.clone();
    let events = stream::unfold((marks, stop, slot), |(mut marks, stop, slot)| async move {
        tokio::select! {
            () = stop.cancelled() => None,
            changed = marks.changed() => {
                changed.ok()?;
                let event = Event::default().event("changed").data(marks.borrow_and_update().to_string());
                Some((Ok::<_, Infallible>(event), (marks, stop, slot)))
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
