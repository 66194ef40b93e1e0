//! Symbol files from their sources: a cache on disk, local folders, symbol servers, object stores, in the order of the
//! configuration. The rim of this crate: everything else is pure.
//!
//! A want goes through the tenant's own files, what is loaded, the cache on disk, and the sources. Whoever asks gets an
//! answer in bounded time; what is fetched for him goes on without him, for the next one.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use prometheus_client::registry::Registry;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::id::FileId;
use crate::set::{Answer, Missing, Want};

mod address;
mod breaker;
mod config;
mod disk;
mod failure;
mod folder;
mod layout;
mod load;
mod memory;
mod metrics;
mod remote;
mod source;

pub use breaker::BreakerState;
pub use config::{
    BreakerConfig, FailureTtls, Layout, LibraryConfig, Place, SourceConfig, SourceFault, Timeouts,
};
pub use source::SourceHealth;

use disk::{Disk, Part, Slot, files_of};
use failure::{Failure, worse};
use load::{Loaded, Loader};
use memory::{Key, Landing, Memory};
use metrics::{LookupPlace, Metrics};
use remote::Clients;
use source::Source;

/// How servers see us.
const AGENT: &str = concat!("bluescope/", env!("CARGO_PKG_VERSION"));
/// How often to look whether another process has finished a download that we want, too.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// The private store failed.
#[derive(Debug, thiserror::Error)]
#[error("the private symbol store failed")]
pub struct PrivateStoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Files that people pushed, asked before any other source. A scope (a tenant) sees only its own.
pub trait PrivateStore: Send + Sync + std::fmt::Debug {
    /// The file's bytes; `None` where it is not there.
    fn get<'s>(
        &'s self,
        scope: &'s str,
        id: &'s FileId,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Bytes>, PrivateStoreError>> + Send + 's>>;
}

