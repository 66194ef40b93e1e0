//! One source, with its guards: how many ask it at once, how often, and when nobody does. Owns the order in which its
//! paths are tried; knows no cache.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::breaker::{Breaker, BreakerState, Leave};
use super::config::{Layout, LibraryConfig, Place, SourceConfig, SourceFault};
use super::disk::Part;
use super::failure::Failure;
use super::folder::{Folder, Turn};
use super::layout::{Attempt, Kind, TWO_TIERS, attempts};
use super::load::{Accepted, Loader};
use super::metrics::{FileOutcome, Metrics, Request, RequestOutcome, Source as SourceLabel};
use super::remote::{Bounds, Bucket, Clients, Fault, Remote, Server};
use crate::id::FileId;

/// A source that wants to be left alone for longer is: the file is asked for again when its failure is forgotten.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long a server is not asked for its `index2.txt` again that failed to say whether it has one. Some fail for any name
/// that they do not know, and have files nevertheless.
const UNKNOWN_TIERS_FOR: Duration = Duration::from_secs(60);

/// How a source does; for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceHealth {
    /// Where it is, without credentials.
    pub source: String,
    /// Whether it is asked at present.
    pub state: BreakerState,
    /// When it answered last, if only that it has no such file.
    pub answered_at: Option<SystemTime>,
    /// What it failed with last, and when.
    pub last_error: Option<(String, SystemTime)>,
}

/// One source.
#[derive(Debug)]
pub(crate) struct Source {
    key: String,
    label: String,
    layouts: Vec<Layout>,
    kind: SourceKind,
    turns: Arc<Semaphore>,
    breaker: Breaker,
    two_tiers: Mutex<Option<(Tiers, Instant)>>,
    seen: Mutex<Seen>,
    limits: Limits,
    metrics: Metrics,
}

#[derive(Debug)]
enum SourceKind {
    Remote(Remote),
    Folder(Folder),
}

/// Whether a store has two tiers.
#[derive(Debug, Clone, Copy)]
enum Tiers {
    One,
    Two,
    /// It could not say: the paths of either are tried.
    Unknown,
}

impl Tiers {
    fn two(self) -> &'static [bool] {
        match self {
            Self::One => &[false],
            Self::Two => &[true],
            Self::Unknown => &[false, true],
        }
    }
}

/// One file's time at the source.
#[derive(Debug)]
struct Visit {
    turn: Turn,
    bounds: Bounds,
}

/// What is asked of a source.
#[derive(Debug)]
enum Question<'q> {
    /// Whether a folder has two tiers.
    Tiers(&'q Folder),
    /// The file at a path.
    File(&'q Attempt, &'q mut Part),
}

#[derive(Debug, Default)]
struct Seen {
    answered_at: Option<SystemTime>,
    last_error: Option<(String, SystemTime)>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    bytes: u64,
    head: Duration,
    idle: Duration,
    whole: Duration,
    retries: usize,
    two_tiers_for: Duration,
}

impl Source {
    pub(crate) fn new(
        source: &SourceConfig,
        config: &LibraryConfig,
        clients: &Clients,
        metrics: Metrics,
    ) -> Result<Self, SourceFault> {
        let kind = match &source.place {
            Place::Server(url) => {
                SourceKind::Remote(Remote::Server(Server::new(url, source, clients.clone())?))
            }
            Place::Bucket { bucket, prefix } => SourceKind::Remote(Remote::Bucket(Bucket::new(
                bucket,
                prefix,
                source,
                clients.named.clone(),
            )?)),
            Place::Folder(path) => SourceKind::Folder(Folder::new(path)),
        };
        let (label, layouts) = (source.label(), source.usual_layouts());
        let times = config.timeouts;
        Ok(Self {
            key: key(&label, &layouts),
            kind,
            layouts,
            turns: Arc::new(Semaphore::new(config.concurrency.max(1))),
            breaker: Breaker::new(config.breaker),
            two_tiers: Mutex::new(None),
            seen: Mutex::new(Seen::default()),
            limits: Limits {
                bytes: config.file_bytes,
                head: times.connect.saturating_add(times.idle),
                idle: times.idle,
                whole: times.whole,
                retries: config.retries,
                two_tiers_for: config.failures.not_found,
            },
            label,
            metrics,
        })
    }

    /// What its failures are kept under: another place or other layouts may have what this one has not.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Whether its failures are worth keeping. A folder is asked again: that is cheap, and people who put a file there
    /// try again at once.
    pub(crate) fn keeps_failures(&self) -> bool {
        self.is_remote()
    }

