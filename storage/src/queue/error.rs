//! What can go wrong with the queue, and whether trying again can help. Owns the answer to "may I retry?";
//! never retries itself.

use std::error::Error;
use std::sync::Arc;

/// Why the queue did not do what it was asked. Cheap to clone: one failed group commit answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The embedded log holds as much as it may; it takes messages again once some are committed.
    #[error("the queue is full: it holds as much as max_bytes = {max_bytes} allows")]
    Full {
        /// The cap it ran into.
        max_bytes: u64,
    },
    /// The message can never fit, however often it is tried.
    #[error("the message has {bytes} bytes, the queue takes at most {limit}")]
    TooLarge {
        /// Its size, header included.
        bytes: u64,
        /// The largest that fits.
        limit: u64,
    },
    /// The disk or the broker failed; the same call may succeed later.
    #[error("the queue is not available: {doing} failed")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// What failed underneath.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Wrong settings or a damaged store: somebody has to look.
    #[error("the queue cannot be used: {doing} failed")]
    Unusable {
        /// What was being done.
        doing: &'static str,
        /// What failed underneath.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The queue was closed by [`super::Queue::close`].
    #[error("the queue is closed")]
    Closed,
}

impl QueueError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Unavailable { .. } => true,
            Self::TooLarge { .. } | Self::Unusable { .. } | Self::Closed => false,
        }
    }

    /// Whether the queue refused because it holds as much as it may.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether this message can never be taken.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }

    pub(super) fn unavailable(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable { doing, source: source.into().into() }
    }

    pub(crate) fn unusable(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unusable { doing, source: source.into().into() }
    }
}
