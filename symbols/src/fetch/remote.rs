//! What symbol servers and object stores have in common: a path is asked for, a body comes, and it is written behind what
//! is there already. Owns the cap on size and the time between two pieces; retries nothing.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use prometheus_client::metrics::counter::Counter;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout_at};

use super::disk::{Part, Validator};

/// Who may not list a bucket of S3 or Google is told this of what is not there. Wrong keys and wrong clocks have other
/// codes (`InvalidAccessKeyId`, `SignatureDoesNotMatch`, `RequestTimeTooSkewed`), and say nothing of the file.
const FORBIDDEN_WHEN_ABSENT: &str = "<Code>AccessDenied</Code>";

mod bucket;
mod server;

pub(crate) use bucket::Bucket;
pub(crate) use server::{Clients, Server};

/// Why a request did not bring a file.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is none.
    Absent,
    /// The source says no, or leads somewhere forbidden: asking again changes nothing.
    Refused(String),
    /// What may pass.
    Failing {
        /// In words.
        why: String,
        /// When the source wants to be asked again.
        after: Option<Duration>,
    },
    /// The file that was begun is not the one that is there now.
    Changed,
    /// Larger than this.
    TooLarge(u64),
    /// It was not asked.
    Untried(String),
    /// This machine failed.
    Here(io::Error),
}

impl Fault {
    /// What may pass, in words.
    pub(crate) fn failing(why: impl Into<String>) -> Self {
        Self::Failing { why: why.into(), after: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("not found"),
            Self::Refused(why) | Self::Failing { why, .. } | Self::Untried(why) => f.write_str(why),
            Self::Changed => f.write_str("the file at the source changed while it was fetched"),
            Self::TooLarge(limit) => write!(f, "larger than {limit} bytes"),
            Self::Here(error) => write!(f, "on this machine: {error}"),
        }
    }
}

/// A file on its way.
pub(crate) struct Body {
    /// Where it begins: 0, or where the part that is there ends.
    pub(crate) from: u64,
    /// How much is to come.
    pub(crate) bytes: Option<u64>,
    /// Which version of the file it is.
    pub(crate) validator: Option<Validator>,
    /// The bytes.
    pub(crate) chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>,
}

/// How long and how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Largest file.
    pub(crate) bytes: u64,
    /// Until the head of an answer, with the connection.
    pub(crate) head: Duration,
    /// Between two pieces.
    pub(crate) idle: Duration,
    /// When all must be over.
    pub(crate) deadline: Instant,
}

impl Bounds {
    /// So long from now, if that is before the end.
    pub(crate) fn until(&self, patience: Duration) -> Instant {
        Instant::now().checked_add(patience).map_or(self.deadline, |at| at.min(self.deadline))
    }
}

/// A source over the network.
#[derive(Debug)]
pub(crate) enum Remote {
    /// HTTP.
    Server(Server),
    /// An object store.
    Bucket(Bucket),
}

impl Remote {
    /// Asks for a path.
    pub(crate) async fn open(
        &self,
        parts: &[String],
        resume: Option<&(u64, Validator)>,
        bounds: &Bounds,
    ) -> Result<Body, Fault> {
        let ask = async {
            match self {
                Self::Server(server) => server.open(parts, resume).await,
                Self::Bucket(bucket) => bucket.open(parts, resume).await,
            }
        };
        match timeout_at(bounds.until(bounds.head), ask).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Fault::failing(format!("no answer within {} s", bounds.head.as_secs_f32()))),
        }
    }

    /// Brings the file at a path into the partial file. What came before a failure
    /// stays there, and the next call goes on behind it. `heard` is called when the head of a good answer has come.
    pub(crate) async fn download(
        &self,
        source: &str,
        parts: &[String],
        part: &mut Part,
        bounds: &Bounds,
        received: &Counter,
        heard: &mut (dyn FnMut() + Send),
    ) -> Result<(), Fault> {
        let place = format!("{source} {}", parts.join("/"));
        let resume = part.resume(&place).map_err(Fault::Here)?;
        let body = match self.open(parts, resume.as_ref(), bounds).await {
            Err(Fault::Changed) if resume.is_some() => {
                part.clear().map_err(Fault::Here)?;
                self.open(parts, None, bounds).await?
            }
            answer => answer?,
        };
        heard();
        if body.bytes.is_some_and(|bytes| body.from.saturating_add(bytes) > bounds.bytes) {
            return Err(Fault::TooLarge(bounds.bytes));
        }
        if body.from == 0 {
            part.begin(&place, body.validator.as_ref()).map_err(Fault::Here)?;
        } else {
            part.seek_end(body.from).map_err(Fault::Here)?;
        }
        let mut file = tokio::fs::File::from_std(part.file().map_err(Fault::Here)?);
        let outcome = pour(body, &mut file, bounds, received).await;
        // Also after a failure: what is not in the file cannot be resumed.
        file.flush().await.map_err(Fault::Here)?;
        outcome
    }
}

async fn pour(
    mut body: Body,
    file: &mut tokio::fs::File,
    bounds: &Bounds,
    received: &Counter,
) -> Result<(), Fault> {
    let mut total = body.from;
    loop {
        let chunk = match timeout_at(bounds.until(bounds.idle), body.chunks.next()).await {
            Ok(Some(chunk)) => chunk?,
            Ok(None) => break,
            Err(_elapsed) if Instant::now() >= bounds.deadline => {
                return Err(Fault::failing(format!("not whole in time: {total} bytes so far")));
            }
            Err(_elapsed) => {
                return Err(Fault::failing(format!(
                    "nothing came for {} s behind {total} bytes",
                    bounds.idle.as_secs_f32()
                )));
            }
        };
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        received.inc_by(bytes);
        total = total.saturating_add(bytes);
        if total > bounds.bytes {
            return Err(Fault::TooLarge(bounds.bytes));
        }
        file.write_all(&chunk).await.map_err(Fault::Here)?;
    }
    match body.bytes.map(|bytes| body.from.saturating_add(bytes)) {
        Some(expected) if expected != total => {
            Err(Fault::failing(format!("{total} bytes came of {expected}")))
        }
        _ => Ok(()),
    }
}

/// An error and what is behind it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
