//! What the database holds, and how much room there is.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TableSize {
    /// Its name.
    pub table: String,
    /// Rows, those included that a merge will drop.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Parts that it is in: hundreds say that merging does not keep up.
    pub parts: u64,
}

/// The room where tables are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskRoom {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

const TABLES: &str = "
SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts
FROM system.parts
WHERE database = currentDatabase() AND active
GROUP BY table
ORDER BY bytes DESC, table";

const ROOM: &str = "SELECT min(free_space) AS free, min(total_space) AS total FROM system.disks";

impl Database {
    /// Every table that has rows, the largest first.
    pub async fn tables(&self) -> Result<Vec<TableSize>, DatabaseError> {
        self.ask(TABLES).fetch_all().await.map_err(DatabaseError::while_("measure the tables"))
    }

    /// The fullest disk's room.
    pub async fn disk_room(&self) -> Result<DiskRoom, DatabaseError> {
        self.ask(ROOM).fetch_one().await.map_err(DatabaseError::while_("measure the disks"))
    }
}
