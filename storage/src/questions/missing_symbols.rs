//! Which symbol files are wanted most: those whose lack keeps recent crashes without names.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};

/// A file that analyses wanted and nobody had.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MissingSymbol {
    /// Whose crashes want it.
    pub tenant: String,
    /// Canonical id: `crash.pdb/3249d99d0c4049318610f4e4fb0b69361`.
    pub id: String,
    /// `image` or `pdb`.
    pub kind: String,
    /// Crashes.
    pub crashes: u64,
    /// Distinct machines.
    pub machines: u64,
    /// Distinct fault sites.
    pub sites: u64,
    /// Drivers and modules that are blamed for them, at most ten.
    pub drivers: Vec<String>,
    /// The last of them happened.
    pub last_seen_ms: i64,
}

/// The last file of one page; the next page begins after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingCursor {
    /// Its machines.
    pub machines: u64,
    /// Its tenant.
    pub tenant: String,
    /// Its id.
    pub id: String,
}

impl MissingSymbol {
    /// Where the page after this line begins.
    pub fn cursor(&self) -> MissingCursor {
        MissingCursor { machines: self.machines, tenant: self.tenant.clone(), id: self.id.clone() }
    }
}

/// Crashes are counted by fault site first: there are far fewer sites than crashes, and each lacks many files.
const SQL: &str = "
SELECT
    tenant,
    id,
    any(want) AS kind,
    uniqExactMerge(crash_set) AS crashes,
    uniqCombined64Merge(14)(machine_set) AS machines,
    uniqExact(fault_site) AS sites,
    arraySort(groupUniqArrayIf(10)(driver, driver != '')) AS drivers,
    toUnixTimestamp64Milli(max(last_seen)) AS last_seen_ms
FROM (
    SELECT fault_site, tenant, began, wanted.1 AS id, wanted.2 AS want
    FROM (
        SELECT
            fault_site,
            tenant,
            max(analysed_at) AS began,
            argMax(arrayZip(missing, missing_kinds), analysed_at) AS newest
        FROM deep_analyses
        WHERE {any_tenant:Bool} OR tenant = {tenant:String}
        GROUP BY fault_site, tenant
    )
    ARRAY JOIN newest AS wanted
) AS lacking
INNER JOIN (
    SELECT
        fault_site,
        any(driver) AS driver,
        max(happened_at) AS last_seen,
        uniqExactState(crash_id) AS crash_set,
        uniqCombined64State(14)((CAST(tenant, 'String'), machine)) AS machine_set
    FROM crashes
    WHERE received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
        AND ({any_tenant:Bool} OR tenant = {tenant:String})
        AND fault_site IN (SELECT fault_site FROM deep_analyses WHERE notEmpty(missing))
    GROUP BY fault_site
) AS seen USING (fault_site)
LEFT ANY JOIN (
    SELECT tenant, id, max(arrived_at) AS arrived FROM symbol_files GROUP BY tenant, id
) AS arrivals USING (tenant, id)
WHERE arrived <= began
GROUP BY tenant, id
HAVING (-toInt64(machines), tenant, id) > (-toInt64({machines:UInt64}), {after_tenant:String}, {after_id:String})
ORDER BY machines DESC, tenant, id
LIMIT {limit:UInt32}";

impl Database {
    /// Files that are wanted and have not arrived, by how many machines crashed since `since_ms` where they would help;
    /// those of one tenant, or of all.
    pub async fn missing_symbols(
        &self,
        tenant: Option<&str>,
        since_ms: i64,
        limit: u32,
        after: Option<&MissingCursor>,
    ) -> Result<Vec<MissingSymbol>, DatabaseError> {
        let most = i64::MAX.unsigned_abs();
        self.ask(SQL)
            .param("any_tenant", tenant.is_none())
            .param("tenant", tenant.unwrap_or_default())
            .param("since", since_ms.max(0))
            .param("limit", limit)
            .param("machines", after.map_or(most, |after| after.machines.min(most)))
            .param("after_tenant", after.map_or("", |after| &after.tenant))
            .param("after_id", after.map_or("", |after| &after.id))
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list missing symbol files"))
    }
}
