//! Files that are loaded, up to a limit, and those that are on their way: each is fetched and loaded once, however many
//! want it. What belongs to a tenant is kept under the tenant, and nobody else gets it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::Shared;

use super::load::Loaded;
use super::metrics::Metrics;
use crate::set::{Answer, Want};

/// More at once than any honest crash wants; a hostile dump can name thousands of modules.
const MOST_UNDER_WAY: usize = 2_048;

/// Whose file it is, `None`: everybody's; and what it answers.
pub(crate) type Key = (Option<Arc<str>>, Want);

/// An answer that is on its way; `None` where the one who fetched it was stopped.
pub(crate) type Flight = Shared<Pin<Box<dyn Future<Output = Option<Answer>> + Send>>>;

/// Loaded files.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    loaded: Mutex<LoadedFiles>,
    flights: Mutex<Flights>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Flights {
    by_key: HashMap<Key, (u64, Flight)>,
    begun: u64,
}

#[derive(Debug, Default)]
struct LoadedFiles {
    files: HashMap<Key, (Loaded, u64)>,
    clock: u64,
}

impl Memory {
    pub(crate) fn new(limit: u64, metrics: Metrics) -> Self {
        Self { limit, loaded: Mutex::default(), flights: Mutex::default(), metrics }
    }

    /// A file that is loaded.
    pub(crate) fn get(&self, key: &Key) -> Option<Answer> {
        let mut loaded = lock(&self.loaded);
        loaded.clock = loaded.clock.saturating_add(1);
        let now = loaded.clock;
        let (file, used) = loaded.files.get_mut(key)?;
        *used = now;
        Some(file.answer.clone())
    }

    /// Keeps a file, and lets go of those that were used longest ago when that is too much. What is let go of lives on
    /// with whoever still has it.
    fn insert(&self, key: Key, file: Loaded) {
        let files = {
            let mut loaded = lock(&self.loaded);
            loaded.clock = loaded.clock.saturating_add(1);
            let now = loaded.clock;
            loaded.files.insert(key.clone(), (file, now));
            loaded.files.clone()
        };
        // Without the lock: a PDB that is being asked at the moment may keep us waiting.
        let mut held: Vec<(u64, u64, Key)> = files
            .into_iter()
            .map(|(key, (file, used))| (used, u64::try_from(file.held()).unwrap_or(u64::MAX), key))
            .collect();
        held.sort_by_key(|(used, ..)| *used);
        let mut total: u64 = held.iter().fold(0, |sum, (_, bytes, _)| sum.saturating_add(*bytes));
        let mut loaded = lock(&self.loaded);
        for (_, bytes, oldest) in held {
            if total <= self.limit || oldest == key {
                break;
            }
            loaded.files.remove(&oldest);
            total = total.saturating_sub(bytes);
        }
        self.metrics.loaded_bytes.set(i64::try_from(total).unwrap_or(i64::MAX));
        self.metrics.loaded_files.set(i64::try_from(loaded.files.len()).unwrap_or(i64::MAX));
    }

    /// Forgets a file.
    pub(crate) fn remove(&self, key: &Key) {
        // Who comes now must not get what was on its way before: that flight's landing finds itself gone.
        lock(&self.flights).by_key.remove(key);
        lock(&self.loaded).files.remove(key);
    }

    /// Forgets all that belongs to tenants.
    pub(crate) fn remove_private(&self) {
        lock(&self.flights).by_key.retain(|(scope, _), _| scope.is_none());
        lock(&self.loaded).files.retain(|(scope, _), _| scope.is_none());
    }

    /// The flight of a key: the one under way, or the one that `begin` makes. `None` where too many are.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: &Key,
        begin: impl FnOnce(Landing) -> Pin<Box<dyn Future<Output = Option<Answer>> + Send>>,
    ) -> Option<Flight> {
        let mut flights = lock(&self.flights);
        if let Some((_, flight)) = flights.by_key.get(key) {
            return Some(flight.clone());
        }
        if flights.by_key.len() >= MOST_UNDER_WAY {
            return None;
        }
        flights.begun = flights.begun.saturating_add(1);
        let number = flights.begun;
        let flight = begin(Landing { memory: Arc::clone(self), key: key.clone(), number }).shared();
        flights.by_key.insert(key.clone(), (number, flight.clone()));
        self.metrics.under_way.set(i64::try_from(flights.by_key.len()).unwrap_or(i64::MAX));
        Some(flight)
    }
}

/// The end of a flight, however it ends.
#[derive(Debug)]
pub(crate) struct Landing {
    memory: Arc<Memory>,
    key: Key,
    number: u64,
}

impl Landing {
    /// Keeps what it brought, unless that was forgotten meanwhile. May block.
    pub(crate) fn keep(self, file: Loaded) {
        if self.is_current(&lock(&self.memory.flights)) {
            self.memory.insert(self.key.clone(), file);
        }
        // It may have been forgotten between the two.
        if !self.is_current(&lock(&self.memory.flights)) {
            lock(&self.memory.loaded).files.remove(&self.key);
        }
    }

    fn is_current(&self, flights: &Flights) -> bool {
        flights.by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = lock(&self.memory.flights);
        if self.is_current(&flights) {
            flights.by_key.remove(&self.key);
        }
        self.memory.metrics.under_way.set(i64::try_from(flights.by_key.len()).unwrap_or(i64::MAX));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
