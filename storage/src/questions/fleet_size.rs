//! How many machines there are to crash.

use crate::database::{Database, DatabaseError};

/// Signs of life of a whole day, or what inventories name; whichever knows more. Numbers of machines' names are counted,
/// not the names: two million of them take a tenth of the time.
const SQL: &str = "
SELECT greatest(
    ifNull((SELECT max(machines) FROM (
        SELECT uniqCombined64Merge(14)(fleet_beats.machines) AS machines FROM fleet_beats
        WHERE day >= toDate(fromUnixTimestamp64Milli({now:Int64}, 'UTC'), 'UTC') - 1
        GROUP BY day)), 0),
    ifNull((SELECT uniqCombined64(tenant, machine_hash) FROM inventory
        WHERE seen_at >= fromUnixTimestamp64Milli({now:Int64}, 'UTC') - INTERVAL 30 DAY), 0))";

impl Database {
    /// Machines that told of themselves by heartbeats (today or yesterday) or by an inventory (in 30 days); 0 where none
    /// does.
    pub async fn fleet_size(&self, now_ms: i64) -> Result<u64, DatabaseError> {
        self.ask(SQL).param("now", now_ms).fetch_one().await.map_err(DatabaseError::while_("count the fleet"))
    }
}
