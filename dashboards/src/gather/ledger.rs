//! Does every accepted upload have its row? The queue's figures beside ClickHouse's.

use serde::Serialize;
use storage::database::Database;
use storage::queue::Queue;
use utoipa::ToSchema;

use crate::respond::Fault;

/// accepted = analysed + unreadable + dead-lettered + queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Ledger {
    /// Uploads that the queue made durable.
    pub(crate) accepted: u64,
    /// Read and blamed.
    pub(crate) analysed: u64,
    /// Accepted, but no dump that can be read.
    pub(crate) unreadable: u64,
    /// Given up on.
    pub(crate) dead_lettered: u64,
    /// Not handed to an analyzer yet, or under way.
    pub(crate) queued: u64,
    /// Deliveries that the queue counts as done and that have no row. Anything but 0 is a loss.
    pub(crate) lost: u64,
    /// Rows beyond what the queue ever accepted. Anything but 0 is a fault.
    pub(crate) surplus: u64,
    /// Whether the sum holds.
    pub(crate) balanced: bool,
    /// Distinct crashes among the analysed: fewer where machines sent one crash twice. The status alone has it: to know it,
    /// every crash is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) crashes: Option<u64>,
}

/// Asks both sides. They move while they are asked, so what must not be larger is asked first: rows are written
/// before they are committed, and uploads accepted before either.
pub(crate) async fn gather(database: &Database, queue: &Queue) -> Result<Ledger, Fault> {
    let before = queue.state().await?;
    let rows = database.ledger(queue.id()).await?;
    let after = queue.state().await?;
    Ok(balance(before.committed, rows, after.accepted))
}

/// With the distinct crashes, counted after the rest: no delivery that is counted lacks its crash.
pub(crate) async fn gather_all(database: &Database, queue: &Queue) -> Result<Ledger, Fault> {
    let ledger = gather(database, queue).await?;
    Ok(Ledger { crashes: Some(database.distinct_crashes(queue.id()).await?), ..ledger })
}

fn balance(committed_before: u64, rows: storage::questions::LedgerCounts, accepted_after: u64) -> Ledger {
    let ended = rows.analysed + rows.unreadable + rows.dead_lettered;
    let lost = committed_before.saturating_sub(ended);
    let surplus = ended.saturating_sub(accepted_after);
    Ledger {
        accepted: accepted_after,
        analysed: rows.analysed,
        unreadable: rows.unreadable,
        dead_lettered: rows.dead_lettered,
        queued: accepted_after.saturating_sub(ended + lost),
        lost,
        surplus,
        balanced: lost == 0 && surplus == 0,
        crashes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(committed: u64, ended: [u64; 3], accepted: u64, queued: u64, balanced: bool) {
        let [analysed, unreadable, dead_lettered] = ended;
        let rows = storage::questions::LedgerCounts { analysed, unreadable, dead_lettered };
        let ledger = balance(committed, rows, accepted);
        assert_eq!((ledger.queued, ledger.balanced), (queued, balanced), "{ledger:?}");
    }

    #[test]
    fn the_sum_holds_while_work_is_under_way_and_fails_on_a_loss() {
        check(0, [0, 0, 0], 0, 0, true);
        check(10, [8, 1, 1], 10, 0, true);
        // Rows written, not committed yet.
        check(4, [8, 1, 1], 12, 2, true);
        // Committed without a row.
        check(10, [8, 0, 1], 10, 0, false);
        // Rows of nobody.
        check(10, [12, 0, 0], 10, 0, false);
    }
}
