//! Symbol files that were pushed, newest first.

use crate::database::{Database, DatabaseError};
use crate::rows::SymbolFileRow;

const SQL: &str = "
SELECT tenant, id, kind, file_name, bytes, arrived_at
FROM symbol_files FINAL
WHERE {any_tenant:Bool} OR tenant = {tenant:String}
ORDER BY arrived_at DESC, tenant, id, kind
LIMIT {limit:UInt32}";

impl Database {
    /// The files that arrived last; those of one tenant, or of all.
    pub async fn symbol_files(
        &self,
        tenant: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SymbolFileRow>, DatabaseError> {
        self.ask(SQL)
            .param("any_tenant", tenant.is_none())
            .param("tenant", tenant.unwrap_or_default())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list symbol files"))
    }
}