/// Why there is no library.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The cache cannot be opened.
    #[error("cannot open the symbol cache {path}")]
    Cache {
        /// Its folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A source cannot work.
    #[error(transparent)]
    Source(#[from] SourceFault),
    /// No connections can be made.
    #[error("cannot prepare connections to symbol sources")]
    Client(#[source] reqwest::Error),
}

/// Loaded files, and the way to get others.
#[derive(Debug)]
pub struct Library {
    inner: Arc<Inner>,
    patience: Duration,
    stop: CancellationToken,
    _stop_when_dropped: DropGuard,
}

#[derive(Debug)]
struct Inner {
    private: Option<Arc<dyn PrivateStore>>,
    memory: Arc<Memory>,
    disk: Arc<Disk>,
    sources: Vec<Source>,
    loader: Loader,
    whole: Duration,
    folder: std::path::PathBuf,
    metrics: Metrics,
}

impl Library {
    /// Opens the cache; asks nobody yet.
    ///
    /// # Errors
    /// Where the cache cannot be opened, or a source cannot work.
    pub fn open(
        config: LibraryConfig,
        private: Option<Arc<dyn PrivateStore>>,
        registry: &mut Registry,
    ) -> Result<Self, LibraryError> {
        let metrics = Metrics::register(registry);
        let folder = config.cache_dir.clone();
        let disk = Disk::open(&folder, config.cache_bytes, config.failures, metrics.clone())
            .map_err(|source| LibraryError::Cache { path: folder.display().to_string(), source })?;
        let clients = Clients::new(config.timeouts.connect, AGENT).map_err(LibraryError::Client)?;
        let sources = config
            .sources
            .iter()
            .map(|source| Source::new(source, &config, &clients, metrics.clone()))
            .collect::<Result<_, _>>()?;
        let stop = CancellationToken::new();
        let inner = Inner {
            private,
            memory: Arc::new(Memory::new(config.memory_bytes, metrics.clone())),
            disk: Arc::new(disk),
            sources,
            loader: Loader::new(config.file_bytes, metrics.clone()),
            whole: config.timeouts.whole,
            folder,
            metrics,
        };
        let (patience, guard) = (config.timeouts.wants, stop.clone().drop_guard());
        Ok(Self { inner: Arc::new(inner), patience, stop, _stop_when_dropped: guard })
    }

    /// Fetches and loads, all wants side by side. Always answers, in bounded time: what is still on its way then is
    /// [`Missing::Unreachable`], and goes on for the next one who asks.
    pub async fn get(&self, scope: &str, wants: &[Want]) -> Vec<(Want, Answer)> {
        let now = tokio::time::Instant::now();
        let deadline = now.checked_add(self.patience).unwrap_or(now);
        let scope: Arc<str> = scope.into();
        join_all(wants.iter().map(|want| async {
            let answer = match timeout_at(deadline, self.answer(&scope, want)).await {
                Ok(answer) => answer,
                Err(_elapsed) => Answer::Missing(Missing::Unreachable),
            };
            if matches!(answer, Answer::Missing(_)) {
                self.inner.metrics.found_in(LookupPlace::missing);
            }
            (want.clone(), answer)
        }))
        .await
    }

    /// Forgets what is known of a tenant's file, because another one was pushed or it was removed.
    pub fn forget(&self, scope: &str, id: &FileId) {
        let want = match id {
            FileId::Image(id) => Want::Image(id.clone()),
            FileId::Pdb(id) | FileId::Sym(id) => Want::Names(id.clone()),
        };
        self.inner.memory.remove(&(Some(scope.into()), want));
    }

    /// Forgets all files of tenants, because some were pushed: what is asked for next is asked of the private store again.
    pub fn forget_pushed(&self) {
        self.inner.memory.remove_private();
    }

    /// Whether anybody is asked over the network.
    pub fn has_remote_sources(&self) -> bool {
        self.inner.sources.iter().any(Source::is_remote)
    }

    /// How the sources do, in the order of the configuration.
    pub fn health(&self) -> Vec<SourceHealth> {
        self.inner.sources.iter().map(Source::health).collect()
    }

    async fn answer(&self, scope: &Arc<str>, want: &Want) -> Answer {
        let mut private_failed = None;
        if self.inner.private.is_some() {
            let key = (Some(Arc::clone(scope)), want.clone());
            match self.fly(key).await {
                Answer::Missing(Missing::NotFound) => {}
                Answer::Missing(why) => private_failed = Some(why),
                found => return found,
            }
        }
        match (self.fly((None, want.clone())).await, private_failed) {
            (Answer::Missing(why), Some(private)) => Answer::Missing(worse(why, private)),
            (answer, _) => answer,
        }
    }

    /// From memory, or by the one flight that is under way for all who want it.
    async fn fly(&self, key: Key) -> Answer {
        if let Some(answer) = self.inner.memory.get(&key) {
            self.inner.metrics.found_in(LookupPlace::memory);
            return answer;
        }
        let flight = self.inner.memory.join(&key, |landing| {
            let (inner, stop, key) = (Arc::clone(&self.inner), self.stop.clone(), key.clone());
            let task = tokio::spawn(stop.run_until_cancelled_owned(inner.run(key, landing)));
            Box::pin(async { task.await.ok().flatten() })
        });
        let answer = match flight {
            Some(flight) => flight.await,
            None => None,
        };
        answer.unwrap_or(Answer::Missing(Missing::Unreachable))
    }
}

impl Inner {
    async fn run(self: Arc<Self>, key: Key, landing: Landing) -> Answer {
        let outcome = match &key.0 {
            Some(scope) => self.pushed(scope, &key.1).await,
            None => self.published(&key.1).await,
        };
        match outcome {
            Ok((loaded, place)) => {
                self.metrics.found_in(place);
                let answer = loaded.answer.clone();
                if let Err(error) = tokio::task::spawn_blocking(move || landing.keep(loaded)).await {
                    tracing::error!(%error, "a loaded symbol file cannot be kept in memory");
                }
                answer
            }
            Err(missing) => Answer::Missing(missing),
        }
    }

    /// A tenant's own file.
    async fn pushed(&self, scope: &str, want: &Want) -> Result<(Loaded, LookupPlace), Missing> {
        let Some(store) = &self.private else { return Err(Missing::NotFound) };
        let Ok(Ok(_turn)) = timeout(self.whole, self.loader.pushed_turn()).await else {
            tracing::warn!("the private symbol store has too much to do");
            return Err(Missing::Unreachable);
        };
        let mut worst = Missing::NotFound;
        for id in files_of(want) {
            let bytes = match timeout(self.whole, store.get(scope, &id)).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => continue,
                failed => {
                    let cause = failed.map_or_else(|late| late.to_string(), |error| cause(error.err()));
                    tracing::warn!(cause, file = %id, "the private symbol store failed");
                    worst = worse(worst, Missing::Unreachable);
                    continue;
                }
            };
            match self.loader.load_bytes(id.clone(), bytes, self.folder.clone()).await {
                Ok(loaded) => return Ok((loaded, LookupPlace::private)),
                Err(failure) => {
                    tracing::warn!(%failure, file = %id, "a pushed symbol file is of no use");
                    worst = worse(worst, failure.missing());
                }
            }
        }
        Err(worst)
    }

    /// A file of the cache, or else of the first source that has it.
    async fn published(&self, want: &Want) -> Result<(Loaded, LookupPlace), Missing> {
        let slot = self.disk.slot(want);
        let begun = Instant::now();
        let part = loop {
            if let Some(loaded) = self.cached(&slot).await? {
                return Ok((loaded, LookupPlace::disk));
            }
            if let Some(missing) = self.known_missing(&slot).await? {
                return Err(missing);
            }
            if let Some(part) = self.on_disk(&slot, Disk::lock).await? {
                break part;
            }
            if begun.elapsed() >= self.whole {
                tracing::warn!(?want, "another process has not finished a download in time");
                return Err(Missing::Unreachable);
            }
            tokio::time::sleep(LOCK_POLL).await;
        };
        // The one who had the lock before us may have finished between our look and our lock.
        if let Some(loaded) = self.cached(&slot).await? {
            self.on_disk(&slot, |_, _| part.give_up()).await?;
            return Ok((loaded, LookupPlace::disk));
        }
        self.ask_sources(&slot, part).await.map(|loaded| (loaded, LookupPlace::source))
    }

    async fn cached(&self, slot: &Slot) -> Result<Option<Loaded>, Missing> {
        let Some(found) = self.on_disk(slot, Disk::find).await? else { return Ok(None) };
        match self.loader.load(found.id.clone(), found.file).await {
            Ok(loaded) => Ok(Some(loaded)),
            Err(failure @ Failure::Damaged(_)) => {
                tracing::warn!(file = %found.id, %failure, "removing a damaged file from the symbol cache");
                self.disk.discard(&found.path);
                Ok(None)
            }
            Err(failure) => Err(failure.missing()),
        }
    }

    /// `Some` where every source failed lately: then there is nothing to ask and nothing to lock.
    async fn known_missing(&self, slot: &Slot) -> Result<Option<Missing>, Missing> {
        let keys: Vec<_> = self.sources.iter().map(|source| source.key().to_owned()).collect();
        self.on_disk(slot, move |disk, slot| {
            let all: Option<Vec<_>> = keys.iter().map(|key| disk.failure(slot, key)).collect();
            Ok(all.map(|failures| failures.iter().map(Failure::missing).fold(Missing::NotFound, worse)))
        })
        .await
    }

    async fn ask_sources(&self, slot: &Slot, mut part: Part) -> Result<Loaded, Missing> {
        let mut worst = Missing::NotFound;
        for source in &self.sources {
            let key = source.key().to_owned();
            if let Some(failure) = self.on_disk(slot, move |disk, slot| Ok(disk.failure(slot, &key))).await? {
                worst = worse(worst, failure.missing());
                continue;
            }
            let failure = match source.fetch(&mut part, slot.ids(), &self.loader).await {
                Ok(accepted) => {
                    tracing::debug!(source = source.label(), file = %accepted.id, "fetched a symbol file");
                    let (finished, id) = (accepted.finished, accepted.id);
                    let kept = self.on_disk(slot, move |disk, _| disk.publish(part, &finished, &id)).await;
                    // It is loaded, whether it can be kept or not; why not was logged.
                    drop(kept);
                    return Ok(accepted.loaded);
                }
                Err(failure) => failure,
            };
            tracing::debug!(source = source.label(), file = ?slot.ids().first(), %failure, "no symbol file");
            worst = worse(worst, failure.missing());
            if source.keeps_failures() {
                let key = source.key().to_owned();
                self.on_disk(slot, move |disk, slot| disk.keep_failure(slot, &key, &failure)).await?;
            }
        }
        self.on_disk(slot, |_, _| part.give_up()).await?;
        Err(worst)
    }

    /// Something with the cache, on a thread that may block. Where the disk fails nobody knows whether the file is there.
    async fn on_disk<T: Send + 'static>(
        &self,
        slot: &Slot,
        work: impl FnOnce(&Disk, &Slot) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Missing> {
        let (disk, slot) = (Arc::clone(&self.disk), slot.clone());
        tokio::task::spawn_blocking(move || work(&disk, &slot))
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(broken)
    }
}

fn cause(error: Option<PrivateStoreError>) -> String {
    error.map_or_else(String::new, |error| remote::chain(&error))
}

fn broken(error: std::io::Error) -> Missing {
    tracing::error!(%error, "the symbol cache failed");
    Missing::Unreachable
}
