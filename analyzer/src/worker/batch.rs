//! A batch between the queue and the database: rows to insert, positions to commit, blobs to delete afterwards.

use storage::queue::Position;
use storage::rows::CrashRow;
use storage::signals::CrashSignal;

/// What one reading of the queue came to.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// One row per delivery; none where it was read ahead.
    pub(super) rows: Vec<CrashRow>,
    /// What the detector is to know, until it does.
    pub(super) signals: Vec<(Position, CrashSignal)>,
    /// Every delivery of the batch, in order.
    pub(super) positions: Vec<Position>,
    /// Spooled blobs that nobody needs once the batch is committed.
    pub(super) spooled: Vec<String>,
}
