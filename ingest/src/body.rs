//! The bytes of a request as they come off the wire: counted, capped and on time. Inflates nothing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tokio_util::io::StreamReader;

use crate::config::{DRAIN_BYTES, DRAIN_PAUSE, DRAIN_TIME, FORM_ROOM, IngestConfig};
use crate::refusal::Refusal;

/// A request's body. Clones share it: one reads, and another may drain what is left when the reading was given up.
#[derive(Clone)]
pub(crate) struct Incoming {
    shared: Arc<Mutex<Wire>>,
}

struct Wire {
    stream: BodyDataStream,
    /// What arrived so far.
    bytes: u64,
}

/// What a body may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WireLimits {
    /// Not counting what a form adds.
    pub(crate) bytes: u64,
    /// Longest pause.
    pub(crate) idle: Duration,
    /// Longest time for all of it.
    pub(crate) total: Duration,
}

impl From<&IngestConfig> for WireLimits {
    fn from(config: &IngestConfig) -> Self {
        Self { bytes: config.max_upload_bytes, idle: config.idle_timeout, total: config.body_timeout }
    }
}

impl Incoming {
    pub(crate) fn new(body: Body) -> Self {
        let wire = Wire { stream: body.into_data_stream(), bytes: 0 };
        Self { shared: Arc::new(Mutex::new(wire)) }
    }

    /// Bytes that came off the wire.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// The body as a reader.
    pub(crate) fn reader(&self, limits: WireLimits) -> StreamReader<Timed, Bytes> {
        StreamReader::new(Timed {
            body: self.clone(),
            limits,
            deadline: Box::pin(sleep_until(Instant::now() + limits.total)),
            idle: None,
        })
    }

    /// Reads on, for a moment, what a rejected client is still sending. Closing a socket with unread bytes resets the
    /// connection, and the reset may overtake the answer: the client would see a broken pipe instead of a reason.
    pub(crate) async fn drain(mut self) {
        let deadline = Instant::now() + DRAIN_TIME;
        let limit = self.bytes().saturating_add(DRAIN_BYTES);
        while self.bytes() <= limit {
            let pause = deadline.min(Instant::now() + DRAIN_PAUSE);
            let Ok(Some(Ok(_))) = timeout_at(pause, self.next()).await else { break };
        }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut wire = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ready!(wire.stream.poll_next_unpin(cx));
        if let Some(Ok(chunk)) = &next {
            wire.bytes = wire.bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        }
        Poll::Ready(next)
    }
}

/// The body within its limits.
pub(crate) struct Timed {
    body: Incoming,
    limits: WireLimits,
    deadline: Pin<Box<Sleep>>,
    /// Runs only while nothing arrives.
    idle: Option<Pin<Box<Sleep>>>,
}

impl Stream for Timed {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let refuse = |refusal: Refusal| Poll::Ready(Some(Err(refusal.into())));
        if this.deadline.as_mut().poll(cx).is_ready() {
            return refuse(Refusal::Slow { seconds: this.limits.total.as_secs() });
        }
        match this.body.poll_next_unpin(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(_))) if this.body.bytes() > this.limits.bytes.saturating_add(FORM_ROOM) => {
                refuse(Refusal::TooLarge { limit: this.limits.bytes })
            }
            Poll::Ready(Some(Ok(chunk))) => {
                this.idle = None;
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(cause = ?error, "the connection ended within the body");
                refuse(Refusal::BodyCut)
            }
            Poll::Pending => {
                let limit = this.limits.idle;
                let idle = this.idle.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
                ready!(idle.as_mut().poll(cx));
                refuse(Refusal::Idle { seconds: limit.as_secs() })
            }
        }
    }
}
