//! What can go wrong with a store of ours that is no queue of dumps, and whether trying again can help.
//! Owns the answer to "may I retry?"; never retries itself.

use std::error::Error;
use std::sync::Arc;

use crate::queue::QueueError;

/// Why a store did not do what it was asked. Cheap to clone: one failed group commit answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The value can never fit, however often it is tried.
    #[error("{store} takes at most {limit} bytes at a time, this has {bytes}")]
    TooLarge {
        /// Which store.
        store: &'static str,
        /// Its size.
        bytes: u64,
        /// The largest that fits.
        limit: u64,
    },
    /// The disk or the broker failed; the same call may succeed later.
    #[error("{store} is not available: {doing} failed")]
    Unavailable {
        /// Which store.
        store: &'static str,
        /// What was being done.
        doing: &'static str,
        /// What failed underneath.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Wrong settings, a damaged store, or one that another process has open: somebody has to look.
    #[error("{store} cannot be used: {doing} failed")]
    Unusable {
        /// Which store.
        store: &'static str,
        /// What was being done.
        doing: &'static str,
        /// What failed underneath.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// It was closed.
    #[error("{store} is closed")]
    Closed {
        /// Which store.
        store: &'static str,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(crate) fn unavailable(
        store: &'static str,
        doing: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { store, doing, source: source.into().into() }
    }

    pub(crate) fn unusable(
        store: &'static str,
        doing: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unusable { store, doing, source: source.into().into() }
    }

    /// What the queue's machinery says when another store uses it.
    pub(crate) fn of_queue(store: &'static str, error: QueueError) -> Self {
        match error {
            QueueError::TooLarge { bytes, limit } => Self::TooLarge { store, bytes, limit },
            QueueError::Unavailable { doing, source } => Self::Unavailable { store, doing, source },
            QueueError::Unusable { doing, source } => Self::Unusable { store, doing, source },
            QueueError::Closed => Self::Closed { store },
            full @ QueueError::Full { .. } => Self::unavailable(store, "appending", full),
        }
    }
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge { bytes, limit, .. } => Self::TooLarge { bytes, limit },
            StoreError::Unavailable { doing, source, .. } => Self::Unavailable { doing, source },
            StoreError::Unusable { doing, source, .. } => Self::Unusable { doing, source },
            StoreError::Closed { .. } => Self::Closed,
        }
    }
}
