//! One source, with its guards: how many ask it at once, how often, and when nobody does. Owns the order in which its
//! paths are tried; knows no cache.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::breaker::{Breaker, BreakerState};
use super::config::{Layout, LibraryConfig, Place, SourceConfig, SourceFault};
use super::disk::Part;
use super::failure::Failure;
use super::folder::Folder;
use super::layout::{Attempt, Kind, TWO_TIERS, attempts};
use super::load::{Accepted, Loader};
use super::metrics::{FileOutcome, Metrics, Request, RequestOutcome, Source as SourceLabel};
use super::remote::{Bounds, Bucket, Clients, Fault, Remote, Server};
use crate::id::FileId;

/// A source that wants to be left alone for longer is: the file is asked for again when its failure is forgotten.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

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
    turns: Semaphore,
    breaker: Breaker,
    two_tiers: Mutex<Option<(bool, Instant)>>,
    seen: Mutex<Seen>,
    limits: Limits,
    metrics: Metrics,
}

#[derive(Debug)]
enum SourceKind {
    Remote(Remote),
    Folder(Folder),
}

/// What is asked of a remote source.
#[derive(Debug)]
enum Question<'q> {
    /// Whether there is such a path.
    Exists { remote: &'q Remote, parts: &'q [String] },
    /// The file there.
    File { remote: &'q Remote, parts: &'q [String], part: &'q mut Part },
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
            turns: Semaphore::new(config.concurrency.max(1)),
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

    async fn look(&self, part: &mut Part, ids: &[FileId], loader: &Loader) -> Result<Accepted, Failure> {
        let now = tokio::time::Instant::now();
        let deadline = now.checked_add(self.limits.whole).unwrap_or(now);
        let Ok(Ok(_turn)) = timeout_at(deadline, self.turns.acquire()).await else {
            return Err(Failure::Untried(format!("{} has too much to do", self.label)));
        };
        let two_tiers = self.two_tiers(deadline).await.map_err(|fault| self.failure(fault))?;
        let folder = matches!(self.kind, SourceKind::Folder(_));
        let mut worst = Failure::NotFound;
        'files: for id in ids {
            for attempt in attempts(id, &self.layouts, two_tiers, folder) {
                match self.bring(part, &attempt, deadline).await {
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

    /// One path, with further attempts where that may help.
    async fn bring(
        &self,
        part: &mut Part,
        attempt: &Attempt,
        deadline: tokio::time::Instant,
    ) -> Result<(), Fault> {
        let remote = match &self.kind {
            SourceKind::Remote(remote) => remote,
            SourceKind::Folder(folder) => return copy(folder, attempt, part, self.limits.bytes).await,
        };
        self.guarded(deadline, Question::File { remote, parts: &attempt.parts, part }).await
    }

    /// Whether the store says that it has two tiers; asked once in a while.
    async fn two_tiers(&self, deadline: tokio::time::Instant) -> Result<bool, Fault> {
        let remote = match &self.kind {
            _ if !self.layouts.contains(&Layout::TwoTier) => return Ok(false),
            SourceKind::Folder(folder) => return Ok(folder.two_tiers()),
            SourceKind::Remote(remote) => remote,
        };
        let known = *self.two_tiers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((answer, at)) = known
            && at.elapsed() < self.limits.two_tiers_for
        {
            return Ok(answer);
        }
        let parts = [TWO_TIERS.to_owned()];
        let answer = match self.guarded(deadline, Question::Exists { remote, parts: &parts }).await {
            Ok(()) => true,
            Err(Fault::Absent | Fault::Refused(_)) => false,
            Err(fault) => return Err(fault),
        };
        *self.two_tiers.lock().unwrap_or_else(PoisonError::into_inner) = Some((answer, Instant::now()));
        Ok(answer)
    }

    /// Asks behind the breaker, and again after failures that may pass.
    async fn guarded(&self, deadline: tokio::time::Instant, mut question: Question<'_>) -> Result<(), Fault> {
        let Limits { bytes, head, idle, retries, .. } = self.limits;
        let bounds = Bounds { bytes, head, idle, deadline };
        let mut delays = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(Duration::from_millis(250))
            .with_max_times(retries)
            .build();
        let mut last: Option<Fault> = None;
        loop {
            let leave = match self.breaker.leave(Instant::now()) {
                Ok(leave) => leave,
                Err(left) => return Err(last.unwrap_or_else(|| self.left_alone(left))),
            };
            let outcome = self.ask(&mut question, &bounds).await;
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
            if tokio::time::Instant::now().checked_add(wait).is_none_or(|at| at >= deadline) {
                return Err(Fault::Failing { why, after });
            }
            tracing::debug!(source = %self.label, %why, wait_ms = wait.as_millis(), "asking a symbol source again");
            tokio::time::sleep(wait).await;
            last = Some(Fault::Failing { why, after });
        }
    }

    async fn ask(&self, question: &mut Question<'_>, bounds: &Bounds) -> Result<(), Fault> {
        match question {
            Question::Exists { remote, parts } => remote.open(parts, None, bounds).await.map(drop),
            Question::File { remote, parts, part } => {
                let label = SourceLabel { source: self.label.clone() };
                let received = self.metrics.received.get_or_create_owned(&label);
                remote.download(&self.key, parts, part, bounds, &received).await
            }
        }
    }

    fn left_alone(&self, left: Duration) -> Fault {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let why = seen.last_error.as_ref().map_or("it failed", |(why, _)| why.as_str());
        Fault::Untried(format!("{} is left alone for {} s: {why}", self.label, left.as_secs()))
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

async fn copy(folder: &Folder, attempt: &Attempt, part: &mut Part, limit: u64) -> Result<(), Fault> {
    part.clear().map_err(Fault::Here)?;
    let mut to = part.file().map_err(Fault::Here)?;
    let (folder, attempt) = (folder.clone(), attempt.clone());
    tokio::task::spawn_blocking(move || folder.copy(&attempt, &mut to, limit))
        .await
        .unwrap_or_else(|error| Err(Fault::Here(std::io::Error::other(error))))
}

/// The same in all processes and versions: it is part of a file's name.
fn key(label: &str, layouts: &[Layout]) -> String {
    let hash = blake3::hash(format!("{label} {layouts:?}").as_bytes());
    hash.to_hex().chars().take(16).collect()
}