    /// Whether it is asked over the network by us; a folder may be mounted from anywhere.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.kind, SourceKind::Remote(_))
    }

    /// Without credentials.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn health(&self) -> SourceHealth {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        SourceHealth {
            source: self.label.clone(),
            state: self.breaker.state(Instant::now()),
            answered_at: seen.answered_at,
            last_error: seen.last_error.clone(),
        }
    }

    /// Looks for the first of some files, and loads it.
    pub(crate) async fn fetch(
        &self,
        part: &mut Part,
        ids: &[FileId],
        loader: &Loader,
    ) -> Result<Accepted, Failure> {
        let begun = Instant::now();
        let outcome = self.look(part, ids, loader).await;
        let label = SourceLabel { source: self.label.clone() };
        self.metrics.file_duration.get_or_create(&label).observe(begun.elapsed().as_secs_f64());
        let open = i64::from(self.breaker.state(Instant::now()) != BreakerState::Closed);
        self.metrics.breaker_open.get_or_create(&label).set(open);
        let word = outcome.as_ref().map_or_else(Failure::outcome, |_| "found");
        let source = label.source;
        self.metrics.files.get_or_create(&FileOutcome { source, outcome: word }).inc();
        outcome
    }

    /// A turn, and the time that begins with it.
    async fn visit(&self) -> Result<Visit, Failure> {
        // Nobody waits for a turn only to hear that.
        if self.breaker.state(Instant::now()) == BreakerState::Open {
            return Err(self.failure(self.left_alone()));
        }
        let Limits { bytes, head, idle, whole, .. } = self.limits;
        // Turns at a folder that hangs do not come back: what stands behind it is asked for, too.
        let patience = if self.is_remote() { whole } else { head };
        let Ok(Ok(turn)) = timeout(patience, Arc::clone(&self.turns).acquire_owned()).await else {
            if !self.is_remote()
                && let Ok(leave) = self.breaker.leave(Instant::now())
            {
                leave.failed(Instant::now());
            }
            return Err(Failure::Untried(format!("{} has too much to do", self.label)));
        };
        let now = tokio::time::Instant::now();
        let deadline = now.checked_add(whole).unwrap_or(now);
        Ok(Visit { turn: Arc::new(turn), bounds: Bounds { bytes, head, idle, deadline } })
    }

    async fn look(&self, part: &mut Part, ids: &[FileId], loader: &Loader) -> Result<Accepted, Failure> {
        let visit = self.visit().await?;
        let tiers = self.tiers(&visit).await.map_err(|fault| self.failure(fault))?;
        let mut worst = Failure::NotFound;
        'files: for id in ids {
            for attempt in self.attempts(id, tiers) {
                match self.guarded(&visit, Question::File(&attempt, part)).await {
                    Ok(()) => {}
                    Err(Fault::Absent) => continue,
                    Err(fault @ Fault::TooLarge(_)) => {
                        worst = self.failure(fault);
                        self.clear(part)?;
                        continue 'files;
                    }
                    Err(fault) => return Err(self.failure(fault)),
                }
                match loader.accept(part, id).await {
                    Ok(accepted) => return Ok(accepted),
                    Err(Failure::Damaged(_)) if attempt.kind == Kind::Flat => self.clear(part)?,
                    Err(failure @ Failure::Damaged(_)) => {
                        tracing::warn!(source = %self.label, file = %id, %failure, "a symbol file is of no use");
                        worst = failure;
                        self.clear(part)?;
                        continue 'files;
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Err(worst)
    }

    fn clear(&self, part: &mut Part) -> Result<(), Failure> {
        part.clear().map_err(|error| self.failure(Fault::Here(error)))
    }

    fn attempts(&self, id: &FileId, tiers: Tiers) -> Vec<Attempt> {
        let mut all: Vec<Attempt> = Vec::new();
        for two in tiers.two() {
            for attempt in attempts(id, &self.layouts, *two, !self.is_remote()) {
                if !all.contains(&attempt) {
                    all.push(attempt);
                }
            }
        }
        all
    }

    /// Whether the store says that it has two tiers. A server is asked once in a while, and that it fails to say is not
    /// held against it.
    async fn tiers(&self, visit: &Visit) -> Result<Tiers, Fault> {
        let remote = match &self.kind {
            _ if !self.layouts.contains(&Layout::TwoTier) => return Ok(Tiers::One),
            SourceKind::Folder(folder) => {
                return match self.guarded(visit, Question::Tiers(folder)).await {
                    Ok(()) => Ok(Tiers::Two),
                    Err(Fault::Absent) => Ok(Tiers::One),
                    Err(fault) => Err(fault),
                };
            }
            SourceKind::Remote(remote) => remote,
        };
        let known = *self.two_tiers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((tiers, at)) = known
            && at.elapsed()
                < if matches!(tiers, Tiers::Unknown) { UNKNOWN_TIERS_FOR } else { self.limits.two_tiers_for }
        {
            return Ok(tiers);
        }
        // Its next request is a probe: that shall be for a file.
        if self.breaker.state(Instant::now()) != BreakerState::Closed {
            return Ok(Tiers::Unknown);
        }
        let outcome = remote.open(&[TWO_TIERS.to_owned()], None, &visit.bounds).await.map(drop);
        self.note(&outcome);
        let tiers = match outcome {
            Ok(()) => Tiers::Two,
            Err(Fault::Absent | Fault::Refused(_)) => Tiers::One,
            Err(_fault) => Tiers::Unknown,
        };
        *self.two_tiers.lock().unwrap_or_else(PoisonError::into_inner) = Some((tiers, Instant::now()));
        Ok(tiers)
    }

    /// Asks behind the breaker, and again after failures that may pass.
    async fn guarded(&self, visit: &Visit, mut question: Question<'_>) -> Result<(), Fault> {
        let mut delays = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(Duration::from_millis(250))
            // A folder that hangs would only take another thread with it.
            .with_max_times(if self.is_remote() { self.limits.retries } else { 0 })
            .build();
        let mut last: Option<Fault> = None;
        loop {
            let Ok(mut leave) = self.breaker.leave(Instant::now()) else {
                return Err(last.unwrap_or_else(|| self.left_alone()));
            };
            let outcome = self.ask(&mut question, visit, &mut leave).await;
            self.note(&outcome);
            let (why, after) = match outcome {
                Err(Fault::Failing { why, after }) => (why, after),
                Err(Fault::Here(_)) => return outcome,
                other => {
                    leave.answered();
                    return other;
                }
            };
            leave.failed(Instant::now());
            let wait = match delays.next() {
                Some(delay) if after.is_none_or(|after| after <= LONGEST_RETRY_AFTER) => {
                    delay.max(after.unwrap_or_default())
                }
                _ => return Err(Fault::Failing { why, after }),
            };
            let now = tokio::time::Instant::now();
            if now.checked_add(wait).is_none_or(|at| at >= visit.bounds.deadline) {
                return Err(Fault::Failing { why, after });
            }
            tracing::debug!(source = %self.label, %why, wait_ms = wait.as_millis(), "asking a symbol source again");
            tokio::time::sleep(wait).await;
            last = Some(Fault::Failing { why, after });
        }
    }

    async fn ask(
        &self,
        question: &mut Question<'_>,
        visit: &Visit,
        leave: &mut Leave<'_>,
    ) -> Result<(), Fault> {
        let Visit { turn, bounds } = visit;
        let mut heard = || leave.heard();
        match (question, &self.kind) {
            (Question::Tiers(folder), _) => folder.ask_tiers(turn, bounds).await,
            (Question::File(attempt, part), SourceKind::Folder(folder)) => {
                folder.bring(attempt, part, turn, bounds, &mut heard).await
            }
            (Question::File(attempt, part), SourceKind::Remote(remote)) => {
                let label = SourceLabel { source: self.label.clone() };
                let received = self.metrics.received.get_or_create_owned(&label);
                remote.download(&self.key, &attempt.parts, part, bounds, &received, &mut heard).await
            }
        }
    }

    fn left_alone(&self) -> Fault {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let why = seen.last_error.as_ref().map_or("it failed", |(why, _)| why.as_str());
        Fault::Untried(format!("{} is left alone for a while: {why}", self.label))
    }

    /// Remembers how a request ended.
    fn note(&self, outcome: &Result<(), Fault>) {
        let word = match outcome {
            Ok(()) => Request::received,
            Err(Fault::Absent) => Request::absent,
            Err(Fault::Refused(_) | Fault::TooLarge(_) | Fault::Changed) => Request::refused,
            Err(Fault::Failing { .. } | Fault::Here(_) | Fault::Untried(_)) => Request::failed,
        };
        let source = self.label.clone();
        self.metrics.requests.get_or_create(&RequestOutcome { source, outcome: word }).inc();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) | Err(Fault::Absent) => seen.answered_at = Some(SystemTime::now()),
            Err(fault) => seen.last_error = Some((fault.to_string(), SystemTime::now())),
        }
    }

    fn failure(&self, fault: Fault) -> Failure {
        match fault {
            Fault::Absent => Failure::NotFound,
            Fault::TooLarge(_) => Failure::Damaged(fault.to_string()),
            Fault::Refused(why) | Fault::Failing { why, .. } => Failure::Unreachable(why),
            Fault::Changed => Failure::Unreachable(fault.to_string()),
            Fault::Untried(why) => Failure::Untried(why),
            Fault::Here(error) => {
                tracing::error!(%error, source = %self.label, "cannot keep a symbol file");
                Failure::Untried(error.to_string())
            }
        }
    }
}

/// The same in all processes and versions: it is part of a file's name.
fn key(label: &str, layouts: &[Layout]) -> String {
    let hash = blake3::hash(format!("{label} {layouts:?}").as_bytes());
    hash.to_hex().chars().take(16).collect()
}
